// A stored [m, k]: neighbours in memory are neighbours along K.

fn a_slot(lane: u32) -> vec2<u32> { return vec2<u32>(lane >> 2u, lane & 3u); }

fn a_four(line: u32, k: u32, k_end: u32) -> vec4<f32> {
    var v = vec4<f32>();
    if line >= params.m { return v; }
    let i = params.a_offset + line * params.lda + k;
    if k + 4u <= k_end { return vec4<f32>(a[i], a[i + 1u], a[i + 2u], a[i + 3u]); }
    for (var j = 0u; k + j < k_end; j++) { v[j] = a[i + j]; }
    return v;
}

// Column j holds lines line..line+4 at k+j; zero outside.
fn a_block(line: u32, k: u32, k_end: u32) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(
        a_four(line, k, k_end), a_four(line + 1u, k, k_end), a_four(line + 2u, k, k_end), a_four(line + 3u, k, k_end),
    ));
}
