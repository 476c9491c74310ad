//! The training loop: what it minimises and in which order, that it is repeatable, and what it
//! refuses.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use pema::format::{adapter_from_bytes, adapter_to_bytes};
use pema::train::{Stage1, StepReport, TrainConfig};
use pema::{Adapter, Error, Form, Keys, Memory};
use pema_tests::small::{self, WAYS, memory, models, quick, train, transpose};
use pema_tests::{assert_close, relative_error};

fn losses(reports: &[StepReport], stage: u32) -> Vec<(f64, f64)> {
    reports.iter().filter(|r| r.stage == stage).map(|r| (r.losses.rct, r.losses.pd)).collect()
}

#[test]
fn the_loss_falls_in_every_form_from_every_start() {
    let memory = memory(12);
    for plm in models() {
        for (form, stage1) in WAYS {
            // All rows in every step, so that losses can be compared.
            let all = memory.rows();
            let config = TrainConfig { dropout: 0.0, batch: all, stage1_batch: all, ..quick(form, stage1) };
            let (reports, adapter, summary) = train(&plm, &memory, None, config.clone()).unwrap();
            let what = format!("{form:?} from {stage1:?}");
            assert_eq!((summary.steps, summary.best_step, summary.rows), (reports.len(), reports.len(), all), "{what}");
            let second = losses(&reports, 2);
            let total = |(rct, pd): (f64, f64)| 0.2 * rct + 0.8 * pd;
            assert!(total(second[11]) < 0.9 * total(second[0]), "{what}: {second:?}");
            let first = losses(&reports, 1);
            assert_eq!((first.len(), second.len()), (config.stage1_steps, 12));
            if stage1 == Stage1::Descent {
                assert!(first[7].0 < 0.9 * first[0].0 && first.iter().all(|l| l.1 == 0.0), "{what}: {first:?}");
                assert!(second[0].0 < first[7].0, "{what}: stage 2 does not go on from stage 1");
            }
            assert_eq!((adapter.form, adapter.rank), (form, 4));
            assert!(summary.peak_bytes > 4 * 384 * 4);
        }
    }
}

#[test]
fn stage_2_goes_on_from_the_a_of_stage_1_and_leaves_b_rct_alone() {
    let memory = memory(6);
    for plm in models() {
        for form in [Form::Paper, Form::Residual] {
            let config = quick(form, Stage1::Descent);
            let (reports, full, _) = train(&plm, &memory, None, config.clone()).unwrap();
            let stages: Vec<(u32, usize, usize)> = reports.iter().map(|r| (r.stage, r.step, r.of)).collect();
            let expected: Vec<_> = (1..=20).map(|step| (if step <= 8 { 1 } else { 2 }, step, 20)).collect();
            assert_eq!(stages, expected);
            let (_, half, _) = train(&plm, &memory, None, TrainConfig { steps: Some(0), ..config }).unwrap();
            assert!(half.b_pd.iter().all(|b| *b == 0.0) && half.b_rct.iter().any(|b| *b != 0.0));
            assert_eq!(full.b_rct, half.b_rct);
            // Twelve steps of Adam move no weight by more than about twelve times its rate.
            let moved = full.a.iter().zip(&half.a).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(moved > 1e-3 && moved < 0.2, "{moved}");
        }
    }
}

#[test]
fn adam_begins_anew_with_stage_2() {
    let memory = memory(6);
    for plm in models() {
        let config = TrainConfig { dropout: 0.0, ..quick(Form::Paper, Stage1::Descent) };
        let after =
            |steps| train(&plm, &memory, None, TrainConfig { steps: Some(steps), ..config.clone() }).unwrap().1.a;
        // The first step of Adam moves every weight by the rate, whatever the size of its gradient; a later one does not.
        let by_the_rate = |from: &[f32], to: &[f32]| {
            let moved = from.iter().zip(to).map(|(a, b)| f64::from((a - b).abs()) / config.lr);
            moved.filter(|m| (m - 1.0).abs() < 0.02).count() as f64 / from.len() as f64
        };
        let constant = TrainConfig { decay: pema::train::Decay::Constant, ..config.clone() };
        let second = train(&plm, &memory, None, TrainConfig { steps: Some(2), ..constant }).unwrap().1.a;
        assert!(by_the_rate(&after(0), &after(1)) > 0.95, "{}", by_the_rate(&after(0), &after(1)));
        assert!(by_the_rate(&after(1), &second) < 0.9, "{}", by_the_rate(&after(1), &second));
    }
}

#[test]
fn the_same_seed_gives_the_same_file_and_another_does_not() {
    let memory = memory(6);
    for plm in models() {
        for (form, stage1) in WAYS {
            let file = |seed: u64| {
                let config = TrainConfig { seed, batch: 40, ..quick(form, stage1) };
                let (_, mut adapter, _) = train(&plm, &memory, None, config).unwrap();
                assert_eq!(adapter.meta.seed, seed);
                adapter.meta.seed = 0;
                adapter_to_bytes(&adapter).unwrap()
            };
            let first = file(1);
            assert!(first == file(1), "{form:?} from {stage1:?}");
            assert!(first != file(2), "{form:?} from {stage1:?}");
        }
    }
}

