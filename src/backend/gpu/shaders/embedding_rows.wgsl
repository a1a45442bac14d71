// For each id of the batch the row that it names, and the same again if no id before it names that row.

@group(0) @binding(4) var<storage, read_write> rows: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        let row = looked_up(at);
        var first = row;
        for (var before = 0u; before < at; before++) {
            if (looked_up(before) == row) {
                first = NOWHERE;
                break;
            }
        }
        rows[2u * at] = row;
        rows[2u * at + 1u] = first;
    }
}
