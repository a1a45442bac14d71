// dz = d · mask · f′: the gradient through dropout and an activation.

@group(0) @binding(2) var<storage, read> d: array<f32>;
@group(0) @binding(3) var<storage, read> z: array<f32>;
@group(0) @binding(4) var<storage, read> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> dz: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let count = (batch_rows() + 3u) / 4u * shape.columns;
    for (var at = id.x; at < count; at += groups.x * 64u) {
        let row = at / shape.columns * 4u;
        let column = at % shape.columns;
        let mask = masks(row, column);
        for (var i = 0u; i < 4u && row + i < batch_rows(); i++) {
            let place = (row + i) * shape.columns + column;
            let output = y[place];
            var before = output;
            if (KEEP_INPUT) {
                before = z[place];
            }
            var value = d[place] * mask[i] * slope(before, output);
            if (ACCUMULATE) {
                value += dz[place];
            }
            dz[place] = value;
        }
    }
}
