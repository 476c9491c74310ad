// y[r] = sum_c x[r,c]^2; one workgroup a row.

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [rows, cols]
@group(0) @binding(2) var<storage, read_write> y: array<f32>;  // [rows]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = wid.y * nwg.x + wid.x;
    if row >= params.rows { return; }
    let base = row * params.cols;
    var square = 0.0;
    for (var c = lane; c < params.cols; c += LANES) { square += x[base + c] * x[base + c]; }
    let total = sum_workgroup(lane, square);
    if lane == 0u { y[row] = total; }
}
