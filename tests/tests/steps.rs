//! How many steps there are, how large they are, how often they are judged, and which is kept.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use pema::train::{Decay, Stage1, TrainConfig, Trainer};
use pema::{Adapter, Form, Memory};
use pema_tests::small::{Model, memory, models, quick, train};
use pema_tests::{assert_close, block_on};

/// What training gives when its caller ends it after some steps.
fn stopped_after(plm: &Model, memory: &Memory, config: &TrainConfig, steps: usize) -> Adapter {
    block_on(async {
        let new = Trainer::new(plm.device.clone(), plm.head.clone(), memory, None, config.clone());
        let mut trainer = new.await.unwrap();
        for _ in 0..steps {
            trainer.step().await.unwrap().unwrap();
        }
        trainer.finish("tests").await.unwrap().0
    })
}

#[test]
fn early_stopping_keeps_the_parameters_of_the_best_look() {
    let memory = memory(24);
    for plm in models() {
        let config = TrainConfig {
            lr: 0.05,
            steps: Some(60),
            eval_every: 1,
            patience: 3,
            decay: Decay::Constant, // a shorter training is then the beginning of a longer one
            ..quick(Form::Residual, Stage1::ClosedForm)
        };
        let (reports, kept, summary) = train(&plm, &memory, None, config.clone()).unwrap();
        let looks: Vec<f64> = reports.iter().map(|r| r.held_out.unwrap().mix_nll).collect();
        let best = looks.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(looks[summary.best_step - 1], best, "{looks:?}");
        assert_eq!(summary.held_out.unwrap().mix_nll, best);
        // It stopped early, and exactly as many looks after the best as patience allows.
        assert!(reports.len() < 60, "{looks:?}");
        assert_eq!((summary.steps, summary.steps - summary.best_step), (reports.len(), 3));
        // A training that its caller ends there ends with what was kept.
        let ended = stopped_after(&plm, &memory, &config, summary.best_step);
        assert_eq!((kept.a, kept.b_pd), (ended.a, ended.b_pd));
    }
}

#[test]
fn there_are_as_many_steps_and_looks_as_asked_or_as_the_rows_need() {
    let memory = memory(24);
    let plm = &models()[0];
    for (eval_every, batch) in [(5, 100), (12, 100), (100, 100), (0, 100), (0, 1000), (0, 3)] {
        for steps in [Some(12), None] {
            let config = TrainConfig { eval_every, batch, steps, ..quick(Form::Residual, Stage1::ClosedForm) };
            let (reports, _, summary) = train(plm, &memory, None, config).unwrap();
            let passes = |n: usize| (n * summary.rows).div_ceil(batch);
            let of = steps.unwrap_or(passes(5).clamp(25, 60));
            assert!(reports.len() == of && reports.iter().all(|r| r.of == of), "batch {batch}, {steps:?}");
            let every = if eval_every > 0 { eval_every } else { passes(1).clamp(5, 25) };
            let expected: Vec<usize> = (1..=of).filter(|step| step % every == 0 || *step == of).collect();
            let looks: Vec<usize> = reports.iter().filter(|r| r.held_out.is_some()).map(|r| r.step).collect();
            assert_eq!(looks, expected, "every {eval_every}, batch {batch}, {steps:?}");
        }
    }
}

#[test]
fn the_learning_rate_stays_or_falls_to_nothing() {
    // Without held-out rows `finish` gives the last parameters: the difference of two is one step of Adam.
    let memory = memory(6);
    for plm in models() {
        for (decay, still) in [(Decay::Constant, false), (Decay::Cosine, true)] {
            let config = TrainConfig { decay, ..quick(Form::Residual, Stage1::ClosedForm) };
            let after = |steps: usize| stopped_after(&plm, &memory, &config, steps).a;
            let moved = |step: usize| {
                let (before, after) = (after(step - 1), after(step));
                before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
            };
            // The first step of Adam moves every weight by its rate.
            assert!((moved(1) - 1e-2).abs() < 1e-4, "{decay:?}");
            assert_eq!(moved(12) < 1e-3, still, "{decay:?}");
        }
    }
}

#[test]
fn weight_decay_shrinks_the_weights_beside_the_step_and_not_through_it() {
    let memory = memory(6);
    for plm in models() {
        let plain = quick(Form::Paper, Stage1::ClosedForm);
        let decayed = TrainConfig { weight_decay: 0.5, ..plain.clone() };
        let [start, plain, decayed] =
            [(&plain, 0), (&plain, 1), (&decayed, 1)].map(|(config, n)| stopped_after(&plm, &memory, config, n));
        for (start, plain, decayed) in [(start.a, plain.a, decayed.a), (start.b_pd, plain.b_pd, decayed.b_pd)] {
            let expected: Vec<f32> = plain.iter().zip(&start).map(|(w, start)| w - 1e-2 * 0.5 * start).collect();
            assert_close("after decay", &expected, &decayed, 1e-6);
            assert!(pema_tests::relative_error(&plain, &decayed) > 1e-3);
        }
    }
}
