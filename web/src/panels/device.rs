//! Which device computes.

use leptos::prelude::*;
use pema_protocol::{Command, DeviceChoice, DeviceKind};

use super::facts::{facts, marked};
use super::panel::Panel;
use crate::state::Step;
use crate::studio::studio;

const CHOICES: [(DeviceChoice, &str, &str); 3] = [
    (DeviceChoice::Auto, "auto", "Choose for me"),
    (DeviceChoice::Gpu, "gpu", "GPU (WebGPU), software adapters too"),
    (DeviceChoice::Cpu, "cpu", "Processor"),
];

/// What to do about a GPU that was not found, browser by browser.
const ADVICE: [&str; 4] = [
    "Chrome and Edge on Windows, macOS, Android and ChromeOS have WebGPU. Update the browser, switch on “Use graphics \
     acceleration when available” at `chrome://settings/system`, start it again, and see at `chrome://gpu` what it \
     says of WebGPU.",
    "Chrome and Edge on Linux: set `chrome://flags/#enable-unsafe-webgpu` and `chrome://flags/#enable-vulkan` to \
     “Enabled” and start the browser again. The graphics driver must have Vulkan.",
    "Firefox: update it; where WebGPU is still off, open `about:config`, set `dom.webgpu.enabled` to “true” and load \
     this page again.",
    "Safari has WebGPU from version 26 on. In earlier ones: Settings, Feature Flags, switch on “WebGPU”.",
];

#[component]
pub(crate) fn DevicePanel() -> impl IntoView {
    let studio = studio();
    let device = studio.see(|s| s.device.clone());
    let meaning = studio.see(|s| s.device_sentence());
    let occupied = studio.see(|s| s.occupied());
    let testing = studio.busy(Step::Device);
    // Walking through the choices with the arrow keys must not open each of them.
    let chosen = RwSignal::new(studio.settings.with_untracked(|s| s.device));
    view! {
        <Panel step=Step::Device>
            <p role="status" hidden=move || !testing.get()>"Looking for a GPU and testing it…"</p>
            {move || {
                device
                    .get()
                    .map(|d| {
                        let memory = d.memory_gb.map(|gb| {
                            format!("{gb} GB or more; a page may use 4 GB of it")
                        });
                        let kind = match d.kind {
                            DeviceKind::Gpu => "GPU",
                            DeviceKind::Software => "software adapter",
                            DeviceKind::Cpu => "processor",
                        };
                        let same = d.name == kind;
                        view! {
                            <p class="lead begins">
                                <strong data-testid="device-name">{d.name}</strong>
                                " "
                                <span class="tag" hidden=same>{kind}</span>
                            </p>
                            <p>{meaning}</p>
                            {facts([
                                ("Why this one", Some(d.why)),
                                ("Self-test", Some(d.self_test)),
                                ("Memory", memory),
                                ("Speed", Some(format!("{:.0} billion operations a second", d.gflops))),
                                ("Also there", d.offered),
                            ])}
                        }
                    })
            }}
            <details>
                <summary>"Choose another device"</summary>
                <fieldset disabled=move || occupied.get()>
                    <legend>"Compute on"</legend>
                    {CHOICES
                        .map(|(choice, id, label)| {
                            view! {
                                <label class="radio">
                                    <input
                                        type="radio"
                                        name="device"
                                        data-testid=format!("device-{id}")
                                        prop:checked=move || chosen.get() == choice
                                        on:change=move |_| chosen.set(choice)
                                    />
                                    {label}
                                </label>
                            }
                        })
                        .collect_view()}
                    <p>
                        <button
                            data-testid="device-use"
                            on:click=move |_| {
                                let choice = chosen.get_untracked();
                                studio.settings.update(|s| s.device = choice);
                                studio.say(Command::OpenDevice { choice });
                            }
                        >
                            {move || if studio.settings.with(|s| s.device == chosen.get()) { "Test it again" } else { "Use this device" }}
                        </button>
                    </p>
                </fieldset>
            </details>
            <details data-testid="no-gpu" hidden=move || device.with(|d| d.as_ref().is_none_or(|d| d.kind == DeviceKind::Gpu))>
                <summary>"There is a GPU in this machine? What to do"</summary>
                <ul>
                    {ADVICE.map(|text| view! { <li>{marked(text)}</li> }).collect_view()}
                </ul>
            </details>
        </Panel>
    }
}
