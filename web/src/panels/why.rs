//! Why this word: who wanted it, and which of the user's own examples are nearest.

use leptos::prelude::*;

use crate::format;
use crate::studio::studio;

#[component]
pub(crate) fn Why(token: u32) -> impl IntoView {
    let studio = studio();
    let view = studio.see(move |s| s.adapted.get(token as usize).cloned());
    let rows = studio.see(move |s| s.why.clone().filter(|w| w.0 == token).map(|w| w.1));
    let percent = |p: f32| format!("{:.1} %", p * 100.0);
    view! {
        <div class="why" data-testid="why">
            {move || view.get().map(|t| view! {
                <h3>{match (t.end, t.text.trim()) {
                    (true, _) => "Why it ends here".to_owned(),
                    (_, "") => "Why this one".to_owned(),
                    (_, text) => format!("Why “{}”", format::token(text)),
                }}</h3>
                <p>{format!("The adapter had {:.0} % of the say here.", t.lambda * 100.0)}</p>
                <table>
                    <thead><tr>
                        <th scope="col">"Could have been"</th>
                        <th scope="col" class="number">"Model"</th>
                        <th scope="col" class="number">"Adapter"</th>
                        <th scope="col" class="number">"Together"</th>
                    </tr></thead>
                    <tbody>{t.candidates.into_iter().map(|c| view! {
                        <tr>
                            <th scope="row"><code>{format::token(&c.text)}</code></th>
                            {c.probabilities.map(|p| view! { <td class="number">{percent(p)}</td> }).collect_view()}
                        </tr>
                    }).collect_view()}</tbody>
                </table>
            })}
            {move || rows.get().map(|rows| view! {
                <h4>"Nearest in your own pairs"</h4>
                <ul class="nearest">{rows.into_iter().map(|n| view! {
                    <li>
                        <span class="muted">{n.input} " → "</span>
                        {n.before}
                        <mark>{format::token(&n.token)}</mark>
                        <span class="muted">{format!(" (distance {:.1})", n.distance)}</span>
                    </li>
                }).collect_view()}</ul>
            })}
        </div>
    }
}
