//! The report: one page that needs nothing else, or JSON.

use pema::metrics::{ChrfCounts, Interval, bleu, chrf};
use serde_json::{Value, json};

use crate::svg::{Bar, bars};
use crate::{Line, Record, Way, first_sentence, lines};

/// Examples shown for a task.
const SHOWN: usize = 20;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b2330; --ground: #fff; --line: #d6dbe3; --bar: #9db7e8; --strong: #1d56c9; --muted: #566174 }
@media (prefers-color-scheme: dark) { :root { --ink: #e7ebf2; --ground: #12161d; --line: #333c4a; --bar: #3c5380; --strong: #8db4ff; --muted: #a3aec0 } }
body { font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
.lead { font-size: 1.15rem } .muted, caption { color: var(--muted) } .muted { overflow-wrap: anywhere } .scrolls { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin: 1rem 0 } caption { text-align: left }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .5rem; text-align: right; vertical-align: top; white-space: nowrap }
th:first-child, td:first-child, .texts td, .texts th { text-align: left } td:first-child { white-space: normal; min-width: 9rem; max-width: 24rem } .texts td { white-space: normal; min-width: 10rem }
svg { max-width: 40rem; width: 100%; height: auto } svg text { fill: currentColor; font-size: 12px }
ul.notes { overflow-wrap: anywhere }
.bar { fill: var(--bar) } .strong { fill: var(--strong) } .range { stroke: var(--ink); stroke-width: 2 }";

/// Records as a page. `model` is its name, `command` what made it.
pub fn html(model: &str, command: &str, records: &[Record]) -> String {
    let all = lines(records);
    let mut body = format!("<h1>Does tuning help?</h1><p class=\"lead\">{}</p>", escape(&first_sentence(&all)));
    let seeds = match all.iter().map(|l| l.seeds).max().unwrap_or(0) {
        1 => "one seed".to_owned(),
        n => format!("{n} seeds"),
    };
    let about = format!(
        "Model {model}. Every number is of test pairs that no method saw; {seeds}; intervals are 95 % \
         bootstrap intervals over the test pairs. Made by: {command}"
    );
    body += &format!("<p class=\"muted\">{}</p>", escape(&about));
    let mut tasks: Vec<&str> = all.iter().map(|l| l.task.as_str()).collect();
    tasks.dedup();
    for task in tasks {
        let mine: Vec<&Line> = all.iter().filter(|l| l.task == task).collect();
        let records: Vec<&Record> = records.iter().filter(|r| r.task == task).collect();
        body += &section(task, &mine, &records);
    }
    body += &format!(
        "<h2>How to read this</h2><ul class=\"notes\"><li>chrF and BLEU compare texts with the references, 0 to 100, higher is better \
         (sacreBLEU signatures: {}; {}). Exact: share of texts equal to their reference. NLL: mean negative log \
         probability of a reference token, and perplexity its exponential, lower is better; a lower loss is not yet a better text.</li>\
         <li>Dropped: of the words that input and reference share, the share the text lost. Added: words that neither \
         has. Repeated: runs of three words said again. Length: words for each word of the references.</li>\
         <li>Gain: chrF less that of the model alone without demonstrations, on the same resampled pairs. Same prompt: chrF less \
         that of the model alone behind the same demonstrations, for the default also keeping as many versions of a text; \
         this is what memory and adapter add to what the examples do by being shown.</li>\
         <li>Over several seeds, values and both ends of an interval are means; the seeds themselves stand beside them.</li>\
         <li>Seconds are those of one machine, whatever else it did meanwhile.</li></ul>",
        escape(chrf::signature()),
        escape(bleu::signature())
    );
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>PEMA lab</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )
}

fn section(task: &str, lines: &[&Line], records: &[&Record]) -> String {
    let default = Way::Default.to_string();
    let pairs = records.iter().map(|r| r.pairs).max_by_key(|pairs| pairs[2]).unwrap_or_default();
    let mut out = format!(
        "<h2>{}</h2><p class=\"muted\">{} pairs to learn from, {} to choose on, {} to test on.</p>",
        escape(task),
        pairs[0],
        pairs[1],
        pairs[2]
    );
    for line in lines {
        if let Some(fewer) = records.iter().find(|r| r.way == line.way && r.pairs[2] < pairs[2]) {
            let (way, left) = (escape(&words(&line.way)), fewer.pairs[2]);
            out += &format!(
                "<p class=\"muted\">{way}: {left} pairs, the others do not fit the model behind its prompt.</p>"
            );
        }
    }
    let names: Vec<String> = lines.iter().map(|l| words(&l.way)).collect();
    let picture: Vec<Bar<'_>> = lines
        .iter()
        .zip(&names)
        .map(|(l, name)| Bar { name, value: [l.chrf.value, l.chrf.low, l.chrf.high], strong: l.way == default })
        .collect();
    out += &bars(&format!("chrF of every way on {task}; the table below has the numbers"), &picture);
    let rows = |cells: &dyn Fn(&Line) -> Vec<String>| -> Vec<Vec<String>> {
        lines.iter().zip(&names).map(|(l, name)| std::iter::once(escape(name)).chain(cells(l)).collect()).collect()
    };
    let seeds = |l: &Line| {
        let of: Vec<String> =
            records.iter().filter(|r| r.way == l.way).map(|r| format!("{:.1}", r.chrf.value)).collect();
        of.join(" ")
    };
    let heads = ["chrF", "interval", "each seed", "gain", "same prompt", "BLEU", "exact", "NLL", "perplexity"];
    out += &table(
        "The texts, means over the seeds",
        &heads,
        &rows(&|l| {
            let gain = |gain: Option<Interval>| {
                gain.map_or_else(|| "-".to_owned(), |g| format!("{:+.1} ({:+.1} to {:+.1})", g.value, g.low, g.high))
            };
            let chrf = [format!("{:.1}", l.chrf.value), format!("{:.1} to {:.1}", l.chrf.low, l.chrf.high)];
            let others = [format!("{:.1}", l.bleu), format!("{:.0} %", 100.0 * l.exact)];
            let losses = [format!("{:.3}", l.nll), format!("{:.2}", l.perplexity)];
            chrf.into_iter().chain([seeds(l), gain(l.gain), gain(l.own)]).chain(others).chain(losses).collect()
        }),
    );
    let heads = ["dropped", "added", "repeated", "length"];
    out += &table(
        "What is wrong with them",
        &heads,
        &rows(&|l| {
            let [dropped, added, repeated, length] = l.faults;
            let shares = [dropped, added, repeated].map(|share| format!("{:.1} %", 100.0 * share));
            shares.into_iter().chain([format!("{length:.2}")]).collect()
        }),
    );
    let heads = ["choosing", "memory", "training", "writing", "MB to train", "MB to write"];
    out += &table(
        "What they took: seconds, and bytes on the device",
        &heads,
        &rows(&|l| {
            let seconds = l.seconds.map(|s| format!("{s:.0} s"));
            seconds.into_iter().chain(l.peak_bytes.map(|b| format!("{:.0}", b as f64 / 1e6))).collect()
        }),
    );
    out + &examples(records)
}

/// A table whose first column names the way; `rows` are markup already.
fn table(caption: &str, heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut out = format!(
        "<div class=\"scrolls\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table>\
         <caption>{caption}</caption><thead><tr><th scope=\"col\">way</th>"
    );
    for head in heads {
        out += &format!("<th scope=\"col\">{head}</th>");
    }
    out += "</tr></thead><tbody>";
    for cells in rows {
        out += &format!("<tr><td>{}</td></tr>", cells.join("</td><td>"));
    }
    out + "</tbody></table></div>"
}

/// Texts side by side, the default's worst first.
fn examples(records: &[&Record]) -> String {
    let of = |way: Way| records.iter().find(|r| r.way == way.to_string());
    let best = || records.iter().filter(|r| r.gain.is_some()).max_by(|a, b| a.chrf.value.total_cmp(&b.chrf.value));
    let (Some(base), Some(adapted)) = (of(Way::BASE), of(Way::Default).or_else(best)) else { return String::new() };
    let mut rows: Vec<(f64, usize)> =
        adapted.texts.iter().enumerate().map(|(i, t)| (ChrfCounts::of(&t[2], &t[1]).score().value, i)).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out = format!(
        "<details><summary>Side by side, the worst first ({})</summary><p class=\"muted\">{}</p><div class=\"scrolls\" \
         tabindex=\"0\" role=\"region\" aria-label=\"Texts\"><table class=\"texts\"><thead><tr><th scope=\"col\">input</th>\
         <th scope=\"col\">model alone</th><th scope=\"col\">{}</th><th scope=\"col\">wanted</th></tr></thead><tbody>",
        escape(&words(&adapted.way)),
        escape(&adapted.note),
        escape(&words(&adapted.way)),
    );
    for (_, i) in rows.into_iter().take(SHOWN) {
        let [input, wanted, text] = &adapted.texts[i];
        let alone = base.texts_for([[input.as_str(), wanted.as_str()]]).map_or("", |texts| texts[0]);
        out += "<tr>";
        for cell in [input, alone, text, wanted] {
            out += &format!("<td>{}</td>", escape(cell));
        }
        out += "</tr>";
    }
    out + "</tbody></table></div></details>"
}

fn words(way: &str) -> String {
    way.parse::<Way>().map_or_else(|_| way.to_owned(), Way::words)
}

/// The same as JSON, with every text.
pub fn json(model: &str, command: &str, records: &[Record]) -> Value {
    let all = lines(records);
    json!({
        "sentence": first_sentence(&all), "model": model, "command": command, "lines": all, "records": records,
        "signature": { "bleu": bleu::signature(), "chrf": chrf::signature() },
    })
}

/// Text that stands in HTML as it is.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    #[test]
    fn the_page_begins_with_the_answer_and_holds_no_markup_of_the_users() {
        let records = [record("a", "base", 1, 50.0), record("a", "default", 1, 60.0)];
        let page = html("tiny <m>", "pema lab", &records);
        let (lead, table) = (page.find("clearly better on the one task"), page.find("<table"));
        assert!(lead.is_some() && lead < table, "{page}");
        assert!(page.contains("in &lt;b&gt;") && !page.contains("in <b>") && !page.contains("tiny <m>"));
        assert!(page.contains("lambda &lt;0.5&gt;") && !page.contains("http"));
        let worst = page.find("<td>x</td>").unwrap_or(usize::MAX);
        assert!(worst < page.find("in &lt;b&gt;").unwrap_or(0), "the worst text comes first");
    }

    #[test]
    fn json_holds_lines_and_records() {
        let value = json("m", "c", &[record("a", "base", 1, 50.0)]);
        assert_eq!((value["lines"][0]["way"].as_str(), value["records"][0]["seed"].as_u64()), (Some("base"), Some(1)));
    }
}
