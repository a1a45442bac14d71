// mean.rs's (1/n) Σ term for one row, by LANES invocations of which this is number `lane`; without the 1/n if NAME_SUMMED. NAME_term and NAME_slope are the term and its
// derivative; with NAME_HEAD the prediction is a logit, which becomes a probability.

fn NAME(row: u32, from_row: u32, factor: f32, gradient: bool) -> f32 {
    let n = shape.columns;
    let share = select(1.0f / f32(n), 1.0f, NAME_SUMMED);
    var sum = 0.0f;
    for (var j = lane; j < n; j += LANES) {
        let at = row * n + j;
        let y = number(from_row, j);
        let value = p[at];
        sum += NAME_term(y, value);
        if (gradient) {
            dp[at] = NAME_slope(y, value) * share * factor;
        }
        if (NAME_HEAD) {
            p[at] = sigmoid_of(value);
        }
    }
    return joined(sum) * share;
}
