//! The user's pairs: read, cleaned, parted and described.

use std::collections::HashSet;

use pema::dataset::{DataError, Dataset, Example, Format};
use pema::template::{Demo, Template};
use pema_protocol::{DataFile, DataInfo};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A dataset as it is kept: three parts and what is said about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Data {
    pub(crate) info: DataInfo,
    /// To learn from, to choose on, to test on.
    pub(crate) parts: [Vec<(String, String)>; 3],
}

/// Pairs shown.
const PREVIEW: usize = 5;
/// Share of the pairs that is tested on.
const TESTED: f64 = 0.1;

impl Data {
    /// Reads one file with fields, or two line-aligned text files.
    pub(crate) fn read(files: &[DataFile], input: Option<&str>, target: Option<&str>) -> pema::Result<Data> {
        let (whole, fields, chosen) = match files {
            [one] => {
                let format = Format::from_name(&one.name)?;
                let fields = Dataset::fields(&one.name, &one.bytes, format)?;
                let chosen = Dataset::guess(&one.name, &fields, [input, target])?;
                (Dataset::parse(&one.name, &one.bytes, format, &chosen.0, &chosen.1)?, fields, chosen)
            }
            [inputs, targets, ..] => {
                let data = Dataset::parse_lines(&inputs.name, &inputs.bytes, &targets.name, &targets.bytes)?;
                (data, Vec::new(), (inputs.name.clone(), targets.name.clone()))
            }
            [] => return Err(DataError::Empty { file: "no file".to_owned() }.into()),
        };
        let mut seen = HashSet::new();
        let all = whole.examples.len();
        let (name, mut examples) = (whole.name, whole.examples);
        examples.retain(|e| seen.insert((e.input.clone(), e.target.clone())));
        let duplicates = all - examples.len();
        let (rest, test) = Dataset { name: name.clone(), examples }.split(TESTED, 1)?;
        let (train, valid) = rest.hold_out(2)?;
        Ok(Data::of(name, fields, chosen, duplicates, [train, valid, test]))
    }

    /// The example pairs that come with the program.
    pub(crate) fn example() -> pema::Result<Data> {
        const FILES: [&str; 3] = [
            include_str!("../../../examples/formal/train.jsonl"),
            include_str!("../../../examples/formal/valid.jsonl"),
            include_str!("../../../examples/formal/test.jsonl"),
        ];
        let name = "example: informal to formal";
        let mut parts = Vec::new();
        for text in FILES {
            parts.push(Dataset::parse(name, text.as_bytes(), Format::JsonLines, "informal", "formal")?);
        }
        let fields = vec!["informal".to_owned(), "formal".to_owned()];
        let chosen = (fields[0].clone(), fields[1].clone());
        let [train, valid, test] = parts.try_into().map_err(|_| DataError::Empty { file: name.to_owned() })?;
        Ok(Data::of(name.to_owned(), fields, chosen, 0, [train, valid, test]))
    }

    fn of(
        name: String,
        fields: Vec<String>,
        (input_field, target_field): (String, String),
        duplicates: usize,
        parts: [Dataset; 3],
    ) -> Data {
        let several_lines = parts.iter().any(|part| part.multiline_targets() > 0);
        let template = Template::suiting(&input_field, &target_field, several_lines);
        let parts = parts.map(|d| d.examples.into_iter().map(|e| (e.input, e.target)).collect::<Vec<_>>());
        let split = [parts[0].len() as u32, parts[1].len() as u32, parts[2].len() as u32];
        let preview = parts[0].iter().take(PREVIEW).cloned().collect();
        let duplicates = duplicates as u32;
        let info = DataInfo { name, fields, input_field, target_field, split, duplicates, preview, template };
        Data { info, parts }
    }

    /// At most `most` pairs of a part, without the first `skip`.
    pub(crate) fn dataset(&self, part: usize, skip: usize, most: usize) -> Dataset {
        let pairs = self.parts[part].iter().enumerate().skip(skip).take(most);
        let examples =
            pairs.map(|(i, (input, target))| Example { input: input.clone(), target: target.clone(), line: i + 1 });
        Dataset { name: self.info.name.clone(), examples: examples.collect() }
    }

