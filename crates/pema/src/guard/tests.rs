//! What is chosen, and what is said of it.

use super::*;

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|t| (*t).to_owned()).collect()
}

fn judged(adapted: &[&str], trained_on: usize) -> Verdict {
    judged_on(2, adapted, trained_on)
}

/// Judged on the same four pairs so many times.
fn judged_on(times: usize, adapted: &[&str], trained_on: usize) -> Verdict {
    let texts = |list: &[&str]| texts(&list.repeat(times));
    let inputs = texts(&["anna pays 24 now", "bob sells apples", "cara reads books", "dan eats soup"]);
    let wanted = texts(&["Anna pays 24 now.", "Bob sells apples.", "Cara reads books.", "Dan eats soup."]);
    let base = texts(&["anna pays 24 now", "bob sells apples", "cara reads books", "dan eats soup"]);
    let pema = Mix { method: Method::Pema, lambda: 0.8, copying: false, beams: 1, similar: 0 };
    let way = |mix, texts| Tried { mix, texts, nll: 1.0, bias: None, similar: None };
    let tried = [way(Mix::BASE, base), way(pema, texts(adapted))];
    decide(&tried, &inputs, &wanted, trained_on).unwrap()
}

#[test]
fn a_better_adapter_is_chosen_and_said_to_help() {
    let verdict = judged(&["Anna pays 24 now.", "Bob sells apples.", "Cara reads books.", "Dan eats soup."], 400);
    assert_eq!((verdict.chosen.method, verdict.chosen.lambda, verdict.reason), (Method::Pema, 0.8, None));
    assert!(verdict.to_string().starts_with("the adapter helps"), "{verdict}");
}

#[test]
fn a_handful_of_pairs_proves_nothing_however_clear_it_looks() {
    let verdict = judged_on(1, &["Anna pays 24 now.", "Bob sells apples.", "Cara reads books.", "Dan eats soup."], 400);
    assert!(verdict.gain.above(0.0) && verdict.finding() == Finding::SeemsToHelp && verdict.reason.is_none());
    let said = verdict.to_string();
    assert!(said.contains("cannot prove it") && said.contains("on 4 held-out pairs)"), "{said}");
    assert!(gained(&verdict.gain, 1).ends_with("on one held-out pair"));
    assert!(gained(&verdict.gain, 8).contains("on 8 held-out pairs, 95 % between"));
}

#[test]
fn a_worse_one_is_never_chosen_and_the_reason_is_named() {
    let lost = judged(&["Pays now.", "Sells.", "Reads.", "Eats."], 400);
    assert_eq!((lost.chosen, lost.reason), (Mix::BASE, Some(Reason::CopyingLost)));
    assert!(lost.to_string().contains("does not help") && lost.to_string().contains("copied"), "{lost}");
    let again = judged(&["anna pays 24 now pays 24 now pays 24 now", "bob sells", "cara reads", "dan eats"], 400);
    assert_eq!(again.reason, Some(Reason::Repetition));
    let same = judged(&["anna pays 24 now", "bob sells apples", "cara reads books", "dan eats soup"], 400);
    assert_eq!((same.chosen, same.reason), (Mix::BASE, Some(Reason::NothingLearnt)));
    let few = judged(&["anna pays 24 now", "bob sells apples", "cara reads books", "dan eats soup"], 20);
    assert_eq!(few.reason, Some(Reason::TooFewExamples));
}

#[test]
fn the_loss_decides_between_ways_that_write_alike_and_not_between_others() {
    let wanted = texts(&["Anna pays 24 now.", "Bob sells apples.", "Cara reads books.", "Dan eats soup."]);
    let base = texts(&["anna pays", "bob sells", "cara reads", "dan eats"]);
    let way = |lambda, texts: &[String], nll| {
        let mix = Mix { method: Method::Pema, lambda, copying: false, beams: 1, similar: 0 };
        Tried { mix, texts: texts.to_vec(), nll, bias: None, similar: None }
    };
    let chosen = |ways: [Tried; 2]| {
        let mut tried = vec![Tried { mix: Mix::BASE, texts: base.clone(), nll: 0.1, bias: None, similar: None }];
        tried.extend(ways);
        decide(&tried, &base, &wanted, 400).unwrap().chosen
    };
    assert_eq!(chosen([way(0.5, &wanted, 1.0), way(1.0, &wanted, 0.9)]).lambda, 1.0);
    assert_eq!(chosen([way(0.5, &wanted, 0.9), way(1.0, &wanted, 1.0)]).lambda, 0.5);
    assert_eq!(chosen([way(0.5, &wanted, 1.0), way(1.0, &base, 0.99)]).lambda, 0.5);
    assert_eq!(chosen([way(0.5, &wanted, 9.0), way(1.0, &base, 0.1)]).lambda, 0.5);
    // The model alone is not judged by its loss, which knows nothing of how it goes on.
    assert_eq!(
        chosen([way(0.5, &base, 1.0), way(1.0, &["x".to_owned(), String::new(), String::new(), String::new()], 1.0)])
            .method,
        Method::Base
    );
}

