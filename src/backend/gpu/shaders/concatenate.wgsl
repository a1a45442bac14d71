// The columns of x among those of y, from column `extra` of its `depth` on; or, with BACK, y (+)= those columns of x.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        let wide = at / shape.columns * shape.depth + shape.extra + at % shape.columns;
        if (BACK) {
            y[at] = select(x[wide], y[at] + x[wide], ACCUMULATE);
        } else {
            y[wide] = x[at];
        }
    }
}
