//! The betas of highest likelihood on held-out rows.

use std::ops::Range;

use pema_plm::Plm;
use pema_plm::source::ByteSource;

use super::{CLASSES, CopyBias, Reader};
use crate::dataset::Example;
use crate::generate::Generator;
use crate::guard::Mix;
use crate::memory::Memory;
use crate::train::mixture_nll;
use crate::{Adapter, Result};

/// What a row of held-out pairs says: everything that the likelihood of its token depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CopyRow {
    /// The gold token's class, if it has one.
    gold: Option<usize>,
    /// Its -log P_LM.
    lm_nll: f32,
    /// Its -log P_PEMA.
    pema_nll: f32,
    /// P_LM of each class, all its tokens together.
    lm: [f32; CLASSES],
    /// P_PEMA of each class.
    pema: [f32; CLASSES],
}

/// Largest beta, either way: e^6 is 400 to 1.
pub(super) const LARGEST: f32 = 6.0;
/// Pull of the betas to nothing, in rows' worth of evidence: a class that is hardly seen stays without.
const RIDGE: f64 = 2.0;
/// Newton steps of the fit, which is convex.
const STEPS: usize = 60;
/// Rows whose logits are on the host at once.
pub(crate) const ROWS: usize = 64;
/// Rows that a fit looks at; a dozen betas do not need more.
pub(crate) const ENOUGH: usize = 4096;
/// What a correction must take off the loss of rows it was not fitted on, in nats a row, to be kept without
/// looking at texts.
const WORTH: f64 = 0.02;

impl CopyRow {
    /// -log P(y) of a mixture with the weight `lambda`, corrected or not.
    pub(crate) fn nll(&self, bias: Option<&CopyBias>, lambda: f32) -> f64 {
        mixture_nll(self.lm_nll, self.pema_nll, lambda) + bias.map_or(0.0, |bias| self.loss(bias, lambda))
    }

    /// What the correction adds to -log P(y) of a mixture with the weight `lambda`.
    pub(crate) fn loss(&self, bias: &CopyBias, lambda: f32) -> f64 {
        let betas = bias.weights.map(f64::from);
        self.gold.map_or(0.0, |g| -betas[g]) + self.normaliser(&betas, f64::from(lambda)).ln()
    }

    /// Z = 1 + sum of P(class) (e^beta - 1)
    fn normaliser(&self, betas: &[f64; CLASSES], lambda: f64) -> f64 {
        let more: f64 = (0..CLASSES).map(|c| self.mixed(c, lambda) * betas[c].exp_m1()).sum();
        (1.0 + more).max(f64::MIN_POSITIVE)
    }

    fn mixed(&self, class: usize, lambda: f64) -> f64 {
        lambda * f64::from(self.pema[class]) + (1.0 - lambda) * f64::from(self.lm[class])
    }
}

impl CopyBias {
    /// Fits the betas for mixtures whose weight at row `i` is `lambda(i)`.
    pub(crate) fn fit(&mut self, rows: &[CopyRow], lambda: impl Fn(usize) -> f32) {
        let mut betas = [0.0f64; CLASSES];
        for _ in 0..STEPS {
            let (mut slope, mut bend) = (betas.map(|b| RIDGE * b), [RIDGE; CLASSES]);
            for (i, row) in rows.iter().enumerate() {
                let lambda = f64::from(lambda(i));
                let z = row.normaliser(&betas, lambda);
                for c in 0..CLASSES {
                    let share = row.mixed(c, lambda) * betas[c].exp() / z;
                    slope[c] += share - f64::from(row.gold == Some(c));
                    bend[c] += share * (1.0 - share);
                }
            }
            // Newton's step a class, halved because classes that compete would overshoot together.
            for c in 0..CLASSES {
                let step = (slope[c] / bend[c]).clamp(-1.0, 1.0);
                betas[c] = (betas[c] - 0.5 * step).clamp(-f64::from(LARGEST), f64::from(LARGEST));
            }
        }
        self.weights = betas.map(|b| b as f32);
    }
}

/// The correction for an adapter's own way to write, or `None` where it is not worth it. For callers who do not
/// write the held-out pairs; [`Checker`](crate::Checker) does, and lets texts decide. `held_out` are the
/// examples of `memory`, `training` those the adapter learnt from.
pub async fn fit_copying<S: ByteSource>(
    plm: &Plm<S>,
    adapter: &Adapter,
    training: &[Example],
    held_out: &[Example],
    memory: &Memory,
) -> Result<Option<CopyBias>> {
    let inputs: Vec<String> = held_out.iter().map(|e| e.input.clone()).collect();
    let bias = CopyBias::unfitted(training);
    let generator = Generator::new(plm, Some(adapter), None)?;
    let rows = copy_rows(&generator, memory, &inputs, &bias, ENOUGH).await?;
    Ok(worth_copying(bias, &rows, memory, Mix { copying: true, ..Mix::of(adapter) }))
}

