//! The kernels in a browser: every one against its f64 reference, on the processor (one thread, 128-bit
//! vectors) and through WebGPU. `cargo xtask test` runs it in headless Chromium on a software adapter.
#![cfg(target_family = "wasm")]

use pema_device::{Choice, Device, self_test};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

async fn every_kernel(device: &Device) {
    let results = self_test(device, false).await;
    let failures: Vec<String> =
        results.iter().filter_map(|r| r.error.as_ref().map(|why| format!("{}: {why}", r.kernel))).collect();
    assert!(failures.is_empty(), "{} on {}: {failures:#?}", failures.len(), device.info().name);
    assert!(results.len() >= 40, "only {} kernels were run", results.len());
}

#[wasm_bindgen_test]
async fn every_kernel_on_the_processor_equals_its_reference() {
    every_kernel(&Device::cpu()).await;
}

#[wasm_bindgen_test]
async fn every_kernel_on_webgpu_equals_its_reference() {
    // No adapter is a failure, not a skip: the runner starts a browser that has one.
    let device = Device::open(&Choice::Gpu).await.expect("the browser offers a WebGPU adapter");
    assert!(device.is_gpu());
    every_kernel(&device).await;
}
