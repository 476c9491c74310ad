//! Every kernel against its reference, on this very device: drivers do compute wrongly.

use pema_kernels::{Case, all_cases};

use crate::{Device, Result};

/// Outcome of one kernel.
#[derive(Debug, Clone)]
pub struct KernelResult {
    /// Kernel name with its variant.
    pub kernel: &'static str,
    /// Cases run.
    pub cases: usize,
    /// Worst error as a share of the tolerance.
    pub worst: f32,
    /// The first failure, in words.
    pub error: Option<String>,
}

/// Runs the cases of every kernel. `quick` takes one case a kernel: enough to catch a broken driver
/// before a model is trusted to it.
pub async fn self_test(device: &Device, quick: bool) -> Vec<KernelResult> {
    let mut results: Vec<KernelResult> = Vec::new();
    for case in all_cases() {
        let name = case.kernel.name;
        let at = match results.iter().position(|r| r.kernel == name) {
            Some(_) if quick => continue,
            Some(at) => at,
            None => {
                results.push(KernelResult { kernel: name, cases: 0, worst: 0.0, error: None });
                results.len() - 1
            }
        };
        let outcome = run_case(device, &case).await;
        let result = &mut results[at];
        result.cases += 1;
        match outcome {
            Ok(Ok(worst)) => result.worst = result.worst.max(worst),
            Ok(Err(why)) => _ = result.error.get_or_insert(why),
            Err(e) => _ = result.error.get_or_insert(e.to_string()),
        }
    }
    results
}

/// Runs one case: the worst error as a share of the tolerance, or what is wrong, in words.
pub async fn run_case(device: &Device, case: &Case) -> Result<std::result::Result<f32, String>> {
    let mut buffers = Vec::new();
    for b in &case.buffers {
        buffers.push(device.upload(&b.before, case.kernel.name)?);
    }
    let refs: Vec<_> = buffers.iter().collect();
    device.run_raw(case.kernel, &case.params, case.grid, &refs)?;
    let mut after = Vec::new();
    for b in &buffers {
        after.push(device.read::<u32>(b, 0, b.words()).await?);
    }
    Ok(case.check(&after).map_err(|m| format!("{} {}: {m}", case.kernel.name, case.label)))
}
