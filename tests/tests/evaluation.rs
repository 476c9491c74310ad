//! Losses and texts of every method, and the memory's votes, against f64 sums over contexts that were
//! read alone.

#![allow(clippy::unwrap_used, reason = "what fails here must fail the test")]

use pema::dataset::{Dataset, Example};
use pema::schedule::Schedule;
use pema::{
    Adapter, ContextMode, Evaluator, Form, GenerateConfig, Generator, Knn, KnnConfig, Memory, Method, Prompter,
};
use pema_plm::source::FileSource;
use pema_tests::block_on;
use pema_tests::small::{self, Head, Model, build, build_config, dataset, models, setup, wide};
use pema_tests::writing::{base, check_token, config, contexts, ids, prompts, votes, write};

use Method::{Base, Pema, PemaGu};

/// A gold token: its context, itself, its position and the length of its input.
struct Gold {
    f: Vec<f32>,
    y: usize,
    position: usize,
    length: usize,
}

fn gold(plm: &Model, data: &Dataset) -> Vec<Gold> {
    let setup = setup(&[]);
    let prompter = Prompter::new(&plm.file, &setup).unwrap();
    let mut all = Vec::new();
    for e in data.examples.iter().map(|e| prompter.example(e).unwrap()) {
        let rows = contexts(plm, &e.prompt, &e.target);
        for (position, (f, y)) in rows.into_iter().zip(&e.target).enumerate() {
            all.push(Gold { f, y: *y as usize, position, length: e.input_tokens });
        }
    }
    all
}

fn mean(losses: impl Iterator<Item = f64>) -> f64 {
    let losses: Vec<f64> = losses.collect();
    losses.iter().sum::<f64>() / losses.len() as f64
}

fn assert_near(what: &str, expected: f64, got: f64) {
    assert!((expected - got).abs() < 2e-5 * expected, "{what}: {got} instead of {expected}");
}

/// The memory of eight pairs and a short list of neighbours.
fn knn(plm: &Model, k: usize) -> (Memory, Knn) {
    let memory = build(plm, &dataset(8), build_config(&setup(&[]), ContextMode::TeacherForced));
    let knn = Knn::new(&plm.device, &memory, KnnConfig { k, temperature: 20.0, lambda: 0.4 }).unwrap();
    (memory, knn)
}

fn evaluator<'a>(
    plm: &'a Model,
    data: &Dataset,
    adapter: Option<&'a Adapter>,
    knn: Option<&'a Knn>,
) -> Evaluator<'a, FileSource> {
    block_on(Evaluator::new(plm, data, &setup(&[]), adapter, knn)).unwrap()
}

/// Pairs that are not in the memory.
fn held_out() -> Dataset {
    let data = dataset(12);
    Dataset { examples: data.examples[8..].to_vec(), ..data }
}

#[test]
fn losses_of_model_and_adapter_are_means_over_the_gold_tokens() {
    for plm in models() {
        let (head, data) = (Head::of(&plm), held_out());
        let gold = gold(&plm, &data);
        for form in [Form::Residual, Form::Paper] {
            let adapter = small::adapter(&plm.file.identity, form, 4, 0.5, 1);
            let mut evaluator = evaluator(&plm, &data, Some(&adapter), None);
            assert_eq!(evaluator.pairs(), data.examples.len());
            let mut nll = |c: GenerateConfig| block_on(evaluator.nll(&c)).unwrap();
            let lm = |g: &Gold| head.log_probabilities(&wide(&g.f))[g.y];
            let pema = |g: &Gold| head.log_probabilities(&small::adapted(&adapter, &g.f))[g.y];
            let mixture = |lambda: &dyn Fn(&Gold) -> f64| {
                mean(gold.iter().map(|g| -(lambda(g) * pema(g).exp() + (1.0 - lambda(g)) * lm(g).exp()).ln()))
            };
            assert_near("base", mean(gold.iter().map(|g| -lm(g))), nll(config(Base)));
            let own = f64::from(adapter.meta.lambda_constant);
            assert_near("pema", mixture(&|_| own), nll(config(Pema)));
            let all = GenerateConfig { lambda_max: Some(1.0), ..config(Pema) };
            assert_near("the adapter alone", mean(gold.iter().map(|g| -pema(g))), nll(all));
            for max in [None, Some(0.5)] {
                let start = f64::from(max.unwrap_or(adapter.meta.lambda_max));
                let fading = |g: &Gold| start * (1.0 - g.position as f64 / g.length as f64).max(0.0);
                let unrolled = GenerateConfig { lambda_max: max, ..config(PemaGu) };
                assert_near("gradual unrolling", mixture(&fading), nll(unrolled.clone()));
                let constant = GenerateConfig { schedule: Some(Schedule::Constant), ..unrolled };
                assert_near("unrolled at a constant", mixture(&|_| start), nll(constant.clone()));
                let squared = |g: &Gold| {
                    let step = start * (1.0 - g.position as f64 / 6.0).max(0.0);
                    if g.position == 0 { start } else { step * step }
                };
                let schedule = Some(Schedule::ReferenceCode);
                let released = GenerateConfig { schedule, reference_length: Some(6), ..constant };
                assert_near("the released program's", mixture(&squared), nll(released));
            }
        }
    }
}

