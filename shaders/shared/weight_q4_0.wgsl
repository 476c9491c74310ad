// Four weights at (row, col..col+4) of a Q4_0 matrix; col is a multiple of 4. Byte j of a block holds
// column j in its low half and column j+16 in its high half.
// The kernel declares `weights: array<u32>`, `params.cols` and `params.scales`, the word of the first scale.
fn weight4(row: u32, col: u32) -> vec4<f32> {
    let i = row * params.cols + col;
    let block = i >> 5u;
    let e = i & 31u;
    let word = weights[(block << 2u) + ((e & 15u) >> 2u)] >> ((e >> 4u) << 2u);
    let d = bitcast<f32>(weights[params.scales + block]);
    return (vec4<f32>(unpack4xU8(word & 0x0F0F0F0Fu)) - 8.0) * d;
}
