//! A user's examples: files in, pairs of input and target out.

mod error;
mod fields;
mod json_lines;
mod split;
mod table;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use error::DataError;
use error::Result;

/// One pair of texts, as written in the file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Example {
    /// What the user will give.
    pub input: String,
    /// What the model shall answer.
    pub target: String,
    /// Line of the file on which the example starts, from 1.
    pub line: usize,
}

/// A list of examples, never empty when read from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    /// The file, or both files, the examples came from.
    pub name: String,
    /// The pairs, in the order of the file.
    pub examples: Vec<Example>,
}

/// How a file holds its examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One JSON object per line; blank lines are skipped.
    JsonLines,
    /// Comma-separated values with a header (RFC 4180).
    Csv,
    /// The same with tabs between the columns.
    Tsv,
    /// Two text files; line n of one belongs to line n of the other.
    TwoFiles,
}

impl Format {
    /// Format of a file by the ending of its name, upper or lower case.
    ///
    /// # Errors
    /// [`DataError::UnknownFormat`] for any other ending.
    pub fn from_name(file: &str) -> Result<Self> {
        let ending = Path::new(file).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" | "json" => Ok(Self::JsonLines),
            "csv" => Ok(Self::Csv),
            "tsv" | "tab" => Ok(Self::Tsv),
            "txt" => Ok(Self::TwoFiles),
            _ => Err(DataError::UnknownFormat { file: file.to_owned() }),
        }
    }
}

impl Dataset {
    /// Reads the examples of one file of UTF-8 text, with or without a byte
    /// order mark. `input_field` and `target_field` name the JSON fields or the
    /// columns of the header.
    ///
    /// # Errors
    /// Everything wrong with the file is refused, not skipped: see the variants
    /// of [`DataError`], each with the place in the file.
    pub fn parse(name: &str, bytes: &[u8], format: Format, input_field: &str, target_field: &str) -> Result<Self> {
        let text = decode(name, bytes)?;
        let examples = match format {
            Format::JsonLines => json_lines::parse(name, text, input_field, target_field)?,
            Format::Csv => table::parse(name, text, b',', input_field, target_field)?,
            Format::Tsv => table::parse(name, text, b'\t', input_field, target_field)?,
            Format::TwoFiles => {
                return Err(DataError::SecondFileMissing { file: name.to_owned() });
            }
        };
        Self::filled(name.to_owned(), examples)
    }

    /// Reads two line-aligned files. Lines that are blank in both are skipped.
    ///
    /// # Errors
    /// [`DataError::UnevenLines`], [`DataError::EmptyField`], [`DataError::NotUtf8`] or
    /// [`DataError::Empty`].
    pub fn parse_lines(input_name: &str, input: &[u8], target_name: &str, target: &[u8]) -> Result<Self> {
        let inputs = filled_lines(decode(input_name, input)?);
        let targets = filled_lines(decode(target_name, target)?);
        if inputs.len() != targets.len() {
            return Err(DataError::UnevenLines {
                source_file: input_name.to_owned(),
                source_lines: inputs.len(),
                target_file: target_name.to_owned(),
                target_lines: targets.len(),
            });
        }
        let mut examples = Vec::with_capacity(inputs.len());
        for (index, (input, target)) in inputs.into_iter().zip(targets).enumerate() {
            if !(input.trim().is_empty() && target.trim().is_empty()) {
                let line = index + 1;
                let input = not_empty(input_name, line, "input", input)?;
                examples.push(Example { input, target: not_empty(target_name, line, "target", target)?, line });
            }
        }
        Self::filled(format!("{input_name} + {target_name}"), examples)
    }

    fn filled(name: String, examples: Vec<Example>) -> Result<Self> {
        if examples.is_empty() { Err(DataError::Empty { file: name }) } else { Ok(Self { name, examples }) }
    }
}

/// The text without its byte order mark.
fn decode<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = good.matches('\n').count() + 1;
        let column = good.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        DataError::NotUtf8 { file: file.to_owned(), line, column }
    })
}

/// The lines without blank ones at the end, which editors leave in one file and
/// not in the other.
fn filled_lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    while lines.pop_if(|line| line.trim().is_empty()).is_some() {}
    lines
}

/// The text of a field, unless nothing is in it.
fn not_empty(file: &str, line: usize, field: &str, text: &str) -> Result<String> {
    if text.trim().is_empty() {
        return Err(DataError::EmptyField { file: file.to_owned(), line, field: field.to_owned() });
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn jsonl(text: &str) -> Result<Dataset> {
        Dataset::parse("d.jsonl", text.as_bytes(), Format::JsonLines, "in", "out")
    }

    pub(super) fn rows(dataset: &Dataset) -> Vec<(&str, &str, usize)> {
        dataset.examples.iter().map(|row| (row.input.as_str(), row.target.as_str(), row.line)).collect()
    }

    #[test]
    fn bytes_that_are_not_text_are_placed() {
        let bytes = b"\xEF\xBB\xBFok\n\xC3\xA4b\xFFc";
        let error = Dataset::parse("d.csv", bytes, Format::Csv, "in", "out");
        assert!(matches!(error, Err(DataError::NotUtf8 { line: 2, column: 3, .. })), "{error:?}");
    }

    #[test]
    fn two_files_are_paired_by_line() {
        let pairs = |input: &str, target: &str| Dataset::parse_lines("s", input.as_bytes(), "t", target.as_bytes());
        assert_eq!(
            rows(&pairs("a\r\n\nb\u{2028}c\n", "x\n \ny\n\n").unwrap()),
            [("a", "x", 1), ("b\u{2028}c", "y", 3)]
        );
        assert!(matches!(pairs("a\nb", "x"), Err(DataError::UnevenLines { source_lines: 2, target_lines: 1, .. })));
        let empty = pairs("a\nb\nc", "x\n\nz");
        assert!(matches!(&empty, Err(DataError::EmptyField { file, line: 2, .. }) if file == "t"), "{empty:?}");
    }

    #[test]
    fn duplicates_and_formats() {
        let pair = "{\"in\":\"a\",\"out\":\"b\"}\n";
        let dataset = jsonl(&format!("{pair}{pair}{{\"in\":\"a\",\"out\":\"c\\nd\"}}\n{pair}")).unwrap();
        assert_eq!((dataset.duplicates(), dataset.multiline_targets()), (2, 1));
        assert_eq!(Format::from_name("my.data/Train.JSONL").unwrap(), Format::JsonLines);
        assert_eq!(Format::from_name("a.b.tsv").unwrap(), Format::Tsv);
        assert!(matches!(Format::from_name("csv"), Err(DataError::UnknownFormat { .. })));
        assert!(matches!(
            Dataset::parse("a.txt", b"a", Format::TwoFiles, "", ""),
            Err(DataError::SecondFileMissing { .. })
        ));
    }
}
