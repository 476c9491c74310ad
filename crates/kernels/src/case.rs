//! A kernel run written down as data: what goes in, what must come out, and the comparison.

use crate::{Grid, Kernel, Params, Tolerance};

/// One run of one kernel.
#[derive(Debug)]
pub struct Case {
    /// What is run.
    pub kernel: &'static Kernel,
    /// Shape, for messages: `m=65 n=7 k=257`.
    pub label: String,
    /// The bytes of the kernel's `Params`.
    pub params: Vec<u8>,
    /// Workgroups.
    pub grid: Grid,
    /// Buffers in binding order, from binding 1.
    pub buffers: Vec<CaseBuffer>,
}

/// A buffer before the run and what must be in it afterwards.
#[derive(Debug)]
pub struct CaseBuffer {
    /// Contents before. Outputs hold garbage, so that nothing can rely on zeroed memory.
    pub before: Vec<u32>,
    /// Contents after.
    pub after: Expect,
}

/// What a buffer must hold after the run. Words past the expected ones are guards and must not change.
#[derive(Debug)]
pub enum Expect {
    /// Not written.
    Unchanged,
    /// f32 values, within the kernel's tolerance.
    Floats(Vec<f32>),
    /// u32 values, exactly.
    Words(Vec<u32>),
}

const GARBAGE: u32 = 0x4640_E6B7; // 12345.678 as f32: wrong everywhere, but no NaN
const GUARDS: usize = 9;

impl Case {
    /// Starts a case; buffers follow in binding order.
    pub fn new<P: Params>(kernel: &'static Kernel, label: impl Into<String>, params: &P) -> Case {
        let (params, grid) = (bytemuck::bytes_of(params).to_vec(), params.grid());
        Case { kernel, label: label.into(), params, grid, buffers: Vec::new() }
    }

    /// An f32 input.
    pub fn floats(self, values: &[f32]) -> Case {
        self.words(bytemuck::cast_slice(values))
    }

    /// A u32 input.
    pub fn words(mut self, values: &[u32]) -> Case {
        self.buffers.push(CaseBuffer { before: values.to_vec(), after: Expect::Unchanged });
        self
    }

    /// An f32 output that is wholly written.
    pub fn out_floats(mut self, expected: Vec<f32>) -> Case {
        let before = vec![GARBAGE; expected.len() + GUARDS];
        self.buffers.push(CaseBuffer { before, after: Expect::Floats(expected) });
        self
    }

    /// A u32 output that is wholly written.
    pub fn out_words(mut self, expected: Vec<u32>) -> Case {
        let before = vec![GARBAGE; expected.len() + GUARDS];
        self.buffers.push(CaseBuffer { before, after: Expect::Words(expected) });
        self
    }

    /// An f32 buffer that is read and written.
    pub fn in_out_floats(mut self, before: &[f32], expected: Vec<f32>) -> Case {
        let mut words: Vec<u32> = bytemuck::cast_slice(before).to_vec();
        words.resize(words.len() + GUARDS, GARBAGE);
        self.buffers.push(CaseBuffer { before: words, after: Expect::Floats(expected) });
        self
    }

    /// Compares the buffers after a run, in binding order. Returns the worst error as a share of the
    /// tolerance (at most 1), or the first buffer that is wrong.
    pub fn check(&self, after: &[Vec<u32>]) -> Result<f32, Mismatch> {
        let mut worst = 0.0f32;
        for (i, (buffer, got)) in self.buffers.iter().zip(after).enumerate() {
            let wrong = |m: Mismatch| Mismatch { binding: i + 1, ..m };
            let exact = |a: &[u32], b: &[u32]| match (0..a.len()).find(|&j| b.get(j) != Some(&a[j])) {
                Some(j) => Err(Mismatch {
                    binding: 0,
                    index: j,
                    expected: f64::from(a[j]),
                    got: f64::from(*b.get(j).unwrap_or(&0)),
                    wrong: 1,
                    of: a.len(),
                }),
                None => Ok(()),
            };
            let written = match &buffer.after {
                Expect::Unchanged => 0,
                Expect::Words(expected) => {
                    exact(expected, got).map_err(wrong)?;
                    expected.len()
                }
                Expect::Floats(expected) => {
                    let got: Vec<f32> = got.iter().map(|w| f32::from_bits(*w)).collect();
                    let n = expected.len().min(got.len());
                    worst = worst.max(compare(expected, &got[..n], self.kernel.tolerance).map_err(wrong)?);
                    expected.len()
                }
            };
            exact(&buffer.before[written..], got.get(written..).unwrap_or(&[]))
                .map_err(|m| Mismatch { index: m.index + written, ..wrong(m) })?;
        }
        Ok(worst)
    }
}

