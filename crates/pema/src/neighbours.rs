//! What the memory's nearest rows are worth by themselves or beside an adapter: their temperature and weight
//! are chosen by held-out loss, their texts are judged like those of any other way.

use pema_plm::Plm;
use pema_plm::source::ByteSource;

use crate::dataset::Dataset;
use crate::demonstrations::enough_tokens;
use crate::evaluate::Evaluator;
use crate::metrics::{Interval, chrf_gain};
use crate::prompt::PromptSetup;
use crate::{Adapter, GenerateConfig, Knn, KnnConfig, Memory, Method, Result};

/// What kNN-LM writes where an adapter does not help.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbours {
    /// How the nearest rows vote.
    pub config: KnnConfig,
    /// chrF2 that their texts gain over the model alone's, same prompt.
    pub gain: Interval,
    /// Pairs it was judged on. Temperature and weight were chosen by the loss of the same ones.
    pub pairs: usize,
}

/// Temperatures and weights that are tried.
const TEMPERATURES: [f32; 4] = [10.0, 30.0, 100.0, 300.0];
const WEIGHTS: [f32; 6] = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8];

/// Temperature and weight with the lowest loss on `held_out`, beside the model alone or with an adapter.
pub async fn choose_neighbours<S: ByteSource>(
    plm: &Plm<S>,
    held_out: &Dataset,
    prompt: &PromptSetup,
    memory: &Memory,
    adapter: Option<&Adapter>,
) -> Result<KnnConfig> {
    let method = if adapter.is_some() { Method::Pema } else { Method::Knn };
    let mut best = (f64::INFINITY, KnnConfig::default());
    for temperature in TEMPERATURES {
        let config = KnnConfig { temperature, ..KnnConfig::default() };
        let knn = Knn::new(&plm.device, memory, config)?;
        let mut evaluator = Evaluator::new(plm, held_out, prompt, adapter, Some(&knn)).await?;
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

/// Writes pairs by kNN-LM over `memory` and compares with what the model `alone` wrote for them. `None` where
/// that gains nothing.
pub async fn neighbours_instead<S: ByteSource>(
    plm: &Plm<S>,
    pairs: &Dataset,
    prompt: &PromptSetup,
    memory: &Memory,
    alone: &[String],
) -> Result<Option<Neighbours>> {
    let config = choose_neighbours(plm, pairs, prompt, memory, None).await?;
    let knn = Knn::new(&plm.device, memory, config)?;
    let evaluator = Evaluator::new(plm, pairs, prompt, None, Some(&knn)).await?;
    let way = GenerateConfig {
        lambda_max: Some(config.lambda),
        ..GenerateConfig::greedy(Method::Knn, prompt, enough_tokens(plm, &pairs.examples)?)
    };
    let texts = evaluator.texts(&way, |_| {}).await?;
    let targets: Vec<&str> = pairs.examples.iter().map(|e| e.target.as_str()).collect();
    let gain = chrf_gain(alone, &texts, &targets)?;
    Ok((gain.value > 0.0).then_some(Neighbours { config, gain, pairs: targets.len() }))
}
