//! `pema demo`: the whole job on the example data that comes with the program.

use std::time::Instant;

use anyhow::Result;
use pema::dataset::{Dataset, Format};
use pema::template::{Demo, Template};
use pema::train::TrainConfig;
use pema::{
    BuildConfig, ContextMode, Evaluation, Evaluator, FolderStore, Memory, MemoryStore, Method, PromptSetup, files,
    format,
};
use pema_plm::Plm;
use pema_plm::source::FileSource;
use serde_json::json;

use super::eval::{enough_tokens, measure, settings};
use super::memory::fill;
use super::train::{summary_json, summary_text, train};
use crate::args::{DemoArgs, Global};
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
    let device = engine::device(global).await?;
    let plm = engine::plm(&args.model, device.clone()).await?;
    say(&format!("model: {}", plm.file.identity.name));
    let (mut data, valid, test) = (parse("train", TRAIN)?, parse("valid", VALID)?, parse("test", TEST)?);
    let demos: Vec<Demo> =
        data.examples.drain(..args.shots.min(data.examples.len() / 2)).map(|e| Demo::from(&e)).collect();
    let prompt = PromptSetup { template: Template::parse(TEMPLATE)?, demos };
    say(&format!(
        "task: informal -> formal English, {} pairs to learn from, {} to choose on, {} to test on\n",
        data.examples.len(),
        valid.examples.len(),
        test.examples.len()
    ));

    say("1. the model reads your examples once and fills the external memory");
    let memory = build(global, &plm, &data, &prompt, "memory").await?;
    let valid = build(global, &plm, &valid, &prompt, "held out").await?;
    say("\n2. the adapter is trained on the memory; the model's body is not needed");
    let outcome = train(global, device, plm.head.clone(), &memory, Some(&valid), TrainConfig::recommended()).await?;
    say(&summary_text(&outcome));
    if let Some(folder) = &args.keep {
        FolderStore::new(folder.join("memory")).save(&memory)?;
        files::write(&folder.join("adapter.safetensors"), &format::adapter_to_bytes(&outcome.adapter)?)?;
        say(&format!("memory and adapter kept in {}", folder.display()));
    }

    say("\n3. both write the test pairs, which nobody has seen");
    let max_tokens = enough_tokens(&plm.file.tokenizer, &test)?;
    let mut evaluator = Evaluator::new(&plm, &test, &prompt, Some(&outcome.adapter), None).await?;
    let mut evaluations = Vec::new();
    for method in [Method::Base, Method::Pema, Method::PemaGu] {
        evaluations.push(measure(global, &mut evaluator, &settings(method, &prompt, max_tokens)).await?);
    }
    // The free alternative, for honesty: the same model without the demonstrations.
    let plain = match prompt.demos.is_empty() {
        true => None,
        false => {
            let prompt = PromptSetup { demos: Vec::new(), ..prompt.clone() };
            let mut evaluator = Evaluator::new(&plm, &test, &prompt, None, None).await?;
            Some(measure(global, &mut evaluator, &settings(Method::Base, &prompt, max_tokens)).await?)
        }
    };
    if global.json {
        let mut object = table::scores_json(&evaluations);
        object["summary"] = summary_json(&outcome);
        object["base_without_demonstrations"] = json!(plain.map(|p| p.score));
        object["seconds"] = json!(begun.elapsed().as_secs_f64());
        return engine::print_json(&object);
    }
    println!("\n{}", table::scores(&evaluations));
    if let Some(plain) = &plain {
        let (s, shots) = (&plain.score, prompt.demos.len());
        println!(
            "every prompt shows {shots} solved examples; without them the base has BLEU {:.2}, chrF {:.2}\n",
            s.bleu, s.chrf
        );
    }
    side_by_side(&test, &evaluations);
    let base = [evaluations.first(), plain.as_ref()].into_iter().flatten();
    println!("{}", verdict(base, best(&evaluations)));
    println!("done in {:.0} s; nothing left this machine", begun.elapsed().as_secs_f64());
    Ok(())
}

fn parse(name: &str, text: &str) -> Result<Dataset> {
    let name = format!("examples/formal/{name}.jsonl");
    Ok(Dataset::parse(&name, text.as_bytes(), Format::JsonLines, "informal", "formal")?)
}

async fn build(
    global: &Global,
    plm: &Plm<FileSource>,
    data: &Dataset,
    prompt: &PromptSetup,
    title: &str,
) -> Result<Memory> {
    let (mode, created) = (ContextMode::TeacherForced, engine::now());
    let config = BuildConfig { prompt: prompt.clone(), mode, max_tokens: None, half: true, created };
    Ok(fill(global, plm, data, config, title).await?.0)
}

/// The adapted method with the better text.
fn best(evaluations: &[Evaluation]) -> Option<&Evaluation> {
    evaluations.iter().filter(|e| e.method.adapted()).max_by(|a, b| a.score.chrf.total_cmp(&b.score.chrf))
}

fn side_by_side(test: &Dataset, evaluations: &[Evaluation]) {
    let (Some(base), Some(adapted)) = (evaluations.first(), best(evaluations)) else { return };
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

/// The best adapted method against the best the model does alone.
fn verdict<'a>(base: impl Iterator<Item = &'a Evaluation>, adapted: Option<&Evaluation>) -> String {
    let base = base.max_by(|a, b| a.score.chrf.total_cmp(&b.score.chrf));
    let (Some(base), Some(adapted)) = (base.map(|b| &b.score), adapted.map(|a| &a.score)) else { return String::new() };
    let numbers = format!(
        "BLEU {:.1} -> {:.1}, chrF {:.1} -> {:.1} on pairs nobody has seen, against the best the model does alone",
        base.bleu, adapted.bleu, base.chrf, adapted.chrf
    );
    let (bleu, chrf) = (adapted.bleu - base.bleu, adapted.chrf - base.chrf);
    match (bleu > 1.0 && chrf > -0.5, chrf > 1.0 && bleu > -0.5) {
        (true, _) | (_, true) => format!("the adapter helps: {numbers}"),
        _ => format!("the adapter does not help here: {numbers}"),
    }
}
