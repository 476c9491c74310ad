// C = alpha * sum_z parts[z] + beta * C

struct Params { m: u32, n: u32, planes: u32, ldc: u32, c_offset: u32, alpha: f32, beta: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;    // [planes, m, n]
@group(0) @binding(2) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.y * nwg.x + wid.x) * 64u + lane;
    let size = params.m * params.n;
    if i >= size { return; }
    var sum = 0.0;
    for (var z = 0u; z < params.planes; z++) { sum += parts[z * size + i]; }
    let at = params.c_offset + i / params.n * params.ldc + i % params.n;
    var value = params.alpha * sum;
    if params.beta != 0.0 { value += params.beta * c[at]; }
    c[at] = value;
}
