//! Building a memory against contexts computed alone: one example at a time, without a shared prefix,
//! with prompts put together by hand.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use pema::dataset::Dataset;
use pema::{BuildConfig, Builder, ContextMode, Error, Keys, Memory, MemoryMeta, PromptSetup};
use pema_tests::small::{self, Head, Model, build, build_config, dataset, models, setup};
use pema_tests::{assert_close, block_on};

use ContextMode::{FreeRunning, TeacherForced};

/// Every key of a memory.
fn keys(memory: &Memory) -> Vec<f32> {
    memory.gather(&(0..memory.rows()).collect::<Vec<_>>())
}

/// The tokens of an example, as (prompt, target with its end).
fn encode(plm: &Model, prompt: &PromptSetup, input: &str, target: &str) -> (Vec<u32>, Vec<u32>) {
    let pairs = prompt.demos.iter().map(|d| format!("Informal: {}\nFormal: {}\n\n", d.input, d.target));
    let text = format!("Be formal.\n{}Informal: {input}\nFormal:", pairs.collect::<String>());
    let plain = |text: &str| plm.file.tokenizer.encode_plain(text).unwrap();
    let end = plm.file.tokenizer.eos().unwrap();
    (plain(&text), [plain(&format!(" {target}")), vec![end]].concat())
}

/// What the memory of `data` must be: every context read anew from the first token on.
fn alone(plm: &Model, data: &Dataset, config: &BuildConfig) -> Memory {
    let (head, d) = (Head::of(plm), plm.file.config.hidden);
    let meta = MemoryMeta {
        identity: plm.file.identity.clone(),
        context_mode: config.mode,
        prompt: config.prompt.clone(),
        created: config.created.clone(),
    };
    let mut memory = Memory::new(meta, false);
    for (sample, e) in data.examples.iter().enumerate() {
        let (mut ids, target) = encode(plm, &config.prompt, &e.input, &e.target);
        for (position, y) in target.into_iter().enumerate() {
            let read = block_on(plm.contexts(&ids)).unwrap();
            let f = &read[read.len() - d..];
            memory.keys.extend(f);
            memory.values.push(y);
            memory.sample.push(sample as u32);
            memory.position.push(position as u32);
            memory.input_tokens.push(plm.file.tokenizer.encode_plain(&e.input).unwrap().len() as u32);
            let own = small::argmax(&head.log_probabilities(&small::wide(f)));
            ids.push(if config.mode == TeacherForced { y } else { own });
        }
    }
    memory
}

/// Panics unless two memories are the same but for rounding in their keys.
fn assert_same(what: &str, expected: &Memory, got: &Memory, limit: f64) {
    assert_eq!(got.meta, expected.meta, "{what}");
    assert_eq!(got.values, expected.values, "{what}: values");
    assert_eq!(got.sample, expected.sample, "{what}: samples");
    assert_eq!(got.position, expected.position, "{what}: positions");
    assert_eq!(got.input_tokens, expected.input_tokens, "{what}: input tokens");
    let d = expected.hidden();
    let (expected, got) = (keys(expected), keys(got));
    assert_eq!(got.len(), expected.len(), "{what}: keys");
    for (row, (e, g)) in expected.chunks_exact(d).zip(got.chunks_exact(d)).enumerate() {
        assert_close(&format!("{what}: key {row}"), e, g, limit);
    }
}

const DEMOS: [(&str, &str); 2] = [("gimme 2 apples", "Please give me two apples."), ("ok thx", "Thank you.")];

#[test]
fn teacher_forced_contexts_are_those_of_prompt_and_gold_target_read_alone() {
    for plm in models() {
        for demos in [&[][..], &DEMOS] {
            let config = build_config(&setup(demos), TeacherForced);
            let data = dataset(6);
            let got = build(&plm, &data, config.clone());
            assert_same(&format!("{} demonstrations", demos.len()), &alone(&plm, &data, &config), &got, 1e-5);
            // The last target of every example is the end token, and it is no other's.
            let end = plm.file.tokenizer.eos().unwrap();
            let last = |row: usize| got.sample.get(row + 1) != Some(&got.sample[row]);
            assert!((0..got.rows()).all(|row| (got.values[row] == end) == last(row)));
            assert_eq!(got.examples(), 6);
            let half = build(&plm, &data, BuildConfig { half: true, ..config });
            assert!(matches!((&half.keys, &got.keys), (Keys::F16(_), Keys::F32(_))));
            assert_same("in half precision", &got, &half, 1e-3);
        }
    }
}

