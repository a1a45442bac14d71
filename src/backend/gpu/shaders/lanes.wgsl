// Long rows, one a workgroup: each of its 64 invocations takes every 64th column, and what they have is put together in one order.

const LANES = 64u;

var<private> lane: u32;
var<workgroup> joining: array<f32, 64>;
var<workgroup> places: array<u32, 64>;

// The sum over the lanes.
fn joined(x: f32) -> f32 {
    joining[lane] = x;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) {
            joining[lane] += joining[lane + half];
        }
    }
    workgroupBarrier();
    let sum = joining[0];
    workgroupBarrier();
    return sum;
}

fn joined_three(x: vec3<f32>) -> vec3<f32> {
    return vec3<f32>(joined(x.x), joined(x.y), joined(x.z));
}

// The largest of the lanes.
fn largest(x: f32) -> f32 {
    joining[lane] = x;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if (lane < half) {
            joining[lane] = larger(joining[lane], joining[lane + half]);
        }
    }
    workgroupBarrier();
    let most = joining[0];
    workgroupBarrier();
    return most;
}

// The first place of the largest, of each lane's own.
fn place_of_largest(x: f32, place: u32) -> u32 {
    joining[lane] = x;
    places[lane] = place;
    workgroupBarrier();
    var best = joining[0];
    var first = places[0];
    for (var i = 1u; i < 64u; i++) {
        if (joining[i] > best || (joining[i] == best && places[i] < first)) {
            best = joining[i];
            first = places[i];
        }
    }
    workgroupBarrier();
    return first;
}

// The invocation's first row, and from there to its next.
fn begin_rows(group: u32, index: u32) -> u32 {
    lane = index;
    return group;
}

fn rows_apart(groups: u32) -> u32 {
    return groups;
}
