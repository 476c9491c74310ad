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

const ROW: f64 = 24.0;
const NAMES: f64 = 290.0;
const WIDTH: f64 = 720.0;
const VALUES: f64 = 50.0;

/// Horizontal bars on a common scale from 0 to 100.
pub(crate) fn bars(title: &str, bars: &[Bar<'_>]) -> String {
    let height = ROW * bars.len() as f64 + 4.0;
    let scale = (WIDTH - NAMES - VALUES) / 100.0;
    let mut out = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">", escape(title));
    for (i, bar) in bars.iter().enumerate() {
        let (top, middle) = (ROW * i as f64 + 4.0, ROW * i as f64 + 4.0 + ROW / 2.0 - 2.0);
        let x = |value: f64| NAMES + scale * value.clamp(0.0, 100.0);
        let [value, low, high] = bar.value;
        let class = if bar.strong { "bar strong" } else { "bar" };
        write!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect class=\"{class}\" x=\"{NAMES}\" y=\"{top}\" \
             width=\"{:.1}\" height=\"{}\"/><path class=\"range\" d=\"M{:.1} {middle}H{:.1}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{value:.1}</text>",
            NAMES - 8.0,
            middle + 4.0,
            escape(bar.name),
            x(value) - NAMES,
            ROW - 6.0,
            x(low),
            x(high),
            x(high.max(value)) + 6.0,
            middle + 4.0,
        )
        .ok(); // writing to a string cannot fail
    }
    out + "</svg>"
}
