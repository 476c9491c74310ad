//! `pema doctor`: which device, and whether it computes correctly.

use anyhow::{Result, bail};
use pema_device::{Kind, adapters, self_test};
use serde_json::json;

use crate::args::Global;
use crate::engine;
use crate::table::bytes;

pub async fn run(global: &Global) -> Result<()> {
    let found = adapters().await;
    let device = engine::device(global).await?;
    let info = device.info();
    let results = self_test(&device, false).await;
    let failed: Vec<_> = results.iter().filter(|r| r.error.is_some()).collect();
    let verdict = verdict(info.kind, failed.len());
    let limits: serde_json::Map<_, _> = info.limits.iter().map(|(name, n)| ((*name).to_owned(), json!(n))).collect();
    if global.json {
        let kernels: Vec<_> = results
            .iter()
            .map(|r| json!({"kernel": r.kernel, "cases": r.cases, "worst": r.worst, "error": r.error}))
            .collect();
        let adapters: Vec<_> = found
            .iter()
            .map(|a| json!({"name": a.name, "driver": a.driver, "kind": format!("{:?}", a.kind)}))
            .collect();
        engine::print_json(&json!({
            "device": info.name, "driver": info.driver, "kind": format!("{:?}", info.kind), "note": info.note,
            "max_binding": info.max_binding, "limits": limits, "adapters": adapters, "kernels": kernels,
            "ok": failed.is_empty(), "verdict": verdict,
        }))?;
    } else {
        println!("adapters found:");
        for a in &found {
            println!("  {} ({}){}", a.name, a.driver, if a.kind == Kind::SoftwareGpu { ", software" } else { "" });
        }
        if found.is_empty() {
            println!("  none");
        }
        println!("in use: {}", engine::describe(&device));
        if info.max_binding < u64::MAX {
            println!("largest buffer a kernel sees: {}", bytes(info.max_binding));
        }
        for (name, n) in &info.limits {
            println!("{name}: {n}");
        }
        println!("\nself-test, every kernel against its reference:");
        for r in &results {
            match &r.error {
                None => println!(
                    "  ok    {:24} {:3} cases, worst error {:5.1} % of what is allowed",
                    r.kernel,
                    r.cases,
                    r.worst * 100.0
                ),
                Some(why) => println!("  WRONG {why}"),
            }
        }
        println!("\n{verdict}");
    }
    if !failed.is_empty() {
        bail!("{} of {} kernels compute wrongly on {}; use --device cpu", failed.len(), results.len(), info.name);
    }
    Ok(())
}

fn verdict(kind: Kind, failed: usize) -> String {
    match (failed, kind) {
        (0, Kind::Gpu) => "This GPU computes correctly. You are ready.".into(),
        (0, Kind::Cpu) => "The processor computes correctly. You are ready; a GPU would be faster.".into(),
        (0, Kind::SoftwareGpu) => {
            "This software adapter computes correctly but slowly; --device cpu is much faster for real work.".into()
        }
        (n, _) => format!("{n} kernels compute wrongly on this device: do not trust it. Use --device cpu."),
    }
}
