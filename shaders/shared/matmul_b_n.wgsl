// B stored [k, n]: neighbours in memory are neighbours across K.

fn b_slot(lane: u32) -> vec2<u32> { return vec2<u32>(lane & 15u, lane >> 4u); }

fn b_four(line: u32, k: u32, k_end: u32) -> vec4<f32> {
    var v = vec4<f32>();
    if k >= k_end { return v; }
    let i = params.b_offset + k * params.cols + line;
    if line + 4u <= params.n { return vec4<f32>(b[i], b[i + 1u], b[i + 2u], b[i + 3u]); }
    for (var j = 0u; line + j < params.n; j++) { v[j] = b[i + j]; }
    return v;
}

// Column j holds lines line..line+4 at k+j; zero outside.
fn b_block(line: u32, k: u32, k_end: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        b_four(line, k, k_end), b_four(line, k + 1u, k_end), b_four(line, k + 2u, k_end), b_four(line, k + 3u, k_end),
    );
}
