// y = x·factor + term with draws of the CPU's generator, four rows of a column an invocation; with BACK y (+)= x·factor, where x is
// the gradient, and the draws are those of the way there. NOISE: 0 term σn, 1 factor 1 + σn, 2 alpha dropout: `amounts` are
// σ; or factor and term of what is kept, and the term of the rest.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

// Φ⁻¹ at (word + ½)/2³²: in the tails Acklam's rational approximation, as in src/initializers/random.rs; between them, where that
// cancels in single precision, √2·erfinv(2p − 1) by Giles (Approximating the erfinv function, 2011). What is near 1 is taken
// from the other end, so that nothing is lost.
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
        // 2p − 1, of whole numbers.
        let x = -(f32(0x7fffffffu - w) + 0.5f) * 4.656613e-10f;
        let v = -ln_of(4.0f * p * (1.0f - p)) - 2.5f;
        var erfinv = 2.81022636e-8f;
        erfinv = fma(erfinv, v, 3.43273939e-7f);
        erfinv = fma(erfinv, v, -3.5233877e-6f);
        erfinv = fma(erfinv, v, -4.39150654e-6f);
        erfinv = fma(erfinv, v, 2.1858087e-4f);
        erfinv = fma(erfinv, v, -1.25372503e-3f);
        erfinv = fma(erfinv, v, -4.17768164e-3f);
        erfinv = fma(erfinv, v, 2.46640727e-1f);
        erfinv = fma(erfinv, v, 1.50140941f);
        value = 1.41421356f * x * erfinv;
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
