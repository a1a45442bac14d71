// Four neighbours of the gradient of NAME, kernel or bias, stored, or the rule over them; COUNT numbers has the variable.
fn store_NAME(at: u32, left: u32, gradient: vec4<f32>) {
    if (!UPDATE) {
        var sum = gradient;
        if (adds(ACCUMULATE)) {
            sum += get_NAME(at, left);
        }
        put_NAME(at, left, sum);
        return;
    }
    let count = COUNT;
    var s: mat4x4<f32>;
    for (var i = 0u; i < SLOTS; i++) {
        s[i] = get_NAME_slots(i * count + at, left);
    }
    rule_from = RULE;
    let after = update_four(get_NAME(at, left), gradient, s, PENALTY);
    put_NAME(at, left, after.w);
    var t = after.s;
    for (var i = 0u; i < SLOTS; i++) {
        put_NAME_slots(i * count + at, left, t[i]);
    }
}

