// exp, ln, tanh and erf as the CPU has them (src/backend/cpu/simd/math.rs), to about two units in the last place: what
// WGSL promises of its own is looser. NaN stays NaN where the adapter keeps NaNs at all.

// Not a constant expression, where infinities are forbidden.
var<private> infinity_bits: u32 = 0x7f800000u;

fn infinity() -> f32 {
    return bitcast<f32>(infinity_bits);
}

// The larger; b where either is NaN.
fn larger(a: f32, b: f32) -> f32 {
    return select(b, a, a > b);
}

// The smaller; b where either is NaN.
fn smaller(a: f32, b: f32) -> f32 {
    return select(b, a, a < b);
}

fn held(x: f32, low: f32, high: f32) -> f32 {
    return smaller(high, larger(low, x));
}

// 2^n for whole n from -126 to 127.
fn power_of_two(n: f32) -> f32 {
    return bitcast<f32>(u32(i32(n) + 127) << 23u);
}

fn exp_of(x: f32) -> f32 {
    let h = held(x, -86.6f, 88.72284f);
    let n = round(h * 1.44269504f);
    let r = fma(n, 2.1219444e-4f, fma(n, -0.693359375f, h));
    var p = 1.98756915e-4f;
    p = fma(p, r, 1.3981999507e-3f);
    p = fma(p, r, 8.3334519073e-3f);
    p = fma(p, r, 4.1665795894e-2f);
    p = fma(p, r, 1.6666665459e-1f);
    p = fma(p, r, 5.0000001201e-1f);
    let y = fma(p, r * r, r) + 1.0f;
    // n reaches 128, one more than an exponent can hold: double y and take one from n.
    let scaled = (y + y) * power_of_two(n - 1.0f);
    return select(select(scaled, 0.0f, x < -86.6f), infinity(), x > 88.72284f);
}

fn ln_of(x: f32) -> f32 {
    let tiny = x < 1.1754944e-38f;
    let bits = bitcast<u32>(select(x, x * 16777216.0f, tiny));
    var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f000000u);
    var e = f32(i32((bits >> 23u) & 0xffu) - 126) - select(0.0f, 24.0f, tiny);
    if (m < 0.70710678f) {
        e -= 1.0f;
        m += m;
    }
    let z = m - 1.0f;
    let z2 = z * z;
    var p = 7.0376836292e-2f;
    p = fma(p, z, -1.151461031e-1f);
    p = fma(p, z, 1.167699874e-1f);
    p = fma(p, z, -1.2420140846e-1f);
    p = fma(p, z, 1.4249322787e-1f);
    p = fma(p, z, -1.6668057665e-1f);
    p = fma(p, z, 2.0000714765e-1f);
    p = fma(p, z, -2.4999993993e-1f);
    p = fma(p, z, 3.3333331174e-1f);
    var y = fma(e, -2.1219444e-4f, p * z * z2);
    y = fma(z2, -0.5f, y);
    y = fma(e, 0.693359375f, z + y);
    y = select(y, -infinity(), x == 0.0f);
    // Below 0 a NaN.
    y = select(y, infinity() - infinity(), x < 0.0f);
    // Infinity and NaN pass through.
    return select(x, y, x < infinity());
}

// What a compiler must not see through: drivers may turn (1 + x) − 1 into x.
fn rounded(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ now.zero);
}

// ln(1 + x) for x ≥ 0: ln(w)·x/(w − 1) with w = 1 + x.
fn ln_1p_of(x: f32) -> f32 {
    let w = rounded(1.0f + x);
    let d = w - 1.0f;
    return select(ln_of(w) * x / select(d, 1.0f, d == 0.0f), x, d == 0.0f);
}

fn tanh_of(x: f32) -> f32 {
    let h = held(x, -7.905311f, 7.905311f);
    let x2 = h * h;
    var p = -2.76076847742355e-16f;
    p = fma(p, x2, 2.00018790482477e-13f);
    p = fma(p, x2, -8.60467152213735e-11f);
    p = fma(p, x2, 5.12229709037114e-8f);
    p = fma(p, x2, 1.48572235717979e-5f);
    p = fma(p, x2, 6.37261928875436e-4f);
    p = fma(p, x2, 4.89352455891786e-3f);
    var q = 1.19825839466702e-6f;
    q = fma(q, x2, 1.18534705686654e-4f);
    q = fma(q, x2, 2.26843463243900e-3f);
    q = fma(q, x2, 4.89352518554385e-3f);
    let y = select(h * p / q, x, abs(x) < 0.0004f);
    return select(y, select(-1.0f, 1.0f, x > 0.0f), abs(x) > 9.0f);
}

fn erf_of(x: f32) -> f32 {
    let h = held(x, -4.0f, 4.0f);
    let x2 = h * h;
    var p = -2.72614225801306e-10f;
    p = fma(p, x2, 2.77068142495902e-8f);
    p = fma(p, x2, -2.10102402082108e-6f);
    p = fma(p, x2, -5.69250639462346e-5f);
    p = fma(p, x2, -7.34990630326855e-4f);
    p = fma(p, x2, -2.95459980854025e-3f);
    p = fma(p, x2, -1.60960333262415e-2f);
    var q = -1.45660718464996e-5f;
    q = fma(q, x2, -2.13374055278905e-4f);
    q = fma(q, x2, -1.68282697438203e-3f);
    q = fma(q, x2, -7.37332916720468e-3f);
    q = fma(q, x2, -1.42647390514189e-2f);
    return h * p / q;
}

fn sigmoid_of(x: f32) -> f32 {
    let e = exp_of(-abs(x));
    let tail = 1.0f / (1.0f + e);
    return select(tail, e * tail, x < 0.0f);
}
