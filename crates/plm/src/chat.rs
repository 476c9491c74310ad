//! The prompt format a chat model was trained on, rendered from the Jinja template in its file.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hf_chat_template::{ChatTemplate as Jinja, Civil, Clock};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::gguf::Metadata;
use crate::tokenizer::Tokenizer;

const TEMPLATE: &str = "tokenizer.chat_template";

/// 26 July 2024, the day that the Llama templates assume where they cannot ask.
const SOME_DAY: i64 = 1_721_952_000;

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks: `system`, `user` or `assistant`, as far as the template knows them.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// One turn.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// The model's own chat template, compiled.
///
/// The template is a program in the model file. It reaches nothing but the messages, but one written
/// to run for ever does so.
#[derive(Debug)]
pub struct ChatTemplate {
    name: String,
    jinja: Jinja,
    today: Arc<Today>,
    bos_token: Option<String>,
    eos_token: Option<String>,
}

impl ChatTemplate {
    /// Compiles the template of a GGUF file; `None` where it has none, as models have that were not
    /// tuned for conversation.
    ///
    /// # Errors
    /// [`Error::ChatTemplate`] where it is no valid Jinja, [`Error::WrongType`].
    pub fn from_gguf(metadata: &Metadata, tokenizer: &Tokenizer) -> Result<Option<Self>> {
        let Some(source) = metadata.optional(TEMPLATE, Metadata::str)? else {
            return Ok(None);
        };
        let name = metadata.name().to_owned();
        let today = Arc::new(Today(AtomicI64::new(SOME_DAY)));
        // The system's clock is not asked: in a browser it would end the program.
        match Jinja::builder(source).clock(Arc::clone(&today)).build() {
            Ok(jinja) => {
                let text = |id: Option<u32>| id.map(|id| tokenizer.token_text(id)).transpose();
                let (bos_token, eos_token) = (text(tokenizer.bos())?, text(tokenizer.eos())?);
                Ok(Some(Self { name, jinja, today, bos_token, eos_token }))
            }
            Err(cause) => Err(Error::ChatTemplate { name, cause: cause.to_string() }),
        }
    }

    /// Sets the day, in seconds since 1970 UTC, for templates that write today's date into the
    /// prompt. It stays as it is otherwise, because a memory and the text generated with it must see
    /// the same prompt whenever that happens.
    pub fn set_today(&self, unix_seconds: i64) {
        self.today.0.store(unix_seconds, Ordering::Relaxed);
    }

    /// The prompt for `messages`, ending where the assistant's answer begins if
    /// `add_generation_prompt`. Special tokens stand in it by name, so it is for
    /// [`Tokenizer::encode`]; it has the model's BOS token already if the model wants one.
    ///
    /// # Errors
    /// [`Error::ChatTemplate`] where the template refuses the conversation, for instance a system
    /// message it has no place for.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        let context = Context {
            messages,
            tools: (),
            documents: (),
            add_generation_prompt,
            bos_token: self.bos_token.as_deref(),
            eos_token: self.eos_token.as_deref(),
        };
        self.jinja
            .render_context(&context)
            .map_err(|cause| Error::ChatTemplate { name: self.name.clone(), cause: cause.to_string() })
    }
}

/// What a template sees. The two empty fields are there because templates ask whether they are none,
/// which a field that is absent is not.
#[derive(Serialize)]
struct Context<'a> {
    messages: &'a [Message],
    tools: (),
    documents: (),
    add_generation_prompt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bos_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eos_token: Option<&'a str>,
}

/// A clock that stands still until it is set.
#[derive(Debug)]
struct Today(AtomicI64);

impl Clock for Today {
    fn now(&self) -> Civil {
        Civil::from_unix_secs(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::tests::{metadata, vocabulary};

    fn template(source: &str) -> Result<Option<ChatTemplate>> {
        let metadata = metadata(vocabulary("gpt-2").str(TEMPLATE, source));
        let tokenizer = Tokenizer::from_gguf(&metadata).unwrap();
        ChatTemplate::from_gguf(&metadata, &tokenizer)
    }

    fn talk() -> [Message; 2] {
        [Message::new("system", "Be kind."), Message::new("user", "Hi & <bye>")]
    }

    #[test]
    fn renders_messages_tokens_and_the_generation_prompt() {
        let chat = template(concat!(
            "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {{ m.content.strip() }}{{ eos_token }}\n",
            "{% endfor %}{% if tools is not none %}tools{% endif %}",
            "{% if add_generation_prompt %}[assistant] {% endif %}",
        ));
        let chat = chat.unwrap().unwrap();
        let prompt = "<|bos|>[system] Be kind.<|eos|>\n[user] Hi & <bye><|eos|>\n";
        assert_eq!(chat.render(&talk(), false).unwrap(), prompt);
        assert_eq!(chat.render(&talk(), true).unwrap(), format!("{prompt}[assistant] "));
    }

    #[test]
    fn a_file_without_a_template_has_none() {
        let metadata = metadata(vocabulary("gpt-2"));
        let tokenizer = Tokenizer::from_gguf(&metadata).unwrap();
        assert!(ChatTemplate::from_gguf(&metadata, &tokenizer).unwrap().is_none());
    }

    #[test]
    fn a_broken_or_unwilling_template_says_why() {
        let err = template("{% for %}").unwrap_err().to_string();
        assert!(err.contains("test.gguf") && err.contains("syntax error"), "{err}");
        let chat = template("{{ raise_exception('no system message') }}").unwrap().unwrap();
        let err = chat.render(&talk(), true).unwrap_err().to_string();
        assert!(err.contains("test.gguf") && err.contains("no system message"), "{err}");
        let chat = template("{{ messages[0].content.no_such_method() }}").unwrap().unwrap();
        assert!(matches!(chat.render(&talk(), true), Err(Error::ChatTemplate { .. })));
    }

    #[test]
    fn the_date_stands_still_until_it_is_set() {
        let chat = template("{{ strftime_now('%d %b %Y') }}").unwrap().unwrap();
        assert_eq!(chat.render(&talk(), true).unwrap(), "26 Jul 2024");
        chat.set_today(0);
        assert_eq!(chat.render(&talk(), true).unwrap(), "01 Jan 1970");
        for extreme in [i64::MIN, i64::MAX] {
            chat.set_today(extreme);
            let _ = chat.render(&talk(), true);
        }
    }
}