#[test]
fn every_device_trains_the_same_adapter() {
    let memory = memory(8);
    let plms = models();
    for (form, stage1) in WAYS {
        let of = |i: usize| train(&plms[i], &memory, None, quick(form, stage1)).unwrap().1;
        let cpu = of(0);
        // What acts on f is B A: eigenvectors may come with either sign.
        let product = |b: &[f32], adapter: &Adapter| -> Vec<f32> {
            let d = memory.hidden();
            let columns = transpose(&adapter.a, 4, d);
            let dot = |b: &[f32], a: &[f32]| b.iter().zip(a).map(|(b, a)| b * a).sum::<f32>();
            b.chunks_exact(4).flat_map(|b| columns.chunks_exact(4).map(move |a| dot(b, a))).collect()
        };
        for gpu in (1..plms.len()).map(of) {
            let what = format!("{form:?} from {stage1:?}");
            assert_close(&what, &product(&cpu.b_pd, &cpu), &product(&gpu.b_pd, &gpu), 1e-3);
            assert_close(&what, &product(&cpu.b_rct, &cpu), &product(&gpu.b_rct, &gpu), 1e-3);
            if stage1 == Stage1::Descent {
                assert_close(&what, &cpu.a, &gpu.a, 1e-3);
                assert_close(&what, &cpu.b_pd, &gpu.b_pd, 1e-3);
            }
        }
        assert!(relative_error(&cpu.b_pd, &vec![0.0; cpu.b_pd.len()]) > 0.9, "nothing was learnt");
    }
}

#[test]
fn a_trained_adapter_survives_its_file_and_fits_its_own_model_only() {
    let memory = memory(24);
    let plm = &models()[0];
    let config = TrainConfig { kappa: 0.3, seed: 42, ..quick(Form::Paper, Stage1::ClosedForm) };
    let (_, adapter, summary) = train(plm, &memory, None, config).unwrap();
    let read = adapter_from_bytes("a", &adapter_to_bytes(&adapter).unwrap()).unwrap();
    assert_eq!(read, adapter);
    let (meta, score) = (&read.meta, summary.held_out.unwrap());
    assert_eq!((&meta.identity, &meta.prompt), (&plm.file.identity, &memory.meta.prompt));
    assert_eq!((meta.recipe.as_str(), meta.software.as_str()), ("recommended", "tests 1.0"));
    assert_eq!((meta.kappa, meta.seed), (0.3, 42));
    assert_eq!((meta.lambda_max, meta.lambda_constant), (score.lambda_max, score.lambda_constant));
    assert_eq!(meta.schedule, score.schedule());
    read.check_model("a", &plm.file.identity).unwrap();
    let other = pema_plm::Identity { sha256: "00".repeat(32), ..plm.file.identity.clone() };
    assert!(matches!(read.check_model("a", &other), Err(Error::OtherModel { what: "model", .. })));
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    let memory = memory(1);
    let plm = &models()[0];
    let good = quick(Form::Residual, Stage1::ClosedForm);
    type Change = fn(&mut TrainConfig);
    let changes: [(&str, Change); 9] = [
        ("rank", |c| c.rank = 65),
        ("rank", |c| c.rank = 0),
        ("kappa", |c| c.kappa = 1.1),
        ("dropout", |c| c.dropout = 1.0),
        ("dropout", |c| c.dropout = f32::NAN),
        ("lr", |c| c.lr = 0.0),
        ("weight decay", |c| c.weight_decay = -0.1),
        ("batch", |c| c.batch = 0),
        ("batch", |c| c.stage1_batch = 0),
    ];
    for (name, change) in changes {
        let mut config = good.clone();
        change(&mut config);
        let refused = train(plm, &memory, None, config);
        assert!(matches!(&refused, Err(Error::BadSetting { setting, .. }) if *setting == name), "{name}");
    }
    // The whole width is allowed; the reconstruction is then exact.
    let (_, full, _) = train(plm, &memory, None, TrainConfig { rank: 64, steps: Some(0), ..good }).unwrap();
    let back = small::adapted(&Adapter { form: Form::Paper, b_pd: full.b_rct.clone(), ..full }, &memory.gather(&[2]));
    assert_close("f", &memory.gather(&[2]), &back.iter().map(|v| *v as f32).collect::<Vec<_>>(), 1e-4);
}

#[test]
fn training_that_diverges_says_so_and_never_returns_an_adapter_of_nans() {
    let memory = memory(24);
    for plm in models() {
        for (form, stage1) in WAYS {
            for (scale, lr) in [(1.0, 1.0), (1e4, 1.0), (1e25, 1e-2)] {
                let keys = memory.gather(&(0..memory.rows()).collect::<Vec<_>>());
                let keys = Keys::F32(keys.iter().map(|k| k * scale).collect());
                let scaled = Memory { keys, ..memory.clone() };
                match train(&plm, &scaled, None, TrainConfig { lr, ..quick(form, stage1) }) {
                    Ok((_, adapter, _)) => {
                        let values =
                            [&adapter.a, &adapter.b_pd, &adapter.b_rct].map(|v| v.iter().all(|x| x.is_finite()));
                        assert_eq!(values, [true; 3], "{form:?} from {stage1:?}, keys times {scale}");
                        assert!(scale < 1e20, "{form:?} from {stage1:?}: no loss is finite here");
                    }
                    Err(error) => assert!(matches!(error, Error::Diverged { .. }), "{error}"),
                }
            }
        }
    }
}
