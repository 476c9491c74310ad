//! `pema eval`: every method on held-out pairs.

use anyhow::Result;
use clap::error::ErrorKind;
use pema::{Evaluation, Evaluator, GenerateConfig, Method, enough_tokens, files};
use pema_plm::source::ByteSource;
use serde_json::json;

use crate::args::{EvalArgs, Global};
use crate::engine;
use crate::progress::Progress;
use crate::table;

pub async fn run(global: &Global, args: &EvalArgs) -> Result<()> {
    let data = engine::dataset(&args.data, args.limit)?;
    if let Some(out) = &args.out {
        files::check_writable(out)?;
    }
    engine::check_methods(&args.methods, &args.with)?;
    let methods: Vec<Method> = match args.methods.is_empty() {
        true => Method::ALL.into_iter().filter(|method| engine::missing(*method, &args.with).is_none()).collect(),
        false => args.methods.clone(),
    };
    let loaded = engine::load(global, &args.with, methods.contains(&Method::Knn)).await?;
    let Some(prompt) = &loaded.prompt else {
        let why = "there is no template: give --adapter or --memory, which carry theirs, or --template\n";
        return Err(clap::Error::raw(ErrorKind::MissingRequiredArgument, why).into());
    };
    let max_tokens = match args.with.max_tokens {
        Some(n) => n,
        None => enough_tokens(&loaded.plm, &data.examples)?,
    };
    let mut evaluator =
        Evaluator::new(&loaded.plm, &data, prompt, loaded.adapter.as_ref(), loaded.knn.as_ref()).await?;
    let left_out = evaluator.left_out().to_vec();
    if !global.json {
        engine::note_left_out(&left_out, &data.name, loaded.plm.file.config.context);
    }
    // The model alone searches as long as the adapter, else the search would be taken for the adapter's merit.
    let beams = args.with.beams.or(loaded.adapter.as_ref().map(|a| a.meta.beams));
    let mut evaluations = Vec::new();
    for method in &methods {
        let config = GenerateConfig {
            lambda_max: args.with.lambda_max,
            schedule: args.with.schedule,
            reference_length: args.with.reference_length,
            beams: beams.filter(|_| *method != Method::Knn),
            no_repeat: args.with.no_repeat,
            ..GenerateConfig::greedy(*method, prompt, max_tokens)
        };
        evaluations.push(measure(global, &mut evaluator, &config).await?);
    }
    if let Some(out) = &args.out {
        let lines: String = data
            .examples
            .iter()
            .filter(|e| !left_out.contains(&e.line))
            .enumerate()
            .map(|(i, e)| {
                let texts: serde_json::Map<_, _> = evaluations
                    .iter()
                    .filter_map(|v| Some((v.method.name().to_owned(), json!(v.texts.get(i)?))))
                    .collect();
                format!("{}\n", json!({"input": e.input, "target": e.target, "outputs": texts}))
            })
            .collect();
        files::write(out, lines.as_bytes())?;
    }
    if global.json {
        let mut object = table::scores_json(&evaluations);
        (object["pairs"], object["left_out_lines"]) = (json!(evaluator.pairs()), json!(left_out));
        return engine::print_json(&object);
    }
    print!("{}", table::scores(&evaluations));
    Ok(())
}

/// One method with a progress bar.
pub async fn measure<S: ByteSource>(
    global: &Global,
    evaluator: &mut Evaluator<'_, S>,
    config: &GenerateConfig,
) -> Result<Evaluation> {
    let mut progress = Progress::new(config.method.name(), evaluator.pairs(), global.json);
    let evaluation = evaluator.run(config, |done| progress.at(done, String::new)).await?;
    progress.done(format!("{} texts", evaluation.texts.len()));
    Ok(evaluation)
}
