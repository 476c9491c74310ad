// stats[i]   = (lse - s_y, lse) with lse = ln sum_v exp s_v
// logits[i] := scale * (exp(s - lse) - onehot(y)) when grad = 1; one workgroup a row.

struct Params { rows: u32, vocab: u32, first: u32, grad: u32, scale: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> targets: array<u32>;       // [batch]
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;  // [rows, vocab]
@group(0) @binding(3) var<storage, read_write> stats: array<f32>;   // [batch, 2]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = wid.y * nwg.x + wid.x;
    if row >= params.rows { return; }
    let base = row * params.vocab;
    let target_id = targets[params.first + row];
    var top = -3.0e38; // no infinities in WGSL
    for (var v = lane; v < params.vocab; v += LANES) { top = max(top, logits[base + v]); }
    top = max_workgroup(lane, top);
    var sum = 0.0;
    for (var v = lane; v < params.vocab; v += LANES) { sum += exp(logits[base + v] - top); }
    sum = sum_workgroup(lane, sum);
    let lse = top + log(sum);
    if lane == 0u {
        stats[2u * (params.first + row)] = lse - logits[base + target_id];
        stats[2u * (params.first + row) + 1u] = lse;
    }
    if params.grad == 0u { return; }
    storageBarrier(); // lane 0 reads the target's logit before its owner overwrites it
    for (var v = lane; v < params.vocab; v += LANES) {
        // exp(s - top) / sum is what was summed, so the row adds up to one exactly as well as it can.
        let hit = select(0.0, 1.0, v == target_id);
        logits[base + v] = params.scale * (exp(logits[base + v] - top) / sum - hit);
    }
}
