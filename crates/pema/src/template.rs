//! From an example to the text that the model reads and the text it learns.

mod text;

pub use text::TextTemplate;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    dataset::Example,
    error::{Error, Result},
};

/// Where the input goes.
const INPUT: &str = "{input}";
/// Where the target goes.
const TARGET: &str = "{target}";

/// The templates that have a name.
const PRESETS: [(&str, &str); 3] = [
    (
        "formality",
        "Convert the following informal sentence into a formal sentence: \nInformal: {input}\nFormal: {target}",
    ),
    ("translation", "Translate this from English to German: \n{input}\nGerman: {target}"),
    ("plain", "{input}\n{target}"),
];

/// What ends a target that has several lines; a template that ends it at the line would cut it.
const END_OF_LINES: &str = "\n###";

/// The name of the model's own chat template, alone or before an instruction.
const CHAT: &str = "chat";

/// How a prompt is made of an instruction, demonstrations and an input.
///
/// It travels as JSON in the metadata of exported files, as a part of [`PromptSetup`](crate::PromptSetup).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Template {
    /// Plain text with places for input and target.
    Text(TextTemplate),
    /// The model's own chat template, which only the model can render.
    Chat {
        /// The system message; empty for none.
        instruction: String,
    },
}

/// A solved example shown in the prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demo {
    /// The input shown.
    pub input: String,
    /// Its answer.
    pub target: String,
}

impl From<&Example> for Demo {
    fn from(example: &Example) -> Self {
        Self { input: example.input.clone(), target: example.target.clone() }
    }
}

impl Template {
    /// A template that names what the fields are: a preset where one was made for them, else the
    /// fields' own names before input and target. Targets of `several_lines` are closed by a line of
    /// their own, the same in every demonstration, since the end of a line does not end them.
    pub fn suiting(input_field: &str, target_field: &str, several_lines: bool) -> String {
        let one = Self::suiting_a_line(input_field, target_field);
        if !several_lines {
            return one;
        }
        let written = PRESETS.iter().find(|(name, _)| *name == one).map_or(one.as_str(), |(_, text)| text);
        format!("{written}{END_OF_LINES}")
    }

    fn suiting_a_line(input_field: &str, target_field: &str) -> String {
        match (input_field, target_field) {
            ("informal", "formal") => "formality".to_owned(),
            ("en", "de") => "translation".to_owned(),
            _ => {
                let label = |name: &str| {
                    let words: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
                    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
                    let mut letters = words.chars();
                    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
                };
                match (label(input_field), label(target_field)) {
                    (input, target) if input.is_empty() || target.is_empty() => "plain".to_owned(),
                    (input, target) => format!("{input}: {{input}}\n{target}: {{target}}"),
                }
            }
        }
    }

    /// The template named by a preset (`formality`, `translation`, `plain`,
    /// `chat`, or `chat:` and an instruction), or given as a text.
    ///
    /// A text holds `{input}` once, and may hold `{target}` once after it. The
    /// line of `{input}` begins the part that is repeated for demonstrations;
    /// all before it is the instruction. Spaces just before `{target}` belong to
    /// the target. Without `{target}` the target follows the end of the text,
    /// which is then the prompt exactly as written.
    ///
    /// # Errors
    /// [`Error::BadTemplate`] says which of these rules is broken.
    pub fn parse(preset_or_text: &str) -> Result<Self> {
        if let Some((_, text)) = PRESETS.iter().find(|(name, _)| *name == preset_or_text) {
            return TextTemplate::parse(text).map(Self::Text);
        }
        if let Some(rest) = preset_or_text.strip_prefix(CHAT)
            && !preset_or_text.contains(INPUT)
            && !preset_or_text.contains(TARGET)
            && (rest.is_empty() || rest.starts_with(':'))
        {
            return Ok(Self::Chat { instruction: rest.strip_prefix(':').unwrap_or_default().trim().to_owned() });
        }
        TextTemplate::parse(preset_or_text).map(Self::Text)
    }

    /// The prompt for `input` behind the demonstrations: everything up to where
    /// the target begins. Text put in is never searched for places again.
    ///
    /// # Errors
    /// [`Error::BadTemplate`] for [`Template::Chat`]: the model renders
    /// [`Template::chat_messages`] instead.
    pub fn prompt(&self, demos: &[Demo], input: &str) -> Result<String> {
        match self {
            Self::Text(template) => Ok(template.prompt(demos, input)),
            Self::Chat { .. } => Err(Error::BadTemplate {
                why: "a chat is rendered by the model's own template; choose a model that has one, or another template"
                    .to_owned(),
            }),
        }
    }

    /// The conversation of (role, content) that a chat template renders: the
    /// instruction as `system`, each demonstration as a turn of `user` and one
    /// of `assistant`, then the input as `user`.
    pub fn chat_messages(&self, demos: &[Demo], input: &str) -> Vec<(&'static str, String)> {
        let instruction = match self {
            Self::Text(template) => template.instruction.as_str(),
            Self::Chat { instruction } => instruction,
        };
        let mut messages = Vec::with_capacity(2 * demos.len() + 2);
        if !instruction.is_empty() {
            messages.push(("system", instruction.to_owned()));
        }
        for demo in demos {
            messages.push(("user", demo.input.clone()));
            messages.push(("assistant", demo.target.clone()));
        }
        messages.push(("user", input.to_owned()));
        messages
    }

    /// The text the model shall learn to write behind the prompt.
    pub fn target_text(&self, target: &str) -> String {
        match self {
            Self::Text(template) => format!("{}{target}", template.target_lead),
            Self::Chat { .. } => target.to_owned(),
        }
    }

    /// Where a generated text ends although the model would go on: at what
    /// follows the target in the template, or at the end of the line if nothing
    /// does. A chat ends by the model's own token.
    pub fn stop_string(&self) -> Option<&str> {
        match self {
            Self::Text(template) if template.after.is_empty() => Some("\n"),
            Self::Text(template) => Some(&template.after),
            Self::Chat { .. } => None,
        }
    }

    /// How many of these targets hold what ends a generated text, so that it could never be written whole.
    pub fn cut_short<'a>(&self, targets: impl IntoIterator<Item = &'a str>) -> usize {
        let Some(stop) = self.stop_string() else { return 0 };
        targets.into_iter().filter(|target| target.trim().contains(stop)).count()
    }

    /// Whether the model's own chat template renders the prompt.
    pub fn is_chat(&self) -> bool {
        matches!(self, Self::Chat { .. })
    }
}

impl fmt::Display for Template {
    /// A form that [`Template::parse`] takes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(template) => template.fmt(formatter),
            Self::Chat { instruction } if instruction.is_empty() => formatter.write_str(CHAT),
            Self::Chat { instruction } => write!(formatter, "{CHAT}:{instruction}"),
        }
    }
}

/// Turns `\n`, `\t` and `\\` as typed on a command line into the characters
/// they stand for. A backslash before anything else stays.
pub fn unescape(typed: &str) -> String {
    let mut text = String::with_capacity(typed.len());
    let mut rest = typed;
    while let Some((before, escape)) = rest.split_once('\\') {
        text += before;
        let (meant, length) = match escape.as_bytes().first() {
            Some(b'n') => ('\n', 1),
            Some(b't') => ('\t', 1),
            Some(b'\\') => ('\\', 1),
            _ => ('\\', 0),
        };
        text.push(meant);
        rest = &escape[length..];
    }
    text + rest
}

#[cfg(test)]
mod tests;
