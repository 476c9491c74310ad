//! `pema demo`: the whole job on the example data that comes with the program.

use std::time::Instant;

use anyhow::Result;
use pema::dataset::{Dataset, Format};
use pema::metrics::{Compared, compared};
use pema::template::Template;
use pema::train::TrainConfig;
use pema::{ContextMode, Evaluation, Evaluator, GenerateConfig, Method, PromptSetup, TuneConfig, enough_tokens, files};
use serde_json::json;

use super::eval::measure;
use super::tune::{keep, report, told, tune};
use crate::args::{CHECKED, DemoArgs, Global};
use crate::engine;
use crate::table;

const TRAIN: &str = include_str!("../../../../examples/formal/train.jsonl");
const VALID: &str = include_str!("../../../../examples/formal/valid.jsonl");
const TEST: &str = include_str!("../../../../examples/formal/test.jsonl");
const TEMPLATE: &str = "formality";
/// Answers shown side by side.
const SHOWN: usize = 8;

pub async fn run(global: &Global, args: &DemoArgs) -> Result<()> {
    let begun = Instant::now();
    let say = |text: &str| {
        if !global.json {
            println!("{text}");
        }
    };
    if let Some(folder) = &args.keep {
        files::check_writable(&folder.join("adapter.safetensors"))?;
    }
    let device = engine::device(global).await?;
    let plm = engine::plm(&args.model, device.clone()).await?;
    say(&format!("model: {}", plm.file.identity.name));
    let (data, valid, test) = (parse("train", TRAIN)?, parse("valid", VALID)?, parse("test", TEST)?);
    say(&format!(
        "task: informal -> formal English, {} pairs to learn from, {} to choose on, {} to test on\n",
        data.examples.len(),
        valid.examples.len(),
        test.examples.len()
    ));
    say("1. demonstrations are chosen, the model reads your examples once and fills the external memory,");
    say("   the adapter is trained on the memory without the model's body, and checked on held-out pairs");
    let config = TuneConfig {
        template: Template::parse(TEMPLATE)?,
        shots: args.shots,
        train: TrainConfig::tuning().fitted(plm.head.hidden()),
        mode: ContextMode::TeacherForced,
        checked: CHECKED,
        similar: true,
        created: engine::now(),
        software: engine::SOFTWARE.to_owned(),
    };
    let tuned = tune(global, &plm, &data, &valid, &config).await?;
    say(&told(&tuned));
    if let Some(folder) = &args.keep {
        keep(folder, &tuned)?;
        say(&format!("memories and adapter kept in {}", folder.display()));
    }

    say("\n2. all write the test pairs, which nobody has seen");
    let prompt = tuned.prompt.clone();
    let max_tokens = enough_tokens(&plm, &test.examples)?;
    let mut evaluator = Evaluator::new(&plm, &test, &prompt, Some(&tuned.adapter), None).await?;
    let mut evaluations = Vec::new();
    // The model alone searches among as many versions, so that what is compared is the adapter.
    let beams = Some(tuned.adapter.meta.beams);
    for method in [Method::Base, Method::Pema, Method::PemaGu] {
        let config = GenerateConfig { beams, ..GenerateConfig::greedy(method, &prompt, max_tokens) };
        evaluations.push(measure(global, &mut evaluator, &config).await?);
    }
    // The free alternative, for honesty: the same model without the demonstrations.
    let plain = match prompt.demos.is_empty() {
        true => None,
        false => {
            let prompt = PromptSetup { demos: Vec::new(), similar: None, ..prompt.clone() };
            let mut evaluator = Evaluator::new(&plm, &test, &prompt, None, None).await?;
            let config = GenerateConfig { beams, ..GenerateConfig::greedy(Method::Base, &prompt, max_tokens) };
            Some(measure(global, &mut evaluator, &config).await?)
        }
    };
    if global.json {
        let mut object = table::scores_json(&evaluations);
        object["summary"] = report(&tuned, &valid, begun.elapsed().as_secs_f64())?;
        object["base_without_demonstrations"] = json!(plain.map(|p| p.score));
        object["seconds"] = json!(begun.elapsed().as_secs_f64());
        return engine::print_json(&object);
    }
    println!("\n{}", table::scores(&evaluations));
    if let Some(plain) = &plain {
        let (s, shots) = (&plain.score, prompt.demos.len());
        let similar = prompt.similar.as_ref().map_or_else(String::new, |s| format!(" and {} like the input", s.count));
        println!(
            "every prompt shows {shots} solved examples{similar}; without them the base has BLEU {:.2}, chrF {:.2}\n",
            s.bleu, s.chrf
        );
    }
    let own = tuned.adapter.meta.method;
    let chosen = chosen(&evaluations, own);
    side_by_side(&test, &evaluations, chosen);
    let base = [evaluations.first(), plain.as_ref()].into_iter().flatten();
    println!("{}", verdict(base, chosen, own));
    println!("done in {:.0} s; nothing left this machine", begun.elapsed().as_secs_f64());
    Ok(())
}

fn parse(name: &str, text: &str) -> Result<Dataset> {
    let name = format!("examples/formal/{name}.jsonl");
    Ok(Dataset::parse(&name, text.as_bytes(), Format::JsonLines, "informal", "formal")?)
}

/// What was chosen on the held-out pairs; when that is the model alone, what Gradual Unrolling would do.
fn chosen(evaluations: &[Evaluation], method: Method) -> Option<&Evaluation> {
    let of = |wanted: Method| evaluations.iter().find(|e| e.method == wanted);
    if method.adapted() { of(method) } else { of(Method::PemaGu) }
}

fn side_by_side(test: &Dataset, evaluations: &[Evaluation], adapted: Option<&Evaluation>) {
    let (Some(base), Some(adapted)) = (evaluations.first(), adapted) else { return };
    println!("answers side by side (adapted: {})", adapted.method.name());
    for (i, example) in test.examples.iter().enumerate().take(SHOWN) {
        let text = |e: &Evaluation| e.texts.get(i).cloned().unwrap_or_default();
        println!("\n  input    {}", example.input);
        println!("  base     {}", text(base));
        println!("  adapted  {}", text(adapted));
        println!("  wanted   {}", example.target);
    }
    println!();
}

/// The adapter's way against the best the model does alone; `own` is what the check chose.
fn verdict<'a>(base: impl Iterator<Item = &'a Evaluation>, adapted: Option<&Evaluation>, own: Method) -> String {
    let base = base.max_by(|a, b| a.score.chrf.total_cmp(&b.score.chrf));
    let (Some(base), Some(adapted)) = (base.map(|b| &b.score), adapted.map(|a| &a.score)) else { return String::new() };
    let numbers = format!(
        "BLEU {:.1} -> {:.1}, chrF {:.1} -> {:.1} on pairs nobody has seen, against the best the model does alone",
        base.bleu, adapted.bleu, base.chrf, adapted.chrf
    );
    if own == Method::Base {
        return format!("the model writes alone, as the check advised; with the adapter: {numbers}");
    }
    match compared([base.chrf, base.bleu], [adapted.chrf, adapted.bleu]) {
        Compared::Better => format!("the adapter helps: {numbers}"),
        Compared::Worse => format!("the adapter makes the texts worse here: {numbers}"),
        Compared::Alike => format!("the adapter makes no clear difference here: {numbers}"),
    }
}
