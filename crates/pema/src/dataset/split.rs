//! What a list of examples is like, and parting it for training and checking.

use std::collections::{HashMap, HashSet};

use pema_kernels::random::Rng;

use super::error::{DataError, Result};
use super::{Dataset, Example};

/// Held-out examples for choosing and checking: a tenth, but enough that chance does not choose, and no more than
/// there is time to read; of a few examples at most a quarter, because the rest must be learnt from.
const HELD_OUT: f64 = 0.1;
const FEWEST: f64 = 10.0;
const MOST: f64 = 200.0;
const LARGEST_SHARE: f64 = 0.25;

impl Dataset {
    /// [`split`](Dataset::split) with as many held-out examples as a choice and a check need.
    ///
    /// # Errors
    /// [`DataError::OneInput`] when nothing can be held out.
    pub fn hold_out(&self, seed: u64) -> Result<(Self, Self)> {
        let all = self.examples.len().max(1) as f64;
        let (train, held_out) = self.split(((HELD_OUT * all).clamp(FEWEST, MOST) / all).min(LARGEST_SHARE), seed)?;
        if held_out.examples.is_empty() {
            return Err(DataError::OneInput { file: self.name.clone() });
        }
        Ok((train, held_out))
    }

    /// Number of examples that repeat an earlier one, input and target alike.
    pub fn duplicates(&self) -> usize {
        let mut seen = HashSet::new();
        let pairs = self.examples.iter().map(|example| (&example.input, &example.target));
        pairs.filter(|pair| !seen.insert(*pair)).count()
    }

    /// Number of targets with a line break inside. A template that ends a
    /// generated text at the end of the line cannot produce these.
    pub fn multiline_targets(&self) -> usize {
        self.examples.iter().filter(|example| example.target.trim().contains('\n')).count()
    }

    /// Parts the examples at random into (training, held-out) ones, the same for
    /// the same seed on every machine. About `valid_fraction` of them are held
    /// out: at least one if the share is above 0, never all. Examples with the
    /// same input stay on the same side, else held-out ones would be known.
    ///
    /// # Errors
    /// [`DataError::BadFraction`] for a share outside [0, 1).
    pub fn split(&self, valid_fraction: f64, seed: u64) -> Result<(Self, Self)> {
        if !(0.0..1.0).contains(&valid_fraction) {
            return Err(DataError::BadFraction { fraction: valid_fraction });
        }
        let mut numbers = HashMap::new();
        let mut groups: Vec<Vec<&Example>> = Vec::new();
        for example in &self.examples {
            let number = *numbers.entry(&example.input).or_insert(groups.len());
            match groups.get_mut(number) {
                Some(group) => group.push(example),
                None => groups.push(vec![example]),
            }
        }
        Rng::new(seed).shuffle(&mut groups);
        let share = self.examples.len() as f64 * valid_fraction;
        let wanted = if share > 0.0 { share.round().max(1.0) as usize } else { 0 };
        let (mut train, mut valid) = (Vec::new(), Vec::new());
        let last = groups.len().saturating_sub(1);
        for (index, group) in groups.into_iter().enumerate() {
            let side = if valid.len() < wanted && index < last { &mut valid } else { &mut train };
            side.extend(group.into_iter().cloned());
        }
        let named = |examples| Self { name: self.name.clone(), examples };
        Ok((named(train), named(valid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::tests::jsonl;

    #[test]
    fn enough_are_held_out_but_never_most_of_a_few() {
        let held = |n: usize| {
            let lines: String = (0..n).map(|i| format!("{{\"in\":\"{i}\",\"out\":\"x\"}}\n")).collect();
            jsonl(&lines).unwrap().hold_out(1).unwrap().1.examples.len()
        };
        let of = [2, 8, 40, 50, 100, 370, 5000].map(held);
        assert_eq!(of, [1, 2, 10, 10, 10, 37, 200]);
        let same = jsonl("{\"in\":\"a\",\"out\":\"b\"}\n{\"in\":\"a\",\"out\":\"c\"}").unwrap();
        assert!(matches!(same.hold_out(1), Err(DataError::OneInput { .. })));
    }

    #[test]
    fn a_split_is_repeatable_and_never_leaks() {
        let line = |index: usize| format!("{{\"in\":\"{}\",\"out\":\"{}\"}}\n", index % 40, index % 3);
        let dataset = jsonl(&(0..50).map(line).collect::<String>()).unwrap();
        let (train, valid) = dataset.split(0.2, 7).unwrap();
        assert!(train.examples.len() + valid.examples.len() == 50 && (10..=11).contains(&valid.examples.len()));
        assert!(valid.examples.iter().all(|held| train.examples.iter().all(|seen| seen.input != held.input)));
        assert_eq!((train.clone(), valid.clone()), dataset.split(0.2, 7).unwrap());
        assert_ne!(valid, dataset.split(0.2, 8).unwrap().1);
        assert_eq!(dataset.split(0.0, 7).unwrap().1.examples.len(), 0);
        let (_, few) = dataset.split(0.001, 7).unwrap();
        assert!((1..=2).contains(&few.examples.len()), "one input at least");
        let one = jsonl("{\"in\":\"a\",\"out\":\"b\"}").unwrap();
        assert_eq!(one.split(0.9, 1).unwrap().0.examples.len(), 1);
        for fraction in [1.0, 20.0, -0.1, f64::NAN] {
            assert!(matches!(dataset.split(fraction, 7), Err(DataError::BadFraction { .. })));
        }
    }
}
