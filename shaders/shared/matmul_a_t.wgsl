// A stored [k, m]: neighbours in memory are neighbours across K.

fn a_slot(lane: u32) -> vec2<u32> { return vec2<u32>(lane & 15u, lane >> 4u); }

fn a_four(line: u32, k: u32, k_end: u32) -> vec4<f32> {
    var v = vec4<f32>();
    if k >= k_end { return v; }
    let i = params.a_offset + k * params.lda + line;
    if line + 4u <= params.m { return vec4<f32>(a[i], a[i + 1u], a[i + 2u], a[i + 3u]); }
    for (var j = 0u; line + j < params.m; j++) { v[j] = a[i + j]; }
    return v;
}

// Column j holds lines line..line+4 at k+j; zero outside.
fn a_block(line: u32, k: u32, k_end: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        a_four(line, k, k_end), a_four(line, k + 1u, k_end), a_four(line, k + 2u, k_end), a_four(line, k + 3u, k_end),
    );
}
