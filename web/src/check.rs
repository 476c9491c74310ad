//! The check of an adapter in words.

use pema_protocol::{Check, CheckProgress, Finding, Schedule, Way};

use crate::format;

/// What is being checked, and how long that takes at most.
pub(crate) fn doing(p: &CheckProgress) -> String {
    let left = format::seconds(p.seconds_left);
    match &p.way {
        None => format!("Checking: reading the losses of held-out pairs, at most {left} left"),
        Some(way) => format!(
            "Checking whether it helps: {} ({} of at most {} answers, at most {left} left)",
            writer(way),
            p.done,
            p.of
        ),
    }
}

fn writer(way: &Way) -> String {
    let who = if way.adapted { format!("with the adapter, {}", settings(way)) } else { "the model alone".to_owned() };
    if way.adapted {
        return who;
    }
    let versions = if way.versions > 1 { format!(", the best of {} versions", way.versions) } else { String::new() };
    format!("{who}{}{versions}", behind(way))
}

/// How an adapter writes, in a sentence.
pub(crate) fn used(way: &Way) -> String {
    if way.adapted {
        format!("It writes with {}.", settings(way))
    } else {
        format!("The model writes alone{} until you move the weight in the next step.", behind(way))
    }
}

/// What is shown for each input.
fn behind(way: &Way) -> String {
    match way.similar {
        0 => String::new(),
        n => format!(", behind the {n} of your examples most like the input"),
    }
}

fn settings(way: &Way) -> String {
    let along = match way.schedule {
        Schedule::GradualUnrolling => "fading out along the answer",
        Schedule::Constant => "the same along the answer",
    };
    let copying = if way.copying { ", words of your input favoured" } else { "" };
    let versions = if way.versions > 1 { format!(", the best of {} versions", way.versions) } else { String::new() };
    format!("weight {:.2}, {along}{copying}{}{versions}", way.weight, behind(way))
}

/// What the check found, in a few words, and on what grounds.
pub(crate) fn found(check: &Check) -> [String; 2] {
    let verdict = match check {
        Check::Done(verdict) => verdict,
        Check::Pending | Check::Without => {
            let why =
                "No answers were compared: the loss on held-out pairs decided how it writes, as far as there were any.";
            return ["Your adapter is ready; whether it helps was not checked.".to_owned(), why.to_owned()];
        }
        Check::Failed(why) => {
            let why = format!("The check failed: {why}. The lower loss on held-out pairs decided how it writes.");
            return ["Your adapter is ready; whether it helps could not be checked.".to_owned(), why];
        }
    };
    let points = |x: f32| format!("{x:+.1}").replace('-', "−");
    let range = match verdict.range {
        Some([low, high]) => format!("; with 95 % between {} and {}", points(low), points(high)),
        None => String::new(),
    };
    let pairs = if verdict.pairs == 1 { "one pair".to_owned() } else { format!("{} pairs", verdict.pairs) };
    let gain = points(verdict.gain);
    let grounds =
        format!("{gain} chrF points against the model alone in its answers to {pairs} it did not learn from{range}.");
    let said = match verdict.finding {
        Finding::Helps => "Your adapter helps.",
        Finding::SeemsToHelp if verdict.range.is_some() => "Your adapter seems to help, but chance could do as much.",
        Finding::SeemsToHelp => "Your adapter seems to help, but so few pairs cannot prove it.",
        Finding::NoDifference => "No clear difference: your adapter is used because it finds your wording likelier.",
        Finding::DoesNotHelp => "Your adapter does not help.",
    };
    let advice = match verdict.advice.as_str() {
        "" => String::new(),
        advice => format!(" The likely reason: {advice}."),
    };
    [said.to_owned(), grounds + &advice]
}

#[cfg(test)]
mod tests {
    use super::*;
    use pema_protocol::Verdict;

    const WAY: Way =
        Way { adapted: true, schedule: Schedule::Constant, weight: 0.8, copying: true, versions: 4, similar: 0 };

    #[test]
    fn every_finding_is_said_plainly_with_its_grounds() {
        let verdict = |finding, advice: &str| {
            let range = Some([-1.5, 9.0]);
            found(&Check::Done(Verdict { finding, gain: 4.2, range, pairs: 24, advice: advice.into() }))
        };
        let [said, grounds] = verdict(Finding::Helps, "");
        assert_eq!(said, "Your adapter helps.");
        assert!(
            grounds.starts_with("+4.2 chrF")
                && grounds.ends_with("24 pairs it did not learn from; with 95 % between −1.5 and +9.0."),
            "{grounds}"
        );
        let [said, grounds] = verdict(Finding::DoesNotHelp, "it repeats itself");
        assert!(
            said.contains("does not help") && grounds.ends_with("The likely reason: it repeats itself."),
            "{grounds}"
        );
        let few = Verdict { finding: Finding::SeemsToHelp, gain: 4.2, range: None, pairs: 1, advice: String::new() };
        let [said, grounds] = found(&Check::Done(few));
        assert!(said.contains("cannot prove") && grounds.ends_with("answers to one pair it did not learn from."));
        assert!(found(&Check::Without)[0].contains("not checked"));
        assert!(found(&Check::Failed("no memory".into()))[1].starts_with("The check failed: no memory. "));
    }

    #[test]
    fn a_way_and_what_is_being_checked_are_named() {
        assert_eq!(
            used(&WAY),
            "It writes with weight 0.80, the same along the answer, words of your input favoured, the best of 4 versions."
        );
        assert!(used(&Way { adapted: false, ..WAY }).contains("alone until you move the weight"));
        let shown = ", behind the 4 of your examples most like the input";
        for way in [Way { similar: 4, ..WAY }, Way { similar: 4, adapted: false, ..WAY }] {
            assert!(used(&way).contains(shown) && writer(&way).contains(shown), "{}", used(&way));
        }
        let doing = |way| doing(&CheckProgress { way, done: 3, of: 60, seconds_left: 41.0 });
        assert!(doing(None).contains("losses") && doing(None).ends_with("at most 41 s left"));
        assert!(
            doing(Some(Way { adapted: false, versions: 1, ..WAY }))
                .contains("the model alone (3 of at most 60 answers, at most 41 s left)")
        );
        assert!(doing(Some(WAY)).contains("with the adapter, weight 0.80"));
    }
}
