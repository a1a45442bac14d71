// dx (+)= r·(g − [mean g] − d·mean(g·h)), g = γ·dy: the gradient of layer_norm.wgsl, where h is the normalized value, d = (x −
// centre)·r, and the first mean is there only where a mean was taken off the value.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> gamma: array<f32>;
@group(0) @binding(4) var<storage, read> saved: array<f32>;
@group(0) @binding(5) var<storage, read> dy: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<f32>;

fn incoming(at: u32, j: u32) -> f32 {
    if (GAMMA) {
        return gamma[j] * dy[at];
    }
    return dy[at];
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let first_row = begin_rows(group.x, index);
    let n = shape.columns;
    for (var row = first_row; row < batch_rows(); row += rows_apart(groups.x)) {
        let first = row * n;
        let mean = saved[2u * row];
        let factor = saved[2u * row + 1u];
        let shift = select(0.0f, mean, MOMENTS == 0u);
        let centre = select(mean, 0.0f, MOMENTS == 1u);
        var plain = 0.0f;
        var weighted = 0.0f;
        for (var j = lane; j < n; j += LANES) {
            let g = incoming(first + j, j);
            plain += g;
            weighted += g * ((x[first + j] - shift) * factor);
        }
        plain = select(0.0f, joined(plain) / f32(n), MOMENTS == 0u);
        weighted = joined(weighted) / f32(n);
        for (var j = lane; j < n; j += LANES) {
            let d = (x[first + j] - centre) * factor;
            let value = factor * (incoming(first + j, j) - plain - d * weighted);
            dx[first + j] = select(value, dx[first + j] + value, ACCUMULATE);
        }
    }
}
