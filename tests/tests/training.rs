//! Losses, gradients, Adam and the closed form against ten float64 steps of PyTorch
//! (`training_tiny.safetensors`), for every form, on every device, in one piece and in many.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use std::sync::Arc;

use pema::train::{Losses, Network, Objective, Parameters, Rate, Stage1, TrainConfig, Trainer};
use pema::{Form, Keys, Memory, MemoryMeta};
use pema_device::Device;
use pema_kernels::mix;
use pema_plm::{Identity, LmHead};
use pema_tests::small::{self, transpose};
use pema_tests::{assert_close, block_on, devices, floats, ids, read_fixture, relative_error};
use safetensors::SafeTensors;

const D: usize = 48;
const VOCAB: usize = 101;
const N: usize = 37;
const RANK: usize = 6;
const KAPPA: f32 = 0.2;
/// Adam as recorded: no decay, no dropout.
const RATE: Rate = Rate { lr: 1e-3, weight_decay: 0.0, dropout: 0.0 };

/// A recorded run: what was minimised, from where, and the name of the decoder that moved.
struct Run {
    name: &'static str,
    form: Form,
    objective: Objective,
    decoder: &'static str,
}

const STAGE2: Objective = Objective::Stage2 { kappa: KAPPA };
const RUNS: [Run; 3] = [
    Run { name: "stage1", form: Form::Paper, objective: Objective::Stage1, decoder: "B_rct" },
    Run { name: "stage2", form: Form::Paper, objective: STAGE2, decoder: "B_pd" },
    Run { name: "residual", form: Form::Residual, objective: STAGE2, decoder: "B_pd" },
];

/// A recorded file, its inputs unpacked. Sizes are the file's own.
struct Recorded<'a> {
    file: SafeTensors<'a>,
    f: Vec<f32>,
    targets: Vec<u32>,
    /// d, r, V
    sizes: [usize; 3],
}

impl<'a> Recorded<'a> {
    fn open(bytes: &'a [u8]) -> Recorded<'a> {
        let file = SafeTensors::deserialize(bytes).unwrap();
        let (f, targets) = (floats(&file, "f"), ids(&file, "y"));
        let shape = |name: &str| file.tensor(name).unwrap().shape().to_vec();
        let ([rank, d], vocab) = (shape("A")[..].try_into().unwrap(), shape("W")[0]);
        assert_eq!(f.len(), targets.len() * d);
        Recorded { f, targets, sizes: [d, rank, vocab], file }
    }

    fn get(&self, name: &str) -> Vec<f32> {
        floats(&self.file, name)
    }

    /// A decoder, recorded `[d, r]`, as `Parameters` hold it.
    fn decoder(&self, name: &str) -> Vec<f32> {
        transpose(&self.get(name), self.sizes[0], self.sizes[1])
    }

    fn head(&self, device: &Device) -> LmHead {
        LmHead::from_f32(device, self.sizes[2], self.sizes[0], &self.get("W")).unwrap()
    }

    fn network(&self, run: &Run, device: &Arc<Device>, batch: usize) -> Network {
        let zeros = vec![0.0; self.sizes[0] * self.sizes[1]];
        let stage1 = run.objective == Objective::Stage1;
        let start = Parameters {
            a: self.get("A"),
            bt_rct: self.decoder(if stage1 { "B_rct_stage1" } else { "B_rct" }),
            bt_pd: if run.name == "stage2" { self.decoder("B_pd") } else { zeros },
        };
        let network = Network::new(device.clone(), self.head(device), run.form, &start, batch).unwrap();
        assert_eq!(network.piece_rows(), batch);
        network
    }

    fn rows(&self) -> impl FnMut(std::ops::Range<usize>) -> Vec<f32> + '_ {
        let d = self.sizes[0];
        move |rows| self.f[rows.start * d..rows.end * d].to_vec()
    }

    fn gradients(&self, network: &mut Network, objective: Objective) -> Losses {
        block_on(network.gradients(objective, &self.targets, self.rows(), 0.0, 0)).unwrap()
    }
}

/// The half of the parameters that a run trains beside A.
fn trained(run: &Run, p: Parameters) -> (Vec<f32>, Vec<f32>) {
    (p.a, if run.decoder == "B_rct" { p.bt_rct } else { p.bt_pd })
}

