// Rows of a table; NaN for an id beyond it.

@group(0) @binding(4) var<storage, read> table: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        let row = looked_up(at / shape.columns);
        if (row == NOWHERE) {
            y[at] = infinity() - infinity();
        } else {
            y[at] = table[row * shape.columns + at % shape.columns];
        }
    }
}
