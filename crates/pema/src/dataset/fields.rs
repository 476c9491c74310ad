//! Which fields a file has, so that somebody can choose among them.

use super::{Dataset, Format, decode};
use crate::error::{Error, Result};

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
    /// The likeliest of a file's fields to be input and target: names people use, else the first two.
    pub fn guess(fields: &[String]) -> (String, String) {
        let has = |name: &str| fields.iter().find(|f| f.eq_ignore_ascii_case(name)).cloned();
        let known = NAMES.iter().find_map(|(input, target)| Some((has(input)?, has(target)?)));
        let at = |i: usize, otherwise: &str| fields.get(i).cloned().unwrap_or_else(|| otherwise.to_owned());
        known.unwrap_or_else(|| (at(0, "input"), at(1, "target")))
    }

    /// Names of the fields: the keys of the first JSON object, or the columns of the header; none for
    /// text files.
    ///
    /// # Errors
    /// [`Error::NotUtf8`]; [`Error::Empty`] when there is no first line. A first line that cannot be
    /// read gives no fields, and [`Dataset::parse`] says what is wrong with it.
    pub fn fields(name: &str, bytes: &[u8], format: Format) -> Result<Vec<String>> {
        let text = decode(name, bytes)?;
        let separator = match format {
            Format::TwoFiles => return Ok(Vec::new()),
            Format::JsonLines => {
                let first = text.lines().find(|l| !l.trim().is_empty());
                let first = first.ok_or_else(|| Error::Empty { file: name.to_owned() })?;
                let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(first);
                return Ok(object.map(|o| o.keys().cloned().collect()).unwrap_or_default());
            }
            Format::Csv => b',',
            Format::Tsv => b'\t',
        };
        let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text.as_bytes());
        Ok(reader.headers().map(|h| h.iter().map(str::to_owned).collect()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_win_over_their_order() {
        let guess = |names: [&str; 3]| Dataset::guess(&names.map(str::to_owned));
        assert_eq!(guess(["id", "Output", "input"]), ("input".to_owned(), "Output".to_owned()));
        assert_eq!(guess(["facts", "line", "id"]), ("facts".to_owned(), "line".to_owned()));
        assert_eq!(Dataset::guess(&[]), ("input".to_owned(), "target".to_owned()));
    }

    #[test]
    fn fields_of_every_format() {
        let fields = |format, text: &str| Dataset::fields("f", text.as_bytes(), format).unwrap();
        assert_eq!(fields(Format::JsonLines, "\n{\"a\":1,\"b\":2}\n"), ["a", "b"]);
        assert_eq!(fields(Format::Csv, "x,\"y, z\"\n1,2\n"), ["x", "y, z"]);
        assert_eq!(fields(Format::Tsv, "x\ty\n"), ["x", "y"]);
        assert_eq!(fields(Format::TwoFiles, "x"), Vec::<String>::new());
        assert_eq!(fields(Format::JsonLines, "no json"), Vec::<String>::new());
        assert!(Dataset::fields("f", b" \n", Format::JsonLines).is_err());
    }
}
