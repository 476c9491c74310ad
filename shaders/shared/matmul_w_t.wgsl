// B is the transpose of the weights [n, k]. K is a multiple of 4, so a fetch never straddles its end.

fn b_slot(lane: u32) -> vec2<u32> { return vec2<u32>(lane >> 2u, lane & 3u); }

fn b_four(line: u32, k: u32, k_end: u32) -> vec4<f32> {
    if line >= params.n || k >= k_end { return vec4<f32>(); }
    return weight4(line, k);
}

// Column j holds lines line..line+4 at k+j; zero outside.
fn b_block(line: u32, k: u32, k_end: u32) -> mat4x4<f32> {
    return transpose(mat4x4<f32>(
        b_four(line, k, k_end), b_four(line + 1u, k, k_end), b_four(line + 2u, k, k_end), b_four(line + 3u, k, k_end),
    ));
}
