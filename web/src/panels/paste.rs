//! Pairs from the clipboard: text with fields, or two texts whose lines belong together.

use leptos::prelude::*;
use pema_protocol::DataFile;

use crate::studio::studio;

/// What a pasted text may be: ending, name, and what it looks like.
const FORMATS: [(&str, &str, &str); 3] = [
    ("jsonl", "JSON Lines", "{\"input\": \"cant come\", \"target\": \"I am unable to attend.\"}"),
    ("csv", "CSV", "input,target\ncant come,I am unable to attend."),
    ("tsv", "TSV (tabs)", "input\ttarget\ncant come\tI am unable to attend."),
];
const TWO: &str = "two";

#[component]
pub(crate) fn Paste(opened: impl Fn(Vec<DataFile>) + Copy + 'static) -> impl IntoView {
    let studio = studio();
    let occupied = studio.see(|s| s.occupied());
    let (text, targets) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let format = RwSignal::new(FORMATS[0].0.to_owned());
    let two = Memo::new(move |_| format.with(|f| f == TWO));
    let example = move || {
        let found = format.with(|format| FORMATS.iter().find(|f| f.0 == format).map(|f| f.2));
        found.unwrap_or("cant come\nrunning late")
    };
    let empty = move || text.with(|t| t.trim().is_empty()) || two.get() && targets.with(|t| t.trim().is_empty());
    let open = move |_| {
        let file = |name: String, text: RwSignal<String>| DataFile { name, bytes: text.get_untracked().into_bytes() };
        opened(if two.get_untracked() {
            vec![file("pasted inputs".to_owned(), text), file("pasted targets".to_owned(), targets)]
        } else {
            vec![file(format!("pasted.{}", format.get_untracked()), text)]
        });
    };
    view! {
        <details>
            <summary>"Paste text"</summary>
            <div class="row">
                <label>
                    "Format"
                    <select data-testid="data-paste-format" on:change=move |event| format.set(event_target_value(&event))>
                        {FORMATS.map(|(id, name, _)| view! { <option value=id>{name}</option> }).collect_view()}
                        <option value=TWO>"Two texts, line by line"</option>
                    </select>
                </label>
            </div>
            <div class="pair">
                <label>
                    {move || if two.get() { "Inputs, one a line" } else { "Lines with fields" }}
                    <textarea
                        rows="5"
                        data-testid="data-paste"
                        placeholder=example
                        prop:value=move || text.get()
                        on:input=move |event| text.set(event_target_value(&event))
                    ></textarea>
                </label>
                <label hidden=move || !two.get()>
                    "Targets, one a line, in the same order"
                    <textarea
                        rows="5"
                        data-testid="data-paste-targets"
                        placeholder="I am unable to attend.\nI will be late."
                        prop:value=move || targets.get()
                        on:input=move |event| targets.set(event_target_value(&event))
                    ></textarea>
                </label>
            </div>
            <div class="row">
                <button data-testid="data-paste-open" disabled=move || occupied.get() || empty() on:click=open>
                    "Open the pasted text"
                </button>
            </div>
        </details>
    }
}
