//! Which fields a file has, so that somebody can choose among them.

use super::error::{DataError, Result};
use super::{Dataset, Format, decode};

/// Field names people use, input and target, likeliest first.
const NAMES: [(&str, &str); 9] = [
    ("input", "target"),
    ("input", "output"),
    ("prompt", "completion"),
    ("source", "target"),
    ("informal", "formal"),
    ("question", "answer"),
    ("instruction", "response"),
    ("en", "de"),
    ("text", "label"),
];

impl Dataset {
    /// The fields that are input and target: those that were `chosen`, and for the others the likeliest ones: names people
    /// use together, else the first that is left.
    ///
    /// # Errors
    /// [`DataError::SameField`] when one field was chosen for both.
    pub fn guess(name: &str, fields: &[String], chosen: [Option<&str>; 2]) -> Result<(String, String)> {
        let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
        let has = |wanted: &str| fields.iter().find(|field| same(field, wanted)).cloned();
        let first = |not: &str, otherwise: &str| {
            fields.iter().find(|field| *field != not).cloned().unwrap_or_else(|| otherwise.to_owned())
        };
        Ok(match chosen {
            [Some(input), Some(target)] if input == target => {
                let (file, field) = (name.to_owned(), input.to_owned());
                return Err(DataError::SameField { file, field, present: fields.to_vec() });
            }
            [Some(input), Some(target)] => (input.to_owned(), target.to_owned()),
            [Some(input), None] => {
                let known = NAMES.iter().filter(|(name, _)| same(name, input)).find_map(|(_, target)| has(target));
                (input.to_owned(), known.unwrap_or_else(|| first(input, "target")))
            }
            [None, Some(target)] => {
                let known = NAMES.iter().filter(|(_, name)| same(name, target)).find_map(|(input, _)| has(input));
                (known.unwrap_or_else(|| first(target, "input")), target.to_owned())
            }
            [None, None] => {
                let known = NAMES.iter().find_map(|(input, target)| Some((has(input)?, has(target)?)));
                known.unwrap_or_else(|| {
                    let input = first("", "input");
                    let target = first(&input, "target");
                    (input, target)
                })
            }
        })
    }

    /// Names of the fields: the keys of the first JSON object, or the columns of the header; none for
    /// text files.
    ///
    /// # Errors
    /// [`DataError::NotUtf8`]; [`DataError::Empty`] when there is no first line. A first line that cannot be
    /// read gives no fields, and [`Dataset::parse`] says what is wrong with it.
    pub fn fields(name: &str, bytes: &[u8], format: Format) -> Result<Vec<String>> {
        let text = decode(name, bytes)?;
        if format != Format::TwoFiles && text.trim().is_empty() {
            return Err(DataError::Empty { file: name.to_owned() });
        }
        let separator = match format {
            Format::TwoFiles => return Ok(Vec::new()),
            Format::JsonLines => {
                let first = text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
                let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(first);
                return Ok(object.map(|o| o.keys().cloned().collect()).unwrap_or_default());
            }
            Format::Csv => b',',
            Format::Tsv => b'\t',
        };
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text.as_bytes());
        Ok(reader.headers().map(columns).unwrap_or_default())
    }
}

/// Names in a header, without the blanks around them.
pub(super) fn columns(header: &csv::StringRecord) -> Vec<String> {
    header.iter().map(|name| name.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_win_over_their_order() {
        let guess = |names: &[&str], chosen| {
            let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
            Dataset::guess("f", &names, chosen).unwrap()
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(guess(&["id", "Output", "input"], [None, None]), pair("input", "Output"));
        assert_eq!(guess(&["facts", "line", "id"], [None, None]), pair("facts", "line"));
        assert_eq!(guess(&[], [None, None]), pair("input", "target"));
        assert_eq!(guess(&["reply", "notes"], [Some("notes"), None]), pair("notes", "reply"), "never one field twice");
        assert_eq!(guess(&["id", "reply", "notes"], [None, Some("id")]), pair("reply", "id"));
        assert_eq!(guess(&["id", "answer", "question"], [Some("question"), None]), pair("question", "answer"));
        assert_eq!(guess(&["id", "output", "input"], [None, Some("output")]), pair("input", "output"));
        assert_eq!(guess(&["id"], [Some("id"), None]), pair("id", "target"));
        let twice = Dataset::guess("f", &["a".to_owned(), "b".to_owned()], [Some("a"), Some("a")]);
        assert!(matches!(twice, Err(DataError::SameField { .. })), "{twice:?}");
    }

    #[test]
    fn fields_of_every_format() {
        let fields = |format, text: &str| Dataset::fields("f", text.as_bytes(), format).unwrap();
        assert_eq!(fields(Format::JsonLines, "\n{\"a\":1,\"b\":2}\n"), ["a", "b"]);
        assert_eq!(fields(Format::Csv, "x,\"y, z\"\n1,2\n"), ["x", "y, z"]);
        assert_eq!(fields(Format::Tsv, "x\ty\n"), ["x", "y"]);
        assert_eq!(fields(Format::TwoFiles, "x"), Vec::<String>::new());
        assert_eq!(fields(Format::JsonLines, "no json"), Vec::<String>::new());
        assert_eq!(fields(Format::Csv, "input, target \n1,2\n"), ["input", "target"], "as parsing finds them");
        for format in [Format::JsonLines, Format::Csv] {
            assert!(matches!(Dataset::fields("f", b" \n", format), Err(DataError::Empty { .. })));
        }
    }
}
