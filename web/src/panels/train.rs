//! Memory and training.

use leptos::prelude::*;
use pema_protocol::Command;

use super::panel::{Panel, Progress};
use crate::chart::{Chart, Series};
use crate::check;
use crate::format;
use crate::settings::Settings;
use crate::state::{State, Step};
use crate::studio::studio;

#[component]
pub(crate) fn TrainPanel() -> impl IntoView {
    let studio = studio();
    let busy = studio.busy(Step::Train);
    let occupied = studio.see(|s| s.occupied());
    let paused = studio.see(|s| s.paused);
    let unfinished = studio.see(|s| s.unfinished);
    let memory = studio.see(|s| s.memory);
    let last = studio.see(|s| s.history.last().copied());
    let checking = studio.see(|s| s.checking);
    let trained = studio.see(|s| s.trained.clone());
    let misfit = studio.see(State::misfit);
    let losses = studio.see(|s| {
        let of = |value: fn(&pema_protocol::TrainProgress) -> f32| {
            s.history.iter().enumerate().map(|(i, p)| (i as f32 + 1.0, value(p))).collect()
        };
        vec![
            Series { name: "reconstruction", points: of(|p| p.rct) },
            Series { name: "prediction", points: of(|p| p.pd) },
        ]
    });
    let held_out = studio.see(|s| {
        let of = |which: usize| {
            let points = s.history.iter().enumerate();
            points.filter_map(|(i, p)| Some((i as f32 + 1.0, p.held_out?[which]))).collect()
        };
        vec![Series { name: "model alone", points: of(0) }, Series { name: "mixture", points: of(2) }]
    });
    let part = Signal::derive(move || match (checking.get(), last.get(), memory.get()) {
        (Some(check), ..) => (u64::from(check.done), u64::from(check.of)),
        (None, Some(step), _) => (u64::from(step.step), u64::from(step.of)),
        (None, None, Some(m)) => (u64::from(m.examples), u64::from(m.of)),
        (None, None, None) => (0, 0),
    });
    let left =
        |seconds: Option<f32>| seconds.map(|s| format!(", at most {} left", format::seconds(s))).unwrap_or_default();
    let text = Signal::derive(move || match (checking.get(), last.get(), memory.get()) {
        (Some(check), ..) => check::doing(&check),
        (None, Some(p), _) => {
            format!("Training, stage {}: step {} of {}{}", p.stage, p.step, p.of, left(p.seconds_left))
        }
        (None, None, Some(m)) => format!(
            "Reading your pairs: {} of {}, {} rows, {:.0} tokens a second{}",
            m.examples,
            m.of,
            m.rows,
            m.tokens_per_second,
            left(m.seconds_left)
        ),
        (None, None, None) => "Preparing…".to_owned(),
    });
    view! {
        <Panel step=Step::Train>
            <p class="hint" hidden=move || trained.get().is_some()>
                "The model reads your pairs once to fill a memory; a small adapter learns from the memory alone; then held-out pairs are answered with and without it, to see whether it helps."
            </p>
            {move || trained.get().map(|t| {
                let shape = format!("{} form, width {}", t.form, t.rank);
                let how = match t.rows {
                    0 => format!("An imported adapter: {shape}."),
                    rows => format!(
                        "Trained on {rows} rows in {}: {shape}, best of {} steps: {}.",
                        format::seconds(t.seconds), t.steps[0], t.steps[1]
                    ),
                };
                let [said, grounds] = match (t.rows, check::found(&t.check)) {
                    (0, _) => ["Your adapter is ready.".to_owned(), "Whoever made it chose how it writes.".to_owned()],
                    (_, found) => found,
                };
                let gain = t.held_out.map(|[base, mix]| format!(
                    " Over all of the held-out pairs the loss went from {base:.3} to {mix:.3} ({} %).",
                    format!("{:+.0}", (mix / base - 1.0) * 100.0).replace('-', "−")
                ));
                view! {
                    <div data-testid="train-done">
                        <p class="lead verdict" data-testid="check-verdict"><strong>{said}</strong>" "{check::used(&t.way)}</p>
                        <p class="hint">{grounds}{gain}</p>
                        <p class="hint">{how}</p>
                    </div>
                }
            })}
            <p class="warning" data-testid="misfit" hidden=move || !misfit.get()>
                "This adapter was made with another model than the one that is open. Open that one to use it; training again replaces it."
            </p>
            <Needs />
            <div class="row" hidden=move || busy.get()>
                <button class:primary=move || trained.with(Option::is_none) data-testid="train-start" disabled=move || occupied.get() on:click=move |_| studio.train(false)>
                    {move || match (unfinished.get(), trained.get().is_some()) {
                        (true, _) => "Go on where it stopped",
                        (_, true) => "Train again",
                        _ => "Build the memory and train",
                    }}
                </button>
                <button
                    hidden=move || !unfinished.get() && trained.get().is_none()
                    disabled=move || occupied.get()
                    on:click=move |_| studio.train(true)
                >
                    "Start over"
                </button>
            </div>
            <p class="hint" data-testid="train-again" hidden=move || busy.get() || (trained.get().is_none() && !unfinished.get())>
                {move || if unfinished.get() {
                    "Going on uses the settings it was begun with. Start over throws away what was read and learnt so far and begins, with the settings of now, by reading your pairs."
                } else {
                    "Either replaces this adapter and its report: download them below to keep them. Train again keeps the memory, unless you changed what it is made of; Start over reads your pairs again as well."
                }}
            </p>
            <div hidden=move || !busy.get() data-testid="train-progress">
                <Progress part text label="Memory and training" />
                <div class="row">
                    <button data-testid="train-pause" on:click=move |_| studio.say(Command::Pause { paused: !paused.get_untracked() })>
                        {move || if paused.get() { "Go on" } else { "Pause" }}
                    </button>
                    <button data-testid="train-stop" on:click=move |_| studio.say(Command::StopAndKeep)>
                        {move || match (checking.get(), last.get()) {
                            (Some(_), _) => "Skip the rest of the check",
                            (None, Some(_)) => "Stop and keep the best",
                            (None, None) => "Stop reading and train",
                        }}
                    </button>
                </div>
                <p class="hint">{move || match checking.get() {
                    Some(_) => "The check only chooses how the adapter is used: skip it, and the answers so far decide, or where there are too few the loss.",
                    None => "You can close this page: what is read and learnt is kept, and it goes on when you come back.",
                }}</p>
            </div>
            <div class="charts">
                <Chart title="Training losses" series=losses />
                <Chart title="Loss on held-out pairs" series=held_out />
            </div>
            <Advanced />
        </Panel>
    }
}

