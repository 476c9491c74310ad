// y[i] = x[i] * Phi(x[i]), Phi the normal distribution function: exact through erf, or GPT-2's approximation.

struct Params { n: u32, exact: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [n]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [n]

// Phi(v) with 1 - erf from Abramowitz and Stegun 7.1.26, whose error is at most 1.5e-7.
fn phi_exact(v: f32) -> f32 {
    let z = min(abs(v) * 0.70710678, 9.0); // exp(-81) is 0 beside any tolerance
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let poly = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    let tail = 0.5 * poly * exp(-z * z);
    return select(1.0 - tail, tail, v < 0.0);
}

// (1 + tanh(u)) / 2 is 1 / (1 + exp(-2u)), which neither cancels nor meets a tanh that overflows.
fn phi_tanh(v: f32) -> f32 {
    let u = 0.79788456 * (v + 0.044715 * v * v * v);
    return 1.0 / (1.0 + exp(min(-2.0 * u, 80.0)));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.y * nwg.x + wid.x) * 64u + lane;
    if i >= params.n { return; }
    let v = x[i];
    if params.exact != 0u { y[i] = v * phi_exact(v); } else { y[i] = v * phi_tanh(v); }
}