#[test]
fn an_adapter_that_is_zero_and_a_weight_of_zero_leave_the_models_loss() {
    for plm in models() {
        let strong = small::adapter(&plm.file.identity, Form::Residual, 4, 3.0, 1);
        let zero = Adapter { b_pd: vec![0.0; strong.b_pd.len()], ..strong.clone() };
        let (_, knn) = knn(&plm, 8);
        let data = held_out();
        let losses = |adapter: &Adapter, lambda: f32| {
            let mut evaluator = evaluator(&plm, &data, Some(adapter), Some(&knn));
            Method::ALL.map(|method| {
                let c = GenerateConfig { lambda_max: Some(lambda), ..config(method) };
                block_on(evaluator.nll(&c)).unwrap()
            })
        };
        let [base, knn, pema, gu] = losses(&zero, 0.6);
        assert_near("zero adapter", base, pema);
        assert_near("zero adapter unrolled", base, gu);
        assert!((knn - base).abs() > 0.01);
        let [_, knn, pema, gu] = losses(&strong, 0.0);
        assert_near("neighbours without weight", base, knn);
        assert_near("adapter without weight", base, pema);
        assert_near("unrolled without weight", base, gu);
        let [_, _, pema, gu] = losses(&strong, 0.9);
        assert!((pema - base).abs() > 0.1 && (gu - base).abs() > 0.1);
    }
}

#[test]
fn neighbours_vote_as_in_a_brute_force_search() {
    for plm in models() {
        let (head, vocab) = (Head::of(&plm), plm.file.config.vocab);
        for k in [1, 8, 256] {
            let (memory, knn) = knn(&plm, k);
            assert!(memory.rows() < 256, "no k is more than the rows there are");
            // Prompts of pairs in the memory, and one more.
            let p = [&prompts(&plm, 9)[6..]].concat();
            let generator = Generator::new(&plm, None, Some(&knn)).unwrap();
            let written = write(&generator, &p, &GenerateConfig { explain: true, ..config(Method::Knn) });
            for (written, prompt) in written.iter().zip(&p) {
                let rows = contexts(&plm, &prompt.prompt, &ids(written));
                for (t, (token, f)) in written.tokens.iter().zip(rows).enumerate() {
                    let lm: Vec<f64> = head.log_probabilities(&wide(&f)).iter().map(|l| l.exp()).collect();
                    assert_eq!(token.lambda, 0.4);
                    check_token(&format!("k {k}, token {t}"), token, &lm, &votes(&memory, &knn.config, &f, vocab));
                }
            }
            let gold = gold(&plm, &held_out());
            let losses = gold.iter().map(|g| {
                let vote = votes(&memory, &knn.config, &g.f, vocab)[g.y];
                -(0.4 * vote + 0.6 * head.log_probabilities(&wide(&g.f))[g.y].exp()).ln()
            });
            let mut evaluator = evaluator(&plm, &held_out(), None, Some(&knn));
            let nll = block_on(evaluator.nll(&config(Method::Knn))).unwrap();
            assert_near(&format!("k {k}"), mean(losses), nll);
        }
    }
}

