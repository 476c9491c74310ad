//! The check of an adapter, and writing, whose loops the caller owns: what they try in which order, that
//! every way writes what it writes outside of a check, and what is there when somebody stops midway.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use pema::dataset::Dataset;
use pema::{
    Adapter, BEAMS, Checker, ContextMode, Copying, Form, Generator, Held, Memory, Method, Mix, PromptSetup, Prompter,
    Similar, Tried, Ways, Writing, enough_tokens, fit_copying, neighbours_instead,
};
use pema_plm::source::FileSource;
use pema_tests::block_on;
use pema_tests::small::{self, Model, models, setup};
use pema_tests::writing::{config, ids, prompts, write};

const PAIRS: usize = 5;

struct Task {
    adapter: Adapter,
    data: Dataset,
    memory: Memory,
}

impl Task {
    fn of(plm: &Model) -> Task {
        let data = small::dataset(9);
        let memory = small::build(plm, &data, small::build_config(&setup(&[]), ContextMode::TeacherForced));
        Task { adapter: small::adapter(&plm.file.identity, Form::Residual, 4, 0.5, 3), data, memory }
    }

    fn held(&self, ways: Ways, copying: bool) -> Held<'_> {
        let all = &self.data.examples[..];
        Held { training: all, all, memory: &self.memory, written: &all[..PAIRS], ways, copying, similar: true }
    }
}

fn run<'a>(checker: &mut Checker<'a, FileSource>, mut until: impl FnMut(&Checker<'a, FileSource>) -> bool) {
    while !until(checker) && block_on(checker.step()).unwrap().is_some() {}
}

fn kinds(tried: &[Tried]) -> Vec<(bool, bool, usize)> {
    tried.iter().map(|t| (t.mix.method.adapted(), t.mix.copying, t.mix.beams)).collect()
}

#[test]
fn every_way_is_tried_in_its_turn_and_writes_as_it_does_alone() {
    for plm in models() {
        let task = Task::of(&plm);
        let generator = Generator::new(&plm, Some(&task.adapter), None).unwrap();
        let mut checker = Checker::new(&generator, task.held(Ways::Own, true)).unwrap();
        let (mut done, mut share) = (0, 0.0);
        while let Some(p) = block_on(checker.step()).unwrap() {
            assert!(p.done >= done && p.share >= share && p.of == 5 * PAIRS, "{p:?} after {done}, {share}");
            (done, share) = (p.done, p.share);
        }
        assert_eq!((done, share), (5 * PAIRS, 1.0));
        let tried = checker.finish();
        let kinds = kinds(&tried);
        assert_eq!(kinds[..4], [(false, false, 1), (true, true, 1), (true, false, 1), (false, false, BEAMS)]);
        assert!(kinds.len() == 5 && kinds[4].0 && kinds[4].2 == BEAMS, "{kinds:?}");
        let prompt = &task.adapter.meta.prompt;
        let prompter = Prompter::new(&plm.file, prompt).unwrap();
        let encoded: Vec<_> = task.data.examples[..PAIRS].iter().map(|e| prompter.prompt(&e.input).unwrap()).collect();
        let most = enough_tokens(&plm, &task.data.examples[..PAIRS]).unwrap();
        for way in &tried {
            let mut alone = way.mix.config(prompt, most);
            if let Some(bias) = &way.bias {
                alone.copying = Copying::With(bias.clone());
            }
            let texts: Vec<String> = write(&generator, &encoded, &alone).into_iter().map(|w| w.text).collect();
            assert_eq!(way.texts, texts, "{:?}", way.mix);
        }
    }
}

