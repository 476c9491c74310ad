//! Records of several seeds as one line each, and what they say in a sentence.

use pema::metrics::{Interval, chrf_gain};

use crate::{Record, Way};

/// One way on one task, over all its seeds.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Line {
    /// Task.
    pub task: String,
    /// Way.
    pub way: String,
    /// Seeds.
    pub seeds: usize,
    /// Mean over the seeds.
    pub nll: f64,
    /// exp(nll)
    pub perplexity: f64,
    /// Mean over the seeds.
    pub bleu: f64,
    /// Mean of the values and of the ends of the intervals.
    pub chrf: Interval,
    /// The same of the gain over the model alone without demonstrations.
    pub gain: Option<Interval>,
    /// The same of the gain over the model alone behind the same prompt, [`Way::rival`]; `None` where that was not measured.
    pub own: Option<Interval>,
    /// Mean over the seeds.
    pub exact: f64,
    /// Means of dropped, added, repeated and the length ratio.
    pub faults: [f64; 4],
    /// Means of the seconds of choosing, building, training, writing.
    pub seconds: [f64; 4],
    /// Most bytes on the device, over the seeds, in training and in writing.
    pub peak_bytes: [u64; 2],
}

/// One line a task and way, in the order of [`Way::all`].
pub fn lines(records: &[Record]) -> Vec<Line> {
    let mut tasks: Vec<&str> = Vec::new();
    for record in records {
        if !tasks.contains(&record.task.as_str()) {
            tasks.push(&record.task);
        }
    }
    let mut all = Vec::new();
    for task in tasks {
        for way in Way::all() {
            let way = way.to_string();
            let same: Vec<&Record> = records.iter().filter(|r| r.task == task && r.way == way).collect();
            all.extend(line(&same, records));
        }
    }
    all
}

fn line(records: &[&Record], all: &[Record]) -> Option<Line> {
    let first = records.first()?;
    let n = records.len() as f64;
    let mean = |of: &dyn Fn(&Record) -> f64| records.iter().map(|r| of(r)).sum::<f64>() / n;
    let gains: Vec<Interval> = records.iter().filter_map(|r| r.gain).collect();
    let own: Vec<Interval> = records.iter().filter_map(|r| own_gain(r, all)).collect();
    let nll = mean(&|r| r.nll);
    Some(Line {
        task: first.task.clone(),
        way: first.way.clone(),
        seeds: records.len(),
        nll,
        perplexity: nll.exp(),
        bleu: mean(&|r| r.bleu),
        chrf: Interval { value: mean(&|r| r.chrf.value), low: mean(&|r| r.chrf.low), high: mean(&|r| r.chrf.high) },
        gain: mean_interval(&gains),
        own: mean_interval(&own),
        exact: mean(&|r| r.exact),
        faults: [
            mean(&|r| r.faults.dropped),
            mean(&|r| r.faults.added),
            mean(&|r| r.faults.repeated),
            mean(&|r| r.faults.length_ratio),
        ],
        seconds: [
            mean(&|r| r.seconds.choose),
            mean(&|r| r.seconds.build),
            mean(&|r| r.seconds.train),
            mean(&|r| r.seconds.write),
        ],
        peak_bytes: [0, 1].map(|i| records.iter().map(|r| r.peak_bytes[i]).max().unwrap_or(0)),
    })
}

/// What a way gains over its rival of the same task and seed, on the same resampled texts.
fn own_gain(record: &Record, all: &[Record]) -> Option<Interval> {
    let rival = record.way.parse::<Way>().ok()?.rival()?.to_string();
    let rival = all.iter().find(|r| r.task == record.task && r.seed == record.seed && r.way == rival)?;
    let alone = rival.texts_for(record.asked())?;
    let (texts, wanted): (Vec<&str>, Vec<&str>) =
        record.texts.iter().map(|[_, wanted, text]| (text.as_str(), wanted.as_str())).unzip();
    chrf_gain(&alone, &texts, &wanted).ok()
}

/// Means of the values and of the ends.
fn mean_interval(all: &[Interval]) -> Option<Interval> {
    let mean = |of: fn(&Interval) -> f64| all.iter().map(of).sum::<f64>() / all.len() as f64;
    (!all.is_empty()).then(|| Interval { value: mean(|i| i.value), low: mean(|i| i.low), high: mean(|i| i.high) })
}

