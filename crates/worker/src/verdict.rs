//! Scores in a sentence.

use pema::metrics::{Compared, compared};
use pema_protocol::MethodScore;

/// Whether tuning helped, plainly: of the method of the adapter's `own` way, or of the `shown` one where that is
/// the model alone.
pub(crate) fn verdict(methods: &[MethodScore], own: &str, shown: &str) -> String {
    let named = |name: &str| methods.iter().find(|m| m.method == name);
    let Some(base) = named("base") else { return String::new() };
    let Some(best) = named(shown) else { return "There is no adapter yet.".to_owned() };
    let numbers = format!(
        "chrF {:.1} instead of {:.1}, BLEU {:.1} instead of {:.1} on pairs that were not learnt from",
        best.chrf, base.chrf, best.bleu, base.bleu
    );
    if own == "base" {
        return format!("The model writes alone, as the check after training advised. With the adapter: {numbers}.");
    }
    match compared([base.chrf, base.bleu], [best.chrf, best.bleu]) {
        Compared::Better => format!("Tuning helped: {numbers}."),
        Compared::Worse => {
            format!("Tuning made the answers worse: {numbers}. Use the model without the adapter, or open more pairs.")
        }
        Compared::Alike => format!("Tuning made no clear difference: {numbers}."),
    }
}

/// What a reader of the scores should know.
pub(crate) fn warnings(trained_on: usize, tested_on: usize, overfitted: bool) -> Vec<String> {
    let mut all = Vec::new();
    if trained_on < 50 {
        all.push(format!("Only {trained_on} pairs were learnt from; a few hundred are better."));
    }
    if tested_on < 30 {
        all.push(format!("Only {tested_on} pairs were tested; the scores may be off by several points."));
    }
    if overfitted {
        all.push("The last steps of training fitted the training pairs better and the held-out pairs worse; the best step was kept.".to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(method: &str, chrf: f64, bleu: f64) -> MethodScore {
        MethodScore { method: method.into(), nll: 1.0, perplexity: 2.7, bleu, chrf, exact: 0.0 }
    }

    #[test]
    fn the_sentence_follows_the_scores() {
        let scores = |c, b| [score("base", 50.0, 30.0), score("pema", 40.0, 9.0), score("pema-gu", c, b)];
        let said = |c, b| verdict(&scores(c, b), "pema-gu", "pema-gu");
        assert!(said(60.0, 40.0).starts_with("Tuning helped"));
        assert!(said(50.3, 30.2).starts_with("Tuning made no clear"));
        assert!(said(45.0, 31.0).starts_with("Tuning made the answers worse"));
        // The best of the test pairs is not looked for: that would be choosing on them.
        assert!(verdict(&scores(60.0, 40.0), "pema", "pema").starts_with("Tuning made the answers worse"));
        assert!(verdict(&scores(60.0, 40.0), "base", "pema").starts_with("The model writes alone"));
        assert!(verdict(&[score("base", 50.0, 30.0)], "pema", "pema").contains("no adapter"));
    }

    #[test]
    fn few_pairs_are_said() {
        assert_eq!(warnings(500, 60, false), Vec::<String>::new());
        assert_eq!(warnings(20, 10, true).len(), 3);
    }
}
