// The gradient of an activation of whole rows. `row_gradient` comes from the activation; `depth` is the input's columns.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> y: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;

fn put(at: u32, value: f32) {
    dx[at] = select(value, dx[at] + value, ACCUMULATE);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let first_row = begin_rows(group.x, index);
    for (var row = first_row; row < batch_rows(); row += rows_apart(groups.x)) {
        row_gradient(row * shape.depth, row * shape.columns, shape.columns);
    }
}
