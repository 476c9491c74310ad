//! Base and adapted answers side by side.

use leptos::prelude::*;
use pema_protocol::{Command, Side};

use super::panel::Panel;
use super::why::Why;
use crate::state::{State, Step};
use crate::studio::studio;

/// Shades of a token, from untouched to turned round.
const SHADES: f32 = 5.0;

#[component]
pub(crate) fn WritePanel() -> impl IntoView {
    let studio = studio();
    let busy = studio.busy(Step::Write);
    let occupied = studio.see(|s| s.occupied());
    let trained = studio.see(|s| s.trained.as_ref().map(|t| (t.lambda_max, t.lambda_constant)));
    let status = studio.see(|s| match (&s.wrote, s.busy(Step::Write)) {
        (_, true) => "Writing…".to_owned(),
        (Some((base, adapted)), _) => {
            let end = |ended: bool| if ended { "" } else { ", cut off" };
            let adapted = adapted.as_ref().map(|a| format!("; with it: {} tokens{}", a.tokens, end(a.ended)));
            format!("Without the adapter: {} tokens{}{}.", base.tokens, end(base.ended), adapted.unwrap_or_default())
        }
        _ => String::new(),
    });
    let chosen = RwSignal::new(None::<u32>);
    let input = RwSignal::new(String::new());
    let lambda = Memo::new(move |_| {
        let settings = studio.settings.get();
        let (unrolled, constant) = trained.get().unwrap_or((0.0, 0.0));
        settings.lambda_max.unwrap_or(if settings.constant { constant } else { unrolled })
    });
    let remix = move || {
        if busy.get_untracked() {
            studio.say(Command::SetMix { mix: studio.settings.with_untracked(|s| s.mix()) });
        }
    };
    let write = move |_| {
        chosen.set(None);
        let (mix, max_tokens) = studio.settings.with_untracked(|s| (s.mix(), s.max_tokens));
        studio.say(Command::Write { input: input.get_untracked(), mix, max_tokens });
    };
    view! {
        <Panel step=Step::Write>
            <label>
                "Your input, like those of your pairs"
                <textarea rows="3" data-testid="write-input" prop:value=move || input.get()
                    on:input=move |e| input.set(event_target_value(&e))></textarea>
            </label>
            <div class="row">
                <label>
                    {move || format!("Weight of the adapter: {:.2}", lambda.get())}
                    <input type="range" min="0" max="1" step="0.05" data-testid="lambda" prop:value=move || lambda.get().to_string()
                        on:input=move |e| {
                            studio.settings.update(|s| s.lambda_max = event_target_value(&e).parse().ok());
                            remix();
                        } />
                </label>
                <label>
                    "Over the text"
                    <select data-testid="schedule"
                        on:change=move |e| {
                            studio.settings.update(|s| s.constant = event_target_value(&e) == "constant");
                            remix();
                        }>
                        <option value="gu" prop:selected=move || studio.settings.with(|s| !s.constant)>"fades out (Gradual Unrolling)"</option>
                        <option value="constant" prop:selected=move || studio.settings.with(|s| s.constant)>"stays the same"</option>
                    </select>
                </label>
                <label>
                    "Tokens at most"
                    <input type="number" min="1" max="512" data-testid="max-tokens"
                        prop:value=move || studio.settings.with(|s| s.max_tokens)
                        on:change=move |e| studio.settings.update(|s| {
                            s.max_tokens = event_target_value(&e).parse().unwrap_or(64).clamp(1, 512);
                        }) />
                </label>
            </div>
            <div class="row">
                <button class="primary" data-testid="write-start" hidden=move || busy.get()
                    disabled=move || occupied.get() || input.with(|i| i.trim().is_empty()) on:click=write>"Write"</button>
                <button data-testid="write-stop" hidden=move || !busy.get() on:click=move |_| studio.say(Command::Cancel)>"Stop"</button>
                <button hidden=move || studio.settings.with(|s| s.lambda_max.is_none())
                    on:click=move |_| { studio.settings.update(|s| s.lambda_max = None); remix(); }>"Weight chosen in training"</button>
            </div>
            <p class="hint" role="status" data-testid="write-status">{move || status.get()}</p>
            <div class="answers" hidden=move || status.with(String::is_empty)>
                <div>
                    <h3>"The model alone"</h3>
                    <p class="tokens" data-testid="answer-base"><Tokens side=Side::Base chosen /></p>
                </div>
                <div hidden=move || trained.get().is_none()>
                    <h3>"With your adapter"</h3>
                    <p class="tokens" data-testid="answer-adapted"><Tokens side=Side::Adapted chosen /></p>
                    <p class="hint">"The darker a word, the more your adapter moved it. Choose one to see why."</p>
                </div>
            </div>
            {move || chosen.get().map(|token| view! { <Why token /> })}
        </Panel>
    }
}

#[component]
fn Tokens(side: Side, chosen: RwSignal<Option<u32>>) -> impl IntoView {
    let studio = studio();
    let of = move |s: &State| if side == Side::Base { s.base.len() } else { s.adapted.len() };
    let length = studio.see(move |s| (s.asked, of(s)));
    let busy = studio.busy(Step::Write);
    let keys = move || {
        let (asked, length) = length.get();
        (0..length).map(move |i| (asked, i)).collect::<Vec<_>>()
    };
    view! {
        <For each=keys key=|k| *k children=move |(_, i)| {
            let token = studio.state.with_untracked(|s| if side == Side::Base { s.base.get(i).cloned() } else { s.adapted.get(i).cloned() });
            let Some(token) = token else { return ().into_any() };
            if side == Side::Base {
                return view! { <span>{token.text}</span> }.into_any();
            }
            let [lm, _, mix] = token.probabilities;
            let shade = ((mix - lm).abs() * SHADES).min(SHADES - 1.0) as u32;
            let (end, text) = match (token.end, token.text.is_empty()) {
                (true, _) => (" end", "end".to_owned()),
                (_, true) => (" end", "part of a character".to_owned()),
                _ => ("", token.text),
            };
            view! {
                <button class=format!("token shade-{shade}{end}") aria-pressed=move || (chosen.get() == Some(i as u32)).to_string()
                    disabled=move || busy.get()
                    on:click=move |_| {
                        chosen.set(Some(i as u32));
                        studio.say(Command::WhyThisWord { token: i as u32 });
                    }>{text}</button>
            }.into_any()
        } />
    }
}
