//! How much work a device can do while somebody waits.

/// What a first round takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Pairs to build the memory from.
    pub(crate) pairs: usize,
    /// Held-out pairs.
    pub(crate) held_out: usize,
    /// Rows a step.
    pub(crate) batch: usize,
    /// Held-out pairs that are written to check the adapter.
    pub(crate) checked: usize,
    /// Whether there is time for every way worth trying.
    pub(crate) thorough: bool,
}

/// What the plan depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    /// Multiply-adds of the body a token.
    pub(crate) body: f64,
    /// d
    pub(crate) hidden: f64,
    /// V
    pub(crate) vocab: f64,
    /// Tokens of a pair, prompt and target, and of its target alone.
    pub(crate) tokens: [f64; 2],
    /// Pairs there are.
    pub(crate) pairs: usize,
    /// Measured speed, operations a second.
    pub(crate) speed: f64,
}

/// Seconds that building and training may each take in a first round.
const SECONDS: f64 = 150.0;
/// Seconds that a check may take.
pub(crate) const CHECK_SECONDS: f64 = 60.0;
/// Ways of a short check that time is planned for, the model alone among them, and those of a thorough one, of
/// which those that keep several versions count as often.
const WAYS: [f64; 2] = [3.0, 17.0];
/// Pairs of a check, fewest and most.
const CHECKED: [usize; 2] = [8, 40];
/// Steps of a short training.
const STEPS: f64 = 25.0;
/// Fewest pairs a first round makes sense with.
const FEWEST: usize = 48;
/// Rows a step, most first.
const BATCHES: [usize; 4] = [1024, 512, 256, 128];

impl Work {
    /// All pairs and full batches where there is time for them, else as much as there is time for.
    pub(crate) fn plan(&self) -> Plan {
        let affordable = SECONDS * self.speed / (2.0 * self.body * self.tokens[0]).max(1.0);
        let pairs = (affordable as usize).clamp(FEWEST.min(self.pairs), self.pairs.max(1));
        let row = self.row();
        let batch = BATCHES.into_iter().find(|b| *b as f64 * row * STEPS <= SECONDS * self.speed);
        // Held-out rows are looked at some six times; they may take half of the time of training.
        let looks = 6.0 * row / 3.0 * self.tokens[1].max(1.0);
        let held_out = (0.5 * SECONDS * self.speed / looks) as usize;
        let batch = batch.unwrap_or(BATCHES[BATCHES.len() - 1]);
        let [fewest, most] = CHECKED;
        let thorough = self.check(WAYS[1], most) <= CHECK_SECONDS;
        let mut checked = most;
        while !thorough && checked > fewest && self.check(WAYS[0], checked) > CHECK_SECONDS {
            checked -= 1;
        }
        Plan { pairs, held_out: held_out.clamp(12, 60), batch, checked, thorough }
    }

    /// Seconds of a check that writes so many pairs in so many ways.
    fn check(&self, ways: f64, pairs: usize) -> f64 {
        // Every way reads the prompts, behind demonstrations that are read once, and writes up to half as much again as the targets.
        let token = 2.0 * (self.body + 2.0 * self.hidden * self.vocab);
        let texts = pairs as f64 * (2.0 * self.body * self.tokens[0] + 1.5 * token * self.tokens[1]);
        ways * texts / self.speed
    }

    /// Operations of a training step a row: the logits, and the adapter's way forth and back.
    fn row(&self) -> f64 {
        2.0 * self.hidden * self.vocab + 6.0 * 64.0 * self.vocab
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(speed: f64) -> Work {
        Work { body: 106e6, hidden: 576.0, vocab: 49_152.0, tokens: [40.0, 15.0], pairs: 370, speed }
    }

    #[test]
    fn a_slow_device_checks_fewer_pairs_in_fewer_ways() {
        let of = |speed| (work(speed).plan().checked, work(speed).plan().thorough);
        assert_eq!(of(1e12), (40, true));
        let (pairs, thorough) = of(15e9);
        assert!((12..40).contains(&pairs) && !thorough, "{pairs}");
        assert_eq!(of(1e8), (8, false));
    }

    #[test]
    fn a_fast_device_takes_everything_and_a_slow_one_a_part() {
        let all = Plan { pairs: 370, held_out: 60, batch: 1024, checked: 40, thorough: true };
        assert_eq!(work(1e12).plan(), all);
        let slow = work(6e9).plan();
        assert!((48..370).contains(&slow.pairs) && slow.batch < 1024, "{slow:?}");
        let crawling = work(1e8).plan();
        assert_eq!((crawling.pairs, crawling.batch, crawling.held_out), (48, 128, 12));
        assert_eq!(Work { pairs: 10, ..work(1e8) }.plan().pairs, 10);
    }
}
