//! The language model.

use leptos::prelude::*;
use pema_protocol::{Command, ModelSource};

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
    let begun = StoredValue::new(0.0);
    let part = Signal::derive(move || fetching.get().unwrap_or_default());
    let text = Signal::derive(move || match fetching.get() {
        None => String::new(),
        Some((0, _)) => "Opening…".to_owned(),
        Some((bytes, of)) if bytes >= of => format!("{}; reading the model…", format::bytes(bytes)),
        Some((bytes, of)) => {
            let seconds = (js_sys::Date::now() - begun.get_value()) / 1e3;
            let left = seconds * (of - bytes) as f64 / bytes as f64;
            format!("{} of {}, {} left", format::bytes(bytes), format::bytes(of), format::seconds(left as f32))
        }
    });
    let open = move |source, file| {
        begun.set_value(js_sys::Date::now());
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
                                <strong>{m.name}</strong>
                                " "
                                <span class="tag">{m.quantisation}</span>
                            </p>
                            <dl>
                                <dt>"File"</dt>
                                <dd>{format::bytes(m.bytes)} ", kept on this device"</dd>
                                <dt>"On the device"</dt>
                                <dd>{format::bytes(m.device_bytes)}</dd>
                                <dt>"Engine"</dt>
                                <dd data-testid="engine-bytes" data-bytes=m.engine_bytes.to_string()>
                                    {format!("{} of this browser's memory", format::bytes(m.engine_bytes))}
                                </dd>
                                <dt>"Size"</dt>
                                <dd>
                                    {format!(
                                        "{} layers, states of {} numbers, {} tokens; reads up to {} tokens",
                                        m.layers,
                                        m.hidden,
                                        m.vocab,
                                        m.context,
                                    )}
                                </dd>
                                <dt>"Chat template"</dt>
                                <dd>{if m.chat { "yes" } else { "no" }}</dd>
                                <dt>"SHA-256"</dt>
                                <dd class="hash">{m.sha256}</dd>
                            </dl>
                        }
                    })
            }}
            <div role="status" hidden=move || fetching.get().is_none()>
                <Progress part text label="Opening the model" />
                <button on:click=move |_| studio.say(Command::Cancel)>"Stop"</button>
            </div>
            <div class="row" hidden=move || fetching.get().is_some()>
                <button
                    class="primary"
                    data-testid="model-default"
                    disabled=move || occupied.get()
                    hidden=move || model.get().is_some()
                    on:click=move |_| open(ModelSource::Address { url: address(DEFAULT) }, None)
                >
                    "Open the default model (98 MB)"
                </button>
                <OpenFile
                    label="Open a GGUF file, or drop it here"
                    accept=".gguf"
                    testid="model-file"
                    disabled=Signal::from(occupied)
                    opened=move |files| open(ModelSource::Attached, files.into_iter().next())
                />
            </div>
            <p class="hint" hidden=move || model.get().is_some()>
                "The default model comes from this site, once. A model of your own never leaves this device."
            </p>
        </Panel>
    }
}
