//! The Gaussian error linear unit (Hendrycks and Gimpel 2016): `y[i] = x[i] * Phi(x[i])` with the normal
//! distribution function Phi, exact or in GPT-2's approximation by tanh.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use crate::kernel::wgsl;
use crate::{Binding, Case, Grid, Id, Kernel, Params as _, Tolerance, params::params, random::Rng};

params! {
    /// Elements.
    n: u32,
    /// 1: through erf; 0: `(1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))) / 2`.
    exact: u32,
    ; p => Grid::elements(p.n, 64)
}

/// Bindings: x `[n]`, y `[n]`.
pub static KERNEL: Kernel = Kernel {
    id: Id::Gelu,
    name: "gelu",
    sources: &[wgsl!("gelu.wgsl")],
    bindings: &[Binding::Read, Binding::ReadWrite],
    constants: &[],
    params: Params::LAYOUT,
    tolerance: Tolerance {
        abs: 2e-6,
        rel: 2e-6,
        why: "erf by Abramowitz and Stegun 7.1.26 is within 1.5e-7 and counts |x|/2 times; exp is within 3 + 2|x| ulp",
    },
};

/// The error function within 1e-14, by its series of positive terms
/// `2/sqrt(pi) * exp(-z^2) * sum_k 2^k z^(2k+1) / (2k+1)!!`.
fn erf(z: f64) -> f64 {
    if z.abs() > 6.0 {
        return z.signum();
    }
    let (mut term, mut sum, mut k) = (z, 0.0, 1.0);
    while f64::abs(term) > 1e-18 * f64::abs(sum) {
        sum += term;
        k += 2.0;
        term *= 2.0 * z * z / k;
    }
    FRAC_2_SQRT_PI * (-z * z).exp() * sum
}

/// The definition.
pub fn reference(p: &Params, x: &[f32]) -> Vec<f32> {
    x.iter()
        .take(p.n as usize)
        .map(|v| {
            let v = f64::from(*v);
            let twice = match p.exact {
                0 => 1.0 + (FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * (v + 0.044715 * v.powi(3))).tanh(),
                _ => 1.0 + erf(v * FRAC_1_SQRT_2),
            };
            (0.5 * v * twice) as f32
        })
        .collect()
}

/// Both definitions, also far from zero.
pub fn cases() -> Vec<Case> {
    let mut rng = Rng::new(24);
    let mut cases = Vec::new();
    for (n, exact) in [(1, 0), (7, 1), (64, 0), (65, 1), (257, 0), (257, 1)] {
        let p = Params { n, exact };
        let mut x = rng.floats(n as usize, 5.0);
        if let [a, b, c, ..] = &mut x[..] {
            (*a, *b, *c) = (-100.0, 100.0, 0.0);
        }
        let y = reference(&p, &x);
        cases.push(Case::new(&KERNEL, format!("n={n} exact={exact}"), &p).floats(&x).out_floats(y));
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_gives_the_tabulated_error_function() {
        for (z, expected) in [
            (0.0, 0.0),
            (0.1, 0.112_462_916_018_284_9),
            (1.0, 0.842_700_792_949_714_9),
            (-2.0, -0.995_322_265_018_952_7),
            (3.5, 0.999_999_256_901_627_7),
            (40.0, 1.0),
        ] {
            assert!((erf(z) - expected).abs() < 1e-14, "erf({z}) = {}", erf(z));
        }
    }

    #[test]
    fn the_two_definitions_are_close_but_not_the_same() {
        let x: Vec<f32> = (-40..=40).map(|i| i as f32 / 10.0).collect();
        let [tanh, exact] = [0, 1].map(|exact| reference(&Params { n: x.len() as u32, exact }, &x));
        let worst = tanh.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!((1e-4..1e-3).contains(&worst), "{worst}");
    }
}
