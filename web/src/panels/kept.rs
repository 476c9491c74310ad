//! What is stored on this device, and how to delete it.

use leptos::html::Dialog;
use leptos::prelude::*;
use pema_protocol::Command;

use crate::format;
use crate::studio::studio;

#[component]
pub(crate) fn KeptFiles() -> impl IntoView {
    let studio = studio();
    let kept = studio.see(|s| s.kept.clone().unwrap_or_default());
    let nothing = Memo::new(move |_| kept.with(|k| k.files.is_empty()));
    let occupied = studio.see(|s| s.occupied());
    let dialog = NodeRef::<Dialog>::new();
    let close = move || _ = dialog.get_untracked().map(|d| d.close());
    view! {
        <p class="hint" hidden=move || !nothing.get()>"Nothing is stored yet."</p>
        <table data-testid="kept-list" hidden=move || nothing.get()>
            <caption>"Stored in this browser, on this device"</caption>
            <thead><tr><th scope="col">"What"</th><th scope="col" class="number">"Size"</th></tr></thead>
            <tbody>{move || kept.get().files.into_iter().map(|f| view! {
                <tr><td class="begins">{f.name}</td><td class="number">{format::bytes(f.bytes)}</td></tr>
            }).collect_view()}</tbody>
        </table>
        <p class="hint" hidden=move || nothing.get()>{move || {
            let kept = kept.get();
            let room = kept.used_of.map(|[used, of]| format!("{} used of {} that the browser gives. ", format::bytes(used), format::bytes(of)));
            let promise = match kept.persisted {
                Some(true) => "The browser promised not to clear it by itself.",
                Some(false) => "The browser may clear it when the device runs short of space.",
                None => "",
            };
            format!("{}{promise}", room.unwrap_or_default())
        }}</p>
        <button class="danger" data-testid="delete-all" hidden=move || nothing.get() disabled=move || occupied.get()
            on:click=move |_| _ = dialog.get_untracked().map(|d| d.show_modal())>"Delete everything"</button>
        <dialog node_ref=dialog aria-labelledby="delete-title">
            <h2 id="delete-title">"Delete everything?"</h2>
            <p>"Your pairs, the memory, the adapter, the report and the model are removed from this device. This cannot be undone."</p>
            <div class="row">
                <button class="danger full" data-testid="delete-confirm" on:click=move |_| { close(); studio.say(Command::DeleteAll); }>"Delete"</button>
                <button autofocus=true on:click=move |_| close()>"Keep"</button>
            </div>
        </dialog>
    }
}
