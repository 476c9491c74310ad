//! Held-out rows: which they are, that nothing is learnt from them, and that the lambdas chosen on
//! them are the best of the grid by f64 sums.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use pema::schedule::Schedule;
use pema::train::{HeldOutScore, Stage1, TrainConfig};
use pema::{Adapter, Form, Keys, Memory};
use pema_tests::small::{self, Head, memory, models, train, wide};

fn config(stage1: Stage1) -> TrainConfig {
    let stage1_steps = if stage1 == Stage1::Descent { 4 } else { 0 };
    let recommended = TrainConfig::recommended();
    TrainConfig { stage1, stage1_steps, rank: 4, steps: Some(8), batch: 100, lr: 1e-2, patience: 0, ..recommended }
}

/// Rows of every tenth example.
fn tenth(memory: &Memory) -> Vec<usize> {
    (0..memory.rows()).filter(|row| memory.sample[*row] % 10 == 9).collect()
}

/// A memory of some of the rows.
fn part(memory: &Memory, rows: &[usize]) -> Memory {
    let pick = |column: &[u32]| rows.iter().map(|row| column[*row]).collect();
    Memory {
        keys: Keys::F32(memory.gather(rows)),
        values: pick(&memory.values),
        sample: pick(&memory.sample),
        position: pick(&memory.position),
        input_tokens: pick(&memory.input_tokens),
        meta: memory.meta.clone(),
    }
}

/// Checks every number of a score against sums over `rows`.
fn check(score: &HeldOutScore, head: &Head, adapter: &Adapter, rows: &Memory) {
    let all: Vec<(f64, f64, f64)> = (0..rows.rows())
        .map(|row| {
            let (f, y) = (rows.gather(&[row]), rows.values[row] as usize);
            let lm = head.log_probabilities(&wide(&f))[y];
            let pema = head.log_probabilities(&small::adapted(adapter, &f))[y];
            // What Gradual Unrolling leaves of lambda at this row.
            let left = 1.0 - f64::from(rows.position[row]) / f64::from(rows.input_tokens[row]);
            (lm, pema, left.max(0.0))
        })
        .collect();
    let mean = |loss: &dyn Fn(&(f64, f64, f64)) -> f64| all.iter().map(loss).sum::<f64>() / all.len() as f64;
    let mixture = |unrolled: bool, lambda: f64| {
        mean(&|(lm, pema, left)| {
            let lambda = if unrolled { lambda * left } else { lambda };
            -(lambda * pema.exp() + (1.0 - lambda) * lm.exp()).ln()
        })
    };
    let near = |what: &str, expected: f64, got: f64| {
        assert!((expected - got).abs() < 2e-5 * expected, "{what}: {got} instead of {expected}");
    };
    near("model", mean(&|row| -row.0), score.base_nll);
    near("adapter", mean(&|row| -row.1), score.nll);
    near("constant", mixture(false, f64::from(score.lambda_constant)), score.mix_nll);
    near("unrolled", mixture(true, f64::from(score.lambda_max)), score.unrolled_nll);
    for lambda in (1..=20).map(|i| f64::from(i) / 20.0) {
        assert!(score.mix_nll < mixture(false, lambda) + 1e-4, "constant {lambda} is better: {score:?}");
        assert!(score.unrolled_nll < mixture(true, lambda) + 1e-4, "unrolled {lambda} is better: {score:?}");
    }
    let paper = score.unrolled_nll < score.mix_nll;
    assert_eq!(score.schedule(), if paper { Schedule::Paper } else { Schedule::Constant });
}

#[test]
fn a_tenth_of_the_examples_is_held_out_unless_there_are_few_or_others_are_given() {
    let (all, few) = (memory(24), memory(19));
    let held = tenth(&all);
    assert!(!held.is_empty() && held.len() * 8 < all.rows());
    for plm in models() {
        let head = Head::of(&plm);
        let (reports, adapter, summary) = train(&plm, &all, None, config(Stage1::ClosedForm)).unwrap();
        assert_eq!(summary.rows, all.rows() - held.len());
        check(&summary.held_out.unwrap(), &head, &adapter, &part(&all, &held));
        assert_eq!(reports.iter().filter_map(|r| r.held_out).next_back(), summary.held_out);

        let (reports, adapter, summary) = train(&plm, &few, None, config(Stage1::ClosedForm)).unwrap();
        assert_eq!((summary.rows, summary.held_out, summary.best_step), (few.rows(), None, 8));
        assert!(reports.iter().all(|r| r.held_out.is_none()));
        assert_eq!((adapter.meta.lambda_max, adapter.meta.lambda_constant), (0.5, 0.5));

        let valid = part(&all, &held);
        for memory in [&all, &few] {
            let (_, adapter, summary) = train(&plm, memory, Some(&valid), config(Stage1::Descent)).unwrap();
            assert_eq!(summary.rows, memory.rows());
            check(&summary.held_out.unwrap(), &head, &adapter, &valid);
        }
    }
}

#[test]
fn nothing_is_learnt_from_held_out_rows() {
    let memory = memory(24);
    let mut spoilt = memory.clone();
    let Keys::F32(keys) = &mut spoilt.keys else { unreachable!("built in single precision") };
    for row in tenth(&memory) {
        keys[row * 64..(row + 1) * 64].reverse();
        spoilt.values[row] = (spoilt.values[row] + 7) % 384;
    }
    for plm in models() {
        for stage1 in [Stage1::Descent, Stage1::ClosedForm] {
            // One look, at the end: which step is the best cannot depend on what is held out.
            let config = TrainConfig { eval_every: 100, ..config(stage1) };
            let run = |memory: &Memory| train(&plm, memory, None, config.clone()).unwrap();
            let ((_, a, seen), (_, b, other)) = (run(&memory), run(&spoilt));
            assert_ne!(seen.held_out, other.held_out, "held-out rows do not count at all");
            assert!(a.a == b.a && a.b_pd == b.b_pd && a.b_rct == b.b_rct, "{stage1:?}");
        }
    }
}

#[test]
fn a_wrong_score_is_noticed() {
    let memory = memory(24);
    let plm = &models()[0];
    let (_, adapter, summary) = train(plm, &memory, None, config(Stage1::ClosedForm)).unwrap();
    let (rows, head, good) = (part(&memory, &tenth(&memory)), Head::of(plm), summary.held_out.unwrap());
    let wrong = [
        HeldOutScore { base_nll: good.base_nll + 0.001, ..good },
        HeldOutScore { nll: good.nll - 0.001, ..good },
        HeldOutScore { mix_nll: good.mix_nll - 0.001, ..good },
        HeldOutScore { lambda_max: if good.lambda_max > 0.5 { 0.1 } else { 0.9 }, ..good },
    ];
    for score in wrong {
        let caught = std::panic::catch_unwind(|| check(&score, &head, &adapter, &rows));
        assert!(caught.is_err(), "{score:?} instead of {good:?}");
    }
    check(&good, &head, &adapter, &rows);
    let other = Adapter { form: Form::Paper, ..adapter.clone() };
    assert!(std::panic::catch_unwind(|| check(&good, &head, &other, &rows)).is_err());
}
