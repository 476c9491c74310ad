//! Curves as SVG, with a table behind them.

use leptos::prelude::*;

/// A curve.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    /// Step and value, in order.
    pub(crate) points: Vec<(f32, f32)>,
}

const WIDTH: f32 = 420.0;
const HEIGHT: f32 = 180.0;
/// Room for the numbers at the left and below.
const LEFT: f32 = 56.0;
const BELOW: f32 = 22.0;
/// Rows of the table.
const ROWS: usize = 24;

#[component]
pub(crate) fn Chart(title: &'static str, series: Memo<Vec<Series>>) -> impl IntoView {
    let frame = Memo::new(move |_| series.with(|s| Frame::around(s)));
    let shown = Memo::new(move |_| frame.with(Option::is_some));
    // A closed table is not made: with every step it would cost more than all the rest of the page.
    let open = RwSignal::new(false);
    let picture = move || {
        let frame = frame.get()?;
        let (low, high, last) = (number(frame.low), number(frame.high), format!("step {:.0}", frame.last));
        let curves = series.with(|s| {
            s.iter()
                .enumerate()
                .map(|(i, series)| view! { <path class=format!("curve curve-{i}") d=frame.path(&series.points) /> })
                .collect_view()
        });
        Some(view! {
            <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=title>
                <path class="axis" d=format!("M{LEFT} 4V{}H{WIDTH}", HEIGHT - BELOW) />
                <text x=LEFT - 6.0 y="14" text-anchor="end">{high}</text>
                <text x=LEFT - 6.0 y=HEIGHT - BELOW text-anchor="end">{low}</text>
                <text x=WIDTH y=HEIGHT - 4.0 text-anchor="end">{last}</text>
                {curves}
            </svg>
        })
    };
    view! {
        <figure hidden=move || !shown.get()>
            <figcaption>
                <strong>{title}</strong>
                <span class="legend">
                    {move || {
                        series
                            .with(|s| {
                                s.iter()
                                    .enumerate()
                                    .map(|(i, s)| {
                                        let last = s.points.last().map(|p| number(p.1)).unwrap_or_default();
                                        view! { <span class=format!("key key-{i}")>{s.name} " " {last}</span> }
                                    })
                                    .collect_view()
                            })
                    }}
                </span>
            </figcaption>
            {picture}
            <details on:toggle=move |event| open.set(event_target::<web_sys::Element>(&event).has_attribute("open"))>
                <summary>"The numbers"</summary>
                <table>
                    <thead>
                        <tr>
                            <th scope="col">"Step"</th>
                            {move || {
                                series.with(|s| s.iter().map(|s| view! { <th scope="col" class="number">{s.name}</th> }).collect_view())
                            }}
                        </tr>
                    </thead>
                    <tbody>
                        {move || {
                            let rows = if open.get() { series.with(|s| table(s)) } else { Default::default() };
                            rows.into_iter()
                                .map(|(step, values)| {
                                    let cells = values
                                        .into_iter()
                                        .map(|v| view! { <td class="number">{v.map(number)}</td> })
                                        .collect_view();
                                    view! { <tr><th scope="row">{step}</th>{cells}</tr> }
                                })
                                .collect_view()
                        }}
                    </tbody>
                </table>
            </details>
        </figure>
    }
}

/// What the picture covers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    low: f32,
    high: f32,
    last: f32,
}

impl Frame {
    /// `None` where there is nothing to draw.
    fn around(series: &[Series]) -> Option<Frame> {
        let points = || series.iter().flat_map(|s| &s.points).filter(|p| p.1.is_finite());
        points().next()?;
        let low = points().map(|p| p.1).fold(f32::INFINITY, f32::min);
        let high = points().map(|p| p.1).fold(f32::NEG_INFINITY, f32::max);
        let last = points().map(|p| p.0).fold(1.0, f32::max);
        // A flat curve lies in the middle.
        let room = if high - low < 1e-6 { 0.5 } else { 0.0 };
        Some(Frame { low: low - room, high: high + room, last })
    }

    fn path(&self, points: &[(f32, f32)]) -> String {
        let mut path = String::new();
        for (x, y) in points.iter().filter(|p| p.1.is_finite()) {
            let x = LEFT + (WIDTH - LEFT) * x / self.last;
            let y = 4.0 + (HEIGHT - BELOW - 4.0) * (self.high - y) / (self.high - self.low);
            path += &format!("{}{x:.1} {y:.1}", if path.is_empty() { "M" } else { "L" });
        }
        path
    }
}

/// A few steps with the value of every series there.
fn table(series: &[Series]) -> Vec<(u32, Vec<Option<f32>>)> {
    let mut steps: Vec<u32> = series.iter().flat_map(|s| s.points.iter().map(|p| p.0 as u32)).collect();
    steps.sort_unstable();
    steps.dedup();
    let every = steps.len().div_ceil(ROWS).max(1);
    let last = steps.len().saturating_sub(1);
    let kept = steps.iter().enumerate().filter(|(i, _)| last.saturating_sub(*i).is_multiple_of(every));
    let value = |s: &Series, step: u32| s.points.iter().find(|p| p.0 as u32 == step).map(|p| p.1);
    kept.map(|(_, step)| (*step, series.iter().map(|s| value(s, *step)).collect())).collect()
}

fn number(value: f32) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 1.0 || v == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: &[(f32, f32)]) -> Series {
        Series { name: "s", points: points.to_vec() }
    }

    #[test]
    fn a_curve_fills_its_frame_and_skips_what_is_no_number() {
        let s = series(&[(0.0, 3.0), (5.0, f32::NAN), (10.0, 1.0)]);
        let frame = Frame::around(std::slice::from_ref(&s)).unwrap();
        assert_eq!((frame.low, frame.high, frame.last), (1.0, 3.0, 10.0));
        assert_eq!(frame.path(&s.points), "M56.0 4.0L420.0 158.0");
        assert_eq!(Frame::around(&[series(&[])]), None);
        assert!(Frame::around(&[series(&[(1.0, 2.0)])]).is_some_and(|f| f.high > f.low));
    }

    #[test]
    fn the_table_is_short_and_ends_with_the_last_step() {
        let long: Vec<(f32, f32)> = (1..=100).map(|i| (i as f32, 1.0)).collect();
        let rows = table(&[series(&long), series(&[(100.0, 7.0)])]);
        assert!(rows.len() <= ROWS);
        assert_eq!(rows.last().unwrap(), &(100, vec![Some(1.0), Some(7.0)]));
        assert_eq!(rows[0].1[1], None);
    }
}
