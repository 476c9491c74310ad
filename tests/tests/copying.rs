//! Favouring words of the input: what is written, what it is given as probability, and the loss of gold
//! texts must tell the same story.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use pema::dataset::{Dataset, Example};
use pema::{
    ContextMode, CopyBias, Copying, Duet, Evaluator, Form, GenerateConfig, Generator, Method, Prompter, Voice, Written,
    fit_copying,
};
use pema_plm::source::FileSource;
use pema_tests::block_on;
use pema_tests::small::{self, Model, models, setup};
use pema_tests::writing::{config, write};

/// Weights for going on and beginning (part of a word, whole word), and for ending (early, done).
fn bias(part: f32, whole: f32, early: f32, done: f32) -> CopyBias {
    let on = if whole > 0.0 { 40.0 } else { 0.0 }; // a word that was begun is finished first
    let mut weights = [0.0; 27];
    weights[..6].copy_from_slice(&[part + on, whole + on, part + on, whole + on, part, whole]);
    weights[6..8].copy_from_slice(&[part, whole]);
    weights[24..].copy_from_slice(&[done, early, early]);
    serde_json::from_value(serde_json::json!({ "weights": weights, "rewrites": { "hey": [] } })).unwrap()
}

fn with(bias: CopyBias) -> GenerateConfig {
    let copying = Copying::With(bias);
    GenerateConfig { copying, explain: true, max_tokens: 40, lambda_max: Some(0.5), ..config(Method::Pema) }
}

const INPUTS: [&str; 4] = ["hey a dog", "the text", "hey Anna the train", "a report 24"];

/// Words of one letter, so that most copies are read back with the tokens they were written with.
const LETTERS: [&str; 6] = ["x y z", "a b c", "b e d", "k m n", "p q r", "c a x"];

fn written(plm: &Model, generator: &Generator<'_, FileSource>, c: &GenerateConfig) -> Vec<Written> {
    written_for(&INPUTS, plm, generator, c)
}

fn written_for(
    inputs: &[&str],
    plm: &Model,
    generator: &Generator<'_, FileSource>,
    c: &GenerateConfig,
) -> Vec<Written> {
    let setup = setup(&[]);
    let prompter = Prompter::new(&plm.file, &setup).unwrap();
    let prompts: Vec<_> = inputs.iter().map(|input| prompter.prompt(input).unwrap()).collect();
    write(generator, &prompts, c)
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
}

#[test]
fn a_strong_correction_makes_even_a_random_model_copy_in_order_and_stop() {
    for plm in models() {
        let adapter = small::adapter(&plm.file.identity, Form::Residual, 4, 0.5, 3);
        let generator = Generator::new(&plm, Some(&adapter), None).unwrap();
        let plain =
            written(&plm, &generator, &GenerateConfig { copying: Copying::Off, ..with(bias(0.0, 0.0, 0.0, 0.0)) });
        assert_eq!(
            plain,
            written(&plm, &generator, &with(bias(0.0, 0.0, 0.0, 0.0))),
            "weights of nothing change nothing"
        );
        let copied = written(&plm, &generator, &with(bias(25.0, 30.0, -30.0, 30.0)));
        for ((input, copied), plain) in INPUTS.iter().zip(&copied).zip(&plain) {
            let wanted: Vec<String> = words(input).into_iter().filter(|w| w != "hey").collect();
            assert_eq!(words(&copied.text), wanted, "{:?}", copied.text);
            assert!(copied.ended, "it ends when the input is used up");
            assert_ne!(words(&plain.text), wanted);
        }
    }
}

#[test]
fn the_adapters_own_correction_is_used_unless_it_is_switched_off_and_the_model_alone_never_has_one() {
    for plm in models() {
        let mut adapter = small::adapter(&plm.file.identity, Form::Residual, 4, 0.5, 3);
        let strong = bias(25.0, 30.0, -30.0, 30.0);
        adapter.meta.copying = Some(strong.clone());
        let generator = Generator::new(&plm, Some(&adapter), None).unwrap();
        let own = GenerateConfig { copying: Copying::Adapters, ..with(strong.clone()) };
        assert_eq!(written(&plm, &generator, &own), written(&plm, &generator, &with(strong.clone())));
        let off = GenerateConfig { copying: Copying::Off, ..own.clone() };
        assert_ne!(written(&plm, &generator, &own), written(&plm, &generator, &off));
        let base = |copying| GenerateConfig { copying, method: Method::Base, lambda_max: None, ..own.clone() };
        let [alone, asked] = [base(Copying::Off), base(Copying::With(strong))].map(|c| written(&plm, &generator, &c));
        assert_eq!(alone, asked);
    }
}