/// Where two buffers differ by more than the tolerance.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// `@binding` of the buffer.
    pub binding: usize,
    /// Worst element.
    pub index: usize,
    /// What the reference says there.
    pub expected: f64,
    /// What the device says there.
    pub got: f64,
    /// Elements out of tolerance.
    pub wrong: usize,
    /// Elements in all.
    pub of: usize,
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Mismatch { binding, index, expected, got, wrong, of } = self;
        write!(f, "binding {binding}, element {index}: expected {expected}, got {got} ({wrong} of {of} wrong)")
    }
}

/// Largest error as a share of what the tolerance allows, or the worst element if any is past it.
/// A NaN or infinity on either side, or a different length, is always a mismatch.
pub fn compare(expected: &[f32], got: &[f32], tolerance: Tolerance) -> Result<f32, Mismatch> {
    let (mut worst, mut index, mut wrong) = (0.0f32, 0, 0);
    for (i, &e) in expected.iter().enumerate() {
        let g = got.get(i).copied().unwrap_or(f32::NAN);
        let share = (e - g).abs() / (tolerance.abs + tolerance.rel * e.abs());
        let share = if share.is_finite() && e.is_finite() { share } else { f32::INFINITY };
        wrong += usize::from(share > 1.0);
        if share > worst {
            (worst, index) = (share, i);
        }
    }
    if wrong > 0 || got.len() != expected.len() {
        let at = |v: &[f32]| v.get(index).map_or(f64::NAN, |x| f64::from(*x));
        return Err(Mismatch { binding: 0, index, expected: at(expected), got: at(got), wrong, of: expected.len() });
    }
    Ok(worst)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Tolerance = Tolerance { abs: 1e-6, rel: 1e-4, why: "test" };

    #[test]
    fn the_comparer_accepts_what_is_within_and_rejects_what_is_not() {
        assert!(compare(&[1.0, 100.0], &[1.00005, 100.005], T).is_ok());
        let wrong = compare(&[1.0, 100.0], &[1.0, 100.02], T).unwrap_err();
        assert_eq!((wrong.index, wrong.wrong), (1, 1));
    }

    #[test]
    fn nan_infinity_and_length_never_pass() {
        assert!(compare(&[1.0], &[f32::NAN], T).is_err());
        assert!(compare(&[f32::NAN], &[f32::NAN], T).is_err());
        assert!(compare(&[1.0], &[f32::INFINITY], T).is_err());
        assert!(compare(&[1.0, 2.0], &[1.0], T).is_err());
        assert!(compare(&[1.0], &[1.0, 2.0], T).is_err());
    }

    #[test]
    fn a_case_notices_a_nudged_value_a_touched_input_and_a_written_guard() {
        let p = crate::axpby::Params { n: 2, period: 2, alpha: 1.0, beta: 0.0 };
        let case = Case::new(&crate::axpby::KERNEL, "n=2", &p).floats(&[1.0, 2.0]).out_floats(vec![1.0, 2.0]);
        let mut after: Vec<Vec<u32>> = case.buffers.iter().map(|b| b.before.clone()).collect();
        after[1][..2].copy_from_slice(&[1.0f32.to_bits(), 2.0f32.to_bits()]);
        assert!(case.check(&after).is_ok());
        for (buffer, element) in [(1, 1), (0, 0), (1, 2)] {
            let mut bad = after.clone();
            bad[buffer][element] ^= 0x0040_0000;
            assert!(case.check(&bad).is_err(), "binding {} element {element}", buffer + 1);
        }
    }
}
