// B stored [n, k]: neighbours in memory are neighbours along K.

fn b_slot(lane: u32) -> vec2<u32> { return vec2<u32>(lane >> 2u, lane & 3u); }

fn b_four(line: u32, k: u32, k_end: u32) -> vec4<f32> {
    var v = vec4<f32>();
    if line >= params.n { return v; }
    let i = params.b_offset + line * params.cols + k;
    if k + 4u <= k_end { return vec4<f32>(b[i], b[i + 1u], b[i + 2u], b[i + 3u]); }
    for (var j = 0u; k + j < k_end; j++) { v[j] = b[i + j]; }
    return v;
}

// Column j holds lines line..line+4 at k+j; zero outside.
fn b_block(line: u32, k: u32, k_end: u32) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(
        b_four(line, k, k_end), b_four(line + 1u, k, k_end), b_four(line + 2u, k, k_end), b_four(line + 3u, k, k_end),
    ));
}