/// What a layman should know: whether tuning as the program does it by itself helped, and what of that is the adapter's.
pub fn first_sentence(lines: &[Line]) -> String {
    let default: Vec<&Line> = lines.iter().filter(|l| l.way == Way::Default.to_string()).collect();
    let gains: Vec<Interval> = default.iter().filter_map(|l| l.gain).collect();
    if default.is_empty() {
        return "The default was not measured, so this report compares methods only.".to_owned();
    }
    if gains.is_empty() {
        return "The default wrote pairs that the model alone did not write, so nothing is said of a gain.".to_owned();
    }
    let (of, better) = (gains.len(), gains.iter().filter(|g| g.low > 0.0).count());
    let worse = gains.iter().filter(|g| g.high < 0.0).count();
    let mean = gains.iter().map(|g| g.value).sum::<f64>() / of as f64;
    let tasks = if of == 1 { "the one task".to_owned() } else { format!("{better} of {of} tasks") };
    let size = format!("on average the texts gain {mean:+.1} chrF (0 to 100, higher is nearer to what was wanted)");
    let helped = match (of, better, worse) {
        (1, 1, _) => format!("Tuning made the texts clearly better on {tasks}: {size}."),
        (_, 0, 0) => format!("Tuning made no clear difference: {size}."),
        (_, _, 0) => format!("Tuning made the texts clearly better on {tasks} and clearly worse on none: {size}."),
        _ => format!(
            "Tuning made the texts clearly better on {better} and clearly worse on {worse} of {of} tasks: {size}."
        ),
    };
    let own: Vec<f64> = default.iter().filter_map(|l| l.own).map(|g| g.value).collect();
    if own.is_empty() {
        return helped;
    }
    let own = own.iter().sum::<f64>() / own.len() as f64;
    let alone = match own {
        _ if own >= 0.5 => format!("falls {own:.1} short of that"),
        _ if own > -0.5 => "does as well".to_owned(),
        _ => format!("does better by {:.1}", -own),
    };
    format!("{helped} The model alone, shown the same examples, {alone}.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    #[test]
    fn seeds_are_averaged_and_ways_keep_their_order() {
        let records = [record("a", "default", 1, 60.0), record("a", "default", 2, 64.0), record("a", "base", 1, 50.0)];
        let lines = lines(&records);
        assert_eq!(lines.iter().map(|l| (l.way.as_str(), l.seeds)).collect::<Vec<_>>(), [("base", 1), ("default", 2)]);
        assert_eq!((lines[1].chrf.value, lines[1].gain.unwrap().value, lines[0].gain), (62.0, 12.0, None));
        assert_eq!((lines[1].own, lines[1].perplexity), (None, 1f64.exp()), "its rival was not measured");
    }

    #[test]
    fn a_way_is_compared_with_the_model_behind_the_same_prompt_and_seed() {
        let texts = |chrf: f64, way: &str, seed, text: &str| {
            let texts = vec![["in".to_owned(), "wanted".to_owned(), text.to_owned()]];
            Record { texts, ..record("a", way, seed, chrf) }
        };
        let records = [
            texts(50.0, "base", 1, "nothing"),
            texts(100.0, "default-base", 1, "wanted"),
            texts(0.0, "default-base", 2, "xxxx"),
            texts(100.0, "default", 1, "wanted"),
            texts(100.0, "default", 2, "wanted"),
            texts(50.0, "knn", 1, "wante"),
        ];
        let lines = lines(&records);
        let own = |way: &str| lines.iter().find(|l| l.way == way).unwrap().own.map(|own| own.value);
        assert_eq!((own("base"), own("default-base"), own("default")), (None, None, Some(50.0)), "0 and 100 gained");
        assert!(own("knn") > Some(50.0));
        assert!(
            first_sentence(&lines).ends_with("The model alone, shown the same examples, falls 50.0 short of that.")
        );
        let worse =
            |line: &Line, own| Line { own: Some(Interval { value: own, ..Interval::default() }), ..line.clone() };
        let said = |own| first_sentence(&lines.iter().map(|line| worse(line, own)).collect::<Vec<_>>());
        assert!(said(0.1).ends_with("does as well.") && said(-2.0).ends_with("does better by 2.0."));
    }

    #[test]
    fn the_first_sentence_says_what_happened() {
        let said = |chrf: &[f64]| {
            let tasks = ["a", "b", "c"];
            let records: Vec<Record> = chrf.iter().zip(tasks).map(|(c, t)| record(t, "default", 1, *c)).collect();
            first_sentence(&lines(&records))
        };
        assert!(said(&[60.0]).contains("clearly better on the one task"), "{}", said(&[60.0]));
        assert!(said(&[60.0, 50.5]).contains("1 of 2 tasks and clearly worse on none"));
        assert!(said(&[50.5, 49.0]).contains("no clear difference"));
        assert!(said(&[60.0, 40.0, 70.0]).contains("clearly better on 2 and clearly worse on 1 of 3"));
        assert!(first_sentence(&[]).contains("not measured"));
        let mut alone = lines(&[record("a", "default", 1, 60.0)]);
        alone[0].gain = None;
        assert!(first_sentence(&alone).contains("nothing is said of a gain"));
    }
}
