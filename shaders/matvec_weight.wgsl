// y[b, r] = sum_k x[b, k] W[r, k], batch <= 4. A workgroup owns 16 rows, four lanes to a row; the
// batch lies in the components of the sums, so each weight is fetched once.

struct Params { batch: u32, rows: u32, cols: u32, scales: u32, ldc: u32, c_offset: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;        // [batch, cols]
@group(0) @binding(2) var<storage, read> weights: array<u32>;  // [rows, cols], packed
@group(0) @binding(3) var<storage, read_write> y: array<f32>;  // [batch, ldc]

var<workgroup> partial: array<vec4<f32>, 64>;

fn x4(i: u32) -> vec4<f32> { return vec4<f32>(x[i], x[i + 1u], x[i + 2u], x[i + 3u]); }

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = (wid.y * nwg.x + wid.x) * 16u + (lane >> 2u);
    var sum = vec4<f32>();
    if row < params.rows {
        for (var k = (lane & 3u) * 4u; k < params.cols; k += 16u) {
            let w = weight4(row, k);
            sum.x += dot(w, x4(k));
            if params.batch > 1u { sum.y += dot(w, x4(params.cols + k)); }
            if params.batch > 2u { sum.z += dot(w, x4(2u * params.cols + k)); }
            if params.batch > 3u { sum.w += dot(w, x4(3u * params.cols + k)); }
        }
    }
    partial[lane] = sum;
    workgroupBarrier();
    if (lane & 3u) != 0u || row >= params.rows { return; }
    let total = partial[lane] + partial[lane + 1u] + partial[lane + 2u] + partial[lane + 3u];
    for (var b = 0u; b < params.batch; b++) { y[params.c_offset + b * params.ldc + row] = total[b]; }
}
