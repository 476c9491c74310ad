//! Writing: what batches, seeds, lambdas, schedules, limits and explanations must do, against f64
//! distributions of contexts that were read alone.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use pema::sampling::SamplingConfig;
use pema::schedule::Schedule;
use pema::{
    Adapter, ContextMode, Encoded, Form, GenerateConfig, Generator, Knn, KnnConfig, Method, Prompter, Token, Written,
};
use pema_tests::small::{self, Head, Model, argmax, build, build_config, dataset, models, setup};
use pema_tests::{assert_close, block_on};

use Method::{Base, Pema, PemaGu};

/// Prompts of the first `n` pairs.
fn prompts(plm: &Model, n: usize) -> Vec<Encoded> {
    let setup = setup(&[]);
    let prompter = Prompter::new(&plm.file, &setup).unwrap();
    dataset(n).examples.iter().map(|e| prompter.prompt(&e.input).unwrap()).collect()
}

/// Greedy, ten tokens, nothing that stops.
fn config(method: Method) -> GenerateConfig {
    GenerateConfig {
        method,
        lambda_max: None,
        schedule: None,
        reference_length: None,
        max_tokens: 10,
        sampling: SamplingConfig::default(),
        stop: Vec::new(),
        explain: false,
    }
}

fn sampled(method: Method, seed: u64) -> GenerateConfig {
    GenerateConfig { sampling: SamplingConfig { temperature: 1.0, seed, ..Default::default() }, ..config(method) }
}

/// What is written, after a check that the pieces told on the way are the text.
fn write(generator: &Generator<'_, pema_plm::source::FileSource>, p: &[Encoded], c: &GenerateConfig) -> Vec<Written> {
    let mut told = vec![String::new(); p.len()];
    let written = block_on(generator.write(p, c, |i, piece| told[i] += piece)).unwrap();
    assert_eq!(written.len(), p.len());
    for (told, written) in told.iter().zip(&written) {
        assert_eq!(told.trim(), written.text);
    }
    written
}

fn base(plm: &Model, p: &[Encoded], c: &GenerateConfig) -> Vec<Written> {
    write(&Generator::new(plm, None, None).unwrap(), p, c)
}

fn ids(written: &Written) -> Vec<u32> {
    written.tokens.iter().map(|t| t.id).collect()
}

/// f(c) of every token that was written, read in one pass without a cache.
fn contexts(plm: &Model, prompt: &Encoded, written: &Written) -> Vec<Vec<f32>> {
    let all = block_on(plm.contexts(&[&prompt.prompt[..], &ids(written)].concat())).unwrap();
    let rows: Vec<Vec<f32>> = all.chunks_exact(plm.file.config.hidden).map(<[f32]>::to_vec).collect();
    rows[prompt.prompt.len() - 1..rows.len() - 1].to_vec()
}

/// Checks a token and its explanation against two distributions.
fn check(what: &str, token: &Token, lm: &[f64], other: &[f64]) {
    let lambda = f64::from(token.lambda);
    let mixture: Vec<f64> = lm.iter().zip(other).map(|(l, o)| lambda * o + (1.0 - lambda) * l).collect();
    assert_eq!(token.id, argmax(&mixture), "{what}: not the most probable token");
    let got = token.probabilities.unwrap();
    for (name, p, got) in [("lm", lm, got.lm), ("other", other, got.pema), ("mixture", &mixture, got.mix)] {
        let p = p[token.id as usize];
        assert!((p - f64::from(got)).abs() < 1e-3 * p + 1e-7, "{what}: {name} {got} instead of {p}");
    }
}

#[test]
fn a_batch_writes_what_each_prompt_writes_alone() {
    for plm in models() {
        // More prompts than run in step, and a stop string, so that texts end at different times.
        let many = prompts(&plm, 34);
        let c = GenerateConfig { max_tokens: 4, stop: vec!["e".into(), "i".into()], ..config(Base) };
        let together = base(&plm, &many, &c);
        for i in [0, 3, 9, 31, 32, 33] {
            assert_eq!(base(&plm, &many[i..=i], &c), together[i..=i], "prompt {i}");
        }
        assert!(together.iter().any(|w| w.ended) && together.iter().any(|w| !w.ended));
        let greedy = &base(&plm, &many[..1], &config(Base))[0];
        let head = Head::of(&plm);
        for (token, f) in greedy.tokens.iter().zip(contexts(&plm, &many[0], greedy)) {
            assert_eq!(token.id, argmax(&head.log_probabilities(&small::wide(&f))));
        }
    }
}