    /// The first training pairs, as demonstrations. They are left out of the memory.
    pub(crate) fn demos(&self, shots: usize) -> Vec<Demo> {
        let shots = shots.min(self.parts[0].len() / 2);
        self.parts[0].iter().take(shots).map(|(i, t)| Demo { input: i.clone(), target: t.clone() }).collect()
    }

    /// SHA-256 of all pairs, hexadecimal: rows built from other pairs are of no use.
    pub(crate) fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for (input, target) in self.parts.iter().flatten() {
            for text in [input, target] {
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
        }
        hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// An error about the user's data in words; of two texts of different length it says which one is longer.
pub(crate) fn explain(error: &pema::Error) -> String {
    let pema::Error::Data(DataError::UnevenLines { source_file, source_lines, target_file, target_lines }) = error
    else {
        return error.to_string();
    };
    let longer = if source_lines > target_lines { source_file } else { target_file };
    let more = source_lines.abs_diff(*target_lines);
    let lines = if more == 1 { "line" } else { "lines" };
    format!(
        "{source_file} has {source_lines} lines and {target_file} has {target_lines}, so {longer} is {more} {lines} \
         longer; line n of one must belong to line n of the other: look for a line that is missing or too many, and \
         open both again"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(rows: usize) -> Vec<DataFile> {
        let rows = (0..rows).map(|i| format!("q{i},a{i}\n")).collect::<String>();
        vec![DataFile { name: "d.csv".into(), bytes: format!("Question,Answer\n{rows}q0,a0\n").into_bytes() }]
    }

    #[test]
    fn fields_are_guessed_doubles_are_dropped_and_no_pair_is_in_two_parts() {
        let data = Data::read(&csv(100), None, None).unwrap();
        assert_eq!((data.info.input_field.as_str(), data.info.target_field.as_str()), ("Question", "Answer"));
        assert_eq!((data.info.duplicates, data.info.split), (1, [80, 10, 10]));
        let all: HashSet<_> = data.parts.iter().flatten().collect();
        assert_eq!(all.len(), 100);
        assert_eq!(data.hash(), Data::read(&csv(100), None, None).unwrap().hash());
        assert_ne!(data.hash(), Data::read(&csv(101), None, None).unwrap().hash());
    }

    #[test]
    fn targets_of_several_lines_get_a_template_that_does_not_end_at_the_line() {
        let read = |csv: &str| Data::read(&[DataFile { name: "d.csv".into(), bytes: csv.into() }], None, None).unwrap();
        let pairs: String = (0..20).map(|i| format!("q{i},\"a\nb{i}\"\n")).collect();
        assert!(read(&format!("Question,Answer\n{pairs}")).info.template.ends_with("{target}\n###"));
        assert!(Data::read(&csv(20), None, None).unwrap().info.template.ends_with("{target}"));
    }

    #[test]
    fn a_chosen_field_that_is_not_there_is_named() {
        let error = Data::read(&csv(3), Some("Frage"), None).unwrap_err().to_string();
        assert!(error.contains("Frage"), "{error}");
    }

    #[test]
    fn of_two_texts_the_longer_one_is_named() {
        let files = |a: &str, b: &str| {
            [("a.txt", a), ("b.txt", b)].map(|(name, text)| DataFile { name: name.into(), bytes: text.into() })
        };
        let said = |a, b| explain(&Data::read(&files(a, b), None, None).unwrap_err());
        assert!(said("1\n2\n3\n", "1\n").starts_with("a.txt has 3 lines and b.txt has 1, so a.txt is 2 lines longer;"));
        assert!(said("1\n", "1\n2").contains("so b.txt is 1 line longer;"));
        let pairs = |n: usize| (0..n).map(|i| format!("{i}\n")).collect::<String>();
        let data = Data::read(&files(&pairs(30), &pairs(30)), None, None).unwrap();
        assert_eq!((data.info.name.as_str(), data.info.fields.len()), ("a.txt + b.txt", 0));
    }

    #[test]
    fn the_example_is_readable() {
        let data = Data::example().unwrap();
        assert_eq!(data.info.split, [370, 60, 60]);
        assert_eq!(data.demos(3).len(), 3);
        assert_eq!(data.dataset(0, 3, 10).examples[0].line, 4);
    }
}
