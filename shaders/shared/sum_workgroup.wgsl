// Reductions over the 64 invocations of a workgroup, through workgroup memory: no subgroups needed.
// Every invocation must call them (they hold barriers) and every invocation gets the result.

const LANES: u32 = 64u;

var<workgroup> scratch: array<f32, LANES>;

fn sum_workgroup(lane: u32, value: f32) -> f32 {
    workgroupBarrier(); // an earlier reduction may still be read
    scratch[lane] = value;
    for (var s = LANES / 2u; s > 0u; s >>= 1u) {
        workgroupBarrier();
        if lane < s { scratch[lane] += scratch[lane + s]; }
    }
    workgroupBarrier();
    return scratch[0];
}

fn max_workgroup(lane: u32, value: f32) -> f32 {
    workgroupBarrier();
    scratch[lane] = value;
    for (var s = LANES / 2u; s > 0u; s >>= 1u) {
        workgroupBarrier();
        if lane < s { scratch[lane] = max(scratch[lane], scratch[lane + s]); }
    }
    workgroupBarrier();
    return scratch[0];
}
