// Four weights at (row, col..col+4) of a Q8_0 matrix; col is a multiple of 4.
// The kernel declares `weights: array<u32>`, `params.cols` and `params.scales`, the word of the first scale.
fn weight4(row: u32, col: u32) -> vec4<f32> {
    let i = row * params.cols + col;
    let d = bitcast<f32>(weights[params.scales + (i >> 5u)]);
    return vec4<f32>(unpack4xI8(weights[i >> 2u])) * d;
}
