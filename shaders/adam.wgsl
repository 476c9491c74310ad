// m := beta1 m + (1 - beta1) g;  v := beta2 v + (1 - beta2) g^2;  w := decay w - step m / (root sqrt(v) + eps)

struct Params { n: u32, step: f32, root: f32, beta1: f32, beta2: f32, eps: f32, decay: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> g: array<f32>;        // [n]
@group(0) @binding(2) var<storage, read_write> w: array<f32>;  // [n]
@group(0) @binding(3) var<storage, read_write> m: array<f32>;  // [n]
@group(0) @binding(4) var<storage, read_write> v: array<f32>;  // [n]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.y * nwg.x + wid.x) * 64u + lane;
    if i >= params.n { return; }
    let m1 = params.beta1 * m[i] + (1.0 - params.beta1) * g[i];
    let v1 = params.beta2 * v[i] + (1.0 - params.beta2) * g[i] * g[i];
    m[i] = m1;
    v[i] = v1;
    w[i] = params.decay * w[i] - params.step * m1 / (params.root * sqrt(v1) + params.eps);
}
