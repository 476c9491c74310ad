//! Gradients of the training step against central differences of the losses written out in f64: both
//! stages, both forms, with and without dropout, in one piece and in several.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use std::sync::Arc;

use pema::Form;
use pema::train::{Losses, Network, Objective, Parameters};
use pema_device::Device;
use pema_kernels::dropout;
use pema_kernels::random::Rng;
use pema_plm::LmHead;
use pema_tests::{block_on, devices, small};

const N: usize = 5;
const D: usize = 8;
const VOCAB: usize = 12;
const RANK: usize = 3;
const SEED: u32 = 4_294_967_294; // the second piece's seed is the last one, the third's is 0

/// A random point: rows, targets, head and parameters.
struct Point {
    f: Vec<f32>,
    targets: Vec<u32>,
    head: Vec<f32>,
    parameters: Parameters,
}

impl Point {
    fn random(seed: u64) -> Point {
        let mut rng = Rng::new(seed);
        let f = rng.floats(N * D, 2.0);
        let targets = (0..N).map(|_| rng.below(VOCAB) as u32).collect();
        let head = rng.floats(VOCAB * D, 1.0);
        let mut matrix = || rng.floats(RANK * D, 0.7);
        let parameters = Parameters { a: matrix(), bt_pd: matrix(), bt_rct: matrix() };
        Point { f, targets, head, parameters }
    }

    /// What the device makes of it.
    fn on(&self, device: &Arc<Device>, setting: &Setting) -> (Losses, Parameters) {
        let head = LmHead::from_f32(device, VOCAB, D, &self.head).unwrap();
        let mut network = Network::new(device.clone(), head, setting.form, &self.parameters, setting.piece).unwrap();
        let rows = |rows: std::ops::Range<usize>| self.f[rows.start * D..rows.end * D].to_vec();
        block_on(async {
            let step = network.gradients(setting.objective, &self.targets, rows, setting.dropout, SEED);
            (step.await.unwrap(), network.last_gradients().await.unwrap())
        })
    }

    /// (L_rct, L_pd) by the definitions, for the parameters [a, bt_pd, bt_rct].
    fn losses(&self, [a, bt_pd, bt_rct]: &[Vec<f64>; 3], setting: &Setting) -> (f64, f64) {
        let (f, head, dropped) = (small::wide(&self.f), small::wide(&self.head), setting.dropped(&self.f));
        let (mut rct, mut pd) = (0.0, 0.0);
        for (i, f) in f.chunks_exact(D).enumerate() {
            let x = &dropped[i * D..(i + 1) * D];
            let z: Vec<f64> = a.chunks_exact(D).map(|a| dot(a, x)).collect();
            let decoded =
                |bt: &[f64]| (0..D).map(|j| (0..RANK).map(|k| z[k] * bt[k * D + j]).sum()).collect::<Vec<f64>>();
            rct += decoded(bt_rct).iter().zip(f).map(|(r, f)| (r - f).powi(2)).sum::<f64>();
            let mut h = decoded(bt_pd);
            if setting.form == Form::Residual {
                h.iter_mut().zip(f).for_each(|(h, f)| *h += f);
            }
            let logits: Vec<f64> = head.chunks_exact(D).map(|w| dot(w, &h)).collect();
            pd -= small::log_softmax(&logits)[self.targets[i] as usize];
        }
        (rct / (N * D) as f64, pd / N as f64)
    }

    /// Central differences of the objective in A and in the decoder it trains.
    fn differences(&self, setting: &Setting) -> [Vec<f64>; 2] {
        const STEP: f64 = 1e-5;
        let p = &self.parameters;
        let start = [&p.a, &p.bt_pd, &p.bt_rct].map(|values| small::wide(values));
        let moved = |which: usize, element: usize, by: f64| {
            let mut there = start.clone();
            there[which][element] += by;
            setting.total(self.losses(&there, setting))
        };
        [0, setting.decoder()].map(|which| {
            let slope = |i| (moved(which, i, STEP) - moved(which, i, -STEP)) / (2.0 * STEP);
            (0..RANK * D).map(slope).collect()
        })
    }
}

/// What is minimised, and how.
#[derive(Debug, Clone, Copy)]
struct Setting {
    form: Form,
    objective: Objective,
    dropout: f32,
    /// Rows of a piece.
    piece: usize,
}

impl Setting {
    /// The input of A: every piece has a mask of its own.
    fn dropped(&self, f: &[f32]) -> Vec<f64> {
        let pieces = f.chunks(self.piece * D).enumerate();
        let kept = pieces.flat_map(|(i, piece)| {
            let p = dropout::Params::new(piece.len(), SEED.wrapping_add(i as u32), self.dropout);
            let scale = 1.0 / (1.0 - f64::from(self.dropout));
            let value =
                move |(j, f): (usize, &f32)| if dropout::keep(&p, j as u32) { f64::from(*f) * scale } else { 0.0 };
            piece.iter().enumerate().map(value)
        });
        kept.collect()
    }

