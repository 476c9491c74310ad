//! How the nearest rows vote, chosen on held-out pairs.

use pema::{Adapter, Evaluator, GenerateConfig, Knn, KnnConfig, Memory, Method, PromptSetup};
use pema_plm::Plm;
use pema_plm::source::ByteSource;

use crate::{Result, Task};

/// Temperatures and weights that are tried.
const TEMPERATURES: [f32; 4] = [10.0, 30.0, 100.0, 300.0];
const WEIGHTS: [f32; 6] = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8];

/// Temperature and weight with the lowest held-out loss, beside the model alone or with an adapter.
pub(crate) async fn choose_neighbours<S: ByteSource>(
    plm: &Plm<S>,
    task: &Task,
    prompt: &PromptSetup,
    memory: &Memory,
    adapter: Option<&Adapter>,
) -> Result<KnnConfig> {
    let method = if adapter.is_some() { Method::Pema } else { Method::Knn };
    let mut best = (f64::INFINITY, KnnConfig::default());
    for temperature in TEMPERATURES {
        let config = KnnConfig { temperature, ..KnnConfig::default() };
        let knn = Knn::new(&plm.device, memory, config)?;
        let mut evaluator = Evaluator::new(plm, &task.held_out, prompt, adapter, Some(&knn)).await?;
        for lambda in WEIGHTS {
            let greedy = GenerateConfig::greedy(method, prompt, 1);
            let tried = match adapter {
                Some(_) => GenerateConfig { votes: Some(lambda), ..greedy },
                None => GenerateConfig { lambda_max: Some(lambda), ..greedy },
            };
            let nll = evaluator.nll(&tried).await?;
            if nll < best.0 {
                best = (nll, KnnConfig { lambda, ..config });
            }
        }
    }
    Ok(best.1)
}
