//! Examples in tables: comma- or tab-separated values with a header.

use super::error::{DataError, Result};
use super::fields::columns;
use super::{Example, not_empty};

/// Reads the records of a table whose columns are parted by `delimiter`.
pub(super) fn parse(
    name: &str,
    text: &str,
    delimiter: u8,
    input_field: &str,
    target_field: &str,
) -> Result<Vec<Example>> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    if let Some(offset) = unclosed_quote(text.as_bytes(), delimiter) {
        return Err(DataError::BadCsv {
            file: name.to_owned(),
            line: line_at(text, offset),
            why: "the double quote that opens a field here is never closed (a quote inside a quoted field is written twice)".to_owned(),
        });
    }
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let refuse = |error| refused(name, text, &error);
    let headers = reader.headers().map_err(refuse)?;
    let columns = columns(headers);
    let input_column = find(name, &columns, input_field)?;
    let target_column = find(name, &columns, target_field)?;

    let mut examples = Vec::new();
    // Lines are counted on from one record to the next, else long files would
    // take quadratic time.
    let (mut line, mut counted) = (1, 0);
    for record in reader.records() {
        let record = record.map_err(refuse)?;
        if let Some(position) = record.position() {
            let start = record_start(text, position.byte() as usize);
            line += line_breaks(text.as_bytes().get(counted..start).unwrap_or_default());
            counted = start;
        }
        let field = |field, column| {
            let text = record.get(column).unwrap_or_default();
            not_empty(name, line, field, text)
        };
        examples.push(Example {
            input: field(input_field, input_column)?,
            target: field(target_field, target_column)?,
            line,
        });
    }
    Ok(examples)
}

fn find(name: &str, columns: &[String], wanted: &str) -> Result<usize> {
    let found = columns.iter().position(|column| column == wanted);
    found.ok_or_else(|| DataError::MissingColumn {
        file: name.to_owned(),
        column: wanted.to_owned(),
        present: columns.to_vec(),
    })
}

fn refused(name: &str, text: &str, error: &csv::Error) -> DataError {
    let why = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("this record has {len} fields where the header has {expected_len}")
        }
        _ => error.to_string(),
    };
    let line = error.position().map_or(1, |position| line_at(text, record_start(text, position.byte() as usize)));
    DataError::BadCsv { file: name.to_owned(), line, why }
}

/// The CSV reader places a record behind the one before it; blank lines and the
/// second half of a CRLF may still lie between that place and its first byte.
fn record_start(text: &str, offset: usize) -> usize {
    let rest = text.as_bytes().get(offset..).unwrap_or_default();
    let breaks = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    offset + breaks.count()
}

fn line_at(text: &str, offset: usize) -> usize {
    line_breaks(text.as_bytes().get(..offset).unwrap_or_default()) + 1
}

/// Number of line breaks: LF, CRLF, or the CR alone that spreadsheets still offer.
fn line_breaks(bytes: &[u8]) -> usize {
    let feeds = bytes.iter().filter(|&&byte| byte == b'\n').count();
    let returns = bytes.iter().filter(|&&byte| byte == b'\r').count();
    feeds + returns - bytes.windows(2).filter(|pair| pair == b"\r\n").count()
}

/// Where a quoted field opens that never closes. The CSV reader would take the
/// whole rest of the file for its text without a word.
fn unclosed_quote(bytes: &[u8], delimiter: u8) -> Option<usize> {
    let (mut field_starts, mut opened) = (true, None);
    let mut rest = bytes.iter().enumerate().peekable();
    while let Some((offset, &byte)) = rest.next() {
        if opened.is_some() {
            if byte == b'"' && rest.next_if(|(_, next)| **next == b'"').is_none() {
                opened = None;
            }
        } else if byte == b'"' && field_starts {
            opened = Some(offset);
        }
        field_starts = byte == delimiter || matches!(byte, b'\n' | b'\r');
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Dataset, Format, tests::rows};

    fn csv(text: &str) -> Result<Dataset> {
        Dataset::parse("d.csv", text.as_bytes(), Format::Csv, "in", "out")
    }

    #[test]
    fn tables_keep_quotes_breaks_and_line_numbers() {
        for end in ["\n", "\r\n", "\r"] {
            let text = "\u{feff}x, out ,in\n1,\"b, \"\"q\"\"\",a\n\n2,\"two\nlines\",c\n3,f,e\n".replace('\n', end);
            let lines = format!("two{end}lines");
            let expected = [("a", "b, \"q\"", 2), ("c", lines.as_str(), 4), ("e", "f", 6)];
            assert_eq!(rows(&csv(&text).unwrap()), expected);
            let uneven = csv(&format!("{text}{end}4,h{end}"));
            assert!(matches!(uneven, Err(DataError::BadCsv { line: 8, .. })), "{uneven:?}");
            let empty = csv(&format!("{text}{end}{end}4, ,h{end}"));
            assert!(matches!(empty, Err(DataError::EmptyField { line: 9, .. })), "{empty:?}");
        }
        let tsv = Dataset::parse("d.tsv", b"in\tout\na,b\t\"c\td\"\n", Format::Tsv, "in", "out").unwrap();
        assert_eq!(rows(&tsv), [("a,b", "c\td", 2)]);
    }

    #[test]
    fn table_mistakes_are_named() {
        let missing = csv("in;out\na;b\n");
        assert!(
            matches!(&missing, Err(DataError::MissingColumn { present, .. }) if present == &["in;out"]),
            "{missing:?}"
        );
        let swallowed = csv("in,out\n\"a\"\"\",b\nc,\"d\ne,f\n");
        assert!(matches!(swallowed, Err(DataError::BadCsv { line: 3, .. })), "{swallowed:?}");
        assert!(csv("in,out\na\",5\" nails\n").is_ok());
        assert!(
            matches!(csv("in,out\n"), Err(DataError::Empty { .. })) && matches!(csv(""), Err(DataError::Empty { .. }))
        );
    }
}
