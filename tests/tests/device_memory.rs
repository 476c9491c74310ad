//! Training keeps few bytes on a GPU whatever the size of a batch, which is what lets a page train.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use std::sync::Arc;

use pema::Form;
use pema::train::{Network, Objective, Parameters, Rate};
use pema_device::Device;
use pema_kernels::random::Rng;
use pema_plm::LmHead;
use pema_tests::{block_on, contexts, default_model, fixture, gpu};

const RANK: usize = 64;

/// Most bytes on the device during a step of `rows` of a network that was made for `batch` rows.
fn peak(device: &Arc<Device>, head: &LmHead, form: Form, [batch, rows]: [usize; 2]) -> u64 {
    let (d, mut rng) = (head.hidden(), Rng::new(1));
    let mut matrix = || rng.floats(RANK * d, 0.05);
    let parameters = Parameters { a: matrix(), bt_pd: matrix(), bt_rct: matrix() };
    let f = rng.floats(d, 2.0);
    let targets: Vec<u32> = (0..rows).map(|_| rng.below(head.vocab()) as u32).collect();
    device.memory().reset_peak();
    let mut network = Network::new(device.clone(), head.clone(), form, &parameters, batch).unwrap();
    let rate = Rate { lr: 1e-3, weight_decay: 0.0, dropout: 0.1 };
    let states = |r: std::ops::Range<usize>| f.repeat(r.len());
    block_on(network.step(Objective::Stage2 { kappa: 0.2 }, &targets, states, rate, 1)).unwrap();
    device.memory().peak()
}

/// The step has few rows because a software adapter needs minutes for more; its buffers are those of 20,480.
#[test]
fn the_default_models_training_fits_a_small_gpu_at_any_batch() {
    let (Some(device), Some(model)) = (gpu(), default_model()) else { return };
    let device = Arc::new(device);
    let head = contexts::head(&model, &device);
    for (form, most) in [(Form::Paper, 130_000_000), (Form::Residual, 220_000_000)] {
        let bytes = peak(&device, &head, form, [20_480, 64]);
        assert!(bytes <= most, "{form}: {bytes} bytes on the device, {most} allowed");
        // The vocabulary's matrices are counted: M^T and its gradient alone take so much.
        assert!(bytes > (2 * RANK * head.vocab() * 4) as u64, "{form}: {bytes} bytes cannot be all");
    }
}

#[test]
fn a_larger_batch_takes_no_more_memory_than_one_piece() {
    let Some(device) = gpu() else { return };
    let device = Arc::new(device);
    let head = contexts::head(&fixture("tiny.gguf"), &device);
    for form in [Form::Paper, Form::Residual] {
        let piece = peak(&device, &head, form, [2048, 2048]);
        assert_eq!(peak(&device, &head, form, [20_480, 6200]), piece, "{form}");
        assert!(peak(&device, &head, form, [100, 100]) < piece, "{form}: a small batch takes less");
    }
}
