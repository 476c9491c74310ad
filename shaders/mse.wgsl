// loss[r] = sum_c (h - f)^2 and h := scale * (h - f); one workgroup a row.

struct Params { rows: u32, cols: u32, scale: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> f: array<f32>;           // [rows, cols]
@group(0) @binding(2) var<storage, read_write> h: array<f32>;     // [rows, cols]
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;  // [rows]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = wid.y * nwg.x + wid.x;
    if row >= params.rows { return; }
    var sum = 0.0;
    for (var c = lane; c < params.cols; c += LANES) {
        let i = row * params.cols + c;
        let d = h[i] - f[i];
        sum += d * d;
        h[i] = params.scale * d;
    }
    sum = sum_workgroup(lane, sum);
    if lane == 0u { loss[row] = sum; }
}
