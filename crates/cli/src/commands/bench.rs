//! `pema bench`: how fast one training step, reading and writing are on this device.

use std::time::Instant;

use anyhow::Result;
use pema::train::{Network, Objective, Parameters, Rate};
use pema::{Form, GenerateConfig, Generator, Method, PromptSetup, Prompter};
use pema_kernels::random::Rng;
use pema_plm::{BATCH_TOKENS, LmHead};
use serde_json::{Value, json};

use crate::args::{BenchArgs, Global};
use crate::engine;
use crate::table::bytes;

pub async fn run(global: &Global, args: &BenchArgs) -> Result<()> {
    let device = engine::device(global).await?;
    let model = engine::model(&args.model).await?;
    let head = LmHead::load(&model, &device).await?;
    let mut results = serde_json::Map::new();
    results.insert("device".into(), json!(engine::describe(&device)));
    for form in [Form::Paper, Form::Residual] {
        device.memory().reset_peak();
        let (d, n) = (head.hidden(), args.rows);
        let mut rng = Rng::new(1);
        let p = Parameters {
            a: rng.floats(args.rank * d, 0.05),
            bt_pd: rng.floats(args.rank * d, 0.05),
            bt_rct: rng.floats(args.rank * d, 0.05),
        };
        let f = rng.floats(n * d, 2.0);
        let targets: Vec<u32> = (0..n).map(|_| rng.below(head.vocab()) as u32).collect();
        let mut network = Network::new(device.clone(), head.clone(), form, &p, n)?;
        let mut seconds = Vec::new();
        for i in 0..=args.repeats {
            let begun = Instant::now();
            let rate = Rate { lr: 1e-3, weight_decay: 0.0, dropout: 0.1 };
            let rows = |r: std::ops::Range<usize>| f[r.start * d..r.end * d].to_vec();
            network.step(Objective::Stage2 { kappa: 0.2 }, &targets, rows, rate, i as u32).await?;
            if i > 0 {
                seconds.push(begun.elapsed().as_secs_f64()); // the first run compiles and warms up
            }
        }
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        let (r, v) = (args.rank as f64, head.vocab() as f64);
        let dense = if form == Form::Residual { 2.0 * n as f64 * v * d as f64 } else { 0.0 };
        let flops = 6.0 * n as f64 * v * r + 4.0 * v * d as f64 * r + dense;
        results.insert(
            format!("train_step_{form}"),
            json!({"rows": n, "rank": args.rank, "median_s": median, "min_s": seconds[0], "gflops": flops / median / 1e9,
                   "peak_device_bytes": device.memory().peak()}),
        );
    }
    if !args.training_only {
        let plm = pema_plm::Plm::load(model, device.clone()).await?;
        results.insert("prefill".into(), prefill(&plm).await?);
        results.insert("decode".into(), decode(&plm).await?);
    }
    let rss = peak_rss();
    results.insert("peak_rss_bytes".into(), json!(rss));
    if global.json {
        return engine::print_json(&Value::Object(results));
    }
    for (name, value) in &results {
        println!("{name:22} {value}");
    }
    println!("at most {} resident", rss.map_or("an unknown amount".into(), bytes));
    Ok(())
}

/// Tokens per second of reading one full batch, or as much of one as the model can attend to.
async fn prefill(plm: &pema_plm::Plm<pema_plm::source::FileSource>) -> Result<Value> {
    let mut rng = Rng::new(2);
    let n = BATCH_TOKENS.min(plm.file.config.context);
    let ids: Vec<u32> = (0..n).map(|_| rng.below(plm.file.config.vocab) as u32).collect();
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let begun = Instant::now();
        plm.contexts(&ids).await?;
        best = best.min(begun.elapsed().as_secs_f64());
    }
    Ok(json!({"tokens": ids.len(), "tokens_per_second": ids.len() as f64 / best}))
}

/// Tokens per second of writing one text.
async fn decode(plm: &pema_plm::Plm<pema_plm::source::FileSource>) -> Result<Value> {
    let setup = PromptSetup::new(pema::template::Template::parse("{input}{target}")?, Vec::new());
    let prompt = Prompter::new(&plm.file, &setup)?.prompt("Once upon a time")?;
    let generator = Generator::new(plm, None, None)?;
    let config = GenerateConfig { stop: Vec::new(), ..GenerateConfig::greedy(Method::Base, &setup, 64) };
    let mut best = f64::INFINITY;
    let mut tokens = 0;
    for _ in 0..2 {
        let begun = Instant::now();
        tokens = generator.write(std::slice::from_ref(&prompt), &config, |_, _| {}).await?[0].tokens.len();
        best = best.min(begun.elapsed().as_secs_f64());
    }
    Ok(json!({"tokens": tokens, "tokens_per_second": tokens as f64 / best}))
}

/// Most memory this process has had resident, where the system says so.
fn peak_rss() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb * 1024)
}
