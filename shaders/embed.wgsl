// out[t,:] = row ids[t] of a packed matrix, where this shard holds that row; other tokens are left alone.
// One invocation writes four columns. `weight4` is in the file of the format.

struct Params { tokens: u32, cols: u32, scales: u32, row0: u32, rows: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;        // [tokens]
@group(0) @binding(2) var<storage, read> weights: array<u32>;    // [rows, cols], packed
@group(0) @binding(3) var<storage, read_write> out: array<f32>;  // [tokens, cols]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = ((wid.y * nwg.x + wid.x) * 64u + lane) * 4u;
    if i >= params.tokens * params.cols { return; }
    let row = ids[i / params.cols] - params.row0; // wraps to a large row where the id is below row0
    if row >= params.rows { return; }
    let w = weight4(row, i % params.cols);
    out[i] = w.x;
    out[i + 1u] = w.y;
    out[i + 2u] = w.z;
    out[i + 3u] = w.w;
}
