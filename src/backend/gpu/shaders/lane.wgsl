// Short rows, one an invocation.

const LANES = 1u;

var<private> lane: u32;

fn joined(x: f32) -> f32 {
    return x;
}

fn joined_three(x: vec3<f32>) -> vec3<f32> {
    return x;
}

fn largest(x: f32) -> f32 {
    return x;
}

fn place_of_largest(x: f32, place: u32) -> u32 {
    return place;
}

fn begin_rows(group: u32, index: u32) -> u32 {
    return group * 64u + index;
}

fn rows_apart(groups: u32) -> u32 {
    return groups * 64u;
}
