//! Dot products of narrow numbers that some processors with AVX-512 have: of two bfloat16 (BF16), of four bytes (VNNI).
//!
//! The first adds the product of the high halves to the sum, then that of the low halves, each with one rounding; a product
//! of two bfloat16 is exact. So it gives what [`super::Stored::load_pairs`] and two multiplications give, but for numbers
//! below 2⁻¹²⁶, which it takes for 0. The second is exact.

use std::arch::x86_64::*;
use std::sync::OnceLock;

/// Whether this processor has the dot product of bfloat16.
pub fn has_bfloat() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| is_x86_feature_detected!("avx512bf16"))
}

/// Whether this processor has the dot product of bytes.
pub fn has_bytes() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| is_x86_feature_detected!("avx512vnni"))
}

/// A tile of the product of rows, as narrow numbers, and panels of a kernel.
pub struct Dots {
    /// Row 0 of x: contiguous, in units of 32 bits (two bfloat16, four bytes).
    pub x: *const u32,
    /// Units from one row of x to the next.
    pub x_row: usize,
    /// Unit 0 of the kernel's first panel, a line of sixteen units for each unit of x.
    pub w: *const u32,
    /// Units from one panel to the next.
    pub w_panel: usize,
    /// Units in a row of x.
    pub depth: usize,
    /// Row 0 of the result's first panel.
    pub y: *mut f32,
    /// Floats from one panel to the next.
    pub y_panel: usize,
}

/// Σ x·w on `ROWS` rows and `WIDTH` panels, on top of `start` (a line a panel, or null for 0).
///
/// # Safety
/// The pointers must describe such rows and panels; the processor must have AVX-512 F and BF16.
#[target_feature(enable = "avx512f,avx512bf16")]
pub unsafe fn pairs<const ROWS: usize, const WIDTH: usize>(t: &Dots, start: *const f32, relu: bool) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); WIDTH]; ROWS];
        if !start.is_null() {
            for row in &mut sums {
                for (w, sum) in row.iter_mut().enumerate() {
                    *sum = _mm512_loadu_ps(start.add(16 * w));
                }
            }
        }
        for d in 0..t.depth {
            let mut right = [_mm512_setzero_si512(); WIDTH];
            for (w, line) in right.iter_mut().enumerate() {
                *line = _mm512_loadu_si512(t.w.add(w * t.w_panel + 16 * d).cast());
            }
            for (i, row) in sums.iter_mut().enumerate() {
                let left = _mm512_set1_epi32(*t.x.add(i * t.x_row + d) as i32);
                for (w, sum) in row.iter_mut().enumerate() {
                    *sum = _mm512_dpbf16_ps(*sum, bits(left), bits(right[w]));
                }
            }
        }
        for (i, row) in sums.iter().enumerate() {
            for (w, &sum) in row.iter().enumerate() {
                let y = if relu { _mm512_max_ps(_mm512_setzero_ps(), sum) } else { sum };
                _mm512_storeu_ps(t.y.add(w * t.y_panel + 16 * i), y);
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn bits(register: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits, and any bits are valid.
    unsafe { std::mem::transmute(register) }
}

/// Panels of one row, `step` floats apart, as units of two bfloat16, the first of two in the high half.
///
/// # Safety
/// `from` must be readable for so many panels, `into` writable for eight units each; the processor as in [`pairs`].
#[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
pub unsafe fn to_pairs(from: *const f32, step: usize, panels: usize, into: *mut u32) {
    for panel in 0..panels {
        // SAFETY: the caller's contract; the transmutation is of 256 bits to 256 bits.
        unsafe {
            let halves: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(_mm512_loadu_ps(from.add(panel * step))));
            _mm256_storeu_si256(into.add(panel * 8).cast(), _mm256_rol_epi32::<16>(halves));
        }
    }
}

/// What sums of products of bytes become: y = (sum − minus)·scale + bias, one line a panel each.
pub struct Scales {
    /// What is taken off.
    pub minus: *const i32,
    /// What the rest is multiplied by.
    pub scale: *const f32,
    /// What is added.
    pub bias: *const f32,
}

/// (Σ x·w − minus)·scale + bias on `ROWS` rows and `WIDTH` panels; x unsigned, w signed.
///
/// # Safety
/// As [`pairs`]; the processor must have AVX-512 F and VNNI.
#[target_feature(enable = "avx512f,avx512vnni")]
pub unsafe fn bytes<const ROWS: usize, const WIDTH: usize>(t: &Dots, s: &Scales, relu: bool) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut sums = [[_mm512_setzero_si512(); WIDTH]; ROWS];
        for d in 0..t.depth {
            let mut right = [_mm512_setzero_si512(); WIDTH];
            for (w, line) in right.iter_mut().enumerate() {
                *line = _mm512_loadu_si512(t.w.add(w * t.w_panel + 16 * d).cast());
            }
            for (i, row) in sums.iter_mut().enumerate() {
                let left = _mm512_set1_epi32(*t.x.add(i * t.x_row + d) as i32);
                for (w, sum) in row.iter_mut().enumerate() {
                    *sum = _mm512_dpbusd_epi32(*sum, left, right[w]);
                }
            }
        }
        for (i, row) in sums.iter().enumerate() {
            for (w, &sum) in row.iter().enumerate() {
                let exact = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum, _mm512_loadu_si512(s.minus.add(16 * w).cast())));
                let scaled = _mm512_mul_ps(exact, _mm512_loadu_ps(s.scale.add(16 * w)));
                let y = _mm512_add_ps(scaled, _mm512_loadu_ps(s.bias.add(16 * w)));
                let y = if relu { _mm512_max_ps(_mm512_setzero_ps(), y) } else { y };
                _mm512_storeu_ps(t.y.add(w * t.y_panel + 16 * i), y);
            }
        }
    }
}

/// Panels of one row, `step` floats apart, as bytes: x·inverse, held where it becomes one, to the nearest integer, plus `zero`.
///
/// # Safety
/// `from` must be readable for so many panels, `into` writable for sixteen bytes each; the processor must have AVX-512 F.
#[target_feature(enable = "avx512f")]
pub unsafe fn to_bytes(from: *const f32, step: usize, panels: usize, into: *mut u8, inverse: f32, zero: f32) {
    let (low, high) = (_mm512_set1_ps(-zero), _mm512_set1_ps(255.0 - zero));
    for panel in 0..panels {
        // SAFETY: the caller's contract.
        unsafe {
            let x = _mm512_mul_ps(_mm512_loadu_ps(from.add(panel * step)), _mm512_set1_ps(inverse));
            // In this order a NaN becomes the lowest.
            let held = _mm512_min_ps(_mm512_max_ps(x, low), high);
            let byte = _mm512_add_epi32(_mm512_cvtps_epi32(held), _mm512_set1_epi32(zero as i32));
            _mm_storeu_si128(into.add(panel * 16).cast(), _mm512_cvtepi32_epi8(byte));
        }
    }
}