/// The correction for a way to write, fitted on `rows` of `memory`, or `None` where it is not worth it: betas
/// that were fitted on every other held-out example must lower the loss of the examples between them.
pub(crate) fn worth_copying(mut bias: CopyBias, rows: &[CopyRow], memory: &Memory, mix: Mix) -> Option<CopyBias> {
    let weight = |row: usize| mix.weight(memory.position[row], memory.input_tokens[row]);
    let (seen, unseen): (Vec<usize>, Vec<usize>) =
        (0..rows.len()).partition(|row| memory.sample[*row].is_multiple_of(2));
    let seen_rows: Vec<CopyRow> = seen.iter().map(|row| rows[*row]).collect();
    bias.fit(&seen_rows, |i| weight(seen[i]));
    let gain: f64 = -unseen.iter().map(|row| rows[*row].loss(&bias, weight(*row))).sum::<f64>();
    if gain <= WORTH * unseen.len() as f64 {
        return None;
    }
    bias.fit(rows, weight);
    Some(bias)
}

/// Asks model and adapter how likely they find the classes of every row of `memory`, whose examples have
/// these `inputs` (by the row's sample); of the first `most` rows.
pub(crate) async fn copy_rows<S: ByteSource>(
    generator: &Generator<'_, S>,
    memory: &Memory,
    inputs: &[String],
    bias: &CopyBias,
    most: usize,
) -> Result<Vec<CopyRow>> {
    let all = memory.rows().min(most);
    let mut rows = Vec::with_capacity(all);
    while rows.len() < all {
        let some = rows.len()..all.min(rows.len() + ROWS);
        rows.extend(copy_rows_of(generator, memory, inputs, bias, some).await?);
    }
    Ok(rows)
}

/// The same for some rows, whose logits are on the host at once.
pub(crate) async fn copy_rows_of<S: ByteSource>(
    generator: &Generator<'_, S>,
    memory: &Memory,
    inputs: &[String],
    bias: &CopyBias,
    some: Range<usize>,
) -> Result<Vec<CopyRow>> {
    let plm = generator.plm();
    let lexicon = generator.lexicon()?;
    let vocab = plm.head.vocab();
    let some: Vec<usize> = some.collect();
    let mut rows = Vec::with_capacity(some.len());
    let contexts = plm.device.upload(&memory.gather(&some), "contexts")?;
    let (lm, pema) = generator.logits(&contexts, some.len()).await?;
    for (k, row) in some.into_iter().enumerate() {
        let of = k * vocab..(k + 1) * vocab;
        let first = row - memory.position[row] as usize;
        let said = plm.file.tokenizer.decode(&memory.values[first..row])?;
        let input = inputs.get(memory.sample[row] as usize).map_or("", String::as_str);
        let found = Reader::new(input, bias).candidates(lexicon, &said);
        let gold = memory.values[row];
        let shares = |logits: &[f32]| {
            let (top, mut classes) = (logits.iter().copied().fold(f32::MIN, f32::max), [0.0f32; CLASSES]);
            let sum: f32 = logits.iter().map(|l| (l - top).exp()).sum();
            for (id, class) in &found {
                classes[class.index()] += (logits[*id as usize] - top).exp() / sum;
            }
            let nll = logits.get(gold as usize).map_or(f32::INFINITY, |l| sum.ln() - (l - top));
            (classes, nll)
        };
        let (lm, lm_nll) = shares(&lm[of.clone()]);
        let (pema, pema_nll) = pema.as_ref().map_or((lm, lm_nll), |pema| shares(&pema[of]));
        rows.push(CopyRow { gold: found.get(&gold).map(|c| c.index()), lm_nll, pema_nll, lm, pema });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copying::Rewrites;

    fn row(gold: Option<usize>, p: f32) -> CopyRow {
        let mut classes = [0.0; CLASSES];
        classes[2] = p;
        CopyRow { gold, lm_nll: 1.0, pema_nll: 2.0, lm: classes, pema: [0.0; CLASSES] }
    }

    fn fitted(rows: &[CopyRow]) -> CopyBias {
        let mut bias = CopyBias { weights: [0.0; CLASSES], rewrites: Rewrites::new() };
        bias.fit(rows, |_| 0.0);
        bias
    }

    #[test]
    fn a_class_that_is_right_more_often_than_it_is_trusted_is_favoured_by_just_so_much() {
        // Trusted with 0.2, right in 4,000 of 5,000 rows: odds of 4 in place of 1/4, so e^beta = 16.
        let rows: Vec<CopyRow> = (0..5000).map(|i| row((i % 5 != 0).then_some(2), 0.2)).collect();
        let bias = fitted(&rows);
        assert!((bias.weights[2] - 16f32.ln()).abs() < 0.02, "{:?}", bias.weights);
        assert!(bias.weights.iter().enumerate().all(|(c, w)| c == 2 || *w == 0.0));
        let loss: f64 = rows.iter().map(|r| r.loss(&bias, 0.0)).sum();
        assert!(loss < -0.4 * rows.len() as f64, "{loss}");
        // Under the other distribution the class has no mass, and nothing to gain but its name.
        assert_eq!(row(None, 0.2).loss(&bias, 1.0), 0.0);
    }

    #[test]
    fn a_class_that_is_trusted_as_it_deserves_is_left_alone() {
        let rows: Vec<CopyRow> = (0..5000).map(|i| row((i % 5 == 0).then_some(2), 0.2)).collect();
        assert!(fitted(&rows).weights[2].abs() < 0.01);
    }

    #[test]
    fn one_row_is_no_evidence() {
        assert!(fitted(&[row(Some(2), 0.2)]).weights[2] < 0.5);
    }
}
