//! An answer, token by token. In an adapted one every token can be asked about; the arrow keys move among
//! them, so that an answer is one stop of the Tab key and not a hundred.

use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use pema_protocol::{Command, Side, TokenView};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::state::{State, Step};
use crate::studio::studio;

/// Shades of a token, from untouched to turned round.
const SHADES: f32 = 5.0;

#[component]
pub(crate) fn Tokens(side: Side, chosen: RwSignal<Option<u32>>) -> impl IntoView {
    let studio = studio();
    let tokens = move |s: &State| if side == Side::Base { s.base.len() } else { s.adapted.len() };
    let length = studio.see(move |s| (s.asked, tokens(s)));
    let busy = studio.busy(Step::Write);
    let at = RwSignal::new(None::<(u32, u32)>);
    let keys = move || {
        let (asked, length) = length.get();
        (0..length).map(move |i| (asked, i)).collect::<Vec<_>>()
    };
    view! {
        <For each=keys key=|k| *k children=move |(asked, i)| {
            let token = studio.state.with_untracked(|s| if side == Side::Base { s.base.get(i).cloned() } else { s.adapted.get(i).cloned() });
            let Some(token) = token else { return ().into_any() };
            if side == Side::Base {
                return view! { <span>{token.text}</span> }.into_any();
            }
            let class = format!("token {}", look(&token));
            let this = move || chosen.get() == Some(i as u32);
            // The one stop of the Tab key: where the focus was last, else the chosen token, else the first.
            let stop = move || {
                let here = at.get().filter(|at| at.0 == asked).map_or(chosen.get().unwrap_or(0), |at| at.1);
                if here == i as u32 { "0" } else { "-1" }
            };
            view! {
                <button class=class aria-pressed=move || this().to_string() tabindex=stop disabled=move || busy.get() on:keydown=walk
                    on:focus=move |_| at.set(Some((asked, i as u32)))
                    on:click=move |_| {
                        chosen.set(Some(i as u32));
                        studio.say(Command::WhyThisWord { token: i as u32 });
                    }>{shown(token)}</button>
            }.into_any()
        } />
    }
}

/// Classes of a token: how much the adapter moved it, and whether it is no text.
fn look(token: &TokenView) -> String {
    let [lm, _, mix] = token.probabilities;
    let shade = ((mix - lm).abs() * SHADES).min(SHADES - 1.0) as u32;
    let end = if token.end || token.text.is_empty() { " end" } else { "" };
    format!("shade-{shade}{end}")
}

fn shown(token: TokenView) -> String {
    match (token.end, token.text.is_empty()) {
        (true, _) => "end".to_owned(),
        (_, true) => "part of a character".to_owned(),
        _ => token.text,
    }
}

/// Moves the focus among the tokens.
fn walk(event: KeyboardEvent) {
    let here: HtmlElement = event_target(&event);
    let all = here.parent_element();
    let there = match event.key().as_str() {
        "ArrowRight" | "ArrowDown" => here.next_element_sibling(),
        "ArrowLeft" | "ArrowUp" => here.previous_element_sibling(),
        "Home" => all.and_then(|all| all.first_element_child()),
        "End" => all.and_then(|all| all.last_element_child()),
        _ => return,
    };
    event.prevent_default();
    if let Some(there) = there.and_then(|e| e.dyn_into::<HtmlElement>().ok()) {
        there.focus().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_as_dark_as_it_was_moved() {
        let token = |lm, mix, text: &str, end| TokenView {
            text: text.to_owned(),
            end,
            lambda: 0.5,
            probabilities: [lm, 0.0, mix],
            candidates: Vec::new(),
        };
        assert_eq!(look(&token(0.5, 0.55, "a", false)), "shade-0");
        assert_eq!(look(&token(0.0, 1.0, "a", false)), "shade-4");
        assert_eq!(
            (look(&token(0.9, 0.4, "", true)), shown(token(0.9, 0.4, "", true))),
            ("shade-2 end".into(), "end".into())
        );
        assert_eq!(shown(token(0.1, 0.1, "", false)), "part of a character");
    }
}
