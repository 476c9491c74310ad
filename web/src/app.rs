//! The page: a list of the six steps beside the six steps.

use leptos::prelude::*;

use crate::ledger::Ledger;
use crate::panels::{DataPanel, DevicePanel, ModelPanel, ReportPanel, TrainPanel, WritePanel};
use crate::state::Step;
use crate::studio::{Studio, go_to};

#[component]
pub(crate) fn App() -> impl IntoView {
    let studio = Studio::new();
    provide_context(studio);
    let notice = studio.see(|s| s.notice.clone());
    let said = studio.see(|s| s.said.clone());
    let wiped = studio.see(|s| s.wiped);
    view! {
        <div class="page">
            <header class="top">
                <h1>"PEMA studio"</h1>
                <p>"Tune a small language model to your own writing. Your text stays on this device."</p>
            </header>
            <nav class="steps" aria-label="Steps">
                <ol>{Step::ALL.map(|step| view! { <StepLink step /> }).collect_view()}</ol>
            </nav>
            <main>
                <p class="unseen" role="status" data-testid="said">{said}</p>
                {move || {
                    notice
                        .get()
                        .map(|text| {
                            view! {
                                <div class="trouble" role="status">
                                    <p>{text}</p>
                                    <button on:click=move |_| studio.state.update(|s| s.notice = None)>"Understood"</button>
                                </div>
                            }
                        })
                }}
                {move || {
                    // Made anew when everything is deleted: what was typed or opened is gone as well.
                    wiped.get();
                    view! {
                        <DevicePanel />
                        <ModelPanel />
                        <DataPanel />
                        <TrainPanel />
                        <WritePanel />
                        <ReportPanel />
                    }
                }}
            </main>
            <footer>
                <Ledger />
            </footer>
        </div>
    }
}

/// A step in the list, with how far it is.
#[component]
fn StepLink(step: Step) -> impl IntoView {
    let studio = crate::studio::studio();
    let mark = studio.see(move |s| match () {
        () if s.troubles.iter().any(|t| t.0 == step) => ("!", "needs you"),
        () if s.busy(step) => ("…", "working"),
        () if s.done(step) => ("✓", "done"),
        () => ("", ""),
    });
    let next = studio.see(move |s| s.next() == Some(step));
    view! {
        <li>
            <a
                href=format!("#{}", step.anchor())
                aria-current=move || next.get().then_some("step")
                class:done=move || mark.get().1 == "done"
                on:click=move |event| {
                    event.prevent_default();
                    go_to(step);
                }
            >
                <span class="number" aria-hidden="true">
                    {move || if mark.get().0.is_empty() { (step as usize + 1).to_string() } else { mark.get().0.to_owned() }}
                </span>
                <span>{step.short()}</span>
                <span class="unseen">{move || mark.get().1}</span>
            </a>
        </li>
    }
}
