//! How an adapter writes, and what the check on texts said of it.

use serde::{Deserialize, Serialize};

use crate::command::{MixSettings, Schedule};

/// A way to write.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Way {
    /// Whether the adapter has a say; else the model writes alone.
    pub adapted: bool,
    /// How the weight moves from token to token.
    pub schedule: Schedule,
    /// Weight of the adapter, at the first token under Gradual Unrolling; 0 for the model alone.
    pub weight: f32,
    /// Whether words of the input are favoured.
    pub copying: bool,
    /// Versions of an answer that are kept while it is written.
    pub versions: u32,
    /// The user's examples most like the input that are shown right before it.
    pub similar: u32,
}

impl Way {
    /// Schedule and weight of an adapter that was told to write in this way, where the user may want others.
    /// `lambdas` are its weights under Gradual Unrolling and at every token alike.
    pub fn mixed(&self, lambdas: [f32; 2], mix: MixSettings) -> (Schedule, f32) {
        let schedule = mix.schedule.unwrap_or(self.schedule);
        let own = match schedule {
            // The model alone writes until somebody asks for a weight.
            _ if !self.adapted => 0.0,
            _ if schedule == self.schedule => self.weight,
            Schedule::GradualUnrolling => lambdas[0],
            Schedule::Constant => lambdas[1],
        };
        (schedule, mix.lambda_max.unwrap_or(own))
    }
}

/// Held-out pairs are being written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CheckProgress {
    /// In which way; `None` while only losses are read.
    pub way: Option<Way>,
    /// Answers so far, over all ways.
    pub done: u32,
    /// Answers at most.
    pub of: u32,
    /// Seconds left at most.
    pub seconds_left: f32,
}

/// How the way to write was chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Check {
    /// The check has begun and is not done; until then the loss decides.
    Pending,
    /// By the loss of held-out pairs alone, or by whoever made the adapter.
    Without,
    /// By the loss too, because the check failed for this reason.
    Failed(String),
    /// By answers to held-out pairs.
    Done(Verdict),
}

/// What answers to held-out pairs say of an adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// In a word.
    pub finding: Finding,
    /// chrF that the best way with the adapter gains over the model alone.
    pub gain: f32,
    /// Where the gain lies with 95 %; `None` where the pairs are too few to tell.
    pub range: Option<[f32; 2]>,
    /// Pairs it was judged on.
    pub pairs: u32,
    /// Why it does not help and what to do; empty when it does.
    pub advice: String,
}

/// Whether an adapter helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finding {
    /// Its answers are better than the model's alone.
    Helps,
    /// So it seems, but the pairs are too few to rule out chance.
    SeemsToHelp,
    /// Neither better nor clearly worse; its lower loss decides for it.
    NoDifference,
    /// The model alone answers better, or no worse.
    DoesNotHelp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_holds_until_the_user_wants_something_else() {
        let way =
            Way { adapted: true, schedule: Schedule::Constant, weight: 0.5, copying: true, versions: 4, similar: 0 };
        let mixed = |way: Way, lambda_max, schedule| way.mixed([0.8, 0.6], MixSettings { lambda_max, schedule });
        assert_eq!(mixed(way, None, None), (Schedule::Constant, 0.5));
        assert_eq!(mixed(way, Some(0.1), None), (Schedule::Constant, 0.1));
        assert_eq!(mixed(way, None, Some(Schedule::Constant)), (Schedule::Constant, 0.5));
        let unrolled = Some(Schedule::GradualUnrolling);
        assert_eq!(mixed(way, None, unrolled), (Schedule::GradualUnrolling, 0.8));
        let alone = Way { adapted: false, weight: 0.0, ..way };
        assert_eq!(mixed(alone, None, unrolled), (Schedule::GradualUnrolling, 0.0));
        assert_eq!(mixed(alone, Some(0.3), None), (Schedule::Constant, 0.3));
    }
}
