//! From examples to token ids: the one place that knows how a prompt is put together, so that
//! building, training, generating and evaluating cannot differ.

use pema_plm::ModelFile;
use pema_plm::chat::{ChatTemplate, Message};
use pema_plm::source::ByteSource;
use serde::{Deserialize, Serialize};

use crate::dataset::Example;
use crate::similar::{Index, Similar};
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
    /// Behind these, examples chosen for each input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similar: Option<Similar>,
}

impl PromptSetup {
    /// The same demonstrations, or none, before every input.
    pub fn new(template: Template, demos: Vec<Demo>) -> PromptSetup {
        PromptSetup { template, demos, similar: None }
    }

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
    index: Option<Index>,
}

impl<'a, S: ByteSource> Prompter<'a, S> {
    /// Errors when the template is the model's chat template and the model has none.
    pub fn new(file: &'a ModelFile<S>, setup: &'a PromptSetup) -> Result<Prompter<'a, S>> {
        if setup.template.is_chat() && file.chat.is_none() {
            return Err(Error::NoChatTemplate { model: file.identity.name.clone() });
        }
        let index = setup.similar.as_ref().map(|similar| Index::of(&similar.pool));
        Ok(Prompter { file, setup, index })
    }

    fn render(&self, demos: &[Demo], input: &str) -> Result<String> {
        match (&self.file.chat, self.setup.template.is_chat()) {
            (Some(chat), true) => self.chat(chat, demos, input, |text| text),
            _ => self.setup.template.prompt(demos, input),
        }
    }

    fn chat(
        &self,
        chat: &ChatTemplate,
        demos: &[Demo],
        input: &str,
        said: impl Fn(String) -> String,
    ) -> Result<String> {
        let messages = self.setup.template.chat_messages(demos, input);
        let messages: Vec<_> = messages.into_iter().map(|(role, text)| Message::new(role, said(text))).collect();
        Ok(chat.render(&messages, true)?)
    }

    /// A prompt without a target.
    pub fn prompt(&self, input: &str) -> Result<Encoded> {
        self.behind(input, None)
    }

    /// What is shown before an input, the solved example itself never among what is chosen for it.
    fn demos(&self, input: &str, itself: Option<&Example>) -> Vec<Demo> {
        let mut demos = self.setup.demos.clone();
        if let (Some(similar), Some(index)) = (&self.setup.similar, &self.index) {
            let same = |i: usize| itself.is_some_and(|e| similar.pool[i] == Demo::from(e));
            demos.extend(index.nearest(input, similar.count, same).into_iter().map(|i| similar.pool[i].clone()));
        }
        demos
    }

    /// The least similar demonstrations are left out where they would take up the room for an answer.
    fn behind(&self, input: &str, itself: Option<&Example>) -> Result<Encoded> {
        let mut demos = self.demos(input, itself);
        let always = self.setup.demos.len();
        let room = self.file.config.context * 3 / 4;
        let mut encoded = self.encode(&demos, input)?;
        while encoded.prompt.len() > room && demos.len() > always {
            demos.remove(always);
            encoded = self.encode(&demos, input)?;
        }
        Ok(encoded)
    }

    fn encode(&self, demos: &[Demo], input: &str) -> Result<Encoded> {
        let tokenizer = &self.file.tokenizer;
        // Control tokens come from the model's own template only, never from the user's text.
        let ids = match (&self.file.chat, self.setup.template.is_chat()) {
            (Some(chat), true) => {
                let plain = self.render(demos, input)?;
                let guard = GUARDS.clone().find(|c| !plain.contains(*c)).unwrap_or(*GUARDS.end());
                let text = self.chat(chat, demos, input, |text| tokenizer.guarded(&text, guard))?;
                tokenizer.encode_guarded(&text, guard)?
            }
            _ => tokenizer.encode_plain(&self.render(demos, input)?)?,
        };
        let mut prompt: Vec<u32> =
            tokenizer.bos().filter(|b| tokenizer.add_bos() && ids.first() != Some(b)).into_iter().collect();
        prompt.extend(ids);
        let input_tokens = tokenizer.encode_plain(input)?.len();
        Ok(Encoded { prompt, target: Vec::new(), input_tokens, input: input.to_owned() })
    }

    /// A prompt and its target, which ends with the end-of-sequence token so that stopping is learnt.
    pub fn example(&self, example: &Example) -> Result<Encoded> {
        let mut encoded = self.behind(&example.input, Some(example))?;
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
