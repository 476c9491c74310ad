// out[r,:] = log(lambda[r] * softmax(pema[r,:]) + (1 - lambda[r]) * softmax(lm[r,:])), in log space.
// One workgroup a row.

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> lm: array<f32>;         // [rows, cols]
@group(0) @binding(2) var<storage, read> pema: array<f32>;       // [rows, cols]
@group(0) @binding(3) var<storage, read> lambda: array<f32>;     // [rows]
@group(0) @binding(4) var<storage, read_write> out: array<f32>;  // [rows, cols]

fn log_or_floor(v: f32) -> f32 {
    if v > 1.0e-37 { return log(v); } // a smaller one may be flushed to 0
    return -1.0e30;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = wid.y * nwg.x + wid.x;
    if row >= params.rows { return; }
    let base = row * params.cols;
    var a_top = -3.0e38;
    var b_top = -3.0e38;
    for (var c = lane; c < params.cols; c += LANES) {
        a_top = max(a_top, pema[base + c]);
        b_top = max(b_top, lm[base + c]);
    }
    a_top = max_workgroup(lane, a_top);
    b_top = max_workgroup(lane, b_top);
    var a_sum = 0.0;
    var b_sum = 0.0;
    for (var c = lane; c < params.cols; c += LANES) {
        a_sum += exp(max(pema[base + c] - a_top, -100.0));
        b_sum += exp(max(lm[base + c] - b_top, -100.0));
    }
    // Beside the logarithm of a sum the maximum stays apart: together they would round to its size.
    let a_log = log_or_floor(lambda[row]) - log(sum_workgroup(lane, a_sum));
    let b_log = log_or_floor(1.0 - lambda[row]) - log(sum_workgroup(lane, b_sum));
    for (var c = lane; c < params.cols; c += LANES) {
        let a = pema[base + c] - a_top + a_log;
        let b = lm[base + c] - b_top + b_log;
        out[base + c] = max(a, b) + log(1.0 + exp(max(-abs(a - b), -100.0)));
    }
}
