//! Bars with their intervals.

use std::fmt::Write;

use crate::report::escape;

/// A bar.
pub(crate) struct Bar<'a> {
    /// What it is of.
    pub(crate) name: &'a str,
    /// Its value and the ends of its interval, 0 to 100.
    pub(crate) value: [f64; 3],
    /// Whether it stands out.
    pub(crate) strong: bool,
}

const ROW: f64 = 36.0;
const WIDTH: f64 = 470.0;
/// Room for the value behind the longest bar.
const VALUES: f64 = 50.0;
/// Of a bar; its name stands above it, so that long names fit a narrow screen.
const HEIGHT: f64 = 13.0;

/// Horizontal bars on a common scale from 0 to 100.
pub(crate) fn bars(title: &str, bars: &[Bar<'_>]) -> String {
    let height = ROW * bars.len() as f64;
    let x = |value: f64| (WIDTH - VALUES) / 100.0 * value.clamp(0.0, 100.0);
    let mut out = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">", escape(title));
    for (i, bar) in bars.iter().enumerate() {
        let bottom = ROW * (i + 1) as f64 - 4.0;
        let (top, middle) = (bottom - HEIGHT, bottom - HEIGHT / 2.0);
        let [value, low, high] = bar.value;
        let class = if bar.strong { "bar strong" } else { "bar" };
        write!(
            out,
            "<text x=\"0\" y=\"{}\">{}</text><rect class=\"{class}\" x=\"0\" y=\"{top}\" width=\"{:.1}\" \
             height=\"{HEIGHT}\"/><path class=\"range\" d=\"M{:.1} {middle}H{:.1}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{value:.1}</text>",
            top - 4.0,
            escape(bar.name),
            x(value),
            x(low),
            x(high),
            x(high.max(value)) + 6.0,
            middle + 4.0,
        )
        .ok(); // writing to a string cannot fail
    }
    out + "</svg>"
}
