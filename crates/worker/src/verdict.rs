//! Scores in a sentence.

use pema_protocol::MethodScore;

/// Whether tuning helped, plainly.
pub(crate) fn verdict(methods: &[MethodScore]) -> String {
    let Some(base) = methods.iter().find(|m| m.method == "base") else { return String::new() };
    let adapted = methods.iter().filter(|m| m.method.starts_with("pema")).max_by(|a, b| a.chrf.total_cmp(&b.chrf));
    let Some(best) = adapted else { return "There is no adapter yet.".to_owned() };
    let numbers = format!(
        "chrF {:.1} instead of {:.1}, BLEU {:.1} instead of {:.1} on pairs that were not learnt from",
        best.chrf, base.chrf, best.bleu, base.bleu
    );
    let (chrf, bleu) = (best.chrf - base.chrf, best.bleu - base.bleu);
    if chrf > 1.0 && bleu > -0.5 || bleu > 1.0 && chrf > -0.5 {
        format!("Tuning helped: {numbers}.")
    } else if chrf < -1.0 || bleu < -1.0 {
        format!("Tuning made the answers worse: {numbers}. Use the model without the adapter, or open more pairs.")
    } else {
        format!("Tuning made no clear difference: {numbers}.")
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
        let said = |c, b| verdict(&[score("base", 50.0, 30.0), score("pema", 40.0, 9.0), score("pema-gu", c, b)]);
        assert!(said(60.0, 40.0).starts_with("Tuning helped"));
        assert!(said(50.3, 30.2).starts_with("Tuning made no clear"));
        assert!(said(45.0, 31.0).starts_with("Tuning made the answers worse"));
        assert!(verdict(&[score("base", 50.0, 30.0)]).contains("no adapter"));
    }

    #[test]
    fn few_pairs_are_said() {
        assert_eq!(warnings(500, 60, false), Vec::<String>::new());
        assert_eq!(warnings(20, 10, true).len(), 3);
    }
}
