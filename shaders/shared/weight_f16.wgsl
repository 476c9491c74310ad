// Four weights at (row, col..col+4) of a matrix stored as two halves a word; col is a multiple of 4.
// The kernel declares `weights: array<u32>` and `params.cols`. Needs no shader-f16.
fn weight4(row: u32, col: u32) -> vec4<f32> {
    let i = (row * params.cols + col) >> 1u;
    return vec4<f32>(unpack2x16float(weights[i]), unpack2x16float(weights[i + 1u]));
}
