// out[i] = gate[i] / (1 + exp(-gate[i])) * up[i]

struct Params { n: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gate: array<f32>;       // [n]
@group(0) @binding(2) var<storage, read> up: array<f32>;         // [n]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;  // [n]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.y * nwg.x + wid.x) * 64u + lane;
    if i >= params.n { return; }
    let g = gate[i];
    out[i] = g / (1.0 + exp(min(-g, 80.0))) * up[i]; // exp overflows at 88.7; at 80 the quotient is 0 already
}
