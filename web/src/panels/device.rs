//! Which device computes.

use leptos::prelude::*;
use pema_protocol::{Command, DeviceChoice, DeviceKind};

use super::panel::Panel;
use crate::state::Step;
use crate::studio::studio;

const CHOICES: [(DeviceChoice, &str, &str); 3] = [
    (DeviceChoice::Auto, "auto", "Choose for me"),
    (DeviceChoice::Gpu, "gpu", "GPU (WebGPU), software adapters too"),
    (DeviceChoice::Cpu, "cpu", "Processor"),
];

#[component]
pub(crate) fn DevicePanel() -> impl IntoView {
    let studio = studio();
    let device = studio.see(|s| s.device.clone());
    let meaning = studio.see(|s| s.device_sentence());
    let occupied = studio.see(|s| s.occupied());
    let testing = studio.busy(Step::Device);
    view! {
        <Panel step=Step::Device>
            <p role="status" hidden=move || !testing.get()>"Looking for a GPU and testing it…"</p>
            {move || {
                device
                    .get()
                    .map(|d| {
                        let kind = match d.kind {
                            DeviceKind::Gpu => "GPU",
                            DeviceKind::Software => "software adapter",
                            DeviceKind::Cpu => "processor",
                        };
                        view! {
                            <p class="lead">
                                <strong data-testid="device-name">{d.name}</strong>
                                " "
                                <span class="tag">{kind}</span>
                            </p>
                            <p>{meaning.get()}</p>
                            <dl>
                                <dt>"Why this one"</dt>
                                <dd>{d.why}</dd>
                                <dt>"Self-test"</dt>
                                <dd>{d.self_test}</dd>
                                <dt>"Speed"</dt>
                                <dd>{format!("{:.0} billion operations a second", d.gflops)}</dd>
                                {d.offered.map(|name| view! { <dt>"Also there"</dt><dd>{name}</dd> })}
                            </dl>
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
                                        prop:checked=move || studio.settings.with(|s| s.device == choice)
                                        on:change=move |_| {
                                            studio.settings.update(|s| s.device = choice);
                                            studio.say(Command::OpenDevice { choice });
                                        }
                                    />
                                    {label}
                                </label>
                            }
                        })
                        .collect_view()}
                </fieldset>
                <p>"No GPU was found although there is one? What to do depends on the browser:"</p>
                <ul>
                    <li>
                        "Chrome and Edge on Windows, macOS, Android and ChromeOS: WebGPU is on; update the browser and switch on "
                        <em>"hardware acceleration"</em>
                        " in its settings."
                    </li>
                    <li>
                        "Chrome on Linux: open "
                        <code>"chrome://flags"</code>
                        ", switch on "
                        <em>"Unsafe WebGPU Support"</em>
                        " and "
                        <em>"Vulkan"</em>
                        ", start it again."
                    </li>
                    <li>
                        "Firefox: open "
                        <code>"about:config"</code>
                        " and set "
                        <code>"dom.webgpu.enabled"</code>
                        " to true."
                    </li>
                    <li>"Safari: version 26 and later have WebGPU."</li>
                </ul>
            </details>
        </Panel>
    }
}
