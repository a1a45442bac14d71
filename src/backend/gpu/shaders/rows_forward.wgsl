// An activation of whole rows, one row an invocation. `row_value` comes from the activation; `depth` is the input's columns.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var row = id.x; row < batch_rows(); row += groups.x * 64u) {
        row_value(row * shape.depth, row * shape.columns, shape.columns);
    }
}