/// What the next run takes on and needs, asked whenever that may have changed.
#[component]
fn Needs() -> impl IntoView {
    let studio = studio();
    let estimate = studio.see(|s| s.estimate);
    let busy = studio.busy(Step::Train);
    let data = studio.see(|s| s.data.clone());
    let ground = studio.see(|s| {
        let model = s.model.as_ref().map(|m| m.sha256.clone());
        (model, s.device.as_ref().map(|d| d.kind), s.trained.is_some(), s.kept.as_ref().and_then(|k| k.used_of))
    });
    let idle = studio.see(|s| s.model.is_some() && s.data.is_some() && !s.occupied());
    Effect::new(move |_| {
        ground.get();
        let settings = studio.settings.with(|s| s.train(data.get().as_ref()));
        if idle.get() {
            studio.say(Command::Estimate { settings });
        }
    });
    let text = move || {
        let e = estimate.get()?;
        let [pairs, of] = e.pairs;
        let pairs = match (pairs < of, studio.settings.with(|s| s.limit)) {
            (true, Some(_)) => format!("{pairs} of your {of} pairs are learnt from, as you chose."),
            (true, None) => format!(
                "A first round takes {pairs} of your {of} pairs, as many as this device manages in some \
                 minutes; Advanced has more."
            ),
            (false, _) => format!("All {of} pairs are learnt from."),
        };
        let free = e.free.map(|f| format!("; the browser offers {}", format::bytes(f))).unwrap_or_default();
        Some(format!("{pairs} About {} of storage are needed{free}.", format::bytes(e.bytes)))
    };
    view! {
        <p class="hint" data-testid="train-needs" class:warning=move || estimate.get().is_some_and(|e| !e.fits())
            hidden=move || busy.get() || estimate.get().is_none()>{text}</p>
    }
}

#[component]
fn Advanced() -> impl IntoView {
    let studio = studio();
    let busy = studio.busy(Step::Train);
    let number = move |label: &'static str,
                       hint: &'static str,
                       get: fn(&Settings) -> Option<u32>,
                       set: fn(&mut Settings, Option<u32>)| {
        view! {
            <label>
                {label}
                <input
                    type="number" min="1" placeholder=hint
                    prop:value=move || studio.settings.with(get).map(|v| v.to_string()).unwrap_or_default()
                    on:change=move |e| studio.settings.update(|s| set(s, event_target_value(&e).parse().ok().filter(|v| *v > 0)))
                />
            </label>
        }
    };
    view! {
        <details>
            <summary>"Advanced"</summary>
            <fieldset disabled=move || busy.get()>
                <legend>"Left empty, the program chooses"</legend>
                <div class="row">
                    {number("Pairs at most", "as time allows", |s| s.limit, |s, v| s.limit = v)}
                    {number("Width of the bottleneck", "auto", |s| s.rank, |s, v| s.rank = v)}
                    {number("Steps at most", "auto", |s| s.steps, |s, v| s.steps = v)}
                    <label>
                        "Kappa, weight of reconstruction"
                        <input
                            type="number" min="0" max="1" step="0.05" placeholder="auto"
                            prop:value=move || studio.settings.with(|s| s.kappa).map(|v| v.to_string()).unwrap_or_default()
                            on:change=move |e| studio.settings.update(|s| s.kappa = event_target_value(&e).parse().ok())
                        />
                    </label>
                </div>
                <label class="radio">
                    <input type="checkbox" prop:checked=move || studio.settings.with(|s| s.paper_recipe)
                        on:change=move |e| studio.settings.update(|s| s.paper_recipe = event_target_checked(&e)) />
                    "The paper's recipe instead of the recommended one"
                </label>
                <label class="radio">
                    <input type="checkbox" prop:checked=move || studio.settings.with(|s| s.free_running)
                        on:change=move |e| studio.settings.update(|s| s.free_running = event_target_checked(&e)) />
                    "The model's own words as context, as in the paper"
                </label>
            </fieldset>
        </details>
    }
}
