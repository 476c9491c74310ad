// dst[to[i],:] = src[from[i],:] for rows of any 4-byte elements.

struct Params { rows: u32, cols: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> from_rows: array<u32>;  // [rows]
@group(0) @binding(2) var<storage, read> to_rows: array<u32>;    // [rows]
@group(0) @binding(3) var<storage, read> src: array<u32>;        // [.., cols]
@group(0) @binding(4) var<storage, read_write> dst: array<u32>;  // [.., cols]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (wid.y * nwg.x + wid.x) * 64u + lane;
    if index >= params.rows * params.cols { return; }
    let i = index / params.cols;
    let c = index % params.cols;
    dst[to_rows[i] * params.cols + c] = src[from_rows[i] * params.cols + c];
}
