// An activation of whole rows, each by LANES invocations. `row_value` comes from the activation; `depth` is the input's columns.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let first_row = begin_rows(group.x, index);
    for (var row = first_row; row < batch_rows(); row += rows_apart(groups.x)) {
        row_value(row * shape.depth, row * shape.columns, shape.columns);
    }
}
