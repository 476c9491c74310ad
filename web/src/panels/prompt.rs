//! Template and demonstrations, with the prompt as the model reads it.

use gloo::timers::callback::Timeout;
use leptos::prelude::*;
use pema_protocol::Command;

use crate::format;
use crate::state::Step;
use crate::studio::studio;

const PRESETS: [(&str, &str); 4] = [
    ("plain", "Plain: input, then target"),
    ("chat", "Chat: the model's own conversation format"),
    ("formality", "Rewrite formally"),
    ("translation", "Translate"),
];
const OWN: &str = "own";
/// Milliseconds without a change before the prompt is shown again.
const PATIENCE: u32 = 300;

#[component]
pub(crate) fn PromptSettings() -> impl IntoView {
    let studio = studio();
    let suits = studio.see(|s| s.data.clone());
    let task = Memo::new(move |_| studio.settings.with(|s| s.task(suits.get().as_ref())));
    let own = Memo::new(move |_| task.with(|t| !PRESETS.iter().any(|p| p.0 == t.template)));
    let preview = studio.see(|s| s.preview.clone());
    // A run that is on its way was begun with the settings of then.
    let training = studio.busy(Step::Train);
    // Data and model, whose change asks for another preview.
    let ground = studio
        .see(|s| (s.data.as_ref().map(|d| (d.name.clone(), d.split)), s.model.as_ref().map(|m| m.sha256.clone())));
    let idle = studio.see(|s| !s.occupied());
    let timer = StoredValue::new_local(None::<Timeout>);
    let wanted = Memo::new(move |_| (task.get(), ground.get()));
    let shown = StoredValue::new(None);
    Effect::new(move |_| {
        let wanted = wanted.get();
        let (Some(_), Some(_)) = &wanted.1 else { return };
        if !idle.get() || shown.with_value(|s| s.as_ref() == Some(&wanted)) {
            return;
        }
        let later = Timeout::new(PATIENCE, move || {
            if studio.state.with_untracked(|s| s.occupied()) {
                return;
            }
            shown.set_value(Some(wanted.clone()));
            studio.say(Command::PreviewPrompt { task: wanted.0, input: String::new() });
        });
        // Dropping the one before cancels it.
        timer.set_value(Some(later));
    });
    view! {
        <div class="row">
            <label>
                "Template"
                <select
                    data-testid="template"
                    disabled=move || training.get()
                    on:change=move |event| {
                        let chosen = event_target_value(&event);
                        let template = if chosen == OWN { "{input}\n{target}".to_owned() } else { chosen };
                        studio.settings.update(|s| s.template = Some(template));
                    }
                >
                    {PRESETS
                        .map(|(id, name)| {
                            view! { <option value=id prop:selected=move || task.with(|t| t.template == id)>{name}</option> }
                        })
                        .collect_view()}
                    <option value=OWN prop:selected=move || own.get()>"My own"</option>
                </select>
            </label>
            <label>
                "Demonstrations"
                <input
                    type="number"
                    min="0"
                    max="32"
                    data-testid="shots"
                    disabled=move || training.get()
                    prop:value=move || task.get().shots
                    on:change=move |event| {
                        let shots = event_target_value(&event).parse().unwrap_or(0).min(32);
                        studio.settings.update(|s| s.shots = Some(shots));
                    }
                />
            </label>
        </div>
        <label hidden=move || !own.get()>
            "Template with {input} and {target}"
            <textarea
                rows="3"
                disabled=move || training.get()
                prop:value=move || task.get().template
                on:change=move |event| studio.settings.update(|s| s.template = Some(event_target_value(&event)))
            ></textarea>
        </label>
        <p class="hint">
            "Demonstrations are pairs shown in front of every input: they help much, and the model reads them once."
        </p>
        {move || {
            preview
                .get()
                .map(|(tokens, context, too_long)| {
                    let count = tokens.len();
                    view! {
                        <details data-testid="prompt-preview">
                            <summary>{format!("The prompt as the model reads it: {count} of {context} tokens")}</summary>
                            <p class="tokens">
                                {tokens
                                    .into_iter()
                                    .map(|t| view! { <span class="piece">{format::token(&t)}</span> })
                                    .collect_view()}
                            </p>
                        </details>
                        {(too_long > 0)
                            .then(|| {
                                view! {
                                    <p class="warning">
                                        {format!("{too_long} pairs are longer than the model can read; they are left out.")}
                                    </p>
                                }
                            })}
                    }
                })
        }}
    }
}
