//! The frame of a step: title, what it waits for, what went wrong.

use leptos::prelude::*;
use pema_protocol::TroubleKind;

use crate::state::Step;
use crate::studio::studio;

#[component]
pub(crate) fn Panel(step: Step, children: Children) -> impl IntoView {
    let studio = studio();
    let waits = studio.see(move |s| s.waits_for(step));
    let troubles =
        studio.see(move |s| s.troubles.iter().filter(|t| t.0 == step).map(|t| t.1.clone()).collect::<Vec<_>>());
    let heading = format!("{}-title", step.anchor());
    let named = heading.clone();
    view! {
        <section id=step.anchor() class="panel" tabindex="-1" aria-labelledby=named>
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
