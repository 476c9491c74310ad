//! Why this word: who wanted it, and which of the user's own examples are nearest.

use leptos::prelude::*;
use pema_protocol::TokenView;

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
                <p>
                    {format!("The adapter had {:.0} % of the say here.", t.lambda * 100.0)}
                    {favoured(&t).then_some(" “Together” also favours words of your input that come next.")}
                </p>
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
                    <li title=format!("distance {:.1}", n.distance)>
                        <span class="muted">{n.input} " → "</span>
                        {n.before}
                        <mark>{format::token(&n.token)}</mark>
                    </li>
                }).collect_view()}</ul>
            })}
        </div>
    }
}

/// Whether something besides model and adapter had a say: then the mixture is not what the two alone make.
fn favoured(token: &TokenView) -> bool {
    token.candidates.iter().any(|c| {
        let [lm, pema, mix] = c.probabilities;
        (mix - ((1.0 - token.lambda) * lm + token.lambda * pema)).abs() > 0.01
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pema_protocol::Candidate;

    #[test]
    fn a_mixture_that_the_two_do_not_explain_is_noticed() {
        let token = |mix| TokenView {
            text: "a".to_owned(),
            end: false,
            lambda: 0.25,
            probabilities: [0.4, 0.8, mix],
            candidates: vec![Candidate { text: "a".to_owned(), probabilities: [0.4, 0.8, mix] }],
        };
        assert!(!favoured(&token(0.5)) && favoured(&token(0.7)));
    }
}
