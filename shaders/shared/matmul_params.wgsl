struct Params {
    m: u32, n: u32, k: u32,
    lda: u32, cols: u32, ldc: u32, // row lengths of A, B and C as stored
    a_offset: u32, b_offset: u32, c_offset: u32,
    split_k: u32,
    alpha: f32, beta: f32,
    scales: u32, // word of the first scale of a quantised B
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
