//! Which fields a file has, so that somebody can choose among them.

use super::{Dataset, Format, decode};
use crate::error::{Error, Result};

impl Dataset {
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
