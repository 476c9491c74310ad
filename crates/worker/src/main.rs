//! The engine of the studio, inside a dedicated Web Worker: all of WebGPU, the tokenizer and the store
//! live here, so that the page never waits. It speaks `pema-protocol` and knows no page.
//!
//! Built for a browser only; natively there is `pema-cli`. What can be tested without a browser is
//! compiled and tested natively too.

#[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "natively only its tests use it"))]
mod data;
#[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "natively only its tests use it"))]
mod plan;
#[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "natively only its tests use it"))]
mod project_log;
#[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "natively only its tests use it"))]
mod room;
#[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "natively only its tests use it"))]
mod verdict;

#[cfg(target_family = "wasm")]
mod build;
#[cfg(target_family = "wasm")]
mod check;
#[cfg(target_family = "wasm")]
mod checkpoint;
#[cfg(target_family = "wasm")]
mod control;
#[cfg(target_family = "wasm")]
mod engine;
#[cfg(target_family = "wasm")]
mod fault;
#[cfg(all(test, target_family = "wasm"))]
mod journey;
#[cfg(target_family = "wasm")]
mod link;
#[cfg(target_family = "wasm")]
mod model;
#[cfg(target_family = "wasm")]
mod open;
#[cfg(target_family = "wasm")]
mod opfs;
#[cfg(target_family = "wasm")]
mod project;
#[cfg(target_family = "wasm")]
mod report;
#[cfg(target_family = "wasm")]
mod train;
#[cfg(target_family = "wasm")]
mod tune;
#[cfg(target_family = "wasm")]
mod write;

fn main() {
    #[cfg(target_family = "wasm")]
    link::start();
}