#[test]
fn pairs_like_the_input_are_shown_in_their_turn_and_write_as_they_do_alone() {
    let few = |n: usize| small::dataset(n).examples;
    for plm in models() {
        let task = Task::of(&plm);
        let generator = Generator::new(&plm, Some(&task.adapter), None).unwrap();
        let training = few(30);
        let held = Held { training: &training, ..task.held(Ways::All, true) };
        let mut checker = Checker::new(&generator, held).unwrap();
        let mut last = None;
        while let Some(p) = block_on(checker.step()).unwrap() {
            last = Some(p);
        }
        let verdict = checker.decide(100).unwrap();
        let tried = checker.finish();
        let last = last.unwrap();
        assert_eq!((last.done, last.of, last.share), (tried.len() * PAIRS, tried.len() * PAIRS, 1.0));
        let (before, ends) = tried.split_at(tried.len() - 4);
        assert!(before.iter().all(|t| t.mix.similar == 0 && t.mix.beams == 1));
        assert_eq!((ends[0].mix, ends[1].mix.similar), (Mix { similar: 4, ..Mix::BASE }, 4));
        assert!(ends[1].mix.method.adapted() && ends[3].mix.method.adapted() && !ends[2].mix.method.adapted());
        assert!(ends[2..].iter().all(|t| t.mix.beams == BEAMS));
        let similar = Similar::among(&training, &task.adapter.meta.prompt.demos, 4);
        let setup = PromptSetup { similar: Some(similar), ..task.adapter.meta.prompt.clone() };
        let prompter = Prompter::new(&plm.file, &setup).unwrap();
        let written = &task.data.examples[..PAIRS];
        let encoded: Vec<_> = written.iter().map(|e| prompter.prompt(&e.input).unwrap()).collect();
        for way in tried.iter().filter(|t| t.mix.similar > 0) {
            let mut alone = way.mix.config(&setup, enough_tokens(&plm, written).unwrap());
            if let Some(bias) = &way.bias {
                alone.copying = Copying::With(bias.clone());
            }
            let texts: Vec<String> = write(&generator, &encoded, &alone).into_iter().map(|w| w.text).collect();
            assert_eq!((&way.texts, way.similar.as_ref()), (&texts, setup.similar.as_ref()), "{:?}", way.mix);
        }
        // What is chosen travels with the adapter, the pairs included.
        let mut told = task.adapter.clone();
        verdict.apply(&mut told);
        assert_eq!(told.meta.prompt.similar.as_ref().map_or(0, |s| s.count), verdict.chosen.similar);
        let plain = |held: Held<'_>| {
            let mut checker = Checker::new(&generator, held).unwrap();
            while block_on(checker.step()).unwrap().is_some() {}
            checker.finish().iter().all(|t| t.mix.similar == 0)
        };
        // Not wanted, too few to choose from, or no time.
        assert!(plain(Held { similar: false, ..held }));
        assert!(plain(Held { training: &training[..15], ..held }) && plain(Held { ways: Ways::Own, ..held }));
    }
}

#[test]
fn who_stops_has_what_there_is_and_the_loss_before_that() {
    for plm in models() {
        let task = Task::of(&plm);
        let generator = Generator::new(&plm, Some(&task.adapter), None).unwrap();
        let mut checker = Checker::new(&generator, task.held(Ways::All, true)).unwrap();
        assert!(!checker.knows_losses() && checker.by_loss().is_none());
        run(&mut checker, |c| c.knows_losses());
        let by_loss =
            block_on(fit_copying(&plm, &task.adapter, &task.data.examples, &task.data.examples, &task.memory)).unwrap();
        assert_eq!(checker.by_loss(), by_loss);
        assert!(!checker.comparable() && checker.decide(100).is_err(), "nothing is written yet");
        assert_eq!(checker.coming().unwrap(), Some(Mix::BASE));
        run(&mut checker, |c| c.tried().len() == 1);
        assert!(!checker.comparable(), "the model alone is no comparison");
        run(&mut checker, |c| c.comparable());
        assert_eq!(checker.tried().len(), 2);
        let verdict = checker.decide(100).unwrap();
        let with = checker.tried()[1].mix;
        assert!(verdict.pairs == PAIRS && [Mix::BASE, with].contains(&verdict.chosen), "{verdict:?}");
        // In the middle of the next way nothing else is coming, and what is decided stays.
        block_on(checker.step()).unwrap();
        assert_eq!(checker.coming().unwrap(), None);
        assert_eq!(checker.decide(100).unwrap(), verdict);
        // The model alone has searched and the adapter has not: that is no comparison.
        run(&mut checker, |c| c.tried().iter().any(|t| t.mix.beams == BEAMS));
        let last = checker.tried().last().unwrap().mix;
        assert_eq!((last, checker.searched()), (Mix { beams: BEAMS, ..Mix::BASE }, false));
        assert_eq!(checker.decide(100).unwrap().chosen.beams, 1);
        run(&mut checker, |_| false);
        assert!(checker.searched());
    }
}

