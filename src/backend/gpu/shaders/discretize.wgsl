// The number of each element's bin: how many of the `extra` boundaries are ≤ x; all of them for NaN.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> boundaries: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        let bits = bitcast<u32>(x[at]) & 0x7fffffffu;
        // Halves of what is left, as in any sorted list.
        var low = 0u;
        var high = shape.extra;
        while (low < high) {
            let middle = (low + high) / 2u;
            if (boundaries[middle] <= x[at] || bits > 0x7f800000u) {
                low = middle + 1u;
            } else {
                high = middle;
            }
        }
        y[at] = f32(low);
    }
}