#[test]
fn votes_beside_an_adapter_are_mixed_into_what_it_would_have_written() {
    for plm in models() {
        let strong = small::adapter(&plm.file.identity, Form::Residual, 4, 3.0, 1);
        let zero = Adapter { b_pd: vec![0.0; strong.b_pd.len()], ..strong.clone() };
        let (_, knn) = knn(&plm, 8);
        let (data, p) = (held_out(), prompts(&plm, 3));
        let of = |adapter: &Adapter, method: Method, votes: Option<f32>, lambda: f32| {
            let c = GenerateConfig { votes, lambda_max: Some(lambda), explain: true, ..config(method) };
            let nll = block_on(evaluator(&plm, &data, Some(adapter), Some(&knn)).nll(&c)).unwrap();
            (nll, write(&Generator::new(&plm, Some(adapter), Some(&knn)).unwrap(), &p, &c))
        };
        // An adapter of nothing leaves the model and its neighbours.
        let (alone, beside) = (of(&zero, Method::Knn, None, 0.4), of(&zero, Pema, Some(0.4), 0.7));
        assert_near("neighbours alone", alone.0, beside.0);
        assert_eq!(texts(&alone.1), texts(&beside.1));
        // A real one does not, and a weight of nothing leaves it.
        let (mixed, adapted) = (of(&strong, Pema, Some(0.4), 0.7), of(&strong, Pema, None, 0.7));
        assert!((mixed.0 - adapted.0).abs() > 0.05 && (mixed.0 - alone.0).abs() > 0.05);
        let nothing = of(&strong, Pema, Some(0.0), 0.7);
        assert_near("no votes", adapted.0, nothing.0);
        assert_eq!(texts(&adapted.1), texts(&nothing.1));
        // The first token, before the texts part: its shares add up.
        for (mixed, adapted) in mixed.1.iter().zip(&adapted.1) {
            let (m, a) = (&mixed.tokens[0], &adapted.tokens[0]);
            let p = m.probabilities.unwrap();
            assert!((p.mix - (0.4 * p.pema + 0.6 * p.lm)).abs() < 1e-5);
            if m.id == a.id {
                assert!((p.lm - a.probabilities.unwrap().mix).abs() < 1e-4);
            }
        }
        let generator = Generator::new(&plm, Some(&strong), None).unwrap();
        let c = GenerateConfig { votes: Some(0.4), ..config(Pema) };
        assert!(block_on(generator.write(&p, &c, |_, _| {})).unwrap_err().to_string().contains("a memory"));
        let c = GenerateConfig { votes: Some(1.5), ..c };
        assert!(block_on(generator.write(&p, &c, |_, _| {})).is_err());
    }
}

fn texts(written: &[pema::Written]) -> Vec<&str> {
    written.iter().map(|w| w.text.as_str()).collect()
}

#[test]
fn a_report_scores_the_texts_that_the_generator_writes() {
    for plm in models() {
        // Two references are what the model writes, the third is not.
        let c = config(Base);
        let p = prompts(&plm, 3);
        let texts: Vec<String> = base(&plm, &p, &c).into_iter().map(|w| w.text).collect();
        let mut data = dataset(3);
        for (example, text) in data.examples.iter_mut().zip(&texts).take(2) {
            example.target = text.clone();
        }
        let too_long = Example { input: "so ".repeat(1000), target: "No.".into(), line: 9 };
        data.examples.insert(1, too_long);
        let mut evaluator = evaluator(&plm, &data, None, None);
        assert_eq!(evaluator.pairs(), 3);
        let mut done = Vec::new();
        let report = block_on(evaluator.run(&c, |n| done.push(n))).unwrap();
        assert_eq!((report.method, &report.texts), (Base, &texts));
        assert!((report.score.exact - 2.0 / 3.0).abs() < 1e-9, "{:?}", report.score);
        assert!(report.score.chrf > 30.0 && report.score.chrf < 100.0, "{:?}", report.score);
        assert_eq!(report.score.nll, block_on(evaluator.nll(&c)).unwrap());
        assert!((report.score.perplexity - report.score.nll.exp()).abs() < 1e-9);
        assert!(done.is_sorted() && done.last() == Some(&3), "{done:?}");
    }
}

#[test]
fn a_weight_or_temperature_out_of_range_is_refused() {
    let plm = &models()[0];
    let adapter = small::adapter(&plm.file.identity, Form::Residual, 2, 0.5, 1);
    let (memory, knn) = knn(plm, 8);
    for temperature in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let refused = Knn::new(&plm.device, &memory, KnnConfig { temperature, ..KnnConfig::default() });
        assert!(matches!(refused, Err(pema::Error::BadSetting { .. })), "{temperature}");
    }
    let mut evaluator = evaluator(plm, &held_out(), Some(&adapter), Some(&knn));
    for method in [Method::Knn, Pema, PemaGu] {
        for lambda in [-0.1, 1.5, f32::NAN] {
            let c = GenerateConfig { lambda_max: Some(lambda), ..config(method) };
            let nll = block_on(evaluator.nll(&c));
            assert!(matches!(nll, Err(pema::Error::BadLambda { .. })), "{method:?} {lambda}: {nll:?}");
        }
    }
}