#[test]
fn a_check_without_copying_favours_nothing() {
    for plm in models() {
        let task = Task::of(&plm);
        let generator = Generator::new(&plm, Some(&task.adapter), None).unwrap();
        let mut checker = Checker::new(&generator, task.held(Ways::Own, false)).unwrap();
        run(&mut checker, |_| false);
        assert!(checker.by_loss().is_none());
        let tried = checker.finish();
        assert_eq!(kinds(&tried), [(false, false, 1), (true, false, 1), (false, false, BEAMS), (true, false, BEAMS)]);
        assert!(tried.iter().all(|t| t.bias.is_none()));
    }
}

#[test]
fn a_check_needs_an_adapter() {
    let plm = &models()[0];
    let task = Task::of(plm);
    let generator = Generator::new(plm, None, None).unwrap();
    let error = Checker::new(&generator, task.held(Ways::Own, true)).unwrap_err().to_string();
    assert!(error.contains("an adapter"), "{error}");
}

#[test]
fn writing_can_be_stopped_after_every_token_and_goes_on_as_if_it_were_not() {
    for plm in models() {
        let prompts = prompts(&plm, 40);
        let generator = Generator::new(&plm, None, None).unwrap();
        for beams in [1, 4] {
            let config = pema::GenerateConfig { beams: Some(beams), max_tokens: 6, ..config(Method::Base) };
            let whole = write(&generator, &prompts, &config);
            let mut writing = Writing::new(&generator, &prompts, &config).unwrap();
            let (mut steps, mut done) = (0, 0);
            while let Some(now) = block_on(writing.step(|_, _| {})).unwrap() {
                assert!(now >= done && now <= prompts.len());
                (steps, done) = (steps + 1, now);
            }
            assert_eq!(done, prompts.len());
            assert!(steps >= prompts.len().div_ceil(32 / beams), "{steps} steps");
            let stepped = writing.finish();
            assert_eq!(stepped.iter().map(ids).collect::<Vec<_>>(), whole.iter().map(ids).collect::<Vec<_>>());

            // Stopped in the middle of the second texts that are written in step: the first are there.
            let mut writing = Writing::new(&generator, &prompts, &config).unwrap();
            while block_on(writing.step(|_, _| {})).unwrap().is_some_and(|done| done < 32 / beams) {}
            for _ in 0..2 {
                block_on(writing.step(|_, _| {})).unwrap();
            }
            assert_eq!(writing.finish()[..], stepped[..32 / beams]);
        }
    }
}

#[test]
fn the_nearest_pairs_are_offered_where_they_write_better_and_only_there() {
    for plm in models() {
        let task = Task::of(&plm);
        let pairs = Dataset { name: "pairs".into(), examples: task.data.examples[..PAIRS].to_vec() };
        let instead = |alone: &[String]| {
            block_on(neighbours_instead(&plm, &pairs, &task.adapter.meta.prompt, &task.memory, alone)).unwrap()
        };
        // The rows of these very pairs vote, so their texts come near the targets.
        let found = instead(&vec!["z".to_owned(); PAIRS]).expect("better than nothing");
        assert!(found.gain.value > 20.0 && found.config.lambda > 0.1, "{found:?}");
        let targets: Vec<String> = pairs.examples.iter().map(|e| e.target.clone()).collect();
        assert_eq!(instead(&targets), None);
    }
}
