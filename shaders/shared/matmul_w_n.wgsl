// B is the weights [k, n] themselves. N is a multiple of 4, so a fetch never straddles its end.

fn b_slot(lane: u32) -> vec2<u32> { return vec2<u32>(lane & 15u, lane >> 4u); }

fn b_four(line: u32, k: u32, k_end: u32) -> vec4<f32> {
    if line >= params.n || k >= k_end { return vec4<f32>(); }
    return weight4(k, line);
}

// Column j holds lines line..line+4 at k+j; zero outside.
fn b_block(line: u32, k: u32, k_end: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        b_four(line, k, k_end), b_four(line, k + 1u, k_end), b_four(line, k + 2u, k_end), b_four(line, k + 3u, k_end),
    );
}
