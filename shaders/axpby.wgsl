// y[i] = alpha * x[i % period] + beta * y[i]

struct Params { n: u32, period: u32, alpha: f32, beta: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [period]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [n]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.y * nwg.x + wid.x) * 64u + lane;
    if i >= params.n { return; }
    var value = params.alpha * x[i % params.period];
    if params.beta != 0.0 { value += params.beta * y[i]; }
    y[i] = value;
}
