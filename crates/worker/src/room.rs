//! How much of the store a run needs.

use pema_protocol::Estimate;

/// What the bytes depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Rows of the memory, held-out ones too.
    pub(crate) rows: f64,
    /// d
    pub(crate) hidden: f64,
    /// Width of the bottleneck.
    pub(crate) rank: f64,
    /// Steps at most.
    pub(crate) steps: f64,
}

/// A row's token, example, position and length.
const COLUMNS: f64 = 16.0;
/// Matrices of r x d numbers in the state of a training: three that are learnt, two moments of each, and the
/// best three so far.
const STATE_MATRICES: f64 = 12.0;
/// A row's place in the shuffled order, and a step's place in the chart.
const STATE_ROW: f64 = 8.0;
const STATE_STEP: f64 = 48.0;
/// Names and numbers around all of it.
const AROUND: f64 = 16384.0;

impl Sizes {
    /// The external memory, keys in half precision.
    pub(crate) fn memory(&self) -> u64 {
        (self.rows * (2.0 * self.hidden + COLUMNS) + AROUND) as u64
    }

    /// The states of a training, two of them in turns, and the adapter it ends with.
    pub(crate) fn training(&self) -> u64 {
        let matrix = 4.0 * self.rank * self.hidden;
        let state = STATE_MATRICES * matrix + STATE_ROW * self.rows + STATE_STEP * self.steps;
        (2.0 * state + 3.0 * matrix + 2.0 * AROUND) as u64
    }
}

/// Why a run must not begin, in plain words.
pub(crate) fn no_room(e: &Estimate) -> String {
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    format!(
        "this needs about {} of storage and the browser gives this page only {} more; nothing was begun. Free some \
         space on this device, take fewer pairs (Advanced, pairs at most), or delete what is stored here",
        mb(e.bytes),
        mb(e.free.unwrap_or(0))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_formats() {
        let sizes = Sizes { rows: 6000.0, hidden: 576.0, rank: 64.0, steps: 30.0 };
        // 6,000 rows of 576 halves and four columns.
        assert_eq!(sizes.memory(), 6000 * (1152 + 16) + 16384);
        // 27 matrices of 64 x 576 floats, and little besides.
        let matrices = 27 * 64 * 576 * 4;
        assert!((matrices..matrices + matrices / 20).contains(&sizes.training()), "{}", sizes.training());
    }

    #[test]
    fn the_refusal_names_both_numbers() {
        let e = Estimate { pairs: [1, 1], bytes: 12_340_000, free: Some(1_000_000) };
        assert!(!e.fits() && Estimate { free: None, ..e }.fits());
        let text = no_room(&e);
        assert!(text.contains("12.3 MB") && text.contains("1.0 MB"), "{text}");
    }
}
