// For each sample the products of the rows of x (m × k) and y (n × k). `more` is m, n, k; `columns` m·n.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> z: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let n = shape.more.y;
    let k = shape.more.z;
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        // The rows of x lie one after the other, whatever the sample.
        let from_x = at / n * k;
        let from_y = (at / shape.columns * n + at % n) * k;
        var sum = 0.0f;
        for (var c = 0u; c < k; c++) {
            sum = fma(x[from_x + c], y[from_y + c], sum);
        }
        z[at] = sum;
    }
}
