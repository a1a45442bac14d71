// da (+)= the gradient of a ∘ b by a, for products and extremes: MERGE as in merge.wgsl. Of an extreme it goes to the winner,
// half to each where both are equal.

@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> da: array<f32>;

fn slope(a: f32, b: f32) -> f32 {
    let half = select(0.0f, 0.5f, a == b);
    switch MERGE {
        case 2u: { return b; }
        case 3u: { return select(half, 1.0f, a > b); }
        default: { return select(half, 1.0f, a < b); }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        let value = dy[at] * slope(a[at], b[at]);
        da[at] = select(value, da[at] + value, ACCUMULATE);
    }
}
