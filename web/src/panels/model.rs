//! The language model.

use leptos::prelude::*;
use pema_protocol::{Command, ModelInfo, ModelSource};

use super::facts::facts;
use super::open::OpenFile;
use super::panel::{Panel, Progress};
use crate::engine::address;
use crate::format;
use crate::state::Step;
use crate::studio::studio;

/// Where a site keeps the default model, beside the page.
const DEFAULT: &str = "models/SmolLM2-135M-Instruct.Q4_1.gguf";

#[component]
pub(crate) fn ModelPanel() -> impl IntoView {
    let studio = studio();
    let model = studio.see(|s| s.model.clone());
    let fetching = studio.see(|s| s.fetching);
    let occupied = studio.see(|s| s.occupied());
    let memory = studio.see(|s| s.device.as_ref().and_then(|d| d.memory_gb));
    let none = Memo::new(move |_| model.with(Option::is_none));
    let (begun, first) = (StoredValue::new(0.0), StoredValue::new(None::<u64>));
    let kept = studio.see(|s| s.kept_model.as_ref().map(|kept| kept.0.clone()));
    let part = Signal::derive(move || fetching.get().unwrap_or_default());
    let text = Signal::derive(move || match fetching.get() {
        None => String::new(),
        Some((0, _)) => "Opening…".to_owned(),
        Some((bytes, 0)) => format!("{} so far", format::bytes(bytes)),
        Some((bytes, of)) if bytes >= of => format!("{}; reading the model…", format::bytes(bytes)),
        Some((bytes, of)) => {
            // What lay there before says nothing of the speed.
            let first = first.with_value(|first| first.unwrap_or(bytes));
            let seconds = (js_sys::Date::now() - begun.get_value()) / 1e3;
            let left = match bytes - first.min(bytes) {
                0 => String::new(),
                new => format!(", {} left", format::seconds((seconds * (of - bytes) as f64 / new as f64) as f32)),
            };
            format!("{} of {}{left}", format::bytes(bytes), format::bytes(of))
        }
    });
    Effect::new(move |_| {
        if let Some((bytes, of)) = fetching.get()
            && of > 0
            && first.with_value(Option::is_none)
        {
            first.set_value(Some(bytes));
            begun.set_value(js_sys::Date::now());
        }
    });
    let open = move |source, file| {
        first.set_value(None);
        studio.say_with(Command::OpenModel { source }, file);
    };
    view! {
        <Panel step=Step::Model>
            {move || {
                model
                    .get()
                    .map(|m| {
                        view! {
                            <p class="lead" data-testid="model-ready">
                                <strong>{m.name.clone()}</strong>
                                " "
                                <span class="tag">{m.quantisation.clone()}</span>
                            </p>
                            <p>{needs(&m, memory.get())}</p>
                            <details>
                                <summary>"About this model"</summary>
                                <span data-testid="engine-bytes" data-bytes=m.engine_bytes.to_string() hidden></span>
                                {facts([
                                    ("File", Some(format!("{}, kept on this device", format::bytes(m.bytes)))),
                                    ("Engine", Some(format!("{} of this browser's memory", format::bytes(m.engine_bytes)))),
                                    ("Layers", Some(format!("{}, with states of {} numbers", m.layers, m.hidden))),
                                    ("Vocabulary", Some(format!("{} tokens", m.vocab))),
                                    ("Reads up to", Some(format!("{} tokens", m.context))),
                                    ("Chat template", Some(if m.chat { "yes" } else { "no" }.to_owned())),
                                    ("SHA-256", Some(m.sha256)),
                                ])}
                            </details>
                        }
                    })
            }}
            <div hidden=move || fetching.get().is_none()>
                <Progress part text label="Opening the model" />
                <button on:click=move |_| studio.say(Command::Cancel)>"Stop"</button>
            </div>
            <details class="more" class:only=move || none.get() prop:open=move || none.get() hidden=move || fetching.get().is_some()>
                <summary hidden=move || none.get()>"Open another model"</summary>
                <div class="row">
                    <button
                        class="primary"
                        data-testid="model-kept"
                        disabled=move || occupied.get()
                        hidden=move || !none.get() || kept.with(Option::is_none)
                        on:click=move |_| open(ModelSource::Kept, None)
                    >
                        {move || format!("Open {} again", kept.get().unwrap_or_default())}
                    </button>
                    <button
                        class:primary=move || kept.with(Option::is_none)
                        data-testid="model-default"
                        disabled=move || occupied.get()
                        hidden=move || !none.get()
                        on:click=move |_| open(ModelSource::Address { url: address(DEFAULT) }, None)
                    >
                        "Open the default model (98 MB)"
                    </button>
                    <OpenFile
                        label="Open a model of your own, or drop it here"
                        hint="A GGUF file; it never leaves this device"
                        accept=".gguf"
                        testid="model-file"
                        disabled=Signal::from(occupied)
                        opened=move |files| open(ModelSource::Attached, files.into_iter().next())
                    />
                </div>
            </details>
            <p class="hint" hidden=move || !none.get() || fetching.get().is_some()>
                "The default model comes from this site, once, and is kept on this device."
            </p>
        </Panel>
    }
}

/// What the model takes of the memory there is.
fn needs(m: &ModelInfo, memory_gb: Option<f32>) -> String {
    let there = memory_gb.map(|gb| format!("; this machine has {gb} GB or more")).unwrap_or_default();
    format!("It takes {} of the device's memory{there}.", format::bytes(m.device_bytes))
}
