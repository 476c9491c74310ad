//! Beam search: against a search without caches in f64, and what it must not change.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use pema::sampling::SamplingConfig;
use pema::{Copying, Encoded, Form, GenerateConfig, Generator, Method};
use pema_tests::block_on;
use pema_tests::small::{self, Head, Model, models, wide};
use pema_tests::writing::{base, config, contexts, ids, prompts, write};

use Method::{Base, Pema, PemaGu};

/// Tokens, log P, whether it ended.
type Version = (Vec<u32>, f64, bool);

/// The most probable finished version, read anew at every step. As many tokens at most as `room`.
fn reference(plm: &Model, head: &Head, prompt: &Encoded, beams: usize, room: usize) -> Version {
    let (mut live, mut done): (Vec<Version>, Vec<Version>) = (vec![(Vec::new(), 0.0, false)], Vec::new());
    let mean = |v: &Version| v.1 / v.0.len() as f64;
    while !live.is_empty() {
        let mut all: Vec<Version> = Vec::new();
        for (ids, score, _) in &live {
            let f = contexts(plm, &prompt.prompt, &[&ids[..], &[0]].concat()).pop().unwrap();
            for (id, log_p) in (0..).zip(head.log_probabilities(&wide(&f))) {
                let end = plm.file.tokenizer.eos_ids().contains(&id);
                all.push(([&ids[..], &[id]].concat(), score + log_p, end));
            }
        }
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        live.clear();
        for (place, version) in all.into_iter().enumerate() {
            if live.len() == beams {
                break;
            }
            let finished = version.2 || version.0.len() == room;
            if !finished {
                live.push(version);
            } else if place < beams {
                done.push(version);
            } else if version.0.len() == room {
                break;
            }
        }
        done.sort_by(|a, b| (b.2, mean(b)).partial_cmp(&(a.2, mean(a))).unwrap());
        done.truncate(beams);
        let best = live.iter().map(mean).fold(f64::NEG_INFINITY, f64::max);
        if done.len() == beams && (done[beams - 1].2, mean(&done[beams - 1])) >= (true, best) {
            break;
        }
    }
    done.swap_remove(0)
}

fn searched(beams: usize) -> GenerateConfig {
    GenerateConfig { beams: Some(beams), explain: true, max_tokens: 6, ..config(Base) }
}

#[test]
fn the_most_probable_version_is_found_as_without_caches() {
    for plm in models() {
        let (head, p) = (Head::of(&plm), prompts(&plm, 5));
        let mut better = 0;
        for beams in [2, 3, 7] {
            let greedy = base(&plm, &p, &GenerateConfig { beams: Some(1), ..searched(1) });
            let found = base(&plm, &p, &searched(beams));
            for ((found, greedy), prompt) in found.iter().zip(&greedy).zip(&p) {
                let (wanted, score, ended) = reference(&plm, &head, prompt, beams, 6);
                assert_eq!((ids(found), found.ended), (wanted, ended), "{beams} versions");
                let log_p = |w: &pema::Written| -> f64 {
                    w.tokens.iter().map(|t| f64::from(t.probabilities.unwrap().mix).ln()).sum()
                };
                assert!(
                    (log_p(found) - score).abs() < 1e-3 * (1.0 + score.abs()),
                    "{} instead of {score}",
                    log_p(found)
                );
                better += usize::from(log_p(found) > log_p(greedy) + 1e-6);
            }
        }
        assert!(better > 0, "the best token each time was always the best text, so this test says nothing");
    }
}

#[test]
fn a_text_does_not_depend_on_those_beside_it_or_on_being_explained() {
    for plm in models() {
        let adapter = small::adapter(&plm.file.identity, Form::Residual, 4, 1.0, 3);
        let generator = Generator::new(&plm, Some(&adapter), None).unwrap();
        // More prompts than run in step, and a stop string, so that texts end at different times.
        let many = prompts(&plm, 19);
        for method in [Pema, PemaGu] {
            let c = GenerateConfig { stop: vec!["e".into(), "i".into()], explain: false, ..searched(3) };
            let c = GenerateConfig { method, lambda_max: Some(0.7), ..c };
            let together = write(&generator, &many, &c);
            for i in [0, 3, 9, 10, 18] {
                assert_eq!(write(&generator, &many[i..=i], &c), together[i..=i], "prompt {i}");
            }
            assert!(together.iter().any(|w| w.ended));
            let told = write(&generator, &many, &GenerateConfig { explain: true, ..c });
            for (told, plain) in told.iter().zip(&together) {
                assert_eq!((&told.text, ids(told)), (&plain.text, ids(plain)));
            }
        }
    }
}

#[test]
fn probabilities_are_those_of_model_and_adapter_at_every_token() {
    for plm in models() {
        let head = Head::of(&plm);
        let adapter = small::adapter(&plm.file.identity, Form::Residual, 4, 1.0, 3);
        let generator = Generator::new(&plm, Some(&adapter), None).unwrap();
        let p = prompts(&plm, 3);
        let c = GenerateConfig { method: Pema, lambda_max: Some(0.7), ..searched(4) };
        for (written, prompt) in write(&generator, &p, &c).iter().zip(&p) {
            let rows = contexts(&plm, &prompt.prompt, &ids(written));
            for (t, (token, f)) in written.tokens.iter().zip(rows).enumerate() {
                let of = |h: &[f64]| head.log_probabilities(h)[token.id as usize].exp();
                let (lm, pema) = (of(&wide(&f)), of(&small::adapted(&adapter, &f)));
                let told = token.probabilities.unwrap();
                for (got, wanted) in [(told.lm, lm), (told.pema, pema), (told.mix, 0.7 * pema + 0.3 * lm)] {
                    let got = f64::from(got);
                    assert!((got - wanted).abs() < 1e-4 * wanted + 1e-7, "token {t}: {got} instead of {wanted}");
                }
                assert_eq!(token.lambda, 0.7);
            }
        }
    }
}

#[test]
fn the_adapters_own_number_is_taken_where_one_token_is_not_drawn_or_voted_for() {
    let plm = &models()[0];
    let mut adapter = small::adapter(&plm.file.identity, Form::Residual, 4, 1.0, 3);
    adapter.meta.beams = 4;
    let generator = Generator::new(plm, Some(&adapter), None).unwrap();
    let p = prompts(plm, 4);
    let text = |c: &GenerateConfig| write(&generator, &p, c).iter().map(ids).collect::<Vec<_>>();
    let own = GenerateConfig { lambda_max: Some(0.7), ..config(Pema) };
    let of = |beams| GenerateConfig { beams: Some(beams), ..own.clone() };
    assert_eq!(text(&own), text(&of(4)));
    assert_ne!(text(&own), text(&of(1)));
    assert_eq!(text(&config(Base)), text(&GenerateConfig { beams: Some(1), ..config(Base) }));
    let sampling = SamplingConfig { temperature: 1.0, seed: 3, ..Default::default() };
    let drawn = GenerateConfig { sampling, ..own.clone() };
    assert_eq!(text(&drawn), text(&GenerateConfig { beams: Some(1), ..drawn.clone() }));
    let refused = |c: GenerateConfig| {
        let e = block_on(generator.write(&p, &c, |_, _| {})).unwrap_err().to_string();
        assert!(e.contains("beams"), "{e}");
    };
    refused(GenerateConfig { beams: Some(2), ..drawn });
    refused(of(0));
    refused(of(17));
    refused(GenerateConfig { copying: Copying::Off, ..of(usize::MAX) });
}
