// The gradient of a table's rows, added to what is there: the first id that names a row adds up for all that do, in the order of
// the batch. `rows` are those of embedding_rows.wgsl.

@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;

const NOWHERE = 0xffffffffu;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        let first = at / shape.columns;
        let column = at % shape.columns;
        let row = rows[2u * first + 1u];
        if (row == NOWHERE) {
            continue;
        }
        var sum = gradient[row * shape.columns + column];
        for (var i = first; i < batch_rows(); i++) {
            if (rows[2u * i] == row) {
                sum += dy[i * shape.columns + column];
            }
        }
        gradient[row * shape.columns + column] = sum;
    }
}
