// y[r,c] = (x[r,c] - mean_r) / sqrt(variance_r + eps) * w[c] + b[c]; one workgroup a row.

struct Params { rows: u32, cols: u32, eps: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [rows, cols]
@group(0) @binding(2) var<storage, read> w: array<f32>;        // [cols]
@group(0) @binding(3) var<storage, read> b: array<f32>;        // [cols]
@group(0) @binding(4) var<storage, read_write> y: array<f32>;  // [rows, cols]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = wid.y * nwg.x + wid.x;
    if row >= params.rows { return; }
    let base = row * params.cols;
    let n = f32(params.cols);
    var sum = 0.0;
    for (var c = lane; c < params.cols; c += LANES) { sum += x[base + c]; }
    let mean = sum_workgroup(lane, sum) / n;
    // A second pass over the row: the mean of squares minus the square of the mean would cancel.
    var square = 0.0;
    for (var c = lane; c < params.cols; c += LANES) {
        let d = x[base + c] - mean;
        square += d * d;
    }
    let scale = inverseSqrt(sum_workgroup(lane, square) / n + params.eps);
    for (var c = lane; c < params.cols; c += LANES) { y[base + c] = (x[base + c] - mean) * scale * w[c] + b[c]; }
}
