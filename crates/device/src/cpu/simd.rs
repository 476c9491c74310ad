//! Loops compiled twice, for any processor and for AVX2, chosen at run time; and an exponential that
//! the compiler can vectorise.

/// Defines a function whose body is also compiled with AVX2 and FMA enabled where the processor has them.
macro_rules! vectorized {
    ($(#[$meta:meta])* fn $name:ident ( $($arg:ident : $ty:ty),* $(,)? ) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        pub(super) fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn wide($($arg: $ty),*) $(-> $ret)? { body($($arg),*) }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the features were just detected.
                    #[expect(unsafe_code, reason = "calling a function with more target features")]
                    return unsafe { wide($($arg),*) };
                }
            }
            body($($arg),*)
        }
    };
}
pub(super) use vectorized;

/// e^x for x <= 88, to about 2 units in the last place; below -87.3 it stays at e^-87.3 instead of
/// underflowing, which no sum here can notice.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Cephes: x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial for e^r. Adding 1.5 * 2^23 rounds to an
    // integer and leaves it in the low bits, so no conversion instruction is needed.
    const MAGIC: f32 = 12_582_912.0;
    let x = x.clamp(-87.3, 88.0);
    let t = x * std::f32::consts::LOG2_E + MAGIC;
    let n = t - MAGIC;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_2e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_6e-1;
    p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    let power = (t.to_bits().wrapping_sub(MAGIC.to_bits()).wrapping_add(127)) << 23;
    y * f32::from_bits(power)
}

const LANES: usize = 16;

vectorized! {
    fn max(x: &[f32]) -> f32 {
        let mut lanes = [f32::NEG_INFINITY; LANES];
        let chunks = x.chunks_exact(LANES);
        let rest = chunks.remainder();
        for c in chunks {
            for i in 0..LANES { lanes[i] = if c[i] > lanes[i] { c[i] } else { lanes[i] }; }
        }
        lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |m, v| if *v > m { *v } else { m })
    }
}

vectorized! {
    /// sum exp(x - top)
    fn sum_exp(x: &[f32], top: f32) -> f64 {
        let mut total = 0.0f64;
        for block in x.chunks(4096) {
            let mut lanes = [0.0f32; LANES];
            let chunks = block.chunks_exact(LANES);
            for v in chunks.remainder() { total += f64::from(exp(*v - top)); }
            for c in chunks {
                for i in 0..LANES { lanes[i] += exp(c[i] - top); }
            }
            total += lanes.iter().map(|v| f64::from(*v)).sum::<f64>();
        }
        total
    }
}

vectorized! {
    /// x := exp(x - top); returns the sum.
    fn exp_in_place(x: &mut [f32], top: f32) -> f64 {
        let mut total = 0.0f64;
        for block in x.chunks_mut(4096) {
            let mut lanes = [0.0f32; LANES];
            let mut chunks = block.chunks_exact_mut(LANES);
            for c in &mut chunks {
                for i in 0..LANES { c[i] = exp(c[i] - top); lanes[i] += c[i]; }
            }
            for v in chunks.into_remainder() { *v = exp(*v - top); total += f64::from(*v); }
            total += lanes.iter().map(|v| f64::from(*v)).sum::<f64>();
        }
        total
    }
}

vectorized! {
    fn dot(x: &[f32], y: &[f32]) -> f32 {
        let mut lanes = [0.0f32; LANES];
        let n = x.len() / LANES * LANES;
        for (a, b) in x[..n].chunks_exact(LANES).zip(y[..n].chunks_exact(LANES)) {
            for i in 0..LANES { lanes[i] += a[i] * b[i]; }
        }
        lanes.iter().sum::<f32>() + x[n..].iter().zip(&y[n..]).map(|(a, b)| a * b).sum::<f32>()
    }
}

vectorized! {
    fn scale(x: &mut [f32], by: f32) {
        for v in x { *v *= by; }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_exact_to_a_few_units_in_the_last_place() {
        let mut worst = 0.0f64;
        for i in -87_000..=88_000 {
            let x = i as f32 / 1000.0;
            let e = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) / e - 1.0).abs());
        }
        assert!(worst < 4e-7, "{worst}");
        assert!(exp(-1.0e30) < 2e-38 && exp(0.0) == 1.0);
    }

    #[test]
    fn sums_agree_with_plain_loops_at_awkward_lengths() {
        let mut rng = pema_kernels::random::Rng::new(1);
        for n in [1, 7, 16, 17, 4097, 10_000] {
            let x = rng.floats(n, 5.0);
            let top = max(&x);
            assert_eq!(top, x.iter().copied().fold(f32::MIN, f32::max));
            let sum: f64 = x.iter().map(|v| f64::from(*v - top).exp()).sum();
            let mut y = x.clone();
            assert!((sum_exp(&x, top) / sum - 1.0).abs() < 1e-6);
            assert!((exp_in_place(&mut y, top) / sum - 1.0).abs() < 1e-6);
            let square: f64 = x.iter().map(|v| f64::from(*v).powi(2)).sum();
            assert!((f64::from(dot(&x, &x)) / square - 1.0).abs() < 1e-5);
        }
    }
}
