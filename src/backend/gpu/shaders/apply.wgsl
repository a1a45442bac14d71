// The optimizer's rule over a whole gradient in memory, which a norm may have clipped. CLIP: 0 not, 1 by this variable's
// norm, 2 by that of all. PASS: 0 the rule, 1 the direction of an update in place of the gradient, 2 the way along it, as
// far as the norms of weights and direction say. `update` and `between` come from the rule.
//
// `extra` is the variable's place among `more.y`; `norms` has those of gradients, of weights, of directions.
// `more.x` tells whether the variable decays. MEAN is one over the steps whose gradients were summed.

@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(3) var<storage, read> norms: array<f32>;
@group(0) @binding(4) var<storage, read_write> values: array<f32>;
@group(0) @binding(5) var<storage, read_write> slots: array<f32>;

fn clip_scale() -> f32 {
    if (CLIP == 0u) {
        return MEAN;
    }
    var square = 0.0f;
    if (CLIP == 1u) {
        square = norms[shape.extra];
    } else {
        for (var i = 0u; i < shape.more.y; i++) {
            square += norms[i];
        }
    }
    let norm = sqrt(square) * MEAN;
    // Not `max`, which would lose a NaN. An infinite norm of all makes everything NaN, as in Keras.
    let scale = MEAN * CLIP_LIMIT / select(norm, CLIP_LIMIT, norm < CLIP_LIMIT);
    return select(scale, square - square, CLIP == 2u && norm == infinity());
}

// ‖w‖/‖d‖, and 1 where either is 0.
fn trust_ratio() -> f32 {
    let decay = select(0.0f, now.decay, shape.more.x == 1u);
    let weights = sqrt(norms[shape.more.y + shape.extra]) * abs(1.0f - decay);
    let direction = sqrt(norms[2u * shape.more.y + shape.extra]);
    return select(1.0f, weights / direction, weights > 0.0f && direction > 0.0f);
}

fn scale_of_gradient() -> f32 {
    if (PASS == 2u) {
        return trust_ratio();
    }
    return clip_scale();
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let updates = (now.flags & 2u) != 0u;
    if (PASS == 1u && !updates) {
        return;
    }
    let count = shape.columns;
    let scale = scale_of_gradient();
    rule_from = shape.rule.x;
    for (var at = id.x; at < count; at += groups.x * 64u) {
        var s = vec4<f32>(0.0f);
        for (var i = 0u; i < SLOTS; i++) {
            s[i] = slots[i * count + at];
        }
        var after: Updated;
        if (updates) {
            after = update(values[at], gradient[at] * scale, s);
        } else {
            after = between(values[at], s);
        }
        if (PASS == 1u) {
            gradient[at] = after.w;
        } else {
            values[at] = settled(after);
        }
        for (var i = 0u; i < SLOTS; i++) {
            slots[i * count + at] = after.s[i];
        }
    }
}
