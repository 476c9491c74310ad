//! A verdict in words.

use super::{Finding, PROOF, Reason, Verdict};
use crate::generate::Method;
use crate::metrics::Interval;

/// A gain in chrF2 on so many held-out pairs, for the user: with its interval where that says something.
pub fn gained(gain: &Interval, pairs: usize) -> String {
    let of = if pairs == 1 { "one held-out pair".to_owned() } else { format!("{pairs} held-out pairs") };
    let range = match pairs < PROOF {
        true => String::new(),
        false => format!(", 95 % between {:+.1} and {:+.1}", gain.low, gain.high),
    };
    format!("{:+.1} chrF on {of}{range}", gain.value)
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let range = gained(&self.gain, self.pairs);
        let way = match self.chosen.method {
            Method::PemaGu => format!("Gradual Unrolling, lambda_max {}", self.chosen.lambda),
            _ => format!("lambda {}", self.chosen.lambda),
        };
        let way = if self.chosen.copying { way + ", favouring words of the input" } else { way };
        let way =
            if self.chosen.beams > 1 { format!("{way}, the best of {} versions", self.chosen.beams) } else { way };
        let behind = match self.chosen.similar {
            0 => String::new(),
            n => format!(", behind the {n} pairs most like the input"),
        };
        let way = way + &behind;
        match self.finding() {
            Finding::Helps => write!(f, "the adapter helps ({range}); it will be used with {way}"),
            Finding::NoDifference => {
                write!(f, "on texts there is no clear difference ({range}); the adapter will be used with {way}")
            }
            Finding::SeemsToHelp => {
                let but = if self.proves() { "chance could do as much" } else { "so few pairs cannot prove it" };
                write!(f, "the adapter seems to help, but {but} ({range}); it will be used with {way}")
            }
            Finding::DoesNotHelp => write!(
                f,
                "the adapter does not help ({range}): {}. The model alone will be used{behind} until you ask for the adapter by name",
                self.reason.map_or("", Reason::advice)
            ),
        }
    }
}

impl Reason {
    /// The reason and what to do, for the user.
    pub fn advice(self) -> &'static str {
        match self {
            Reason::Repetition => "it repeats itself; a smaller weight, fewer steps or more pairs may cure that",
            Reason::CopyingLost => {
                "it loses words that should be copied from the input; more demonstrations in the prompt usually cure that"
            }
            Reason::TemplateMismatch => {
                "the model alone writes texts of quite another length than yours, so the prompt is likely at fault; try another template or more demonstrations"
            }
            Reason::AlreadyRight => {
                "behind the examples it is shown, the model alone already writes nearly what you want"
            }
            Reason::TooFewExamples => "there were too few pairs to learn from; a few hundred are usually enough",
            Reason::NothingLearnt => {
                "your pairs share little that can be learnt at the model's last layer; demonstrations alone may be the better way"
            }
        }
    }
}
