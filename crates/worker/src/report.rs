//! Quality on the test pairs, by every method.

use pema::{Evaluation, Evaluator, GenerateConfig, Generator, Knn, KnnConfig, Method, Writing, enough_tokens};
use pema_protocol::{Event, MethodScore, Report, RequestId};

use crate::build;
use crate::engine::Engine;
use crate::fault::{Fault, Result};
use crate::verdict::{verdict, warnings};

/// Answers shown side by side.
const SHOWN: usize = 20;

pub(crate) async fn evaluate(e: &mut Engine, id: RequestId, limit: usize) -> Result<()> {
    // An imported adapter comes without a memory; one that lies there is not its own. Then kNN is left out.
    let own = e.kept()?.trained.as_ref().is_some_and(|t| t.rows > 0);
    let memory = own && build::open_memory(e).await.is_ok();
    let (plm, data) = (e.plm()?, e.data()?);
    let Some(adapter) = &e.adapter else { return Err(Fault::refused("there is no adapter yet; train first")) };
    let test = data.dataset(2, 0, limit.max(1));
    let device = &plm.device;
    let knn = match (&e.memory, memory) {
        (Some(memory), true) => Some(Knn::new(device, memory, KnnConfig::default())?),
        _ => None,
    };
    let max_tokens = enough_tokens(plm, &test.examples)?;
    let (prompt, beams) = (&adapter.meta.prompt, adapter.meta.beams);
    let mut evaluator = Evaluator::new(plm, &test, prompt, Some(adapter), knn.as_ref()).await?;
    let generator = Generator::new(plm, Some(adapter), knn.as_ref())?;
    let methods: Vec<Method> = Method::ALL.into_iter().filter(|m| knn.is_some() || *m != Method::Knn).collect();
    let (pairs, of) = (evaluator.pairs(), (evaluator.pairs() * methods.len()) as u32);
    let mut done: Vec<Evaluation> = Vec::new();
    for method in methods {
        e.control.breathe().await;
        if e.control.cancel.get() {
            return Err(Fault::refused("measuring was stopped"));
        }
        // The model alone keeps as many versions as the adapter, else the search would be taken for the
        // adapter's merit; votes know no search.
        let beams = (method != Method::Knn).then_some(beams);
        let config = GenerateConfig { beams, ..GenerateConfig::greedy(method, prompt, max_tokens) };
        let before = (done.len() * pairs) as u32;
        let nll = evaluator.nll(&config).await?;
        let mut writing = Writing::new(&generator, evaluator.prompts(), &config)?;
        while let Some(n) = writing.step(|_, _| {}).await? {
            e.link.send(id, Event::EvaluateProgress { done: before + n as u32, of });
            e.control.breathe().await;
            if e.control.cancel.get() {
                return Err(Fault::refused("measuring was stopped"));
            }
        }
        let texts = writing.finish().into_iter().map(|written| written.text).collect();
        done.push(evaluator.evaluation(method, nll, texts)?);
    }
    let methods: Vec<MethodScore> = done.iter().map(score).collect();
    // The adapter's own way: the better one of these pairs would be chosen on them.
    let own = adapter.meta.method;
    let shown = if own.adapted() { own } else { Method::of(adapter.meta.schedule) };
    let adapted = done.iter().find(|d| d.method == shown);
    let text = |evaluation: Option<&Evaluation>, i: usize| {
        evaluation.and_then(|e| e.texts.get(i)).cloned().unwrap_or_default()
    };
    let left_out = evaluator.left_out();
    let measured = test.examples.iter().filter(|p| !left_out.contains(&p.line)).enumerate().take(SHOWN);
    let examples =
        measured.map(|(i, p)| [p.input.clone(), text(done.first(), i), text(adapted, i), p.target.clone()]).collect();
    let trained = e.kept()?.trained.as_ref();
    let overfitted = trained.is_some_and(|t| t.steps[1] > 0 && 2 * t.steps[1] < t.steps[0]);
    let trained_on = e.memory.as_ref().filter(|_| memory).map_or(usize::MAX, pema::Memory::examples);
    let report = Report {
        pairs: pairs as u32,
        verdict: verdict(&methods, own.name(), shown.name()),
        warnings: warnings(trained_on, pairs, overfitted),
        methods,
        chosen: own.name().to_owned(),
        examples,
        signature: format!("BLEU 13a, exponential smoothing; chrF2; as sacreBLEU computes them{}", searched(beams)),
    };
    e.kept_mut()?.set_report(report.clone())?;
    e.link.send(id, Event::Reported(report));
    Ok(())
}

/// That the scores are of a search, where they are.
fn searched(beams: usize) -> String {
    if beams > 1 { format!("; every answer the best of {beams} versions, but of kNN one") } else { String::new() }
}

fn score(e: &Evaluation) -> MethodScore {
    let s = &e.score;
    MethodScore {
        method: e.method.name().to_owned(),
        nll: s.nll,
        perplexity: s.perplexity,
        bleu: s.bleu,
        chrf: s.chrf,
        exact: s.exact,
    }
}
