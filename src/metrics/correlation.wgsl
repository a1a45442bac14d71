// The formulas of correlation.rs for one row, by LANES invocations of which this is number `lane`.

fn cosine_of(row: u32, from_row: u32) -> f32 {
    // Σ y², Σ p², Σ yp.
    var sums = vec3<f32>(0.0f);
    for (var j = lane; j < shape.columns; j += LANES) {
        let y = number(from_row, j);
        let q = p[row * shape.columns + j];
        sums = fma(vec3<f32>(y, q, y), vec3<f32>(y, q, q), sums);
    }
    sums = joined_three(sums);
    return sums.z / (larger(1e-7f, sqrt(sums.x)) * larger(1e-7f, sqrt(sums.y)));
}

fn means_of(row: u32, from_row: u32) -> vec2<f32> {
    var sums = vec2<f32>(0.0f);
    for (var j = lane; j < shape.columns; j += LANES) {
        sums += vec2<f32>(number(from_row, j), p[row * shape.columns + j]);
    }
    return vec2<f32>(joined(sums.x), joined(sums.y)) * (1.0f / f32(shape.columns));
}

fn pearson(row: u32, from_row: u32) -> f32 {
    let means = means_of(row, from_row);
    var sums = vec3<f32>(0.0f);
    for (var j = lane; j < shape.columns; j += LANES) {
        let y = number(from_row, j) - means.x;
        let q = p[row * shape.columns + j] - means.y;
        sums = fma(vec3<f32>(y, q, y), vec3<f32>(y, q, q), sums);
    }
    sums = joined_three(sums);
    return sums.z / (sqrt(sums.x) * sqrt(sums.y));
}

fn concordance(row: u32, from_row: u32) -> f32 {
    let means = means_of(row, from_row);
    let share = 1.0f / f32(shape.columns);
    var sums = vec3<f32>(0.0f);
    for (var j = lane; j < shape.columns; j += LANES) {
        let y = number(from_row, j) - means.x;
        let q = p[row * shape.columns + j] - means.y;
        sums = fma(vec3<f32>(y, q, number(from_row, j) - means.y), vec3<f32>(y, q, q), sums);
    }
    sums = joined_three(sums);
    let apart = means.x - means.y;
    return (sums.z + sums.z) * share / ((sums.x + sums.y) * share + apart * apart + 1e-7f);
}
