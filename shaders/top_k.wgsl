// The k largest values of every row and their columns, largest first, equal values in column order.
// One workgroup a row.
//
// Radix selection: values become integers of the same order, and four passes over the row, one a byte from
// the top, fix the k-th largest. Each counts the values that agree with it so far by their next byte; the
// byte whose count crosses k is the next one of the k-th. Where values tie at the k-th, the passes go on over
// the bytes of the column, whose complement makes the smallest column the largest number. As soon as exactly
// the wanted entries are left, the remaining passes count nothing. Then the chosen ones, 256 at most, are
// collected in any order and each finds its place by counting those before it.

struct Params { rows: u32, cols: u32, k: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;             // [rows, cols], the bits of f32
@group(0) @binding(2) var<storage, read_write> ids: array<u32>;     // [rows, k]
@group(0) @binding(3) var<storage, read_write> values: array<u32>;  // [rows, k], the bits of f32

const LANES: u32 = 64u;
const BINS: u32 = 256u;
const OWN: u32 = BINS / LANES; // bins a lane adds up
const MOST: u32 = 256u;        // largest k

var<workgroup> bins: array<atomic<u32>, BINS>;
var<workgroup> sums: array<u32, LANES>;
var<workgroup> crossing: vec3<u32>; // byte, entries in larger bytes, entries in this one
var<workgroup> picked: atomic<u32>;
var<workgroup> picked_key: array<u32, MOST>;
var<workgroup> picked_column: array<u32, MOST>;

// What is known of the k-th largest: the bits under the masks.
struct Cut { key_mask: u32, key: u32, column_mask: u32, column: u32 }

// Integers in the order of the floats; -0 equals 0.
fn keys_of(bits: vec4<u32>) -> vec4<u32> {
    let b = select(bits, vec4<u32>(0u), bits == vec4<u32>(0x80000000u));
    return b ^ select(vec4<u32>(0x80000000u), vec4<u32>(0xFFFFFFFFu), b >= vec4<u32>(0x80000000u));
}

// Four columns from `c`, a workgroup apart. Past the row's end they repeat its last one.
fn load(base: u32, c: vec4<u32>) -> vec4<u32> {
    let i = base + min(c, vec4<u32>(params.cols - 1u));
    return keys_of(vec4<u32>(x[i.x], x[i.y], x[i.z], x[i.w]));
}

fn pick(key: u32, column: u32) {
    let slot = atomicAdd(&picked, 1u);
    picked_key[slot] = key;
    picked_column[slot] = column;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) nwg: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = wid.y * nwg.x + wid.x;
    let take = min(min(params.k, params.cols), MOST);
    if row >= params.rows || take == 0u { return; }
    let base = row * params.cols;
    let step = vec4<u32>(0u, LANES, 2u * LANES, 3u * LANES);
    let column_bytes = (39u - countLeadingZeros(params.cols - 1u)) / 8u;

    var cut = Cut(0u, 0u, 0u, 0u);
    var wanted = take; // of the entries that agree with the cut
    var done = false;
    if lane == 0u { atomicStore(&picked, 0u); }
    for (var round = 0u; round < 4u + column_bytes; round++) {
        let by_column = round >= 4u;
        let shift = 8u * select(3u - round, 3u + column_bytes - round, by_column);
        for (var i = 0u; i < OWN; i++) { atomicStore(&bins[lane * OWN + i], 0u); }
        workgroupBarrier();
        if !done {
            // Four columns at a time, so that a lane waits for four loads at once.
            for (var first = lane; first < params.cols; first += 4u * LANES) {
                let c = first + step;
                let key = load(base, c);
                let byte = (select(key, ~c, by_column) >> vec4<u32>(shift)) & vec4<u32>(255u);
                let counts = (c < vec4<u32>(params.cols))
                    & ((key & vec4<u32>(cut.key_mask)) == vec4<u32>(cut.key))
                    & ((~c & vec4<u32>(cut.column_mask)) == vec4<u32>(cut.column));
                if counts.x { atomicAdd(&bins[byte.x], 1u); }
                if counts.y { atomicAdd(&bins[byte.y], 1u); }
                if counts.z { atomicAdd(&bins[byte.z], 1u); }
                if counts.w { atomicAdd(&bins[byte.w], 1u); }
            }
        }
        workgroupBarrier();
        // Lane 0 owns the largest bytes.
        var own = 0u;
        for (var i = 0u; i < OWN; i++) { own += atomicLoad(&bins[BINS - 1u - (lane * OWN + i)]); }
        sums[lane] = own;
        workgroupBarrier();
        var above = 0u;
        for (var i = 0u; i < lane; i++) { above += sums[i]; }
        for (var i = 0u; i < OWN; i++) {
            let byte = BINS - 1u - (lane * OWN + i);
            let count = atomicLoad(&bins[byte]);
            if above < wanted && wanted <= above + count { crossing = vec3<u32>(byte, above, count); }
            above += count;
        }
        workgroupBarrier();
        if !done {
            if by_column {
                cut.column_mask |= 255u << shift;
                cut.column |= crossing.x << shift;
            } else {
                cut.key_mask |= 255u << shift;
                cut.key |= crossing.x << shift;
            }
            wanted -= crossing.y;
            done = wanted == crossing.z;
        }
    }

    for (var first = lane; first < params.cols; first += 4u * LANES) {
        let c = first + step;
        let key = load(base, c);
        let top = key & vec4<u32>(cut.key_mask);
        let chosen = (c < vec4<u32>(params.cols))
            & ((top > vec4<u32>(cut.key))
            | ((top == vec4<u32>(cut.key)) & ((~c & vec4<u32>(cut.column_mask)) >= vec4<u32>(cut.column))));
        if chosen.x { pick(key.x, c.x); }
        if chosen.y { pick(key.y, c.y); }
        if chosen.z { pick(key.z, c.z); }
        if chosen.w { pick(key.w, c.w); }
    }
    workgroupBarrier();
    for (var e = lane; e < take; e += LANES) {
        let key = picked_key[e];
        let column = picked_column[e];
        var place = row * params.k;
        for (var j = 0u; j < take; j++) {
            let other = picked_key[j];
            place += select(0u, 1u, other > key || (other == key && picked_column[j] < column));
        }
        ids[place] = column;
        values[place] = x[base + column];
    }
}
