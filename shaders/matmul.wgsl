// C[m,n] = alpha * A[m,k] B[k,n] + beta * C[m,n]
//
// Register tiles: a workgroup of 64 owns 64 x 64 of C, an invocation 8 x 8 of it as two by two blocks
// of 4 x 4. K advances in slices of 16 through 8 KiB of workgroup memory. The parts in front of this
// file define how 4 x 4 blocks of A and B are fetched (orientation, quantisation) and which lane
// fetches which, so that the fetches of neighbouring lanes are neighbours in memory.
//
// With split_k < k the third grid dimension walks K: slice z writes its own [m,n] plane of C and
// reduce_splits adds them up.

@group(0) @binding(3) var<storage, read_write> c: array<f32>;

const SLICE: u32 = 16u;

var<workgroup> tile_a: array<vec4<f32>, 256>; // [SLICE][16 groups of 4 rows]
var<workgroup> tile_b: array<vec4<f32>, 256>; // [SLICE][16 groups of 4 columns]

var<private> plane: u32;

fn store(row: u32, col: u32, value: vec4<f32>) {
    if row >= params.m { return; }
    let base = plane + params.c_offset + row * params.ldc + col;
    for (var j = 0u; j < 4u; j++) {
        if col + j >= params.n { return; }
        var v = params.alpha * value[j];
        if params.beta != 0.0 { v += params.beta * c[base + j]; }
        c[base + j] = v;
    }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let k_begin = wid.z * params.split_k;
    let k_end = min(params.k, k_begin + params.split_k);
    plane = wid.z * params.m * params.n;
    let slot_a = a_slot(lane); // x: group of 4 rows or columns, y: group of 4 steps along K
    let slot_b = b_slot(lane);
    let ty = lane >> 3u;
    let tx = lane & 7u;
    var c00 = vec4<f32>(); var c01 = vec4<f32>();
    var c10 = vec4<f32>(); var c11 = vec4<f32>();
    var c20 = vec4<f32>(); var c21 = vec4<f32>();
    var c30 = vec4<f32>(); var c31 = vec4<f32>();
    var c40 = vec4<f32>(); var c41 = vec4<f32>();
    var c50 = vec4<f32>(); var c51 = vec4<f32>();
    var c60 = vec4<f32>(); var c61 = vec4<f32>();
    var c70 = vec4<f32>(); var c71 = vec4<f32>();
    for (var k = k_begin; k < k_end; k += SLICE) {
        let a = a_block(wid.y * 64u + slot_a.x * 4u, k + slot_a.y * 4u, k_end);
        let b = b_block(wid.x * 64u + slot_b.x * 4u, k + slot_b.y * 4u, k_end);
        workgroupBarrier(); // the slice before may still be read
        let at_a = slot_a.y * 64u + slot_a.x;
        let at_b = slot_b.y * 64u + slot_b.x;
        tile_a[at_a] = a[0]; tile_a[at_a + 16u] = a[1]; tile_a[at_a + 32u] = a[2]; tile_a[at_a + 48u] = a[3];
        tile_b[at_b] = b[0]; tile_b[at_b + 16u] = b[1]; tile_b[at_b + 32u] = b[2]; tile_b[at_b + 48u] = b[3];
        workgroupBarrier();
        for (var s = 0u; s < 256u; s += 16u) {
            let a0 = tile_a[s + ty];
            let a1 = tile_a[s + ty + 8u];
            let b0 = tile_b[s + tx];
            let b1 = tile_b[s + tx + 8u];
            c00 += a0.x * b0; c01 += a0.x * b1;
            c10 += a0.y * b0; c11 += a0.y * b1;
            c20 += a0.z * b0; c21 += a0.z * b1;
            c30 += a0.w * b0; c31 += a0.w * b1;
            c40 += a1.x * b0; c41 += a1.x * b1;
            c50 += a1.y * b0; c51 += a1.y * b1;
            c60 += a1.z * b0; c61 += a1.z * b1;
            c70 += a1.w * b0; c71 += a1.w * b1;
        }
    }
    let row0 = wid.y * 64u + ty * 4u;
    let col0 = wid.x * 64u + tx * 4u;
    store(row0 + 0u, col0, c00); store(row0 + 0u, col0 + 32u, c01);
    store(row0 + 1u, col0, c10); store(row0 + 1u, col0 + 32u, c11);
    store(row0 + 2u, col0, c20); store(row0 + 2u, col0 + 32u, c21);
    store(row0 + 3u, col0, c30); store(row0 + 3u, col0 + 32u, c31);
    store(row0 + 32u, col0, c40); store(row0 + 32u, col0 + 32u, c41);
    store(row0 + 33u, col0, c50); store(row0 + 33u, col0 + 32u, c51);
    store(row0 + 34u, col0, c60); store(row0 + 34u, col0 + 32u, c61);
    store(row0 + 35u, col0, c70); store(row0 + 35u, col0 + 32u, c71);
}
