//! `pema generate`: text for one prompt or a file of inputs.

use std::io::Write;

use anyhow::Result;
use pema::sampling::SamplingConfig;
use pema::template::Template;
use pema::{Copying, GenerateConfig, Generator, Method, PromptSetup, Prompter, Writing, Written, files};
use serde_json::{Value, json};

use crate::args::{GenerateArgs, Global};
use crate::engine;
use crate::progress::Progress;

/// Tokens of a text when the user does not say.
const MAX_TOKENS: usize = 128;

pub async fn run(global: &Global, args: &GenerateArgs) -> Result<()> {
    if let Some(out) = &args.out {
        files::check_writable(out)?;
    }
    engine::check_methods(args.method.as_slice(), &args.with)?;
    let without = if args.with.memory.is_some() { Method::Knn } else { Method::Base };
    let votes = args.method.map_or(args.with.adapter.is_none(), |method| method == Method::Knn);
    let loaded = engine::load(global, &args.with, votes).await?;
    let own = loaded.adapter.as_ref().map(|a| a.meta.method);
    let method = args.method.or(own).unwrap_or(without);
    if args.method.is_none() && own == Some(Method::Base) && !global.json {
        eprintln!(
            "note: the adapter did not help on held-out pairs, so the model writes alone; --method pema asks for it"
        );
    }
    // Without adapter, memory or template the user's text is the prompt itself.
    let bare = PromptSetup::new(Template::parse("{input}{target}")?, Vec::new());
    let setup = loaded.prompt.as_ref();
    let mut stop = args.stop.clone();
    stop.extend(setup.and_then(|s| s.template.stop_string()).map(str::to_owned));
    let sampling =
        SamplingConfig { temperature: args.temperature, top_k: args.top_k, top_p: args.top_p, seed: args.seed };
    let config = GenerateConfig {
        method,
        lambda_max: args.with.lambda_max,
        schedule: args.with.schedule,
        reference_length: args.with.reference_length,
        max_tokens: args.with.max_tokens.unwrap_or(MAX_TOKENS),
        sampling,
        stop,
        copying: Copying::default(),
        votes: None,
        beams: args.with.beams,
        no_repeat: args.with.no_repeat,
        explain: args.explain,
    };
    let mut inputs = match (&args.prompt, &args.data) {
        (Some(prompt), _) => vec![prompt.clone()],
        (None, Some(path)) => engine::inputs(path, args.input_field.as_deref())?,
        (None, None) => Vec::new(),
    };
    inputs.truncate(args.limit.unwrap_or(usize::MAX));
    let prompter = Prompter::new(&loaded.plm.file, setup.unwrap_or(&bare))?;
    let prompts = inputs.iter().map(|i| prompter.prompt(i)).collect::<pema::Result<Vec<_>>>()?;
    let limit = loaded.plm.file.config.context;
    if let (Some(path), Some(row)) = (&args.data, prompts.iter().position(|p| p.prompt.len() >= limit)) {
        anyhow::bail!(
            "{}: input {} takes {} tokens with its prompt, the model has room for {limit} with the answer; shorten it, \
             or leave it out: nothing was written",
            path.display(),
            row + 1,
            prompts[row].prompt.len()
        );
    }
    let generator = Generator::new(&loaded.plm, loaded.adapter.as_ref(), loaded.knn.as_ref())?;

    let stream = args.data.is_none() && !global.json && !args.explain;
    let mut progress = args.data.as_ref().map(|_| Progress::new("writing", inputs.len(), global.json));
    let mut begun = false;
    let mut writing = Writing::new(&generator, &prompts, &config)?;
    let mut show = |_: usize, piece: &str| {
        if stream {
            // The space that belongs to the first word is not shown.
            print!("{}", if begun { piece } else { piece.trim_start() });
            std::io::stdout().flush().ok();
            begun = true;
        }
    };
    while let Some(done) = writing.step(&mut show).await? {
        if let Some(p) = &mut progress {
            p.at(done, String::new);
        }
    }
    let written = writing.finish();
    if let Some(p) = progress {
        p.done(format!("{} texts", written.len()));
    }
    finish(global, args, &inputs, &written, stream)
}

fn finish(global: &Global, args: &GenerateArgs, inputs: &[String], written: &[Written], streamed: bool) -> Result<()> {
    let object = |input: &String, w: &Written| -> Value {
        let mut o = json!({"input": input, "output": w.text, "ended": w.ended, "tokens": w.tokens.len()});
        if args.explain {
            o["explain"] = json!(w.tokens);
        }
        o
    };
    let objects: Vec<Value> = inputs.iter().zip(written).map(|(i, w)| object(i, w)).collect();
    if let Some(out) = &args.out {
        let lines: String = objects.iter().map(|o| format!("{o}\n")).collect();
        files::write(out, lines.as_bytes())?;
    }
    if global.json {
        let one = args.prompt.is_some();
        return engine::print_json(&match (one, objects.first()) {
            (true, Some(o)) => o.clone(),
            _ => json!({"out": args.out, "texts": objects}),
        });
    }
    if streamed {
        println!();
    } else if let Some(out) = &args.out {
        println!("{} texts written to {}", written.len(), out.display());
    }
    if args.explain {
        for w in written {
            println!("{}\n", w.text);
            println!("{:24} {:>7} {:>8} {:>8} {:>8}", "token", "lambda", "P_LM", "P_PEMA", "mix");
            for t in &w.tokens {
                let p = t.probabilities;
                let show =
                    |f: fn(&pema::Probabilities) -> f32| p.as_ref().map_or("-".into(), |p| format!("{:.4}", f(p)));
                println!(
                    "{:24} {:7.3} {:>8} {:>8} {:>8}",
                    if t.text.is_empty() { "(end)".to_owned() } else { format!("{:?}", t.text) },
                    t.lambda,
                    show(|p| p.lm),
                    show(|p| p.pema),
                    show(|p| p.mix)
                );
            }
        }
    }
    Ok(())
}
