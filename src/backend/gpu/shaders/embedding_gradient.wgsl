// The gradient of a table's rows, added to what is there: the first of the pairs that name a row adds up for all that do, in the
// order of the batch. `sorted` are the pairs of a row and a place in the batch, by both. With UPDATE the rule over those rows at once, where a gradient of 0
// changes nothing; `more.x` is the number of rows. `update` comes from the rule.

@group(0) @binding(2) var<storage, read> sorted: array<u32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
// The table, or its gradient.
@group(0) @binding(4) var<storage, read_write> table: array<f32>;
@group(0) @binding(5) var<storage, read_write> slots: array<f32>;

const NOWHERE = 0xffffffffu;

fn store(at: u32, gradient: f32) {
    if (!UPDATE) {
        table[at] += gradient;
        return;
    }
    let count = shape.more.x * shape.columns;
    var s = vec4<f32>(0.0f);
    for (var i = 0u; i < SLOTS; i++) {
        s[i] = slots[i * count + at];
    }
    rule_from = shape.rule.x;
    let after = update(table[at], gradient, s);
    table[at] = after.w;
    for (var i = 0u; i < SLOTS; i++) {
        slots[i * count + at] = after.s[i];
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        let first = at / shape.columns;
        let column = at % shape.columns;
        let row = sorted[2u * first];
        if (row == NOWHERE || (first > 0u && sorted[2u * max(first, 1u) - 2u] == row)) {
            continue;
        }
        var sum = 0.0f;
        for (var i = first; i < batch_rows(); i++) {
            if (sorted[2u * i] != row) {
                break;
            }
            sum += dy[sorted[2u * i + 1u] * shape.columns + column];
        }
        store(row * shape.columns + column, sum);
    }
}
