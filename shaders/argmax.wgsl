// y[r] = the smallest index of the largest value of row r; one workgroup a row.

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [rows, cols]
@group(0) @binding(2) var<storage, read_write> y: array<u32>;  // [rows]

const LANES: u32 = 64u;

var<workgroup> best_value: array<f32, LANES>;
var<workgroup> best_index: array<u32, LANES>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = wid.y * nwg.x + wid.x;
    if row >= params.rows { return; }
    let base = row * params.cols;
    // Every lane starts from column 0, a true candidate, so that no "empty" value is needed.
    var value = x[base];
    var index = 0u;
    for (var c = lane; c < params.cols; c += LANES) {
        let v = x[base + c];
        if v > value {
            value = v;
            index = c;
        }
    }
    best_value[lane] = value;
    best_index[lane] = index;
    for (var s = LANES / 2u; s > 0u; s >>= 1u) {
        workgroupBarrier();
        if lane < s {
            let v = best_value[lane + s];
            let i = best_index[lane + s];
            if v > best_value[lane] || (v == best_value[lane] && i < best_index[lane]) {
                best_value[lane] = v;
                best_index[lane] = i;
            }
        }
    }
    if lane == 0u { y[row] = best_index[0]; }
}
