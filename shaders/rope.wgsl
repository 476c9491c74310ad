// Rotates pair i of every head of token t by the angle that the table holds for (positions[t], i), in place.
// One invocation a pair.

struct Params { tokens: u32, heads: u32, head_dim: u32, rot_dim: u32, interleaved: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> positions: array<u32>;   // [tokens]
@group(0) @binding(2) var<storage, read> table: array<vec2<f32>>; // [max_pos, rot_dim/2] of (cos, sin)
@group(0) @binding(3) var<storage, read_write> x: array<f32>;     // [tokens, heads, head_dim]

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (wid.y * nwg.x + wid.x) * 64u + lane;
    let pairs = params.rot_dim / 2u;
    if i >= params.tokens * params.heads * pairs { return; }
    let pair = i % pairs;
    let head = i / pairs; // counted over all tokens
    let turn = table[positions[head / params.heads] * pairs + pair];
    var a = head * params.head_dim + pair;
    var b = a + pairs;
    if params.interleaved != 0u {
        a += pair;
        b = a + 1u;
    }
    let u = x[a];
    let v = x[b];
    x[a] = u * turn.x - v * turn.y;
    x[b] = u * turn.y + v * turn.x;
}