    fn total(&self, (rct, pd): (f64, f64)) -> f64 {
        match self.objective {
            Objective::Stage1 => rct,
            Objective::Stage2 { kappa } => f64::from(kappa) * rct + (1.0 - f64::from(kappa)) * pd,
        }
    }

    /// Which of [A, B_pd, B_rct] is trained beside A.
    fn decoder(&self) -> usize {
        if self.objective == Objective::Stage1 { 2 } else { 1 }
    }

    /// Everything that can be set, combined.
    fn all() -> Vec<Setting> {
        let mut settings = Vec::new();
        for form in [Form::Paper, Form::Residual] {
            let stage2 = [0.0, 0.3].map(|kappa| Objective::Stage2 { kappa });
            for objective in [Objective::Stage1, stage2[0], stage2[1]] {
                for (dropout, piece) in [(0.0, N), (0.4, N), (0.4, 2)] {
                    settings.push(Setting { form, objective, dropout, piece });
                }
            }
        }
        settings
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The first element that differs by more than f32 sums explain.
fn compare(expected: &[f64], got: &[f32]) -> Result<(), String> {
    let largest = expected.iter().fold(0.0f64, |m, e| m.max(e.abs()));
    for (i, (e, g)) in expected.iter().zip(got).enumerate() {
        let allowed = 1e-4 * e.abs() + 2e-6 * largest;
        if expected.len() != got.len() || (e - f64::from(*g)).abs() > allowed || !g.is_finite() {
            return Err(format!("element {i}: {g} instead of {e}, {allowed:e} allowed"));
        }
    }
    Ok(())
}

/// The device's gradients in A and in the decoder that the setting trains.
fn trained(setting: &Setting, gradients: &Parameters) -> [Vec<f32>; 2] {
    let decoders = [&gradients.a, &gradients.bt_pd, &gradients.bt_rct];
    [gradients.a.clone(), decoders[setting.decoder()].clone()]
}

#[test]
fn gradients_are_the_slopes_of_the_losses() {
    for device in devices().into_iter().map(Arc::new) {
        for (seed, setting) in (1..).zip(Setting::all()) {
            let point = Point::random(seed);
            let (losses, gradients) = point.on(&device, &setting);
            let p = &point.parameters;
            let (rct, pd) = point.losses(&[&p.a, &p.bt_pd, &p.bt_rct].map(|v| small::wide(v)), &setting);
            let pd = if setting.objective == Objective::Stage1 { 0.0 } else { pd };
            let what = format!("{:?} {setting:?}", device.info().kind);
            assert!((losses.rct - rct).abs() < 1e-5 * rct, "{what}: L_rct {} instead of {rct}", losses.rct);
            assert!((losses.pd - pd).abs() <= 1e-5 * pd, "{what}: L_pd {} instead of {pd}", losses.pd);
            for (part, (expected, got)) in
                ["dA", "dB"].iter().zip(point.differences(&setting).iter().zip(trained(&setting, &gradients)))
            {
                compare(expected, &got).unwrap_or_else(|e| panic!("{what}: {part} {e}"));
            }
        }
    }
}

#[test]
fn the_input_is_dropped_before_a_and_nowhere_else() {
    // With A zero nothing that passes through A is left: dropout must not change the residual form's loss.
    let device = Arc::new(Device::cpu());
    let objective = Objective::Stage2 { kappa: 0.3 };
    let with = Setting { form: Form::Residual, objective, dropout: 0.4, piece: N };
    let without = Setting { dropout: 0.0, ..with };
    let mut point = Point::random(7);
    assert_ne!(point.on(&device, &with).0, point.on(&device, &without).0);
    point.parameters.a.fill(0.0);
    assert_eq!(point.on(&device, &with).0, point.on(&device, &without).0);
}

#[test]
fn a_nudged_gradient_or_another_mask_is_noticed() {
    let device = Arc::new(Device::cpu());
    for setting in Setting::all() {
        let point = Point::random(3);
        let (_, gradients) = point.on(&device, &setting);
        let [expected, _] = point.differences(&setting);
        assert_eq!(compare(&expected, &gradients.a), Ok(()));
        let mut nudged = gradients.a.clone();
        let largest = (0..nudged.len()).max_by(|i, j| nudged[*i].abs().total_cmp(&nudged[*j].abs())).unwrap();
        nudged[largest] *= 1.001;
        assert!(compare(&expected, &nudged).is_err(), "{setting:?}");
        nudged[largest] = f32::NAN;
        assert!(compare(&expected, &nudged).is_err());
        assert!(compare(&expected, &gradients.a[1..]).is_err());
        let dropout = if setting.dropout == 0.0 { 0.1 } else { 0.0 };
        let other = point.differences(&Setting { dropout, ..setting });
        assert!(compare(&other[0], &gradients.a).is_err(), "{setting:?}: the mask has no effect");
    }
}
