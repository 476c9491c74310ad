//! Rendered chat templates against Jinja2 as `transformers` sets it up (`fixtures/chat_cases.json`).

#![allow(clippy::unwrap_used, reason = "a fixture that cannot be read must fail the test")]

mod header;

use header::Header;
use pema_plm::chat::{ChatTemplate, Message};
use pema_plm::gguf::Gguf;
use pema_plm::source::FileSource;
use pema_plm::tokenizer::Tokenizer;
use pema_tests::{block_on, fixture, read_fixture};
use serde_json::Value;

fn cases() -> Value {
    serde_json::from_slice(&read_fixture("chat_cases.json")).unwrap()
}

/// The template called `name` in a file whose only tokens are the two it may write.
fn template(file: &Value, name: &str) -> ChatTemplate {
    let part = |field: &str| file["templates"][name][field].as_str().unwrap();
    let special = [part("bos_token"), part("eos_token")];
    let metadata = Header::tokenizer("gpt-2", &special, &[], &special)
        .text("tokenizer.chat_template", part("template"))
        .metadata();
    let tokenizer = Tokenizer::from_gguf(&metadata).unwrap();
    ChatTemplate::from_gguf(&metadata, &tokenizer).unwrap().unwrap()
}

fn render(file: &Value, case: &Value) -> String {
    let messages: Vec<Message> = serde_json::from_value(case["messages"].clone()).unwrap();
    let prompt = case["add_generation_prompt"].as_bool().unwrap();
    template(file, case["template"].as_str().unwrap()).render(&messages, prompt).unwrap()
}

#[test]
fn every_conversation_renders_as_in_python() {
    let file = cases();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() >= 20);
    for case in cases {
        assert_eq!(render(&file, case), case["text"].as_str().unwrap(), "{case}");
    }
}

#[test]
fn the_comparison_sees_a_changed_message_and_a_changed_flag() {
    let file = cases();
    for case in file["cases"].as_array().unwrap() {
        for change in ["messages", "add_generation_prompt"] {
            let mut changed = case.clone();
            match change {
                "messages" => changed["messages"][0]["content"] = "something else".into(),
                _ => changed["add_generation_prompt"] = false.into(),
            }
            assert_ne!(render(&file, &changed), case["text"].as_str().unwrap(), "{case}");
        }
    }
}

#[test]
fn a_conversation_a_template_refuses_is_an_error_with_its_words() {
    let twice = [Message::new("user", "one"), Message::new("user", "two")];
    let err = template(&cases(), "indented").render(&twice, true).unwrap_err().to_string();
    assert!(err.contains("header.gguf") && err.contains("must alternate"), "{err}");
}

#[test]
fn the_tiny_model_brings_its_template() {
    let gguf = block_on(Gguf::open(FileSource::open(fixture("tiny.gguf")).unwrap())).unwrap();
    let tokenizer = Tokenizer::from_gguf(gguf.metadata()).unwrap();
    let chat = ChatTemplate::from_gguf(gguf.metadata(), &tokenizer).unwrap().unwrap();
    let prompt = chat.render(&[Message::new("user", "Hi")], true).unwrap();
    assert!(prompt.ends_with("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"), "{prompt}");
    let ids = tokenizer.encode(&prompt).unwrap();
    assert_eq!(ids.iter().filter(|&&id| tokenizer.is_control(id)).count(), 5);
}
