//! The frame of a step: title, what it waits for, what went wrong.

use gloo::timers::callback::Timeout;
use leptos::html::Section;
use leptos::prelude::*;
use pema_protocol::TroubleKind;
use web_sys::FocusOptions;

use crate::state::Step;
use crate::studio::studio;

#[component]
pub(crate) fn Panel(step: Step, children: Children) -> impl IntoView {
    let studio = studio();
    let waits = studio.see(move |s| s.waits_for(step));
    let troubles =
        studio.see(move |s| s.troubles.iter().filter(|t| t.0 == step).map(|t| t.1.clone()).collect::<Vec<_>>());
    let place = NodeRef::<Section>::new();
    // A control that is hidden or switched off by what it began takes the focus with it; whoever uses the
    // keyboard would begin at the top of the page again.
    let changes = studio.see(move |s| (s.busy(step), s.occupied(), s.waits_for(step).is_some()));
    Effect::new(move |_| {
        changes.get();
        Timeout::new(SETTLED, move || {
            // By now the panel may have been made anew.
            let Some(Some(place)) = place.try_get_untracked() else { return };
            if studio.focused.get_value() == Some(step) && focus_is_lost() {
                let stay = FocusOptions::new();
                stay.set_prevent_scroll(true);
                place.focus_with_options(&stay).ok();
            }
        })
        .forget();
    });
    let heading = format!("{}-title", step.anchor());
    let named = heading.clone();
    view! {
        <section
            id=step.anchor()
            class="panel"
            tabindex="-1"
            aria-labelledby=named
            node_ref=place
            on:focusin=move |_| studio.focused.set_value(Some(step))
        >
            <h2 id=heading>
                <span class="number" aria-hidden="true">{step as usize + 1}</span>
                {step.title()}
            </h2>
            {move || waits.get().map(|text| view! { <p class="waits">{text}</p> })}
            {move || {
                troubles
                    .get()
                    .into_iter()
                    .map(|trouble| {
                        let again = matches!(
                            trouble.kind,
                            TroubleKind::Dead | TroubleKind::OtherTab | TroubleKind::Version
                        );
                        view! {
                            <div class="trouble" role="alert" data-testid="trouble">
                                <p>{sentence(&trouble.text)}</p>
                                {again
                                    .then(|| {
                                        view! {
                                            <button on:click=move |_| studio.restart() data-testid="again">"Try again"</button>
                                        }
                                    })}
                            </div>
                        }
                    })
                    .collect_view()
            }}
            <div class="body" hidden=move || waits.get().is_some()>
                {children()}
            </div>
        </section>
    }
}

/// Milliseconds until the browser has taken the focus from what is hidden.
const SETTLED: u32 = 60;

fn focus_is_lost() -> bool {
    let active = web_sys::window().and_then(|w| w.document()).and_then(|d| d.active_element());
    active.is_none_or(|e| e.tag_name() == "BODY")
}

/// A bar with what it says.
#[component]
pub(crate) fn Progress(
    /// So far and in all; in all 0 when not known.
    part: Signal<(u64, u64)>,
    text: Signal<String>,
    label: &'static str,
) -> impl IntoView {
    let percent = move || match part.get() {
        (_, 0) => None,
        (done, of) => Some((done * 100 / of).min(100).to_string()),
    };
    view! {
        <div class="progress">
            <progress max="100" value=percent aria-label=label></progress>
            <span>{move || text.get()}</span>
        </div>
    }
}

/// Errors begin with a small letter because they stand behind others; here they stand alone. A file's name
/// stays as it is.
fn sentence(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    let word = first.trim_end_matches([',', ':']).chars().all(char::is_alphabetic);
    let mut letters = text.chars();
    let begin = letters.next().map(|c| if word { c.to_uppercase().to_string() } else { c.to_string() });
    let dot = if text.ends_with(['.', '!', '?', ')']) { "" } else { "." };
    format!("{}{}{dot}", begin.unwrap_or_default(), letters.as_str())
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_error_becomes_a_sentence() {
        assert_eq!(super::sentence("line 3 is broken"), "Line 3 is broken.");
        assert_eq!(super::sentence("Done."), "Done.");
        assert_eq!(super::sentence("pairs.csv, line 3: broken"), "pairs.csv, line 3: broken.");
    }
}
