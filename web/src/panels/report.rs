//! Quality on held-out pairs, and files to take along.

use leptos::prelude::*;
use pema_protocol::{Command, Export, Report};

use super::kept::KeptFiles;
use super::open::OpenFile;
use super::panel::{Panel, Progress};
use crate::state::Step;
use crate::studio::studio;

#[component]
pub(crate) fn ReportPanel() -> impl IntoView {
    let studio = studio();
    let report = studio.see(|s| s.report.clone());
    let measuring = studio.see(|s| s.measuring);
    let occupied = studio.see(|s| s.occupied());
    let limit = RwSignal::new(20_u32);
    let part = Signal::derive(move || measuring.get().map_or((0, 0), |(d, of)| (u64::from(d), u64::from(of))));
    let text = Signal::derive(move || match measuring.get() {
        Some((done, of)) if of > 0 => format!("{done} of {of} answers"),
        _ => "Measuring…".to_owned(),
    });
    view! {
        <Panel step=Step::Report>
            <div class="row" hidden=move || measuring.get().is_some()>
                <label>
                    "Test pairs at most"
                    <input type="number" min="1" data-testid="evaluate-limit" prop:value=move || limit.get()
                        on:change=move |e| limit.set(event_target_value(&e).parse().unwrap_or(20).max(1)) />
                </label>
                <button class="primary" data-testid="evaluate-start" disabled=move || occupied.get()
                    on:click=move |_| studio.say(Command::Evaluate { limit: limit.get_untracked() })>"Measure"</button>
            </div>
            <div hidden=move || measuring.get().is_none()>
                <Progress part text label="Measuring" />
                <button on:click=move |_| studio.say(Command::Cancel)>"Stop"</button>
            </div>
            {move || report.get().map(|report| view! { <Scores report /> })}
            <h3>"Take it along"</h3>
            <div class="row">
                <button data-testid="export-adapter" disabled=move || occupied.get()
                    on:click=move |_| studio.say(Command::Export { what: Export::Adapter })>"Download the adapter"</button>
                <button data-testid="export-report" disabled=move || occupied.get() || report.get().is_none()
                    on:click=move |_| studio.say(Command::Export { what: Export::Report })>"Download the report"</button>
            </div>
            <p class="hint">"The adapter holds the examples it shows to the model, and words of your pairs, as text: give it only to people who may read them."</p>
            <details>
                <summary>"Download the memory"</summary>
                <p class="warning">"Careful: the states in the memory can be turned back into your text. Give it to nobody who may not read your pairs."</p>
                <button data-testid="export-memory" disabled=move || occupied.get()
                    on:click=move |_| studio.say(Command::Export { what: Export::Memory })>"Download it nevertheless"</button>
            </details>
        </Panel>
        <Elsewhere />
    }
}

/// What needs no adapter: taking one over, and what is stored.
#[component]
fn Elsewhere() -> impl IntoView {
    let studio = studio();
    let closed = studio.see(|s| s.occupied() || s.model.is_none());
    let import = move |files: Vec<web_sys::File>| {
        let Some(file) = files.into_iter().next() else { return };
        leptos::task::spawn_local(async move {
            if let Ok(buffer) = wasm_bindgen_futures::JsFuture::from(file.array_buffer()).await {
                let bytes = js_sys::Uint8Array::new(&buffer).to_vec();
                studio.say(Command::ImportAdapter { name: file.name(), bytes });
            }
        });
    };
    view! {
        <section id="kept" class="panel" tabindex="-1" aria-labelledby="kept-title">
            <h2 id="kept-title">"On this device"</h2>
            <KeptFiles />
            <h3>"An adapter you have already"</h3>
            <OpenFile label="Open an adapter, or drop it here" hint="A .safetensors file made for the model that is open" accept=".safetensors"
                testid="import-adapter" disabled=Signal::from(closed) opened=import />
        </section>
    }
}

/// Columns of the answers.
const SIDES: [&str; 4] = ["Input", "Model alone", "Adapted", "Wanted"];

#[component]
fn Scores(report: Report) -> impl IntoView {
    let name = |method: &str| match method {
        "base" => "Model alone",
        "knn" => "Nearest examples (kNN)",
        "pema" => "PEMA, constant weight",
        "pema-gu" => "PEMA, Gradual Unrolling",
        _ => "Other",
    };
    view! {
        <p class="lead verdict" data-testid="verdict"><strong>{report.verdict}</strong></p>
        {report.warnings.into_iter().map(|w| view! { <p class="warning">{w}</p> }).collect_view()}
        <div class="scrolls" tabindex="0" role="region" aria-label="Scores">
            <table class="scores" data-testid="report-table">
                <caption class="unseen">"Scores"</caption>
                <thead><tr>
                    <th scope="col">"Method"</th>
                    {["Loss", "Perplexity", "BLEU", "chrF", "Exact"].map(|h| view! { <th scope="col" class="number">{h}</th> }).collect_view()}
                </tr></thead>
                <tbody>{report.methods.into_iter().map(|m| view! {
                    <tr>
                        <th scope="row">{name(&m.method)}{(m.method == report.chosen).then_some(" (used)")}</th>
                        <td class="number">{format!("{:.3}", m.nll)}</td>
                        <td class="number">{format!("{:.2}", m.perplexity)}</td>
                        <td class="number">{format!("{:.1}", m.bleu)}</td>
                        <td class="number">{format!("{:.1}", m.chrf)}</td>
                        <td class="number">{format!("{:.0} %", m.exact * 100.0)}</td>
                    </tr>
                }).collect_view()}</tbody>
            </table>
        </div>
        <p class="hint">
            {format!("Measured on {} pairs that were not learnt from. ", report.pairs)}
            "Loss and perplexity say how much your wording surprises the model: lower is better. BLEU, chrF and exact compare "
            "its answers with yours: higher is better. "
            {report.signature} "."
        </p>
        <details>
            <summary>"Answers side by side"</summary>
            <div class="scrolls" tabindex="0" role="region" aria-label="Answers side by side">
                <table class="stack">
                    <thead><tr>{SIDES.map(|h| view! { <th scope="col">{h}</th> }).collect_view()}</tr></thead>
                    <tbody>{report.examples.into_iter().map(|row| {
                        let cells = SIDES.into_iter().zip(row).map(|(side, text)| view! { <td data-label=side>{text}</td> });
                        view! { <tr>{cells.collect_view()}</tr> }
                    }).collect_view()}</tbody>
                </table>
            </div>
        </details>
    }
}
