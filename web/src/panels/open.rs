//! Opening files: by a button, by dropping them. They stay on this device.

use leptos::prelude::*;
use web_sys::{DragEvent, File, FileList, HtmlInputElement};

#[component]
pub(crate) fn OpenFile(
    label: &'static str,
    /// What it may be.
    #[prop(optional)]
    hint: &'static str,
    /// Endings or media types.
    accept: &'static str,
    #[prop(optional)] multiple: bool,
    testid: &'static str,
    disabled: Signal<bool>,
    opened: impl Fn(Vec<File>) + Copy + 'static,
) -> impl IntoView {
    let over = RwSignal::new(false);
    view! {
        <label
            class="open"
            class:over=move || over.get()
            class:disabled=move || disabled.get()
            on:dragover=move |event: DragEvent| {
                event.prevent_default();
                over.set(true);
            }
            on:dragleave=move |_| over.set(false)
            on:drop=move |event: DragEvent| {
                event.prevent_default();
                over.set(false);
                let files = list(event.data_transfer().and_then(|d| d.files()));
                if !disabled.get_untracked() && !files.is_empty() {
                    opened(files);
                }
            }
        >
            <input
                type="file"
                accept=accept
                multiple=multiple
                data-testid=testid
                disabled=move || disabled.get()
                on:change=move |event| {
                    let input: HtmlInputElement = event_target(&event);
                    let files = list(input.files());
                    if !files.is_empty() {
                        opened(files);
                    }
                    // The same file can be opened again after it was mended.
                    input.set_value("");
                }
            />
            <span>
                <strong>{label}</strong>
                <span class="hint" hidden=hint.is_empty()>{hint}</span>
            </span>
        </label>
    }
}

fn list(files: Option<FileList>) -> Vec<File> {
    let Some(files) = files else { return Vec::new() };
    (0..files.length()).filter_map(|i| files.item(i)).collect()
}
