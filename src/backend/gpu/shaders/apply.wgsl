// The optimizer's rule over a whole gradient in memory, which a norm may have clipped. CLIP: 0 not, 1 by this variable's
// norm, 2 by that of all. `update` comes from the rule.

@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read> norms: array<f32>;
@group(0) @binding(4) var<storage, read_write> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> slots: array<f32>;

fn clip_scale() -> f32 {
    if (CLIP == 0u) {
        return 1.0f;
    }
    var square = 0.0f;
    if (CLIP == 1u) {
        square = norms[shape.extra];
    } else {
        for (var i = 0u; i < VARIABLES; i++) {
            square += norms[i];
        }
    }
    let norm = sqrt(square);
    // Not `max`, which would lose a NaN. An infinite norm of all makes everything NaN, as in Keras.
    let scale = CLIP_LIMIT / select(norm, CLIP_LIMIT, norm < CLIP_LIMIT);
    return select(scale, square - square, CLIP == 2u && norm == infinity());
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let count = shape.depth * shape.columns;
    let scale = clip_scale();
    for (var at = id.x; at < count; at += groups.x * 64u) {
        var s = vec3<f32>(0.0f);
        for (var i = 0u; i < SLOTS; i++) {
            s[i] = slots[i * count + at];
        }
        let after = update(values[at], gradient[at] * scale, s.x, s.y, s.z);
        values[at] = after.x;
        for (var i = 0u; i < SLOTS; i++) {
            slots[i * count + at] = after[i + 1u];
        }
    }
}
