// Four weights at (row, col..col+4) of a matrix stored as f32 words; col is a multiple of 4.
// The kernel declares `weights: array<u32>` and `params.cols`.
fn weight4(row: u32, col: u32) -> vec4<f32> {
    let i = row * params.cols + col;
    return bitcast<vec4<f32>>(vec4<u32>(weights[i], weights[i + 1u], weights[i + 2u], weights[i + 3u]));
}
