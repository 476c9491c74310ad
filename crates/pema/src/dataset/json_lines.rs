//! Examples in JSON Lines: one object per line.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::error::{DataError, Result};
use super::{Example, not_empty};

/// Reads one object per line; blank lines count but hold nothing.
pub(super) fn parse(name: &str, text: &str, input_field: &str, target_field: &str) -> Result<Vec<Example>> {
    let mut examples = Vec::new();
    for (index, row) in text.lines().enumerate().filter(|(_, row)| !row.trim().is_empty()) {
        let line = index + 1;
        let bad = |column, why: String| DataError::BadJson { file: name.to_owned(), line, column, why };
        let value: Value = serde_json::from_str(row).map_err(|error| {
            // The reader counts bytes, and its line is always the first: it sees one line only.
            let before = row.bytes().take(error.column().saturating_sub(1));
            let column = before.filter(|byte| byte & 0xC0 != 0x80).count() + 1;
            let message = error.to_string();
            let why = message.rsplit_once(" at line ").map_or(message.as_str(), |(why, _)| why);
            bad(column, why.replace("EOF while parsing", "the line ends inside"))
        })?;
        let Value::Object(object) = value else {
            return Err(bad(1, "this is JSON but not an object".to_owned()));
        };
        // The map keeps the last of equal fields; which one was meant nobody knows.
        let mut keys = serde_json::from_str::<Keys>(row).map_or_else(|_| Vec::new(), |keys| keys.0);
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(bad(1, format!("the field `{}` is there twice", pair[0])));
        }
        let field = |field: &str| match object.get(field) {
            Some(Value::String(text)) => not_empty(name, line, field, text),
            Some(_) => Err(DataError::NotText { file: name.to_owned(), line, field: field.to_owned() }),
            None => {
                let present = object.keys().cloned().collect();
                Err(DataError::MissingField { file: name.to_owned(), line, field: field.to_owned(), present })
            }
        };
        examples.push(Example { input: field(input_field)?, target: field(target_field)?, line });
    }
    Ok(examples)
}

/// The names of an object's fields, repeated ones too.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Keys, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Keys;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, _)) = map.next_entry::<String, IgnoredAny>()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        from.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::tests::{jsonl, rows};

    #[test]
    fn json_lines_keep_true_line_numbers() {
        let text = "\u{feff}{\"in\":\"a\",\"out\":\"b\"}\r\n\r\n  \n{\"out\":\"d\\u00e9\\n\",\"in\":\" c\",\"x\":1}";
        assert_eq!(rows(&jsonl(text).unwrap()), [("a", "b", 1), (" c", "dé\n", 4)]);
    }

    #[test]
    fn json_mistakes_are_placed_by_character() {
        let good = "{\"in\":\"a\",\"out\":\"b\"}\n";
        let broken = jsonl(&format!("{good}\n{{\"in\":\"äöü\" \"out\":1}}"));
        let Err(DataError::BadJson { line: 3, column, why, .. }) = broken else { panic!("{broken:?}") };
        assert_eq!((column, why.contains("line")), (13, false), "{why}");
        assert!(matches!(jsonl("[1]"), Err(DataError::BadJson { line: 1, .. })));
        assert!(matches!(jsonl(&format!("{good}{{\"in\":3,\"out\":\"b\"}}")), Err(DataError::NotText { line: 2, .. })));
        assert!(matches!(jsonl("{\"in\":\"a\",\"out\":\" \\n\"}"), Err(DataError::EmptyField { line: 1, .. })));
        let missing = jsonl("{\"in\":\"a\",\"ot\":\"b\"}");
        let Err(DataError::MissingField { present, field, .. }) = missing else { panic!("{missing:?}") };
        assert_eq!((present, field.as_str()), (vec!["in".to_owned(), "ot".to_owned()], "out"));
        assert!(matches!(jsonl(" \n\n"), Err(DataError::Empty { .. })));
    }
}
