use super::*;
use crate::PromptSetup;

pub(super) fn demo(input: &str, target: &str) -> Demo {
    Demo { input: input.into(), target: target.into() }
}

#[test]
fn the_formality_preset_is_written_as_it_was_measured() {
    let template = Template::parse("formality").unwrap();
    let prompt = template.prompt(&[demo("x1", "y1")], "x").unwrap();
    let head = "Convert the following informal sentence into a formal sentence: \n";
    assert_eq!(prompt, format!("{head}Informal: x1\nFormal: y1\n\nInformal: x\nFormal:"));
    assert_eq!(template.prompt(&[], "x").unwrap(), format!("{head}Informal: x\nFormal:"));
    assert_eq!(template.target_text("y"), " y");
    assert_eq!(template.stop_string(), Some("\n"));
}

#[test]
fn the_template_that_suits_fields_names_them() {
    let suiting = |input, target| Template::suiting(input, target, false);
    assert_eq!(suiting("informal", "formal"), "formality");
    assert_eq!(suiting("support_notes", "reply{x}"), "Support notes: {input}\nReply x: {target}");
    assert_eq!(suiting("--", "b"), "plain");
    for fields in [("a", "b"), ("--", ""), ("en", "de"), ("{input}", "{target}")] {
        let template = Template::parse(&suiting(fields.0, fields.1)).unwrap();
        assert_eq!((template.stop_string(), template.cut_short(["one", "a\nb", " c \n"])), (Some("\n"), 1));
    }
}

#[test]
fn targets_of_several_lines_are_not_cut_at_the_first() {
    for fields in [("notes", "reply"), ("--", ""), ("en", "de")] {
        let template = Template::parse(&Template::suiting(fields.0, fields.1, true)).unwrap();
        assert_eq!((template.stop_string(), template.cut_short(["a\nb", "a\n###\nb"])), (Some("\n###"), 1));
        let prompt = template.prompt(&[demo("a", "Dear A,\n\nyes.")], "x").unwrap();
        assert!(prompt.contains("Dear A,\n\nyes.\n###\n\n"), "{prompt}");
    }
    assert_eq!(Template::parse("chat").unwrap().cut_short(["a\nb"]), 0);
    assert_eq!(Template::parse("{input}\n{target}\n\n").unwrap().cut_short(["a\nb", "a\n\nb"]), 1);
}

#[test]
fn inserted_text_is_never_filled_in_again() {
    let template = Template::parse("plain").unwrap();
    let prompt = template.prompt(&[demo("{target}", "{input}")], "{input} {target}").unwrap();
    assert_eq!(prompt, "{target}\n{input}\n\n{input} {target}\n");
    assert_eq!(template.target_text("{input}"), "{input}");
}

#[test]
fn a_chat_is_a_conversation() {
    let template = Template::parse("chat: Be formal.").unwrap();
    let expected = [("system", "Be formal."), ("user", "a"), ("assistant", "b"), ("user", "x")];
    let expected = expected.map(|(role, content)| (role, content.to_owned()));
    assert_eq!(template.chat_messages(&[demo("a", "b")], "x"), expected);
    assert_eq!((template.stop_string(), template.target_text("y").as_str()), (None, "y"));
    assert!(template.is_chat() && template.prompt(&[], "x").is_err());
    assert_eq!(Template::parse("chat").unwrap().chat_messages(&[], "x"), [("user", "x".to_owned())]);
    assert!(!Template::parse("chat: {input}\nreply: {target}").unwrap().is_chat());
}

#[test]
fn broken_templates_say_what_is_wrong() {
    let cases = [
        ("fomality", "formality, translation, plain, chat"),
        ("chatty", "no {input}"),
        ("chat: {target}", "no {input}"),
        ("{input}{input}", "more than one {input}"),
        ("{target}\n{input}", "before {input}"),
        ("{input}{target}{target}", "more than one {target}"),
    ];
    for (text, reason) in cases {
        let error = Template::parse(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}

#[test]
fn stored_and_shown_forms_are_read_back() {
    let texts = [
        "formality",
        "translation",
        "plain",
        "chat",
        "chat:Be brief.",
        "{input}\nG: ",
        "{input} -> {target} \n",
        "I: {input}",
    ];
    for text in texts {
        let template = Template::parse(text).unwrap();
        let setup = PromptSetup::new(template.clone(), Vec::new());
        assert_eq!(PromptSetup::from_json(&setup.to_json().unwrap()).unwrap(), setup, "{text}");
        assert_eq!(Template::parse(&template.to_string()).unwrap(), template, "{text}");
    }
    assert!(PromptSetup::from_json("{\"template\":{\"kind\":\"text\"}}").is_err());
    assert!(PromptSetup::from_json("{\"template\":{\"kind\":\"chat\",\"instruction\":\"\"").is_err());
}

#[test]
fn escapes_are_those_of_a_command_line() {
    assert_eq!(unescape(r"a\nb\\nc\td\x\"), "a\nb\\nc\td\\x\\");
    assert_eq!(unescape("äö\\nü"), "äö\nü");
}