#[test]
fn free_running_contexts_are_those_of_the_models_own_greedy_tokens() {
    for plm in models() {
        for demos in [&[][..], &DEMOS[1..]] {
            let config = build_config(&setup(demos), FreeRunning);
            let data = dataset(4);
            let expected = alone(&plm, &data, &config);
            let got = build(&plm, &data, config.clone());
            assert_same(&format!("{} demonstrations", demos.len()), &expected, &got, 1e-5);
            // The first context of an example is the prompt's in both modes, the later ones are not.
            let forced = build(&plm, &data, BuildConfig { mode: TeacherForced, ..config });
            assert_close("first context", &forced.gather(&[0]), &got.gather(&[0]), 1e-5);
            assert!(pema_tests::relative_error(&forced.gather(&[3]), &got.gather(&[3])) > 0.1);
        }
    }
}

#[test]
fn many_batches_give_what_each_example_gives_alone() {
    const EXAMPLES: usize = 40;
    let data = dataset(EXAMPLES);
    for plm in models() {
        for mode in [TeacherForced, FreeRunning] {
            let config = build_config(&setup(&[]), mode);
            let mut builder = Builder::new(&plm, &data, config.clone()).unwrap();
            let mut steps = Vec::new();
            while let Some(progress) = block_on(builder.step()).unwrap() {
                steps.push(progress);
            }
            let all = builder.finish();
            assert!(steps.len() > 1, "{EXAMPLES} examples were one batch");
            assert!(steps.is_sorted_by(|a, b| (a.examples, a.rows, a.tokens) < (b.examples, b.rows, b.tokens)));
            let last = steps[steps.len() - 1];
            assert_eq!((last.examples, last.of, last.rows), (EXAMPLES, EXAMPLES, all.rows()));
            // Tokens of the body: all but the last of every example, what the prompts share only once.
            let encoded = data.examples.iter().map(|e| encode(&plm, &config.prompt, &e.input, &e.target));
            let (prompts, targets): (Vec<_>, Vec<_>) = encoded.unzip();
            let shared = pema::shared_prefix(prompts.iter().map(Vec::as_slice));
            let own = prompts.iter().zip(&targets).map(|(p, t)| p.len() - shared + t.len() - 1);
            assert_eq!(last.tokens, shared + own.sum::<usize>());
            // At both ends, and where one batch ends and the next begins.
            for i in [0, steps[0].examples - 1, steps[0].examples, EXAMPLES - 1] {
                let one = Dataset { name: data.name.clone(), examples: vec![data.examples[i].clone()] };
                let one = build(&plm, &one, config.clone());
                let rows: Vec<usize> = (0..all.rows()).filter(|row| all.sample[*row] as usize == i).collect();
                let values: Vec<u32> = rows.iter().map(|row| all.values[*row]).collect();
                assert_eq!(values, one.values, "{mode}: example {i}");
                assert_close(&format!("{mode}: example {i}"), &keys(&one), &all.gather(&rows), 1e-5);
            }
        }
    }
}

#[test]
fn examples_that_are_too_long_are_left_out_and_named_and_the_others_keep_their_numbers() {
    let data = dataset(8);
    for plm in models() {
        let config = build_config(&setup(&[]), TeacherForced);
        let tokens: Vec<usize> = data
            .examples
            .iter()
            .map(|e| encode(&plm, &config.prompt, &e.input, &e.target))
            .map(|(prompt, target)| prompt.len() + target.len())
            .collect();
        let mut sorted = tokens.clone();
        sorted.sort_unstable();
        let limit = sorted[4];
        let (fit, long): (Vec<usize>, Vec<usize>) = (0..8).partition(|i| tokens[*i] <= limit);
        assert!(fit.len() > 4 && !long.is_empty());
        let at = |limit| BuildConfig { max_tokens: Some(limit), ..config.clone() };
        let mut builder = Builder::new(&plm, &data, at(limit)).unwrap();
        assert_eq!(builder.too_long, long.iter().map(|i| data.examples[*i].line).collect::<Vec<_>>());
        while block_on(builder.step()).unwrap().is_some() {}
        let memory = builder.finish();
        let mut samples: Vec<usize> = memory.sample.iter().map(|s| *s as usize).collect();
        samples.dedup();
        assert_eq!(samples, fit);
        let error = Builder::new(&plm, &data, at(sorted[0] - 1)).unwrap_err();
        assert!(
            matches!(&error, Error::AllTooLong { tokens, limit, .. } if (*tokens, *limit) == (sorted[0], sorted[0] - 1)),
            "{error}"
        );
        assert!(error.to_string().contains(&data.name), "{error}");
        // The model's own limit holds without one in the settings, and above it.
        let mut data = data.clone();
        data.examples[2].target = "and so on ".repeat(200);
        for max_tokens in [None, Some(100_000)] {
            let config = BuildConfig { max_tokens, ..config.clone() };
            assert_eq!(Builder::new(&plm, &data, config).unwrap().too_long, [3]);
        }
    }
}
