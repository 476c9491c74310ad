//! From examples to token ids: the one place that knows how a prompt is put together, so that
//! building, training, generating and evaluating cannot differ.

use pema_plm::ModelFile;
use pema_plm::chat::{ChatTemplate, Message};
use pema_plm::source::ByteSource;
use serde::{Deserialize, Serialize};

use crate::dataset::Example;
use crate::template::{Demo, Template};
use crate::{Error, Result};

/// Template and demonstrations. It travels as JSON in the metadata of memories and adapters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptSetup {
    /// How a prompt is written.
    pub template: Template,
    /// Solved examples shown before the input, in order.
    #[serde(default)]
    pub demos: Vec<Demo>,
}

impl PromptSetup {
    /// The form in which it is stored.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::BadTemplate { why: e.to_string() })
    }

    /// Reads what [`PromptSetup::to_json`] wrote.
    pub fn from_json(json: &str) -> Result<PromptSetup> {
        serde_json::from_str(json).map_err(|e| Error::BadTemplate {
            why: format!("the stored form is damaged or of a newer program ({e}); make the file again"),
        })
    }
}

/// An example as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The prompt, demonstrations included.
    pub prompt: Vec<u32>,
    /// The target with the end-of-sequence token behind it; empty when only a prompt was asked for.
    pub target: Vec<u32>,
    /// SL: tokens of the user's input alone.
    pub input_tokens: usize,
    /// The user's input alone.
    pub input: String,
}

/// Encodes examples with the tokenizer of one model.
#[derive(Debug)]
pub struct Prompter<'a, S> {
    file: &'a ModelFile<S>,
    setup: &'a PromptSetup,
}

impl<'a, S: ByteSource> Prompter<'a, S> {
    /// Errors when the template is the model's chat template and the model has none.
    pub fn new(file: &'a ModelFile<S>, setup: &'a PromptSetup) -> Result<Prompter<'a, S>> {
        if setup.template.is_chat() && file.chat.is_none() {
            return Err(Error::NoChatTemplate { model: file.identity.name.clone() });
        }
        Ok(Prompter { file, setup })
    }

    /// The prompt for an input, as text.
    pub fn text(&self, input: &str) -> Result<String> {
        match (&self.file.chat, self.setup.template.is_chat()) {
            (Some(chat), true) => self.chat(chat, input, |text| text),
            _ => self.setup.template.prompt(&self.setup.demos, input),
        }
    }

    fn chat(&self, chat: &ChatTemplate, input: &str, said: impl Fn(String) -> String) -> Result<String> {
        let messages = self.setup.template.chat_messages(&self.setup.demos, input);
        let messages: Vec<_> = messages.into_iter().map(|(role, text)| Message::new(role, said(text))).collect();
        Ok(chat.render(&messages, true)?)
    }

    /// A prompt without a target.
    pub fn prompt(&self, input: &str) -> Result<Encoded> {
        let tokenizer = &self.file.tokenizer;
        // Control tokens come from the model's own template only, never from the user's text.
        let ids = match (&self.file.chat, self.setup.template.is_chat()) {
            (Some(chat), true) => {
                let plain = self.text(input)?;
                let guard = GUARDS.clone().find(|c| !plain.contains(*c)).unwrap_or(*GUARDS.end());
                let text = self.chat(chat, input, |text| tokenizer.guarded(&text, guard))?;
                tokenizer.encode_guarded(&text, guard)?
            }
            _ => tokenizer.encode_plain(&self.text(input)?)?,
        };
        let mut prompt: Vec<u32> =
            tokenizer.bos().filter(|b| tokenizer.add_bos() && ids.first() != Some(b)).into_iter().collect();
        prompt.extend(ids);
        let input_tokens = tokenizer.encode_plain(input)?.len();
        Ok(Encoded { prompt, target: Vec::new(), input_tokens, input: input.to_owned() })
    }

    /// A prompt and its target, which ends with the end-of-sequence token so that stopping is learnt.
    pub fn example(&self, example: &Example) -> Result<Encoded> {
        let mut encoded = self.prompt(&example.input)?;
        encoded.target = self.file.tokenizer.encode_plain(&self.setup.template.target_text(&example.target))?;
        encoded.target.extend(self.file.tokenizer.eos());
        Ok(encoded)
    }
}

/// Characters of which one marks the user's text where it spells a control token. Unicode keeps them for uses within
/// programs: they are never part of text, and one that is in a text all the same is not taken.
const GUARDS: std::ops::RangeInclusive<char> = '\u{fdd0}'..='\u{fdef}';

/// Tokens that all prompts begin with, at most all but the last of the shortest: they are read once
/// and kept. Found on tokens, not on text, because a tokenizer may join the last word of the prefix
/// with what follows.
pub fn shared_prefix<'a>(prompts: impl IntoIterator<Item = &'a [u32]>) -> usize {
    let mut prompts = prompts.into_iter();
    let Some(first) = prompts.next() else { return 0 };
    let mut shared = first.len().saturating_sub(1);
    for prompt in prompts {
        shared = shared.min(prompt.len().saturating_sub(1));
        shared = first[..shared].iter().zip(prompt).take_while(|(a, b)| a == b).count();
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shared_prefix_leaves_every_prompt_a_token_of_its_own() {
        let prefix = |prompts: &[&[u32]]| shared_prefix(prompts.iter().copied());
        assert_eq!(prefix(&[&[1, 2, 3, 4], &[1, 2, 9]]), 2);
        assert_eq!(prefix(&[&[1, 2, 3], &[1, 2, 3]]), 2);
        assert_eq!(prefix(&[&[1, 2, 3]]), 2);
        assert_eq!(prefix(&[&[1], &[1, 2]]), 0);
        assert_eq!(prefix(&[]), 0);
    }
}
