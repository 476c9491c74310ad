//! The user's pairs.

use leptos::prelude::*;
use pema_protocol::{Command, DataFile, DataInfo, Trouble, TroubleKind};
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

use super::open::OpenFile;
use super::panel::Panel;
use super::prompt::PromptSettings;
use crate::state::Step;
use crate::studio::{Studio, studio};

const FORMATS: [(&str, &str); 3] = [("jsonl", "JSON Lines"), ("csv", "CSV"), ("tsv", "TSV")];

#[component]
pub(crate) fn DataPanel() -> impl IntoView {
    let studio = studio();
    let data = studio.see(|s| s.data.clone());
    let occupied = studio.see(|s| s.occupied());
    // What was opened in this visit, so that its fields can be mapped otherwise.
    let files = RwSignal::new(Vec::<DataFile>::new());
    let read = move |opened: Vec<File>| {
        leptos::task::spawn_local(async move {
            match contents(&opened).await {
                Ok(read) => open(studio, files, read, None),
                Err(text) => {
                    let trouble = Trouble { kind: TroubleKind::Refused, text };
                    studio.state.update(|s| s.troubles.push((Step::Data, trouble)));
                }
            }
        });
    };
    let (pasted, format) = (RwSignal::new(String::new()), RwSignal::new("jsonl"));
    let paste = move |_| {
        let name = format!("pasted.{}", format.get_untracked());
        let bytes = pasted.with_untracked(|t| t.clone().into_bytes());
        open(studio, files, vec![DataFile { name, bytes }], None);
    };
    view! {
        <Panel step=Step::Data>
            <p class="hint" hidden=move || data.get().is_some()>
                "Pairs of an input and the text you want for it: a few hundred are enough. They stay on this device."
            </p>
            <div class="row">
                <button
                    class:primary=move || data.get().is_none()
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
                    label="Open a JSON Lines, CSV or TSV file, or two text files; or drop them here"
                    accept=".jsonl,.ndjson,.json,.csv,.tsv,.txt"
                    multiple=true
                    testid="data-file"
                    disabled=Signal::from(occupied)
                    opened=read
                />
            </div>
            <details>
                <summary>"Paste text"</summary>
                <label>
                    "Lines with fields"
                    <textarea
                        rows="5"
                        data-testid="data-paste"
                        prop:value=move || pasted.get()
                        on:input=move |event| pasted.set(event_target_value(&event))
                    ></textarea>
                </label>
                <div class="row">
                    <label>
                        "Format"
                        <select on:change=move |event| {
                            let chosen = event_target_value(&event);
                            if let Some(found) = FORMATS.iter().find(|f| f.0 == chosen) {
                                format.set(found.0);
                            }
                        }>{FORMATS.map(|(id, name)| view! { <option value=id>{name}</option> }).collect_view()}</select>
                    </label>
                    <button
                        data-testid="data-paste-open"
                        disabled=move || occupied.get() || pasted.with(String::is_empty)
                        on:click=paste
                    >
                        "Open the pasted text"
                    </button>
                </div>
            </details>
            {move || data.get().map(|info| view! { <Overview info files /> })}
            <div hidden=move || data.get().is_none()>
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
    let mappable = fields.len() > 1 && files.with_untracked(|f| !f.is_empty());
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
            {format!(": {train} pairs to learn from, {valid} to choose on, {test} to test on.")}
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
                        {select("Input field", input.clone(), fields.clone(), |f, i| (f, i.target_field.clone()), info.clone())}
                        {select("Target field", target.clone(), fields, |f, i| (i.input_field.clone(), f), info.clone())}
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
    }
}

fn open(studio: Studio, files: RwSignal<Vec<DataFile>>, read: Vec<DataFile>, fields: Option<(String, String)>) {
    let (input_field, target_field) = fields.unzip();
    files.set(read.clone());
    studio.say(Command::OpenData { files: read, input_field, target_field });
}

async fn contents(files: &[File]) -> Result<Vec<DataFile>, String> {
    let mut read = Vec::new();
    for file in files.iter().take(2) {
        let buffer = JsFuture::from(file.array_buffer()).await;
        let buffer = buffer.map_err(|_| format!("{} cannot be read any more; open it again", file.name()))?;
        read.push(DataFile { name: file.name(), bytes: js_sys::Uint8Array::new(&buffer).to_vec() });
    }
    Ok(read)
}
