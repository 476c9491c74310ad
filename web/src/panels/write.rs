//! Base and adapted answers side by side.

use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use pema_protocol::{Command, Schedule, Side};

use super::panel::Panel;
use super::tokens::Tokens;
use super::why::Why;
use crate::settings::Settings;
use crate::state::Step;
use crate::studio::studio;

#[component]
pub(crate) fn WritePanel() -> impl IntoView {
    let studio = studio();
    let busy = studio.busy(Step::Write);
    let occupied = studio.see(|s| s.occupied());
    let trained =
        studio.see(|s| s.trained.as_ref().filter(|_| !s.misfit()).map(|t| (t.way, [t.lambda_max, t.lambda_constant])));
    let versions = studio.see(|s| s.trained.as_ref().map_or(1, |t| t.way.versions));
    let status = studio.see(|s| match (&s.wrote, s.busy(Step::Write)) {
        (_, true) if s.searching => {
            "Looking ahead for a likelier wording; Escape or Stop leaves it at these answers…".to_owned()
        }
        (_, true) => "Writing…".to_owned(),
        (Some((base, adapted)), _) => {
            let end = |ended: bool| if ended { "" } else { ", stopped at the limit" };
            let adapted = adapted.as_ref().map(|a| format!("; with it: {} tokens{}", a.tokens, end(a.ended)));
            format!("Without the adapter: {} tokens{}{}.", base.tokens, end(base.ended), adapted.unwrap_or_default())
        }
        _ => String::new(),
    });
    let better = studio.see(|s| {
        let (_, adapted) = s.wrote.as_ref()?;
        let (found, written) = (s.searched.as_ref()?, adapted.as_ref()?);
        (found.text != written.text).then(|| found.text.clone())
    });
    let chosen = RwSignal::new(None::<u32>);
    let input = RwSignal::new(String::new());
    // Schedule and weight that the next token is written with.
    let mixed = Memo::new(move |_| {
        let mix = studio.settings.with(Settings::mix);
        trained.get().map_or((Schedule::Constant, 0.0), |(way, lambdas)| way.mixed(lambdas, mix))
    });
    let constant = move || mixed.get().0 == Schedule::Constant;
    // The check advised against the adapter, and the user did not ask for it.
    let alone = Memo::new(move |_| trained.get().is_some_and(|(way, _)| !way.adapted) && mixed.get().1 == 0.0);
    let remix = move || {
        if busy.get_untracked() {
            studio.say(Command::SetMix { mix: studio.settings.with_untracked(|s| s.mix()) });
        }
    };
    let idle = Memo::new(move |_| !occupied.get() && !input.with(|i| i.trim().is_empty()));
    let write = move || {
        if !idle.get_untracked() {
            return;
        }
        chosen.set(None);
        let (mix, max_tokens) = studio.settings.with_untracked(|s| (s.mix(), s.max_tokens));
        studio.say(Command::Write { input: input.get_untracked(), mix, max_tokens });
    };
    let example =
        studio.see(|s| s.data.as_ref().and_then(|d| d.preview.first()).map(|p| p.0.clone()).unwrap_or_default());
    let keys = move |event: KeyboardEvent| match event.key().as_str() {
        "Enter" if event.ctrl_key() || event.meta_key() => {
            event.prevent_default();
            write();
        }
        "Escape" if busy.get_untracked() => studio.say(Command::Cancel),
        _ => {}
    };
    view! {
        <Panel step=Step::Write>
            <label>
                "Your input, like those of your pairs"
                <textarea rows="3" data-testid="write-input" prop:value=move || input.get() placeholder=move || example.get()
                    aria-describedby="write-keys" on:keydown=keys on:input=move |e| input.set(event_target_value(&e))></textarea>
            </label>
            <div class="row">
                <label hidden=move || trained.get().is_none()>
                    {move || format!("Weight of the adapter: {:.2}", mixed.get().1)}
                    <input type="range" min="0" max="1" step="0.05" data-testid="lambda" prop:value=move || mixed.get().1.to_string()
                        on:input=move |e| {
                            studio.settings.update(|s| s.lambda_max = event_target_value(&e).parse().ok());
                            remix();
                        } />
                </label>
                <label hidden=move || trained.get().is_none()>
                    "Along the answer"
                    <select data-testid="schedule"
                        on:change=move |e| {
                            let constant = event_target_value(&e) == "constant";
                            let schedule = if constant { Schedule::Constant } else { Schedule::GradualUnrolling };
                            studio.settings.update(|s| s.schedule = Some(schedule));
                            remix();
                        }>
                        <option value="gu" prop:selected=move || !constant()>"fades out (Gradual Unrolling)"</option>
                        <option value="constant" prop:selected=constant>"stays the same"</option>
                    </select>
                </label>
                <label>
                    "Longest answer, in tokens"
                    <input type="number" min="1" max="512" data-testid="max-tokens"
                        prop:value=move || studio.settings.with(|s| s.max_tokens)
                        on:change=move |e| studio.settings.update(|s| {
                            s.max_tokens = event_target_value(&e).parse().unwrap_or(64).clamp(1, 512);
                        }) />
                </label>
            </div>
            <div class="row">
                <button class="primary" data-testid="write-start" hidden=move || busy.get()
                    disabled=move || !idle.get() on:click=move |_| write()>"Write"</button>
                <button data-testid="write-stop" hidden=move || !busy.get() on:click=move |_| studio.say(Command::Cancel)>"Stop"</button>
                <button data-testid="mix-chosen" hidden=move || studio.settings.with(|s| s.lambda_max.is_none() && s.schedule.is_none())
                    on:click=move |_| { studio.settings.update(|s| (s.lambda_max, s.schedule) = (None, None)); remix(); }>"Back to what training chose"</button>
                <span class="hint middle" id="write-keys">"Ctrl+Enter writes, Escape stops."</span>
            </div>
            <p class="warning" data-testid="write-alone" hidden=move || !alone.get()>
                "The check found that your adapter does not help, so the model writes alone on both sides until you move the weight above."
            </p>
            <p class="hint" role="status" data-testid="write-status">{move || status.get()}</p>
            <div class="answers" hidden=move || status.with(String::is_empty)>
                <div>
                    <h3>"The model alone"</h3>
                    <p class="tokens" data-testid="answer-base"><Tokens side=Side::Base chosen /></p>
                </div>
                <div hidden=move || trained.get().is_none()>
                    <h3>{move || if alone.get() { "With your adapter at weight 0: the model alone" } else { "With your adapter" }}</h3>
                    <p class="tokens" role="group" aria-label="Answer with your adapter; the arrow keys move among its words" data-testid="answer-adapted"><Tokens side=Side::Adapted chosen /></p>
                    <p class="hint">"The darker a word, the more your adapter moved it. Choose one to see why."</p>
                    <div hidden=move || better.with(Option::is_none)>
                        <h3>{move || format!("The likeliest of {} versions", versions.get())}</h3>
                        <p class="tokens" data-testid="answer-searched">{move || better.get()}</p>
                        <p class="hint">"Looking further ahead than one word at a time found this wording as a whole more likely."</p>
                    </div>
                </div>
            </div>
            {move || chosen.get().map(|token| view! { <Why token /> })}
        </Panel>
    }
}
