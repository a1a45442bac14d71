// What stands beside any rule: `update` comes from it. AVERAGE is the slot of the weights' average, 4 where there is none.

struct Updated {
    w: f32,
    s: vec4<f32>,
}

// The gradient of the penalty l1·|w| + l2·w².
fn penalty_slope(w: f32, l: vec2<f32>) -> f32 {
    let sign = select(select(0.0f * w, -1.0f, w < 0.0f), 1.0f, w > 0.0f);
    return fma(w, 2.0f * l.y, sign * l.x);
}

// The weight, or its average in its place when it is time.
fn settled(after: Updated) -> f32 {
    if (AVERAGE < 4u && (now.flags & 4u) != 0u) {
        return after.s[min(AVERAGE, 3u)];
    }
    return after.w;
}
