//! Writing: what batches, seeds, lambdas, schedules, limits and explanations must do, against f64
//! distributions of contexts that were read alone.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use pema::schedule::Schedule;
use pema::{Adapter, Form, GenerateConfig, Generator, Method};
use pema_tests::small::{self, Head, argmax, models, wide};
use pema_tests::writing::{base, check_token, config, contexts, ids, prompts, sampled, write};
use pema_tests::{assert_close, block_on};

use Method::{Base, Pema, PemaGu};

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
        for (token, f) in greedy.tokens.iter().zip(contexts(&plm, &many[0].prompt, &ids(greedy))) {
            assert_eq!(token.id, argmax(&head.log_probabilities(&wide(&f))));
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
        // One prompt many times: every text has random numbers of its own, in the next batch too.
        let copies = base(&plm, &vec![p[0].clone(); 33], &sampled(Base, 1));
        assert_eq!(copies[0], first[0]);
        assert!(ids(&copies[0]) != ids(&copies[1]) && ids(&copies[0]) != ids(&copies[32]));
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
    assert!(
        block_on(generator.write(&p, &GenerateConfig { lambda_max: Some(1.1), ..config(Pema) }, |_, _| {})).is_err()
    );
}

#[test]
fn explanations_are_the_softmax_of_head_and_adapter_and_their_mixture() {
    for plm in models() {
        let (p, head) = (prompts(&plm, 2), Head::of(&plm));
        for form in [Form::Residual, Form::Paper] {
            let adapter = small::adapter(&plm.file.identity, form, 4, 0.5, 3);
            let generator = Generator::new(&plm, Some(&adapter), None).unwrap();
            let exp = |h: &[f64]| head.log_probabilities(h).iter().map(|l| l.exp()).collect::<Vec<_>>();
            let c = GenerateConfig { explain: true, lambda_max: Some(0.5), ..config(Pema) };
            for (written, prompt) in write(&generator, &p, &c).iter().zip(&p) {
                let rows = contexts(&plm, &prompt.prompt, &ids(written));
                for (t, (token, f)) in written.tokens.iter().zip(rows).enumerate() {
                    let (lm, pema) = (exp(&wide(&f)), exp(&small::adapted(&adapter, &f)));
                    check_token(&format!("{form:?} token {t}"), token, &lm, &pema);
                }
            }
        }
    }
}

#[test]
fn an_explanation_does_not_depend_on_the_texts_beside_it() {
    // The first text's weight has faded when the second's has not: each still shows its own P_PEMA.
    for plm in models() {
        let mut p = prompts(&plm, 2);
        (p[0].input_tokens, p[1].input_tokens) = (2, 8);
        let adapter = small::adapter(&plm.file.identity, Form::Residual, 4, 0.5, 3);
        let generator = Generator::new(&plm, Some(&adapter), None).unwrap();
        let c = GenerateConfig { explain: true, ..config(PemaGu) };
        let (together, alone) = (write(&generator, &p, &c), write(&generator, &p[..1], &c));
        for (t, (a, b)) in together[0].tokens.iter().zip(&alone[0].tokens).enumerate() {
            let [a, b] = [a, b].map(|token| token.probabilities.unwrap());
            assert_close(&format!("token {t}"), &[a.lm, a.pema, a.mix], &[b.lm, b.pema, b.mix], 1e-4);
        }
    }
}