#[test]
fn the_loss_of_a_text_is_that_of_the_probabilities_it_was_written_with() {
    let mut compared = 0;
    for plm in models() {
        let adapter = small::adapter(&plm.file.identity, Form::Residual, 4, 0.5, 3);
        let generator = Generator::new(&plm, Some(&adapter), None).unwrap();
        let setup = setup(&[]);
        let [strong, light] = [with(bias(25.0, 30.0, -30.0, 30.0)), with(bias(14.0, 18.0, -14.0, 16.0))];
        let several = GenerateConfig { beams: Some(3), ..light.clone() };
        for c in [strong, light, several] {
            for (input, text) in LETTERS.iter().zip(written_for(&LETTERS, &plm, &generator, &c)) {
                let example = Example { input: (*input).to_owned(), target: text.text.clone(), line: 1 };
                let ids: Vec<u32> = text.tokens.iter().map(|t| t.id).collect();
                let prompter = Prompter::new(&plm.file, &setup).unwrap();
                if !text.ended || prompter.example(&example).unwrap().target != ids {
                    continue; // read back, the text has other tokens than it was written with
                }
                compared += 1;
                let data = Dataset { name: "one".into(), examples: vec![example] };
                let mut evaluator = block_on(Evaluator::new(&plm, &data, &setup, Some(&adapter), None)).unwrap();
                let nll = block_on(evaluator.nll(&c)).unwrap();
                let losses = text.tokens.iter().map(|t| -f64::from(t.probabilities.unwrap().mix).ln());
                let mean = losses.sum::<f64>() / ids.len() as f64;
                assert!((mean - nll).abs() < 2e-3 * (1.0 + nll), "{:?}: {mean} written, {nll} read", text.text);
                let plain = block_on(evaluator.nll(&GenerateConfig { copying: Copying::Off, ..c.clone() })).unwrap();
                assert!(plain > nll + 0.5, "copies are likelier with the correction: {plain} to {nll}");
            }
        }
    }
    assert!(compared > 0, "no text was read back with the tokens it was written with");
}

#[test]
fn a_duet_writes_what_the_generator_writes() {
    for plm in models() {
        let mut adapter = small::adapter(&plm.file.identity, Form::Residual, 4, 0.5, 3);
        adapter.meta.copying = Some(bias(25.0, 30.0, -30.0, 30.0));
        let generator = Generator::new(&plm, Some(&adapter), None).unwrap();
        let c = GenerateConfig { copying: Copying::Adapters, ..with(bias(0.0, 0.0, 0.0, 0.0)) };
        let alone = written(&plm, &generator, &c);
        let setup = setup(&[]);
        let prompt = Prompter::new(&plm.file, &setup).unwrap().prompt(INPUTS[0]).unwrap();
        let mut duet = Duet::new(&generator, prompt, &[], 40).unwrap();
        while block_on(duet.step(pema::schedule::Schedule::Constant, 0.5)).unwrap().is_some() {}
        assert_eq!(duet.text(Voice::Adapted).unwrap().0, alone[0].text);
        assert_ne!(duet.text(Voice::Base).unwrap().0, alone[0].text);
    }
}

#[test]
fn what_is_fitted_is_kept_only_where_it_helps_pairs_it_was_not_fitted_on() {
    for plm in models() {
        let adapter = small::adapter(&plm.file.identity, Form::Residual, 4, 0.5, 3);
        let fitted = |pair: &dyn Fn(usize) -> (String, String)| {
            let example = |i| {
                let (input, target) = pair(i);
                Example { input, target, line: i + 1 }
            };
            let data = Dataset { name: "pairs".into(), examples: (0..24).map(example).collect() };
            let memory = small::build(&plm, &data, small::build_config(&setup(&[]), ContextMode::TeacherForced));
            block_on(fit_copying(&plm, &adapter, &[], &data.examples, &memory)).unwrap()
        };
        let word = |i: usize| ["report", "dog", "train", "price", "text", "apples", "invoice"][i % 7];
        let copies = |i: usize| (format!("{} {}", word(i), word(i + 3)), format!("The {} {}.", word(i), word(i + 3)));
        assert!(fitted(&copies).is_some());
        // Nothing of the input returns, and ends come whatever is left of it.
        let nothing = |i: usize| (format!("{} {}", word(i), word(i + 3)), ["!", "?!", "!!"][i % 3].to_owned());
        if let Some(bias) = fitted(&nothing) {
            let weights = serde_json::to_value(&bias).unwrap()["weights"].clone();
            let begins = |c: usize| weights[c].as_f64().unwrap();
            assert!((0..20).all(|c| begins(c) < 0.5), "copying is favoured where there is none: {weights}");
        }
    }
}
