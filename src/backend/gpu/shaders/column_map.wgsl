// y = (x − shift)·scale/divisor + offset with numbers of each column; or, with BACK, y (+)= x·scale/divisor, where x is the
// gradient. FORM: 0 scale a and offset b are given; 1 mean a and variance b are given, 2 the inverse of that; 3 the moving
// mean a and variance b of a batch normalization; 4 the batch's own in a: means, then factors. `amounts.x` is ε.

@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> a: array<f32>;
@group(0) @binding(4) var<storage, read> b: array<f32>;
@group(0) @binding(5) var<storage, read> gamma: array<f32>;
@group(0) @binding(6) var<storage, read> beta: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

struct Numbers {
    shift: f32,
    scale: f32,
    divisor: f32,
    offset: f32,
}

// `more` is the length of a and b.
fn numbers(column: u32) -> Numbers {
    if (FORM == 4u) {
        let factor = a[shape.columns + column];
        return scaled(column, a[column], factor);
    }
    let first = a[column % shape.more.x];
    let second = b[column % shape.more.y];
    if (FORM == 0u) {
        return Numbers(0.0f, first, 1.0f, second);
    }
    if (FORM == 3u) {
        return scaled(column, first, 1.0f / sqrt(second + shape.amounts.x));
    }
    let root = sqrt(second);
    // The order keeps a NaN.
    let deviation = select(root, shape.amounts.x, root < shape.amounts.x);
    if (FORM == 2u) {
        return Numbers(0.0f, deviation, 1.0f, first);
    }
    return Numbers(first, 1.0f, deviation, 0.0f);
}

fn scaled(column: u32, mean: f32, factor: f32) -> Numbers {
    var result = Numbers(mean, factor, 1.0f, 0.0f);
    if (GAMMA) {
        result.scale *= gamma[column];
    }
    if (BETA) {
        result.offset = beta[column];
    }
    return result;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var at = id.x; at < elements(); at += groups.x * 64u) {
        let n = numbers(at % shape.columns);
        if (BACK) {
            let value = x[at] * n.scale / n.divisor;
            y[at] = select(value, y[at] + value, ACCUMULATE);
        } else {
            y[at] = (x[at] - n.shift) * n.scale / n.divisor + n.offset;
        }
    }
}
