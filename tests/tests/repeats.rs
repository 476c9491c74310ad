//! Nothing said twice: with the adapter no run of tokens returns, whichever way a text is written; the model alone is left
//! as it is.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use std::collections::HashSet;

use pema::sampling::SamplingConfig;
use pema::schedule::Schedule;
use pema::{Adapter, Duet, Form, GenerateConfig, Generator, Method, Voice};
use pema_tests::block_on;
use pema_tests::small::{self, Model, models};
use pema_tests::writing::{config, ids, prompts, write};

use Method::{Base, Pema};

const RUN: usize = 3;

fn adapter(plm: &Model) -> Adapter {
    small::adapter(&plm.file.identity, Form::Residual, 4, 1.0, 3)
}

fn long(method: Method) -> GenerateConfig {
    GenerateConfig { max_tokens: 60, lambda_max: (method == Pema).then_some(0.7), ..config(method) }
}

/// Runs that are there twice. Those with a number in them do not count.
fn repeats(plm: &Model, ids: &[u32]) -> usize {
    let number = |id: &u32| plm.file.tokenizer.piece_bytes(*id).unwrap().iter().any(u8::is_ascii_digit);
    let mut seen = HashSet::new();
    ids.windows(RUN).filter(|run| !run.iter().any(number) && !seen.insert(*run)).count()
}

#[test]
fn no_run_of_words_returns_in_any_way_of_writing() {
    let (mut before, mut after) = (0, 0);
    for plm in models() {
        let adapter = adapter(&plm);
        let generator = Generator::new(&plm, Some(&adapter), None).unwrap();
        let p = prompts(&plm, 4);
        let drawn = SamplingConfig { temperature: 0.3, seed: 3, ..Default::default() };
        for (beams, sampling) in [(1, SamplingConfig::default()), (3, SamplingConfig::default()), (1, drawn)] {
            let c = GenerateConfig { beams: Some(beams), sampling, ..long(Pema) };
            let free = write(&generator, &p, &c);
            let bound = write(&generator, &p, &GenerateConfig { no_repeat: Some(RUN), ..c });
            for (free, bound) in free.iter().map(ids).zip(bound.iter().map(ids)) {
                (before, after) = (before + repeats(&plm, &free), after + repeats(&plm, &bound));
                // Up to the first repetition both are one text where one token at a time is taken.
                if beams == 1 {
                    let same = free.iter().zip(&bound).take_while(|(a, b)| a == b).count();
                    let sound = (0..free.len()).take_while(|n| repeats(&plm, &free[..n + 1]) == 0).count();
                    assert_eq!(same, sound.min(bound.len()), "{free:?} {bound:?}");
                }
            }
        }
    }
    assert!(before > 10, "random models repeat themselves, or this test says nothing: {before}");
    assert_eq!(after, 0);
}

#[test]
fn the_adapters_own_rule_holds_unless_another_is_asked_for_and_never_for_the_model_alone() {
    let plm = &models()[0];
    let mut adapter = adapter(plm);
    adapter.meta.no_repeat = RUN;
    let (generator, p) = (Generator::new(plm, Some(&adapter), None).unwrap(), prompts(plm, 4));
    let text = |c: &GenerateConfig| write(&generator, &p, c).iter().map(ids).collect::<Vec<_>>();
    let with = |no_repeat| GenerateConfig { no_repeat, ..long(Pema) };
    assert_eq!(text(&with(None)), text(&with(Some(RUN))));
    assert_ne!(text(&with(None)), text(&with(Some(0))));
    assert_eq!(text(&long(Base)), text(&GenerateConfig { no_repeat: Some(RUN), ..long(Base) }));
}

#[test]
fn the_live_text_obeys_it_and_the_probabilities_say_what_was_chosen_from() {
    for plm in models() {
        let mut adapter = adapter(&plm);
        adapter.meta.no_repeat = RUN;
        let (generator, p) = (Generator::new(&plm, Some(&adapter), None).unwrap(), prompts(&plm, 2));
        let told = GenerateConfig { explain: true, ..long(Pema) };
        for beams in [1, 3] {
            for text in write(&generator, &p, &GenerateConfig { beams: Some(beams), ..told.clone() }) {
                for token in &text.tokens {
                    let p = token.probabilities.unwrap();
                    let mixture = token.lambda * p.pema + (1.0 - token.lambda) * p.lm;
                    assert!(p.mix > 1e-6 && p.mix > mixture - 1e-5, "what may not be said leaves its share: {token:?}");
                }
            }
        }
        for (prompt, written) in p.iter().zip(write(&generator, &p, &told)) {
            let mut duet = Duet::new(&generator, prompt.clone(), &[], 60).unwrap();
            while block_on(duet.step(Schedule::Constant, 0.7)).unwrap().is_some() {}
            assert_eq!(duet.text(Voice::Adapted).unwrap().0, written.text);
        }
    }
}
