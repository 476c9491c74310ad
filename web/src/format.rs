//! Numbers for people.

/// `98.4 MB`
pub(crate) fn bytes(n: u64) -> String {
    let n = n as f64;
    match n {
        n if n >= 1e9 => format!("{:.1} GB", n / 1e9),
        n if n >= 1e6 => format!("{:.1} MB", n / 1e6),
        n if n >= 1e3 => format!("{:.0} kB", n / 1e3),
        n => format!("{n:.0} bytes"),
    }
}

/// `2 min 5 s`
pub(crate) fn seconds(s: f32) -> String {
    let s = s.max(0.0).round() as u64;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

/// Text of a token, with its blanks visible where they would not be seen.
pub(crate) fn token(text: &str) -> String {
    if text.is_empty() {
        return "(end)".to_owned();
    }
    text.replace('\n', "⏎")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([bytes(12), bytes(98_362_432), bytes(2_500)], ["12 bytes", "98.4 MB", "2 kB"]);
        assert_eq!([seconds(4.6), seconds(125.0), seconds(7_300.0)], ["5 s", "2 min 5 s", "2 h 1 min"]);
        assert_eq!([token(""), token(" a\n")], ["(end)", " a⏎"]);
    }
}
