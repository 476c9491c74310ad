//! Tests in a real browser: headless Chromium with WebGPU on a software adapter.

use anyhow::Result;

use crate::process::{self, cargo};
use crate::{tools, workspace};

/// Seconds a suite may take; the runner's own limit is meant for suites without a GPU.
const SECONDS: &str = "600";

/// Runs the wasm test suites; false where there is no browser.
pub(crate) fn tests() -> Result<bool> {
    let Some(driver) = tools::chromedriver()? else { return Ok(false) };
    tools::target()?;
    let runner = tools::wasm_bindgen("wasm-bindgen-test-runner")?;
    let root = workspace::root();
    let mut command = cargo();
    command
        .args(["test", "--package", "pema-device", "--package", "pema-worker", "--target", tools::TARGET])
        .args(["--test", "browser", "--bin", "engine"])
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", runner)
        .env("CHROMEDRIVER", driver)
        .env("WASM_BINDGEN_TEST_TIMEOUT", SECONDS)
        .env("WASM_BINDGEN_TEST_ONLY_WEB", "1")
        .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", root.join("tests/webdriver.json"))
        .current_dir(&root);
    process::run(&mut command)?;
    Ok(true)
}
