// y = x·factor + term with draws of the CPU's generator, four rows of a column an invocation; with BACK y (+)= x·factor, where x is
// the gradient, and the draws are those of the way there. NOISE: 0 term σn, 1 factor 1 + σn, 2 alpha dropout: `amounts` are
// σ; or factor and term of what is kept, and the term of the rest.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// Acklam's rational approximations of Φ⁻¹, as in src/initializers/random.rs, at (word + ½)/2³². What is near 1 is taken from
// the other end, so that nothing cancels.
fn normal(word: u32) -> f32 {
    let upper = word >= 0x80000000u;
    let w = select(word, ~word, upper);
    let p = (f32(w) + 0.5f) * 2.3283064e-10f;
    var value: f32;
    if (p < 0.02425f) {
        let q = sqrt(-2.0f * ln_of(p));
        let over = ((((-7.784894e-3f * q - 3.2239646e-1f) * q - 2.4007583f) * q - 2.5497325f) * q + 4.3746643f) * q + 2.938164f;
        value = over / ((((7.7846957e-3f * q + 3.2246713e-1f) * q + 2.4451342f) * q + 3.7544087f) * q + 1.0f);
    } else {
        // p − ½, of whole numbers.
        let q = -(f32(0x7fffffffu - w) + 0.5f) * 2.3283064e-10f;
        let r = q * q;
        let over = ((((-39.69683f * r + 220.94609f) * r - 275.92851f) * r + 138.35775f) * r - 30.664798f) * r + 2.5066283f;
        value = q * over / (((((-54.4761f * r + 161.58584f) * r - 155.69898f) * r + 66.801312f) * r - 13.280682f) * r + 1.0f);
    }
    return select(value, -value, upper);
}

// Factor and term.
fn draw(word: u32) -> vec2<f32> {
    switch NOISE {
        case 0u: { return vec2<f32>(1.0f, shape.amounts.x * normal(word)); }
        case 1u: { return vec2<f32>(1.0f + shape.amounts.x * normal(word), 0.0f); }
        default: {
            return select(vec2<f32>(0.0f, shape.amounts.z), shape.amounts.xy, word >= shape.threshold);
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let count = (batch_rows() + 3u) / 4u * shape.columns;
    for (var at = id.x; at < count; at += groups.x * 64u) {
        let row = at / shape.columns * 4u;
        let column = at % shape.columns;
        let words = threefry(shape.key, vec4<u32>(column, row / 4u, now.number.x, now.number.y));
        for (var i = 0u; i < 4u && row + i < batch_rows(); i++) {
            let place = (row + i) * shape.columns + column;
            let drawn = draw(words[i]);
            if (BACK) {
                let value = x[place] * drawn.x;
                y[place] = select(value, y[place] + value, ACCUMULATE);
            } else {
                y[place] = x[place] * drawn.x + drawn.y;
            }
        }
    }
}
