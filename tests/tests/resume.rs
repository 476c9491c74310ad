//! A training that was cut off at any step goes on and ends as if it had not been.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use pema::format::adapter_to_bytes;
use pema::log::MemoryStorage;
use pema::train::{Stage1, StepReport, TrainConfig};
use pema::{Error, Form, Memory, TrainState, Trainer, TrainingLog};
use pema_tests::block_on;
use pema_tests::small::{Model, WAYS, memory, models, quick};

/// The adapter's file, the steps that were seen and a state after each of them, from `state` or the start.
fn run(
    plm: &Model,
    memory: &Memory,
    valid: Option<&Memory>,
    config: &TrainConfig,
    state: Option<TrainState>,
) -> (Vec<u8>, Vec<StepReport>, Vec<TrainState>) {
    block_on(async {
        let (device, head, config) = (plm.device.clone(), plm.head.clone(), config.clone());
        let mut trainer = match state {
            None => Trainer::new(device, head, memory, valid, config).await.unwrap(),
            Some(state) => Trainer::resume(device, head, memory, valid, config, state).unwrap(),
        };
        let (mut reports, mut states) = (Vec::new(), vec![trainer.state().await.unwrap()]);
        while let Some(report) = trainer.step().await.unwrap() {
            reports.push(report);
            states.push(trainer.state().await.unwrap());
        }
        let (adapter, summary) = trainer.finish("tests 1.0").await.unwrap();
        assert_eq!(summary.steps, states.last().unwrap().step());
        (adapter_to_bytes(&adapter).unwrap(), reports, states)
    })
}

#[test]
fn cut_off_after_any_step_it_ends_with_the_same_adapter() {
    let (memory, other) = (memory(24), memory(7));
    for plm in models() {
        for (form, stage1) in WAYS {
            // Judged on rows of its own, and on rows of the memory with early stopping.
            for (valid, patience) in [(Some(&other), 0), (None, 1)] {
                let config = TrainConfig { patience, eval_every: 2, ..quick(form, stage1) };
                let (file, reports, states) = run(&plm, &memory, valid, &config, None);
                let middle = reports.len() / 2;
                for cut in [0, 1, middle, middle + 1, reports.len() - 1, reports.len()] {
                    let state = states[cut].clone();
                    assert!(state.is_of(&config, &memory, valid));
                    let (again, rest, ends) = run(&plm, &memory, valid, &config, Some(state));
                    let what = format!("{form:?} from {stage1:?}, cut after {cut} of {}", reports.len());
                    assert_eq!(rest, reports[cut..], "{what}");
                    assert!(again == file, "{what}: another adapter");
                    assert!(ends == states[cut..], "{what}: another state");
                }
            }
        }
    }
}

#[test]
fn a_state_of_another_training_is_refused() {
    let (memory, other) = (memory(24), memory(7));
    let plm = &models()[0];
    let config = quick(Form::Residual, Stage1::ClosedForm);
    let (_, _, states) = run(plm, &memory, None, &config, None);
    let refused = |memory: &Memory, valid: Option<&Memory>, config: &TrainConfig| {
        let (state, config) = (states[3].clone(), config.clone());
        assert!(!state.is_of(&config, memory, valid));
        let again = Trainer::resume(plm.device.clone(), plm.head.clone(), memory, valid, config, state);
        match again {
            Err(Error::OtherTraining { what }) => what,
            _ => panic!("it was taken"),
        }
    };
    assert_eq!(refused(&memory, None, &TrainConfig { lr: 2e-2, ..config.clone() }), "settings");
    assert_eq!(refused(&other, None, &config), "rows");
    assert_eq!(refused(&memory, Some(&other), &config), "rows");
    let mut changed = memory.clone();
    changed.values[5] ^= 1;
    assert_eq!(refused(&changed, None, &config), "rows");
}

#[test]
fn the_log_holds_the_last_whole_state_wherever_it_is_cut() {
    let memory = memory(24);
    let plm = &models()[0];
    let (_, _, states) = run(plm, &memory, None, &quick(Form::Residual, Stage1::ClosedForm), None);
    let (mut log, kept) = TrainingLog::open(<[MemoryStorage; 2]>::default()).unwrap();
    assert!(kept.is_none());
    let mut before: Option<usize> = None;
    let mut most = 0;
    for (step, state) in states.iter().enumerate() {
        let old = log.into_storages();
        (log, _) = TrainingLog::open(old.clone()).unwrap();
        log.save(state, format!("note {step}").as_bytes()).unwrap();
        most = most.max(log.bytes());
        let new = log.into_storages();
        let changed = usize::from(new[0].bytes == old[0].bytes);
        assert!(new[1 - changed].bytes == old[1 - changed].bytes, "the state before was touched");
        let whole = new[changed].bytes.len();
        for cut in (0..whole).step_by(whole / 40 + 1).chain([whole - 1]) {
            let mut torn = new.clone();
            torn[changed].bytes.truncate(cut);
            let kept = TrainingLog::open(torn).unwrap().1;
            assert_eq!(kept.map(|k| k.state.step()), before, "step {step}, cut at {cut}");
        }
        let kept;
        (log, kept) = TrainingLog::open(new).unwrap();
        let kept = kept.unwrap();
        assert!(kept.state == *state && kept.note == format!("note {step}").into_bytes());
        before = Some(step);
    }
    let one = log.bytes() / 2;
    assert!(most < 3 * one, "two states at most: {most} bytes where one is {one}");
    log.clear().unwrap();
    assert!(TrainingLog::open(log.into_storages()).unwrap().1.is_none());
}
