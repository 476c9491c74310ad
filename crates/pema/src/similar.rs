//! Which solved examples are most like an input: cosine of their runs of three letters, rare runs weighing more (tf-idf).
//! No model is asked, so it costs nothing beside reading what is chosen.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::dataset::Example;
use crate::template::Demo;

/// Solved examples of which those most like an input are shown right before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Similar {
    /// How many are shown.
    pub count: usize,
    /// Those to choose from.
    pub pool: Vec<Demo>,
}

/// Pairs like the input that are shown: with an adapter, twelve in place of what is always shown were no better than four
/// behind it.
pub const SIMILAR: usize = 4;
/// Examples to choose from at most: they travel with the adapter.
const MOST: usize = 1000;

impl Similar {
    /// The first of `training` that are not among `demos`.
    pub fn among(training: &[Example], demos: &[Demo], count: usize) -> Similar {
        let pool = training.iter().map(Demo::from).filter(|demo| !demos.contains(demo)).take(MOST).collect();
        Similar { count, pool }
    }
}

type Gram = [char; 3];
/// Weights of the runs of a text, ascending runs: sums must not depend on the order of a hash table.
type Vector = Vec<(Gram, f32)>;

/// The inputs of some examples, ready to be compared with.
#[derive(Debug)]
pub(crate) struct Index {
    /// What a run weighs.
    rarity: HashMap<Gram, f32>,
    /// Of every example, of length 1.
    vectors: Vec<Vector>,
}

impl Index {
    pub(crate) fn of(pool: &[Demo]) -> Index {
        let counted: Vec<Vector> = pool.iter().map(|demo| counts(&demo.input)).collect();
        let mut rarity: HashMap<Gram, f32> = HashMap::new();
        for (gram, _) in counted.iter().flatten() {
            *rarity.entry(*gram).or_default() += 1.0;
        }
        for count in rarity.values_mut() {
            *count = (1.0 + pool.len() as f32 / (1.0 + *count)).ln();
        }
        let mut index = Index { rarity, vectors: Vec::new() };
        index.vectors = counted.into_iter().map(|counts| index.weighed(counts)).collect();
        index
    }

    /// Places of the `count` examples most like `input`, the most alike last: nearest to where the model writes.
    /// Those that `skip` names are passed over; of equals the earlier ones are taken.
    pub(crate) fn nearest(&self, input: &str, count: usize, skip: impl Fn(usize) -> bool) -> Vec<usize> {
        let asked = self.weighed(counts(input));
        let mut all: Vec<(f32, usize)> =
            (0..self.vectors.len()).filter(|i| !skip(*i)).map(|i| (cosine(&asked, &self.vectors[i]), i)).collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        all.truncate(count);
        all.into_iter().rev().map(|(_, i)| i).collect()
    }

    /// Runs that no example has say nothing.
    fn weighed(&self, counts: Vector) -> Vector {
        let mut vector: Vector =
            counts.into_iter().filter_map(|(gram, n)| Some((gram, n * self.rarity.get(&gram)?))).collect();
        let length = vector.iter().map(|(_, w)| w * w).sum::<f32>().sqrt();
        for (_, weight) in &mut vector {
            *weight /= length;
        }
        vector
    }
}

/// How often each run of three letters is there; the text's ends count as blanks, large letters as small ones.
fn counts(text: &str) -> Vector {
    let letters: Vec<char> = std::iter::once(' ').chain(text.to_lowercase().chars()).chain([' ']).collect();
    let mut grams: Vec<Gram> = letters.windows(3).map(|w| [w[0], w[1], w[2]]).collect();
    grams.sort_unstable();
    grams.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f32)).collect()
}

fn cosine(a: &Vector, b: &Vector) -> f32 {
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    while let (Some((x, wx)), Some((y, wy))) = (a.get(i), b.get(j)) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                sum += wx * wy;
                (i, j) = (i + 1, j + 1);
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo(input: &str) -> Demo {
        Demo { input: input.to_owned(), target: input.to_uppercase() }
    }

    #[test]
    fn the_most_alike_comes_last_and_rare_words_decide() {
        let pool =
            ["train=RE 8; from=Ulm", "crop=maize; area=3", "train=ICE 1; from=Bonn", "crop=wheat; area=9"].map(demo);
        let index = Index::of(&pool);
        assert_eq!(index.nearest("crop=WHEAT; area=7", 2, |_| false), [1, 3]);
        assert_eq!(index.nearest("train=RE 9; from=Ulm", 2, |_| false), [2, 0]);
        assert_eq!(index.nearest("crop=wheat; area=9", 2, |i| i == 3).last(), Some(&1), "itself is passed over");
        assert_eq!(index.nearest("crop=wheat", 9, |_| false).len(), 4);
    }

    #[test]
    fn an_input_like_none_gets_the_first_ones() {
        let index = Index::of(&["aaaa", "bbbb", "cccc"].map(demo));
        for input in ["", "zzzz", "€"] {
            assert_eq!(index.nearest(input, 2, |_| false), [1, 0], "{input}");
        }
        assert!(Index::of(&[]).nearest("a", 3, |_| false).is_empty());
    }

    #[test]
    fn what_is_always_shown_is_not_chosen_again() {
        let training: Vec<Example> = ["a", "b", "c"]
            .iter()
            .map(|t| Example { input: (*t).to_owned(), target: t.to_uppercase(), line: 1 })
            .collect();
        let similar = Similar::among(&training, &[demo("b")], 2);
        assert_eq!(similar.pool, ["a", "c"].map(demo));
    }
}
