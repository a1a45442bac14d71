//! AVX2 with FMA and F16C: eight lanes, masks as registers of ones and zeros.

use super::{Task, Vector, real_math, tile_shapes, x86_arithmetic, x86_operators};
use crate::real::Real;
use crate::rng::Bits;
use std::arch::x86_64::*;
use std::ops::Neg;

const LANES: usize = 8;

/// Eight floats.
#[derive(Clone, Copy)]
pub struct F32x8(pub(super) __m256);

/// Eight unsigned integers.
#[derive(Clone, Copy)]
pub struct U32x8(__m256i);

/// Calls a task where AVX2, FMA and F16C may be used.
///
/// # Safety
/// The processor must have AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn run<T: Task>(task: T) -> T::Output {
    task.run::<F32x8>()
}

x86_operators!(F32x8: Add add _mm256_add_ps, Sub sub _mm256_sub_ps, Mul mul _mm256_mul_ps, Div div _mm256_div_ps);

impl Neg for F32x8 {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        // SAFETY: a register exists only inside `run`.
        F32x8(unsafe { _mm256_xor_ps(self.0, _mm256_set1_ps(-0.0)) })
    }
}

impl Real for F32x8 {
    type Mask = __m256;
    x86_arithmetic!(F32x8: _mm256_set1_ps _mm256_fmadd_ps _mm256_max_ps _mm256_min_ps _mm256_sqrt_ps);
    real_math!(exp ln tanh erf);
    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: a register exists only inside `run`.
        F32x8(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
    }
    #[inline(always)]
    fn lt(self, other: Self) -> __m256 {
        // SAFETY: a register exists only inside `run`.
        unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    fn le(self, other: Self) -> __m256 {
        // SAFETY: a register exists only inside `run`.
        unsafe { _mm256_cmp_ps::<_CMP_LE_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    fn eq(self, other: Self) -> __m256 {
        // SAFETY: a register exists only inside `run`.
        unsafe { _mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    fn both(a: __m256, b: __m256) -> __m256 {
        // SAFETY: a register exists only inside `run`.
        unsafe { _mm256_and_ps(a, b) }
    }
    #[inline(always)]
    fn select(mask: __m256, yes: Self, no: Self) -> Self {
        // SAFETY: a register exists only inside `run`.
        F32x8(unsafe { _mm256_blendv_ps(no.0, yes.0, mask) })
    }
}

impl Vector for F32x8 {
    const LANES: usize = LANES;
    const TILE_ROWS: usize = 6;
    const TILE_PANELS: usize = 1;
    const LIST_PANELS: usize = 6;
    type Bits = U32x8;

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller's contract.
        F32x8(unsafe { _mm256_loadu_ps(p) })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller's contract.
        unsafe { _mm256_storeu_ps(p, self.0) }
    }
    #[inline(always)]
    unsafe fn broadcast(p: *const f32) -> Self {
        // SAFETY: the caller's contract.
        F32x8(unsafe { _mm256_broadcast_ss(&*p) })
    }
    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: a register exists only inside `run`.
        F32x8(unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
    }
    #[inline(always)]
    fn pow2(self) -> Self {
        // SAFETY: a register exists only inside `run`.
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(self.0), _mm256_set1_epi32(127));
            F32x8(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        }
    }
    #[inline(always)]
    fn frexp(self) -> (Self, Self) {
        // SAFETY: a register exists only inside `run`.
        unsafe {
            let bits = _mm256_castps_si256(self.0);
            let mantissa =
                _mm256_or_si256(_mm256_and_si256(bits, _mm256_set1_epi32(0x007f_ffff)), _mm256_set1_epi32(0x3f00_0000));
            let exponent = _mm256_sub_epi32(_mm256_srli_epi32::<23>(bits), _mm256_set1_epi32(126));
            (F32x8(_mm256_castsi256_ps(mantissa)), F32x8(_mm256_cvtepi32_ps(exponent)))
        }
    }
    #[inline(always)]
    unsafe fn transpose(from: *const f32, into: *mut f32) {
        for (row, column) in [(0, 0), (0, 8), (8, 0), (8, 8)] {
            // SAFETY: an 8 × 8 corner of sixteen lines each, by the caller's contract; called only inside `run`.
            unsafe {
                let (from, into) = (from.add(row * 16 + column), into.add(column * 16 + row));
                let mut r = [_mm256_setzero_ps(); 8];
                for (i, line) in r.iter_mut().enumerate() {
                    *line = _mm256_loadu_ps(from.add(i * 16));
                }
                // Pairs of floats, then of pairs, within halves …
                let mut t = r;
                for i in 0..4 {
                    t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                    t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
                }
                for i in 0..2 {
                    let (a, b) = (_mm256_castps_pd(t[4 * i]), _mm256_castps_pd(t[4 * i + 1]));
                    let (c, d) = (_mm256_castps_pd(t[4 * i + 2]), _mm256_castps_pd(t[4 * i + 3]));
                    r[4 * i] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, c));
                    r[4 * i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, c));
                    r[4 * i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(b, d));
                    r[4 * i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(b, d));
                }
                // … then the halves: r[4i + j] holds columns j and 4 + j of rows 4i … 4i + 3.
                for j in 0..4 {
                    _mm256_storeu_ps(into.add(j * 16), _mm256_permute2f128_ps::<0x20>(r[j], r[4 + j]));
                    _mm256_storeu_ps(into.add((4 + j) * 16), _mm256_permute2f128_ps::<0x31>(r[j], r[4 + j]));
                }
            }
        }
    }
    tile_shapes!(1 x [1 2 3 4 5 6]);
}

impl Bits for U32x8 {
    type Mask = __m256;
    #[inline(always)]
    fn splat(x: u32) -> Self {
        // SAFETY: called only inside `run`.
        U32x8(unsafe { _mm256_set1_epi32(x as i32) })
    }
    #[inline(always)]
    fn iota(start: u32) -> Self {
        // SAFETY: called only inside `run`.
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            U32x8(_mm256_add_epi32(lanes, _mm256_set1_epi32(start as i32)))
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: a register exists only inside `run`.
        U32x8(unsafe { _mm256_add_epi32(self.0, other.0) })
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: a register exists only inside `run`.
        U32x8(unsafe { _mm256_xor_si256(self.0, other.0) })
    }
    #[inline(always)]
    fn rotate<const N: i32, const REST: i32>(self) -> Self {
        // SAFETY: a register exists only inside `run`.
        U32x8(unsafe { _mm256_or_si256(_mm256_slli_epi32::<N>(self.0), _mm256_srli_epi32::<REST>(self.0)) })
    }
    #[inline(always)]
    fn ge(self, other: Self) -> __m256 {
        // SAFETY: a register exists only inside `run`.
        unsafe { _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epu32(self.0, other.0), self.0)) }
    }
}