#[test]
fn a_seed_fixes_every_text_and_another_changes_them() {
    for plm in models() {
        let p = prompts(&plm, 3);
        let first = base(&plm, &p, &sampled(Base, 1));
        assert_eq!(first, base(&plm, &p, &sampled(Base, 1)));
        // The first text does not depend on those beside it.
        assert_eq!(first[..1], base(&plm, &p[..1], &sampled(Base, 1)));
        let other = base(&plm, &p, &sampled(Base, 2));
        assert!(first.iter().zip(&other).all(|(a, b)| ids(a) != ids(b)));
    }
}

#[test]
fn an_adapter_that_is_zero_or_has_no_weight_writes_the_models_own_text() {
    for plm in models() {
        let p = prompts(&plm, 3);
        let strong = small::adapter(&plm.file.identity, Form::Residual, 4, 3.0, 1);
        let zero = Adapter { b_pd: vec![0.0; strong.b_pd.len()], ..strong.clone() };
        for settings in [config, |method| sampled(method, 5)] {
            let expected: Vec<_> = base(&plm, &p, &settings(Base)).iter().map(ids).collect();
            for method in [Pema, PemaGu] {
                let text = |adapter: &Adapter, lambda: f32| {
                    let c = GenerateConfig { lambda_max: Some(lambda), ..settings(method) };
                    let written = write(&Generator::new(&plm, Some(adapter), None).unwrap(), &p, &c);
                    written.iter().map(ids).collect::<Vec<_>>()
                };
                for lambda in [0.3, 1.0] {
                    assert_eq!(text(&zero, lambda), expected, "{method:?} {lambda}");
                }
                assert_eq!(text(&strong, 0.0), expected, "{method:?}");
                assert_ne!(text(&strong, 1.0), expected, "{method:?}");
            }
        }
    }
}

#[test]
fn every_token_has_the_weight_of_its_schedule() {
    let plm = &models()[0];
    let mut p = prompts(plm, 2);
    (p[0].input_tokens, p[1].input_tokens) = (4, 7);
    let adapter = small::adapter(&plm.file.identity, Form::Residual, 4, 0.5, 2);
    let generator = Generator::new(plm, Some(&adapter), None).unwrap();
    let lambdas = |c: GenerateConfig| {
        let written = write(&generator, &p, &c);
        written.iter().map(|w| w.tokens.iter().map(|t| t.lambda).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let unrolled = |max: f32, length: usize| -> Vec<f32> {
        let next = |l: &f32| Some((l - max / length as f32).max(0.0));
        std::iter::successors(Some(max), next).take(10).collect()
    };
    for (asked, max) in [(None, adapter.meta.lambda_max), (Some(0.6), 0.6)] {
        let got = lambdas(GenerateConfig { lambda_max: asked, ..config(PemaGu) });
        assert_close("4 tokens", &unrolled(max, 4), &got[0], 1e-6);
        assert_close("7 tokens", &unrolled(max, 7), &got[1], 1e-6);
    }
    assert_eq!(lambdas(config(Pema)), [[adapter.meta.lambda_constant; 10]; 2]);
    assert_eq!(lambdas(GenerateConfig { lambda_max: Some(0.7), ..config(Pema) }), [[0.7; 10]; 2]);
    assert_eq!(lambdas(GenerateConfig { lambda_max: Some(0.7), ..config(Base) }), [[0.0; 10]; 2]);
    let reference = GenerateConfig {
        schedule: Some(Schedule::ReferenceCode),
        reference_length: Some(10),
        lambda_max: Some(0.8),
        ..config(PemaGu)
    };
    let squared: Vec<f32> = (0..10).map(|t| if t == 0 { 0.8 } else { (0.8 - 0.08 * t as f32).powi(2) }).collect();
    assert_close("the released program's", &squared, &lambdas(reference)[1], 1e-6);
    assert!(block_on(generator.write(&p, &GenerateConfig { lambda_max: Some(1.1), ..config(Pema) }, |_, _| {})).is_err());
}

#[test]
fn explanations_are_the_softmax_of_head_and_adapter_and_their_mixture() {
    for plm in models() {
        let (p, head) = (prompts(&plm, 2), Head::of(&plm));
        for form in [Form::Residual, Form::Paper] {
            let adapter = small::adapter(&plm.file.identity, form, 4, 0.5, 3);
            let generator = Generator::new(&plm, Some(&adapter), None).unwrap();
            let exp = |h: &[f64]| head.log_probabilities(h).iter().map(|l| l.exp()).collect::<Vec<_>>();
            for written in
                write(&generator, &p, &GenerateConfig { explain: true, lambda_max: Some(0.5), ..config(Pema) })
                    .iter()
                    .zip(&p)
            {
                let (written, prompt) = written;
                for (t, (token, f)) in written.tokens.iter().zip(contexts(&plm, prompt, written)).enumerate() {
                    let (lm, pema) = (exp(&small::wide(&f)), exp(&small::adapted(&adapter, &f)));
                    check(&format!("{form:?} token {t}"), token, &lm, &pema);
                }
            }
        }
    }
}
