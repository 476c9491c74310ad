//! The studio's page: six steps from a device to a report. It talks to the engine in `engine.rs` only,
//! keeps what it knows in the plain types of `state.rs`, and shows it with the panels.

#![expect(unreachable_pub, reason = "Leptos makes a public function of every component")]

mod app;
mod chart;
mod check;
mod engine;
mod format;
mod ledger;
mod panels;
mod settings;
mod state;
mod studio;

use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::DragEvent;

fn main() {
    // What the page showed while this was loading.
    if let Some(loading) = web_sys::window().and_then(|w| w.document()).and_then(|d| d.get_element_by_id("loading")) {
        loading.remove();
    }
    leptos::mount::mount_to_body(app::App);
    keep_for_offline();
    refuse_stray_files();
}

/// A file dropped beside the places for files would replace the page, and with it what is not kept yet.
fn refuse_stray_files() {
    let Some(window) = web_sys::window() else { return };
    let refuse = Closure::<dyn FnMut(DragEvent)>::new(|event: DragEvent| event.prevent_default());
    for name in ["dragover", "drop"] {
        window.add_event_listener_with_callback(name, refuse.as_ref().unchecked_ref()).ok();
    }
    refuse.forget(); // as long as the page
}

/// Lets the service worker keep the page's own files. Where there is none the page needs its site.
fn keep_for_offline() {
    let Some(navigator) = web_sys::window().map(|w| w.navigator()) else { return };
    if js_sys::Reflect::has(&navigator, &"serviceWorker".into()).unwrap_or(false) {
        let registered = navigator.service_worker().register(&engine::address("sw.js"));
        leptos::task::spawn_local(async move { _ = wasm_bindgen_futures::JsFuture::from(registered).await });
    }
}
