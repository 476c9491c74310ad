//! What went over the network: the page's own files, as the browser counts them, and what the engine
//! fetched.

use js_sys::Reflect;
use leptos::prelude::*;
use wasm_bindgen::JsValue;

use crate::format;
use crate::studio::studio;

#[component]
pub(crate) fn Ledger() -> impl IntoView {
    let studio = studio();
    let engine = studio.see(|s| s.ledger.clone());
    let own = RwSignal::new(Vec::new());
    let rows = move || own.get().into_iter().chain(engine.get()).collect::<Vec<(String, u64)>>();
    let looked = move || {
        let entries = rows();
        let bytes = entries.iter().map(|e| e.1).sum();
        format!(
            "{} files, {}, all of them received from this site. Nothing was sent.",
            entries.len(),
            format::bytes(bytes)
        )
    };
    view! {
        <details data-testid="ledger" on:toggle=move |_| own.set(loaded())>
            <summary>"Network activity"</summary>
            <p>{looked}</p>
            <div class="scrolls" tabindex="0" role="region" aria-label="Network activity">
                <table>
                    <thead>
                        <tr>
                            <th scope="col">"Address"</th>
                            <th scope="col" class="number">"Received"</th>
                        </tr>
                    </thead>
                    <tbody>
                        {move || {
                            rows()
                                .into_iter()
                                .map(|(url, bytes)| {
                                    view! {
                                        <tr>
                                            <td class="address">{url}</td>
                                            <td class="number">{format::bytes(bytes)}</td>
                                        </tr>
                                    }
                                })
                                .collect_view()
                        }}
                    </tbody>
                </table>
            </div>
            <p>
                "The page's security policy forbids every other address, in the engine too: your browser would refuse."
            </p>
        </details>
    }
}

/// Addresses that the page itself has loaded, with the bytes that came over the network.
fn loaded() -> Vec<(String, u64)> {
    let Some(performance) = web_sys::window().and_then(|w| w.performance()) else { return Vec::new() };
    let text = |entry: &JsValue, name: &str| Reflect::get(entry, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let entries = performance.get_entries_by_type("resource");
    let row = |entry: JsValue| {
        let bytes = text(&entry, "transferSize").as_f64().unwrap_or(0.0) as u64;
        Some((text(&entry, "name").as_string()?, bytes))
    };
    entries.iter().filter_map(row).filter(|(url, _)| !url.starts_with("blob:") && !url.starts_with("data:")).collect()
}
