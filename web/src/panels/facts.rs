//! Small ways to show text: facts with their names, and sentences with things to type in them.

use leptos::prelude::*;

/// Names and what is known; what is not known is left out.
pub(crate) fn facts<const N: usize>(rows: [(&'static str, Option<String>); N]) -> impl IntoView {
    let known = rows.into_iter().filter_map(|(name, fact)| Some((name, fact?)));
    view! {
        <dl>
            {known
                .map(|(name, fact)| {
                    view! {
                        <dt>{name}</dt>
                        <dd>{fact}</dd>
                    }
                })
                .collect_view()}
        </dl>
    }
}

/// Text in which what stands between backticks is to be typed or looked for as it is.
pub(crate) fn marked(text: &'static str) -> impl IntoView {
    let parts = text.split('`').enumerate();
    parts
        .map(|(i, part)| if i % 2 == 1 { view! { <code>{part}</code> }.into_any() } else { part.into_any() })
        .collect_view()
}
