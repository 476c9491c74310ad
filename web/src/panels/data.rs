//! The user's pairs: what was read, and how the model is shown them.

use leptos::prelude::*;
use pema_protocol::{Command, DataFile, DataInfo, Trouble, TroubleKind};
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use super::open::OpenFile;
use super::panel::Panel;
use super::paste::Paste;
use super::prompt::PromptSettings;
use crate::state::Step;
use crate::studio::{Studio, studio};

/// Files that hold fields; of others, two belong together.
const WITH_FIELDS: [&str; 6] = [".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".tab"];

#[component]
pub(crate) fn DataPanel() -> impl IntoView {
    let studio = studio();
    let data = studio.see(|s| s.data.clone());
    let none = Memo::new(move |_| data.with(Option::is_none));
    let occupied = studio.see(|s| s.occupied());
    // What was opened in this visit, so that its fields can be mapped otherwise.
    let files = RwSignal::new(Vec::<DataFile>::new());
    let read = move |opened: Vec<File>| {
        leptos::task::spawn_local(async move {
            match contents(&opened).await {
                Ok(read) => open(studio, files, read, None),
                Err(text) => {
                    let trouble = Trouble { kind: TroubleKind::Refused, text };
                    studio.state.update(|s| s.found_wrong(Step::Data, trouble));
                }
            }
        });
    };
    view! {
        <Panel step=Step::Data>
            {move || data.get().map(|info| view! { <Overview info files /> })}
            <p class="hint" hidden=move || !none.get()>
                "Pairs of an input and the text you want for it: a few hundred are enough. They stay on this device."
            </p>
            <details class="more" class:only=move || none.get() prop:open=move || none.get()>
                <summary hidden=move || none.get()>"Open other pairs"</summary>
                <div class="row">
                    <button
                        class:primary=move || none.get()
                        data-testid="data-example"
                        disabled=move || occupied.get()
                        on:click=move |_| {
                            files.set(Vec::new());
                            studio.say(Command::OpenExample);
                        }
                    >
                        "Try with the example data"
                    </button>
                    <OpenFile
                        label="Open your pairs, or drop them here"
                        hint="JSON Lines, CSV or TSV; or two text files, one input and one target a line"
                        accept=".jsonl,.ndjson,.json,.csv,.tsv,.txt"
                        multiple=true
                        testid="data-file"
                        disabled=Signal::from(occupied)
                        opened=read
                    />
                </div>
                <Paste opened=move |read| open(studio, files, read, None) />
            </details>
            <div hidden=move || none.get()>
                <PromptSettings />
            </div>
        </Panel>
    }
}

/// What was read.
#[component]
fn Overview(info: DataInfo, files: RwSignal<Vec<DataFile>>) -> impl IntoView {
    let studio = studio();
    let occupied = studio.see(|s| s.occupied());
    let [train, valid, test] = info.split;
    let doubles = (info.duplicates > 0).then(|| format!(" {} stood there twice and were kept once.", info.duplicates));
    let (fields, input, target) = (info.fields.clone(), info.input_field.clone(), info.target_field.clone());
    let (mappable, two) = files.with_untracked(|f| (fields.len() > 1 && !f.is_empty(), f.len() == 2));
    let swap = move |_| open(studio, files, files.get_untracked().into_iter().rev().collect(), None);
    let select = move |label: &'static str,
                       chosen: String,
                       fields: Vec<String>,
                       map: fn(String, &DataInfo) -> (String, String),
                       info: DataInfo| {
        view! {
            <label>
                {label}
                <select
                    disabled=move || occupied.get()
                    on:change=move |event| {
                        let fields = map(event_target_value(&event), &info);
                        open(studio, files, files.get_untracked(), Some(fields));
                    }
                >
                    {fields
                        .into_iter()
                        .map(|f| {
                            let selected = f == chosen;
                            view! { <option value=f.clone() selected=selected>{f.clone()}</option> }
                        })
                        .collect_view()}
                </select>
            </label>
        }
    };
    view! {
        <p class="lead" data-testid="data-ready">
            <strong>{info.name.clone()}</strong>
            {format!(": {train} pairs to learn from, {valid} to choose settings on, {test} to test on.")}
            {doubles}
        </p>
        {(train < 50)
            .then(|| {
                view! {
                    <p class="warning">"Fewer than 50 pairs to learn from: expect little, and trust the report more than the feeling."</p>
                }
            })}
        {mappable
            .then(|| {
                view! {
                    <div class="row">
                        {select("Input field", input.clone(), fields.clone(), |f, i| mapped(f, &i.input_field, &i.target_field), info.clone())}
                        {select("Target field", target.clone(), fields, |f, i| { let (target, input) = mapped(f, &i.target_field, &i.input_field); (input, target) }, info.clone())}
                    </div>
                }
            })}
        <div class="scrolls" tabindex="0" role="region" aria-label="First pairs">
            <table>
                <thead>
                    <tr>
                        <th scope="col">{input}</th>
                        <th scope="col">{target}</th>
                    </tr>
                </thead>
                <tbody>
                    {info.preview.into_iter().map(|(i, t)| view! { <tr><td>{i}</td><td>{t}</td></tr> }).collect_view()}
                </tbody>
            </table>
        </div>
        {two
            .then(|| {
                view! {
                    <p>
                        <button data-testid="data-swap" disabled=move || occupied.get() on:click=swap>
                            "Swap input and target"
                        </button>
                    </p>
                }
            })}
    }
}

/// A field for one side, and the one for the other: what was chosen there before makes way by taking its `old` place.
fn mapped(new: String, old: &str, other: &str) -> (String, String) {
    let other = if new == other { old } else { other };
    (new, other.to_owned())
}

fn open(studio: Studio, files: RwSignal<Vec<DataFile>>, read: Vec<DataFile>, fields: Option<(String, String)>) {
    let (input_field, target_field) = fields.unzip();
    files.set(read.clone());
    studio.say(Command::OpenData { files: read, input_field, target_field });
}

async fn contents(files: &[File]) -> Result<Vec<DataFile>, String> {
    let names: Vec<String> = files.iter().map(File::name).collect();
    belong_together(&names)?;
    let mut read = Vec::new();
    for (file, name) in files.iter().zip(names) {
        let buffer = JsFuture::from(file.array_buffer()).await;
        let buffer = buffer.map_err(|_| format!("{name} cannot be read any more; open it again"))?;
        read.push(DataFile { name, bytes: js_sys::Uint8Array::new(&buffer).to_vec() });
    }
    Ok(read)
}

/// Whether files can be the pairs: one, or two of plain text.
fn belong_together(names: &[String]) -> Result<(), String> {
    let fields = |name: &&String| WITH_FIELDS.iter().any(|end| name.to_lowercase().ends_with(end));
    match (names, names.iter().find(fields)) {
        ([_, _, _, ..], _) => Err(format!(
            "{} files were opened; open one file with fields, or two text files whose lines belong together",
            names.len()
        )),
        ([_, _], Some(name)) => {
            Err(format!("{name} holds both sides of the pairs, so open it alone; only plain text comes in two files"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{belong_together, mapped};

    #[test]
    fn one_field_is_never_both_sides() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(mapped("c".into(), "a", "b"), pair("c", "b"));
        assert_eq!(mapped("b".into(), "a", "b"), pair("b", "a"));
    }

    #[test]
    fn files_that_cannot_be_pairs_are_refused_by_name() {
        let said = |names: &[&str]| belong_together(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
        assert_eq!((said(&["a.csv"]), said(&["a.txt", "b.txt"]), said(&["a.de", "a.en"])), (Ok(()), Ok(()), Ok(())));
        assert!(said(&["notes.txt", "pairs.CSV"]).unwrap_err().starts_with("pairs.CSV holds both sides"));
        assert!(said(&["a.txt", "b.txt", "c.txt"]).unwrap_err().starts_with("3 files were opened"));
    }
}
