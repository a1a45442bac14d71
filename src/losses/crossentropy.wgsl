// crossentropy.rs's categorical formulas for one row, by LANES invocations of which this is number `lane`. NAME_smoothed is the label with smoothing, NAME_IGNORES tells whether
// rows of class NAME_IGNORED are left out. NAME_FORM: 0 of probabilities, 1 of logits that stay, 2 of logits that become
// probabilities.

fn NAME_weight(from_row: u32, j: u32) -> f32 {
    return NAME_smoothed(probability(from_row, j), 1.0f / f32(shape.columns));
}

fn NAME_of_probabilities(row: u32, from_row: u32, factor: f32, gradient: bool) -> f32 {
    let n = shape.columns;
    let low = 1e-7f;
    let high = NAME_HIGH;
    var sum = 0.0f;
    for (var j = lane; j < n; j += LANES) {
        sum += p[row * n + j];
    }
    sum = joined(sum);
    var value = 0.0f;
    for (var j = lane; j < n; j += LANES) {
        value -= NAME_weight(from_row, j) * ln_of(held(p[row * n + j] / sum, low, high));
    }
    value = joined(value);
    var inner = 0.0f;
    if (gradient) {
        for (var j = lane; j < n; j += LANES) {
            let q = p[row * n + j] / sum;
            let slope = select(0.0f, -NAME_weight(from_row, j) / q, q >= low && q <= high);
            dp[row * n + j] = slope;
            inner = fma(slope, q, inner);
        }
    }
    inner = joined(inner);
    if (gradient) {
        for (var j = lane; j < n; j += LANES) {
            dp[row * n + j] = (dp[row * n + j] - inner) / sum * factor;
        }
    }
    return value;
}

fn NAME_of_logits(row: u32, from_row: u32, factor: f32, gradient: bool) -> f32 {
    let n = shape.columns;
    var max = p[row * n];
    for (var j = lane; j < n; j += LANES) {
        max = larger(max, p[row * n + j]);
    }
    max = largest(max);
    var sum = 0.0f;
    var total = 0.0f;
    var hit = 0.0f;
    for (var j = lane; j < n; j += LANES) {
        let weight = NAME_weight(from_row, j);
        let shifted = p[row * n + j] - max;
        sum += exp_of(shifted);
        total += weight;
        // 0 for weight 0 even if z − m has overflowed.
        hit += select(weight * shifted, 0.0f, weight == 0.0f);
    }
    sum = joined(sum);
    total = joined(total);
    hit = joined(hit);
    let scale = 1.0f / sum;
    for (var j = lane; j < n; j += LANES) {
        let q = exp_of(p[row * n + j] - max) * scale;
        if (gradient) {
            dp[row * n + j] = (total * q - NAME_weight(from_row, j)) * factor;
        }
        if (NAME_FORM == 2u) {
            p[row * n + j] = q;
        }
    }
    return total * ln_of(sum) - hit;
}

fn NAME(row: u32, from_row: u32, factor: f32, gradient: bool) -> f32 {
    var value = 0.0f;
    if (NAME_FORM == 0u) {
        value = NAME_of_probabilities(row, from_row, factor, gradient);
    } else {
        value = NAME_of_logits(row, from_row, factor, gradient);
    }
    if (NAME_IGNORES && number(from_row, 0u) == NAME_IGNORED) {
        value = 0.0f;
        if (gradient) {
            for (var j = lane; j < shape.columns; j += LANES) {
                dp[row * shape.columns + j] = 0.0f;
            }
        }
    }
    return value;
}
