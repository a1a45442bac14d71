// y = a ∘ b, over amounts.x. MERGE: 0 add, 1 subtract, 2 multiply, 3 the larger, 4 the smaller; a NaN stays one.

@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn merged(a: f32, b: f32) -> f32 {
    switch MERGE {
        case 0u: { return a + b; }
        case 1u: { return a - b; }
        case 2u: { return a * b; }
        case 3u: { return select(a, larger(a, b), a == a); }
        default: { return select(a, smaller(a, b), a == a); }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        y[at] = merged(a[at], b[at]) / shape.amounts.x;
    }
}
