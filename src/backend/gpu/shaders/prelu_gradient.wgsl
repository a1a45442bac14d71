// The gradient of α, Σ dy·min(x, 0), a workgroup a number of it: its 64 invocations take every 64th sample each, and their sums are
// added in one order. Number i of α is that of the elements of `made` from starts[i] to starts[i + 1]; a sample has `depth`.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read> starts: array<u32>;
@group(0) @binding(5) var<storage, read> made: array<u32>;
@group(0) @binding(6) var<storage, read_write> gradient: array<f32>;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    for (var at = group.x; at < shape.columns; at += groups.x) {
        var sum = 0.0f;
        for (var sample = index; sample < now.samples; sample += 64u) {
            for (var i = starts[at]; i < starts[at + 1u]; i++) {
                let place = sample * shape.depth + made[i];
                sum += dy[place] * select(0.0f, x[place], x[place] < 0.0f);
            }
        }
        sums[index] = sum;
        workgroupBarrier();
        if (index == 0u) {
            var all = 0.0f;
            for (var i = 0u; i < 64u; i++) {
                all += sums[i];
            }
            gradient[at] = select(all, gradient[at] + all, adds(ACCUMULATE));
        }
        workgroupBarrier();
    }
}
