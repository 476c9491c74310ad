//! Templates of plain text.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CHAT, Demo, INPUT, PRESETS, TARGET};
use crate::error::{Error, Result};

/// Between demonstrations, and between the last one and the input.
const SEPARATOR: &str = "\n\n";

/// A template of plain text, cut at its two places.
///
/// The repeated part is `input_part` + input + `between` + `target_lead` +
/// target + `after`; the instruction stands before it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextTemplate {
    /// Written once, before everything else.
    pub instruction: String,
    /// Start of the repeated part, up to the input.
    pub input_part: String,
    /// From the input up to the target; a prompt ends with it.
    pub between: String,
    /// Spaces that belong to the target: tokenizers join a space with the word
    /// behind it, so a prompt that ended in one would cut the target's first word.
    pub target_lead: String,
    /// From the target to the end; only demonstrations have it.
    pub after: String,
    /// Between two repeated parts.
    pub separator: String,
}

impl TextTemplate {
    /// Cuts a text at its places by the rules of [`Template::parse`](super::Template::parse).
    pub(super) fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &str| Err(Error::BadTemplate { why: why.to_owned() });
        let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
        let Some((head, tail)) = text.split_once(INPUT) else {
            let presets = names.join(", ");
            return refuse(&format!(
                "it has no {INPUT}; write {INPUT} where the input goes, or name one of {presets}, {CHAT}"
            ));
        };
        if tail.contains(INPUT) {
            return refuse("it has more than one {input}; keep one");
        }
        if head.contains(TARGET) {
            return refuse("{target} stands before {input}; the model writes the target last, so put it behind");
        }
        let line_start = head.rfind('\n').map_or(0, |newline| newline + 1);
        let (instruction, input_part) = head.split_at(line_start);
        let (between, after) = tail.split_once(TARGET).unwrap_or((tail, ""));
        // Blanks that were left behind it by mistake would end every text before its first word.
        let after = if after.chars().all(|c| c == ' ' || c == '\t') { "" } else { after };
        if after.contains(TARGET) {
            return refuse("it has more than one {target}; keep one");
        }
        // Only a written {target} moves spaces: without it the user has shown the prompt's exact end, and
        // a target would stick to a prompt that ends in a word or a colon.
        let (between, target_lead) = if tail.contains(TARGET) {
            between.split_at(between.trim_end_matches(' ').len())
        } else {
            (between, if between.ends_with(char::is_whitespace) { "" } else { " " })
        };
        Ok(Self {
            instruction: instruction.to_owned(),
            input_part: input_part.to_owned(),
            between: between.to_owned(),
            target_lead: target_lead.to_owned(),
            after: after.to_owned(),
            separator: SEPARATOR.to_owned(),
        })
    }

    /// Instruction, solved repeated parts, and the last one up to its target.
    pub(super) fn prompt(&self, demos: &[Demo], input: &str) -> String {
        let mut prompt = self.instruction.clone();
        for demo in demos {
            let parts = [&self.input_part, &demo.input, &self.between, &self.target_lead, &demo.target];
            prompt.extend(parts.map(String::as_str));
            prompt += &self.after;
            prompt += &self.separator;
        }
        prompt + &self.input_part + input + &self.between
    }
}

impl fmt::Display for TextTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instruction, input_part, between, target_lead, after, .. } = self;
        write!(formatter, "{instruction}{input_part}{INPUT}{between}{target_lead}")?;
        // A {target} behind a prompt that ends in spaces would claim them when read again.
        let moves_spaces = target_lead.is_empty() && between.ends_with(' ');
        if moves_spaces && after.is_empty() { Ok(()) } else { write!(formatter, "{TARGET}{after}") }
    }
}

#[cfg(test)]
mod tests {
    use crate::template::{Template, tests::demo};

    #[test]
    fn without_a_place_for_the_target_nothing_is_moved() {
        let template = Template::parse("Translate this: \n{input}\nGerman: ").unwrap();
        assert_eq!(template.prompt(&[demo("a", "b")], "x").unwrap(), "Translate this: \na\nGerman: b\n\nx\nGerman: ");
        assert_eq!((template.target_text("y").as_str(), template.stop_string()), ("y", Some("\n")));
        let line_end = Template::parse("{input} \n{target}").unwrap();
        assert_eq!((line_end.prompt(&[], "x").unwrap().as_str(), line_end.target_text("y").as_str()), ("x \n", "y"));
    }

    #[test]
    fn without_a_place_a_target_does_not_stick_to_the_last_word_of_the_prompt() {
        let written = Template::parse("Rewrite: \nInformal: {input}\nFormal: {target}").unwrap();
        let left_out = Template::parse("Rewrite: \nInformal: {input}\nFormal:").unwrap();
        assert_eq!(written, left_out);
        assert_eq!(left_out.target_text("y"), " y");
    }

    #[test]
    fn blanks_behind_the_target_end_no_text() {
        let template = Template::parse("Q: {input}\nA: {target} ").unwrap();
        assert_eq!((template.stop_string(), template.target_text("y").as_str()), (Some("\n"), " y"));
    }

    #[test]
    fn what_follows_the_target_closes_demonstrations_and_stops_the_text() {
        let template = Template::parse("Be nice.\n\nQ: {input} | A:  {target} ###").unwrap();
        assert_eq!(template.prompt(&[demo("a", "b")], "x").unwrap(), "Be nice.\n\nQ: a | A:  b ###\n\nQ: x | A:");
        assert_eq!((template.target_text("y").as_str(), template.stop_string()), ("  y", Some(" ###")));
    }
}