#[test]
fn several_versions_may_seem_a_little_worse_but_not_much() {
    let wanted = texts(&["Anna pays 24 now.", "Bob sells apples.", "Cara reads books.", "Dan eats his soup today."]);
    let base = texts(&["anna", "bob", "cara", "dan"]);
    let chosen = |last: &str| {
        let mut other = wanted.clone();
        last.clone_into(&mut other[3]);
        let way = |method, beams, texts: &[String]| {
            let mix = Mix { method, lambda: 0.5, copying: false, beams, similar: 0 };
            Tried { mix, texts: texts.to_vec(), nll: 1.0, bias: None, similar: None }
        };
        let tried = [way(Method::Base, 1, &base), way(Method::Pema, 1, &wanted), way(Method::Pema, 4, &other)];
        decide(&tried, &base, &wanted, 400).unwrap().chosen.beams
    };
    assert_eq!((chosen("Dan eats his soup today"), chosen("Dan eats.")), (4, 1));
}

#[test]
fn the_model_alone_is_compared_at_its_best() {
    let wanted = texts(&["Anna pays 24 now.", "Bob sells apples.", "Cara reads books.", "Dan eats soup."]);
    let poor = texts(&["anna pays", "bob sells", "cara reads", "dan eats"]);
    let better = texts(&["anna pays 24 now", "bob sells apples", "cara reads", "dan eats"]);
    let way = |method, beams, texts: &[String]| {
        let mix = Mix { method, lambda: 0.5, copying: false, beams, similar: 0 };
        Tried { mix, texts: texts.to_vec(), nll: 1.0, bias: None, similar: None }
    };
    let tried = [way(Method::Base, 1, &poor), way(Method::Base, 4, &wanted), way(Method::Pema, 4, &better)];
    let verdict = decide(&tried, &poor, &wanted, 400).unwrap();
    assert_eq!((verdict.chosen.method, verdict.chosen.beams), (Method::Base, 4));
    let tried = [way(Method::Base, 1, &poor), way(Method::Base, 4, &better), way(Method::Pema, 4, &wanted)];
    let verdict = decide(&tried, &poor, &wanted, 400).unwrap();
    assert_eq!((verdict.chosen.method, verdict.chosen.beams), (Method::Pema, 4));
    assert!(verdict.to_string().contains("best of 4 versions"), "{verdict}");
}

#[test]
fn without_a_try_there_is_no_verdict() {
    assert!(decide(&[], &[], &[], 100).is_err());
}

#[test]
fn a_model_that_is_right_already_is_the_reason() {
    let texts = |list: &[&str]| texts(&list.repeat(10));
    let wanted = texts(&["advert", "chat", "report", "support"]);
    let pema = Mix { method: Method::Pema, lambda: 1.0, copying: false, beams: 1, similar: 0 };
    let way = |mix, texts| Tried { mix, texts, nll: 1.0, bias: None, similar: None };
    let decided = |alone| {
        let tried = [way(Mix::BASE, alone), way(pema, texts(&["chat", "chat", "chat", "chat"]))];
        decide(&tried, &wanted, &wanted, 400).unwrap().reason
    };
    assert_eq!(decided(wanted.clone()), Some(Reason::AlreadyRight));
    assert!(decided(texts(&["advert", "chat", "report", "chat"])).is_some_and(|reason| reason != Reason::AlreadyRight));
}

#[test]
fn where_little_is_left_to_better_the_adapter_must_prove_itself() {
    let wanted =
        texts(&["The report about the harbour is ready for everybody who asked for it in writing."].repeat(40));
    let pema = Mix { method: Method::Pema, lambda: 1.0, copying: false, beams: 1, similar: 0 };
    let way = |mix, texts| Tried { mix, texts, nll: 1.0, bias: None, similar: None };
    let decided = |alone: Vec<String>| {
        let tried = [way(Mix::BASE, alone), way(pema, wanted.clone())];
        let verdict = decide(&tried, &wanted, &wanted, 400).unwrap();
        assert!(verdict.gain.value > 0.0, "{verdict:?}");
        (verdict.chosen.method, verdict.reason)
    };
    let mut one_slip = wanted.clone();
    one_slip[7] = "The report about the harbour is ready.".to_owned();
    assert_eq!(decided(one_slip), (Method::Base, Some(Reason::AlreadyRight)), "one text of forty is chance");
    let all_slip = wanted.iter().map(|text| text.trim_end_matches('.').to_owned()).collect();
    assert_eq!(decided(all_slip), (Method::Pema, None), "a little, but everywhere");
}
