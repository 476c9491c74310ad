//! How texts end: stop strings, the end token, the limit in tokens, the model's context.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use pema::{Adapter, Encoded, Error, Form, GenerateConfig, Generator, Method};
use pema_tests::small::{self, Head, models};
use pema_tests::writing::{base, config, contexts, ids, prompts, write};
use pema_tests::{block_on, relative_error};

use Method::{Base, Pema};

/// A prompt of ids alone.
fn prompt(ids: &[u32]) -> Encoded {
    Encoded { prompt: ids.to_vec(), target: Vec::new(), input_tokens: 1, input: String::new() }
}

#[test]
fn a_stop_string_ends_the_text_before_itself() {
    for plm in models() {
        let p = prompts(&plm, 4);
        let whole = base(&plm, &p, &config(Base));
        for (i, text) in whole.iter().enumerate() {
            let chars: Vec<char> = text.text.chars().collect();
            // Every pair of neighbouring characters of the text stops it where it first occurs.
            for pair in chars.windows(2).step_by(3) {
                let stop: String = pair.iter().collect();
                let c = GenerateConfig { stop: vec!["never seen".into(), stop.clone()], ..config(Base) };
                let stopped = &base(&plm, &p[i..=i], &c)[0];
                let before = text.text.split(&stop).next().unwrap();
                assert_eq!(stopped.text, before.trim_end(), "{stop:?} in {:?}", text.text);
                assert!(stopped.ended && ids(text).starts_with(&ids(stopped)));
            }
            // What only begins like a stop string is held back and comes out in the end.
            let last: String = chars[chars.len() - 1..].iter().collect();
            let c = GenerateConfig { stop: vec![last + "never seen"], ..config(Base) };
            assert_eq!(base(&plm, &p[i..=i], &c)[0], *text);
        }
        assert!(whole.iter().all(|w| w.text.chars().count() > 4));
    }
}

#[test]
fn the_limit_in_tokens_is_exact_and_no_end() {
    for plm in models() {
        let p = prompts(&plm, 3);
        let ten = base(&plm, &p, &config(Base));
        for max_tokens in [0, 1, 7] {
            let written = base(&plm, &p, &GenerateConfig { max_tokens, ..config(Base) });
            for (short, long) in written.iter().zip(&ten) {
                assert_eq!(ids(short), ids(long)[..max_tokens]);
                assert!(!short.ended);
            }
        }
        assert!(base(&plm, &[], &config(Base)).is_empty());
    }
}

#[test]
fn the_models_context_is_filled_to_the_last_token_and_never_exceeded() {
    for plm in models() {
        let limit = plm.file.config.context;
        let long: Vec<u32> = (0..limit as u32).map(|i| 3 + i * 7 % 370).collect();
        let c = GenerateConfig { max_tokens: 50, ..config(Base) };
        let written = base(&plm, &[prompt(&long[..limit - 3]), prompt(&long[..limit - 1])], &c);
        assert_eq!((written[0].tokens.len(), written[1].tokens.len()), (3, 1));
        let generator = Generator::new(&plm, None, None).unwrap();
        let error = block_on(generator.write(&[prompt(&long)], &c, |_, _| {})).unwrap_err();
        assert!(error.to_string().contains(&limit.to_string()), "{error}");
        // Long prompts that share nothing are read in several passes and still get their own texts.
        let several: Vec<Encoded> = [300, 301, 302, 40].map(|n| prompt(&long[n % 7..n])).into();
        let c = GenerateConfig { max_tokens: 3, ..config(Base) };
        let together = base(&plm, &several, &c);
        for (i, p) in several.iter().enumerate() {
            assert_eq!(base(&plm, std::slice::from_ref(p), &c)[0], together[i], "prompt {i}");
        }
    }
}

/// An adapter that adds `strength` times the head's row of `token` to h_pd behind `f`, and nothing
/// across it.
fn pointing_at(plm: &small::Model, f: &[f32], token: u32, strength: f32) -> Adapter {
    let square: f32 = f.iter().map(|f| f * f).sum();
    let a = f.iter().map(|f| f / square).collect();
    let b_pd = Head::of(plm).row(token).iter().map(|w| w * strength).collect();
    Adapter { a, b_pd, ..small::adapter(&plm.file.identity, Form::Residual, 1, 0.0, 1) }
}

#[test]
fn every_end_token_ends_the_text_and_is_no_part_of_it() {
    for plm in models() {
        let p = &prompts(&plm, 1);
        let f = &contexts(&plm, &p[0].prompt, &[0])[0];
        assert!(!plm.file.tokenizer.eos_ids().is_empty());
        for end in plm.file.tokenizer.eos_ids() {
            let adapter = pointing_at(&plm, f, *end, 10.0);
            let h = small::adapted(&adapter, f);
            assert_eq!(small::argmax(&Head::of(&plm).log_probabilities(&h)), *end);
            let c = GenerateConfig { lambda_max: Some(1.0), ..config(Pema) };
            let written = &write(&Generator::new(&plm, Some(&adapter), None).unwrap(), p, &c)[0];
            assert_eq!((written.text.as_str(), ids(written), written.ended), ("", vec![*end], true));
            assert_eq!(written.tokens[0].text, "");
        }
    }
}

#[test]
fn the_head_of_the_tests_is_the_models_head() {
    // The tests above rely on it: another row of the head must be told apart.
    let plm = &models()[0];
    let head = Head::of(plm);
    assert!(relative_error(head.row(5), head.row(6)) > 0.1);
}

#[test]
fn what_cannot_be_written_is_refused() {
    for plm in models() {
        let generator = Generator::new(&plm, None, None).unwrap();
        let refused = |p: &[Encoded], c: GenerateConfig| block_on(generator.write(p, &c, |_, _| {})).unwrap_err();
        let p = prompts(&plm, 2);
        for method in [Method::Knn, Pema, Method::PemaGu] {
            let error = refused(&p, config(method));
            assert!(matches!(error, Error::Needs { .. }) && error.to_string().contains(method.name()), "{error}");
        }
        let mut hot = config(Base);
        hot.sampling.temperature = f32::NAN;
        assert!(matches!(refused(&p, hot), Error::BadSampling { .. }));
        // A prompt without a token gives no context to go on from; its neighbours must not pay for it.
        for p in [vec![prompt(&[])], vec![p[0].clone(), prompt(&[]), p[1].clone()]] {
            assert!(matches!(refused(&p, config(Base)), Error::BadTemplate { .. }));
        }
    }
}