/// Calls `check` for every run, device, and batch in one piece and in pieces of eight rows. `PEMA_TRAINING` names
/// another recorded file, of any sizes, with the runs that it has.
fn everywhere(check: impl Fn(&Recorded<'_>, &Run, &str, Network)) {
    let other = std::env::var("PEMA_TRAINING").ok();
    let bytes = other.as_ref().map_or_else(|| read_fixture("training_tiny.safetensors"), |p| std::fs::read(p).unwrap());
    let recorded = Recorded::open(&bytes);
    let has = |run: &&Run| recorded.file.tensor(&format!("{}.losses", run.name)).is_ok();
    let runs: Vec<&Run> = RUNS.iter().filter(has).collect();
    assert!(runs.len() == RUNS.len() || other.is_some() && !runs.is_empty());
    for device in devices() {
        let (kind, device) = (device.info().kind, Arc::new(device));
        for run in &runs {
            for batch in [recorded.targets.len(), 8] {
                let what = format!("{kind:?}, pieces of {batch}, {}", run.name);
                check(&recorded, run, &what, recorded.network(run, &device, batch));
            }
        }
    }
}

#[test]
fn gradients_at_the_start_are_those_of_autograd() {
    everywhere(|recorded, run, what, mut network| {
        recorded.gradients(&mut network, run.objective);
        let (a, decoder) = trained(run, block_on(network.last_gradients()).unwrap());
        assert_close(&format!("{what}: dA"), &recorded.get(&format!("{}.dA", run.name)), &a, 1e-4);
        let name = format!("{}.d{}", run.name, run.decoder);
        assert_close(&format!("{what}: {name}"), &recorded.decoder(&name), &decoder, 1e-4);
    });
}

#[test]
fn ten_steps_of_adam_give_the_recorded_losses_and_weights() {
    everywhere(|recorded, run, what, mut network| {
        let recorded_of = |name: &str| recorded.get(&format!("{}.{name}", run.name));
        let mut curves = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..10 {
            let step = network.step(run.objective, &recorded.targets, recorded.rows(), RATE, 0);
            let Losses { rct, pd } = block_on(step).unwrap();
            let kappa = f64::from(KAPPA);
            let total = if run.decoder == "B_rct" { rct } else { kappa * rct + (1.0 - kappa) * pd };
            for (curve, value) in curves.iter_mut().zip([total, rct, pd]) {
                curve.push(value as f32);
            }
        }
        let names: &[&str] = if run.decoder == "B_rct" { &["losses"] } else { &["losses", "rct", "pd"] };
        for (name, curve) in names.iter().zip(&curves) {
            for (step, (expected, got)) in recorded_of(name).iter().zip(curve).enumerate() {
                assert_close(&format!("{what}: {name} at step {step}"), &[*expected], &[*got], 1e-5);
            }
        }
        let (a, decoder) = trained(run, block_on(network.parameters()).unwrap());
        assert_close(&format!("{what}: A10"), &recorded_of("A10"), &a, 1e-4);
        let name = format!("{}.{}10", run.name, run.decoder);
        assert_close(&format!("{what}: {name}"), &recorded.decoder(&name), &decoder, 1e-4);
        if run.name == "residual" {
            recorded.gradients(&mut network, run.objective);
            let (a, decoder) = trained(run, block_on(network.last_gradients()).unwrap());
            assert_close(&format!("{what}: dA10"), &recorded_of("dA10"), &a, 1e-4);
            assert_close(&format!("{what}: dB_pd10"), &recorded.decoder("residual.dB_pd10"), &decoder, 1e-4);
        }
    });
}

#[test]
fn another_kappa_a_lost_row_or_the_other_form_would_be_noticed() {
    let bytes = read_fixture("training_tiny.safetensors");
    let recorded = Recorded::open(&bytes);
    let device = Arc::new(Device::cpu());
    let error = |network: &mut Network, kappa: f32, rows: usize| {
        let objective = Objective::Stage2 { kappa };
        block_on(network.gradients(objective, &recorded.targets[..rows], recorded.rows(), 0.0, 0)).unwrap();
        relative_error(&recorded.get("stage2.dA"), &block_on(network.last_gradients()).unwrap().a)
    };
    let mut network = recorded.network(&RUNS[1], &device, N);
    assert!(error(&mut network, KAPPA, N) < 1e-4);
    assert!(error(&mut network, KAPPA + 0.01, N) > 1e-3);
    assert!(error(&mut network, KAPPA, N - 1) > 1e-3);
    assert!(error(&mut recorded.network(&RUNS[2], &device, N), KAPPA, N) > 1e-3);
}

#[test]
fn the_mixture_of_the_trained_adapter_and_the_model_is_the_recorded_one() {
    const ROWS: usize = 8;
    let bytes = read_fixture("training_tiny.safetensors");
    let recorded = Recorded::open(&bytes);
    let adapter = pema::Adapter {
        a: recorded.get("stage2.A10"),
        b_pd: recorded.get("stage2.B_pd10"),
        ..small::adapter(&identity(), Form::Paper, RANK, 0.0, 1)
    };
    let f = &recorded.f[..ROWS * D];
    let h_pd: Vec<f32> = f.chunks_exact(D).flat_map(|f| small::adapted(&adapter, f)).map(|h| h as f32).collect();
    for device in devices() {
        let head = recorded.head(&device);
        let logits = |rows: &[f32]| {
            let (rows, out) = (device.upload(rows, "rows").unwrap(), device.alloc(ROWS * VOCAB, "logits").unwrap());
            head.logits(&device, &rows, 0, ROWS, &out).unwrap();
            out
        };
        let (lm, pema) = (logits(f), logits(&h_pd));
        for lambda in [0.25f32, 0.9] {
            let weights = device.upload(&[lambda; ROWS], "lambda").unwrap();
            let out = device.alloc(ROWS * VOCAB, "mixture").unwrap();
            let p = mix::Params { rows: ROWS as u32, cols: VOCAB as u32 };
            device.run(&mix::KERNEL, &p, &[&lm, &pema, &weights, &out]).unwrap();
            let got = block_on(device.read::<f32>(&out, 0, ROWS * VOCAB)).unwrap();
            assert_close(&format!("mix.{lambda}"), &recorded.get(&format!("mix.{lambda}")), &got, 1e-5);
        }
    }
}

#[test]
fn stage_1_in_closed_form_is_the_projection_with_the_least_loss() {
    let bytes = read_fixture("training_tiny.safetensors");
    let recorded = Recorded::open(&bytes);
    // One example, so that no row is held out.
    let column = |value: u32| vec![value; N];
    let memory = Memory {
        keys: Keys::F32(recorded.f.clone()),
        values: recorded.targets.clone(),
        sample: column(0),
        position: column(0),
        input_tokens: column(1),
        meta: MemoryMeta {
            identity: identity(),
            context_mode: pema::ContextMode::TeacherForced,
            prompt: small::setup(&[]),
            created: String::new(),
        },
    };
    for form in [Form::Paper, Form::Residual] {
        for device in devices() {
            let config = TrainConfig { rank: RANK, steps: Some(0), ..small::quick(form, Stage1::ClosedForm) };
            let head = recorded.head(&device);
            let trainer = block_on(Trainer::new(Arc::new(device), head, &memory, None, config)).unwrap();
            let (adapter, _) = block_on(trainer.finish("tests")).unwrap();
            // B_rct A, column by column: what the adapter makes of the unit vectors without its base.
            let rct = pema::Adapter { form: Form::Paper, b_pd: adapter.b_rct.clone(), ..adapter.clone() };
            let unit = |i: usize| (0..D).map(|j| f32::from(u8::from(i == j))).collect::<Vec<f32>>();
            let projector: Vec<f32> = (0..D).flat_map(|i| small::adapted(&rct, &unit(i))).map(|v| v as f32).collect();
            assert_close("projector", &recorded.get("closed.projector"), &projector, 1e-4);
            let squares = recorded.f.chunks_exact(D).map(|f| {
                let back = small::adapted(&rct, f);
                back.iter().zip(f).map(|(b, f)| (b - f64::from(*f)).powi(2)).sum::<f64>()
            });
            let loss = squares.sum::<f64>() / (N * D) as f64;
            assert_close("loss", &recorded.get("closed.rct"), &[loss as f32], 1e-5);
            // The paper form starts at the reconstruction, the residual form at the model.
            match form {
                Form::Paper => assert_eq!(adapter.b_pd, adapter.b_rct),
                Form::Residual => assert!(adapter.b_pd.iter().all(|b| *b == 0.0)),
            }
        }
    }
}

fn identity() -> Identity {
    let text = String::new;
    Identity { name: text(), sha256: text(), tokenizer_sha256: text(), hidden_size: D, vocab_size: VOCAB }
}
