// fold.rs's walks over the columns of one row. NAME_start, NAME_fold_0 …, NAME_value, NAME_slope and NAME_label are the
// loss's own; it walks NAME_PASSES times, NAME_WALKS times for the gradient.

fn NAME_fold(pass_: u32, s: STATE, y: f32, p: f32, share: f32) -> STATE {
    switch (pass_) {
CASES        default: { return s; }
    }
}

fn NAME(row: u32, from_row: u32, factor: f32, gradient: bool) -> f32 {
    let n = shape.columns;
    let share = 1.0f / f32(n);
    var state = NAME_start();
    let walks = select(NAME_PASSES, NAME_WALKS, gradient);
    for (var walk = 0u; walk < walks; walk++) {
        for (var j = 0u; j < n; j++) {
            let y = NAME_label(probability(from_row, j), j, share);
            state = NAME_fold(walk, state, y, p[row * n + j], share);
        }
    }
    if (gradient) {
        for (var j = 0u; j < n; j++) {
            let y = NAME_label(probability(from_row, j), j, share);
            dp[row * n + j] = NAME_slope(state, y, p[row * n + j], share) * factor;
        }
    }
    return NAME_value(state);
}
