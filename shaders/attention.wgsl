// Causal attention of one query and one head to the cache rows 0..prefix and start..start+length.
// One workgroup a (token, head). Keys come in blocks of 64, a lane a key; the softmax is online (Milakov and
// Gimelshein 2018): when the running maximum grows, what was summed under the old one is scaled down.

struct Params { tokens: u32, heads: u32, kv_heads: u32, head_dim: u32, prefix: u32, scale: f32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;          // [tokens, heads*head_dim]
@group(0) @binding(2) var<storage, read> k_cache: array<f32>;    // [rows, kv_heads*head_dim]
@group(0) @binding(3) var<storage, read> v_cache: array<f32>;    // [rows, kv_heads*head_dim]
@group(0) @binding(4) var<storage, read> spans: array<u32>;      // [tokens, 2] of (start, length)
@group(0) @binding(5) var<storage, read_write> out: array<f32>;  // [tokens, heads*head_dim]

var<workgroup> query: array<f32, 128>;
var<workgroup> weights: array<f32, LANES>;

// Where key number `key` of a sequence lies in the cache.
fn cache_row(key: u32, start: u32) -> u32 {
    return select(start + key - params.prefix, key, key < params.prefix);
}

// The block's values in one column, weighted.
fn weighted_values(first: u32, keys: u32, start: u32, column: u32) -> f32 {
    let width = params.kv_heads * params.head_dim;
    var sum = 0.0;
    for (var j = 0u; j < min(LANES, keys - first); j++) {
        sum += weights[j] * v_cache[cache_row(first + j, start) * width + column];
    }
    return sum;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = wid.y * nwg.x + wid.x;
    if index >= params.tokens * params.heads { return; }
    let dim = params.head_dim;
    let token = index / params.heads;
    let head = index % params.heads;
    let column = head / (params.heads / params.kv_heads) * dim; // of the group's keys and values
    let start = spans[2u * token];
    let keys = params.prefix + spans[2u * token + 1u];

    for (var d = lane; d < dim; d += LANES) { query[d] = q[index * dim + d] * params.scale; }
    workgroupBarrier();
    var top = -3.0e38;
    var total = 0.0; // of this lane's keys
    var low = 0.0;   // this lane's output at dimension `lane`
    var high = 0.0;  // and at `lane + 64`
    for (var first = 0u; first < keys; first += LANES) {
        let key = first + lane;
        var score = -3.0e38;
        if key < keys {
            let at = cache_row(key, start) * params.kv_heads * dim + column;
            score = 0.0;
            for (var d = 0u; d < dim; d++) { score += query[d] * k_cache[at + d]; }
        }
        let new_top = max(top, max_workgroup(lane, score)); // its barriers also end the use of the last weights
        let shrink = exp(max(top - new_top, -100.0));       // 0 is multiplied by it in the first block
        let weight = exp(max(score - new_top, -100.0));     // nothing past the last key
        weights[lane] = weight;
        workgroupBarrier();
        top = new_top;
        total = total * shrink + weight;
        if lane < dim { low = low * shrink + weighted_values(first, keys, start, column + lane); }
        if lane + LANES < dim { high = high * shrink + weighted_values(first, keys, start, column + lane + LANES); }
    }
    // The largest key weighs 1, so the sum is below 1 only where nothing is seen, and there the output is 0.
    let share = 1.0 / max(sum_workgroup(lane, total), 0.5);
    if lane < dim { out[index * dim + lane] = low * share; }
    if lane + LANES < dim { out[index * dim + lane + LANES] = high * share; }
}
