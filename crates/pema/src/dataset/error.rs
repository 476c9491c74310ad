//! What can be wrong with a user's pairs.

/// Every message names the file, the place in it, the cause, and what to do. Lines and columns count from 1;
/// columns count characters, as editors do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A data file without a single example.
    #[error("{file}: there is no example in it; give at least one pair of input and target")]
    Empty {
        /// Name of the data file.
        file: String,
    },

    /// Bytes that are not text, or text in another encoding.
    #[error("{file}, line {line}, column {column}: this is not UTF-8 text; save the file as UTF-8 and open it again")]
    NotUtf8 {
        /// Name of the data file.
        file: String,
        /// Line of the first bad byte.
        line: usize,
        /// Column of the first bad byte.
        column: usize,
    },

    /// A line of a JSON Lines file that is not one JSON object.
    #[error(
        "{file}, line {line}, column {column}: {why}; every line must be one JSON object such as {{\"input\": \"hi\", \"target\": \"Hello.\"}}"
    )]
    BadJson {
        /// Name of the data file.
        file: String,
        /// Line of the mistake.
        line: usize,
        /// Column at which the JSON reader gave up.
        column: usize,
        /// What the JSON reader says.
        why: String,
    },

    /// A JSON object without the field that was asked for.
    #[error(
        "{file}, line {line}: there is no field \"{field}\" here, only {}; name one of these as the field to read, or add the field",
        listed(present)
    )]
    MissingField {
        /// Name of the data file.
        file: String,
        /// Line of the object.
        line: usize,
        /// The field that was looked for.
        field: String,
        /// The fields the object has.
        present: Vec<String>,
    },

    /// A JSON field that holds a number, a list or anything else but text.
    #[error(
        "{file}, line {line}: the field \"{field}\" is not text; put its value in double quotes or choose another field"
    )]
    NotText {
        /// Name of the data file.
        file: String,
        /// Line of the object.
        line: usize,
        /// The field that was read.
        field: String,
    },

    /// A field that is empty or only white space.
    #[error(
        "{file}, line {line}: the {field} is empty; fill it in or delete the example, nothing can be learnt from it"
    )]
    EmptyField {
        /// Name of the data file.
        file: String,
        /// Line on which the example starts.
        line: usize,
        /// The field or column that is empty.
        field: String,
    },

    /// A CSV or TSV record that cannot be read.
    #[error("{file}, line {line}: {why}; fix this record and open the file again")]
    BadCsv {
        /// Name of the data file.
        file: String,
        /// Line on which the record starts.
        line: usize,
        /// What is wrong with the record.
        why: String,
    },

    /// A CSV or TSV file whose header lacks a column.
    #[error(
        "{file}: there is no column \"{column}\" in the header, only {}; name one of these as the column to read (columns are parted by commas in .csv and by tabs in .tsv)",
        listed(present)
    )]
    MissingColumn {
        /// Name of the data file.
        file: String,
        /// The column that was looked for.
        column: String,
        /// The columns the header names.
        present: Vec<String>,
    },

    /// Two line-aligned files of different length.
    #[error(
        "{source_file} has {source_lines} lines and {target_file} has {target_lines}; line n of one must belong to line n of the other, so make them equally long"
    )]
    UnevenLines {
        /// Name of the file of inputs.
        source_file: String,
        /// Its number of lines, without blank lines at the end.
        source_lines: usize,
        /// Name of the file of targets.
        target_file: String,
        /// Its number of lines, without blank lines at the end.
        target_lines: usize,
    },

    /// A text file of inputs that came without its file of targets.
    #[error(
        "{file}: plain text holds one side of the pairs only; give a second file with one target per line, or use .jsonl, .csv or .tsv"
    )]
    SecondFileMissing {
        /// Name of the file that was given.
        file: String,
    },

    /// A file name whose ending says nothing about its format.
    #[error(
        "{file}: unknown kind of file; name it .jsonl, .csv or .tsv, or give two .txt files with one example per line"
    )]
    UnknownFormat {
        /// Name of the data file.
        file: String,
    },

    /// A share of held-out examples outside the range [0, 1).
    #[error("the share of held-out examples is {fraction}; give a number from 0 up to, not including, 1, such as 0.1")]
    BadFraction {
        /// The share that was asked for.
        fraction: f64,
    },

    /// One field for both sides of the pairs.
    #[error(
        "{file}: \"{field}\" is named as input and as target; name two different fields, the file has {}",
        listed(present)
    )]
    SameField {
        /// Name of the data file.
        file: String,
        /// The field.
        field: String,
        /// The fields the file has.
        present: Vec<String>,
    },

    /// Pairs that cannot be parted into training and held-out ones.
    #[error("{file}: there are too few different inputs to hold a pair back for checking; give more pairs")]
    OneInput {
        /// Name of the data file.
        file: String,
    },
}

/// Result with [`DataError`].
pub(super) type Result<T> = std::result::Result<T, DataError>;

/// `"a", "b"`; a header or object may also hold nothing at all.
fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_place_cause_and_choices() {
        let error = DataError::MissingField {
            file: "mine.jsonl".into(),
            line: 7,
            field: "input".into(),
            present: vec!["formal".into(), "informal".into()],
        };
        let text = error.to_string();
        for part in ["mine.jsonl", "line 7", "\"input\"", "\"formal\", \"informal\""] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }

    #[test]
    fn an_empty_header_reads_as_nothing() {
        let error = DataError::MissingColumn { file: "a.csv".into(), column: "x".into(), present: vec![] };
        assert!(error.to_string().contains("only nothing"));
    }
}
