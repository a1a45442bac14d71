//! AVX-512: sixteen lanes, masks in mask registers.

use super::{Task, Vector, real_math, tile_shapes, x86_arithmetic, x86_operators};
use crate::real::Real;
use crate::rng::Bits;
use std::arch::x86_64::*;
use std::ops::Neg;

const LANES: usize = 16;

/// Sixteen floats.
#[derive(Clone, Copy)]
pub struct F32x16(pub(super) __m512);

/// Sixteen unsigned integers.
#[derive(Clone, Copy)]
pub struct U32x16(__m512i);

/// Calls a task where AVX-512 may be used.
///
/// # Safety
/// The processor must have AVX-512 F, DQ, BW, VL, AVX2 and FMA.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
pub unsafe fn run<T: Task>(task: T) -> T::Output {
    task.run::<F32x16>()
}

x86_operators!(F32x16: Add add _mm512_add_ps, Sub sub _mm512_sub_ps, Mul mul _mm512_mul_ps, Div div _mm512_div_ps);

impl Neg for F32x16 {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        // SAFETY: a register exists only inside `run`.
        F32x16(unsafe { _mm512_xor_ps(self.0, _mm512_set1_ps(-0.0)) })
    }
}

impl Real for F32x16 {
    type Mask = __mmask16;
    x86_arithmetic!(F32x16: _mm512_set1_ps _mm512_fmadd_ps _mm512_max_ps _mm512_min_ps _mm512_sqrt_ps);
    real_math!(exp ln tanh erf);
    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: a register exists only inside `run`.
        F32x16(unsafe { _mm512_abs_ps(self.0) })
    }
    #[inline(always)]
    fn lt(self, other: Self) -> __mmask16 {
        // SAFETY: a register exists only inside `run`.
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    fn le(self, other: Self) -> __mmask16 {
        // SAFETY: a register exists only inside `run`.
        unsafe { _mm512_cmp_ps_mask::<_CMP_LE_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    fn eq(self, other: Self) -> __mmask16 {
        // SAFETY: a register exists only inside `run`.
        unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    fn both(a: __mmask16, b: __mmask16) -> __mmask16 {
        a & b
    }
    #[inline(always)]
    fn select(mask: __mmask16, yes: Self, no: Self) -> Self {
        // SAFETY: a register exists only inside `run`.
        F32x16(unsafe { _mm512_mask_blend_ps(mask, no.0, yes.0) })
    }
}

impl Vector for F32x16 {
    const LANES: usize = LANES;
    const TILE_ROWS: usize = 8;
    const TILE_PANELS: usize = 2;
    const LIST_PANELS: usize = 8;
    type Bits = U32x16;

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller's contract.
        F32x16(unsafe { _mm512_loadu_ps(p) })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller's contract.
        unsafe { _mm512_storeu_ps(p, self.0) }
    }
    #[inline(always)]
    unsafe fn broadcast(p: *const f32) -> Self {
        // SAFETY: the caller's contract.
        F32x16(unsafe { _mm512_set1_ps(*p) })
    }
    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: a register exists only inside `run`.
        F32x16(unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
    }
    #[inline(always)]
    fn pow2(self) -> Self {
        // SAFETY: a register exists only inside `run`.
        unsafe {
            let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(self.0), _mm512_set1_epi32(127));
            F32x16(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent)))
        }
    }
    #[inline(always)]
    fn frexp(self) -> (Self, Self) {
        // SAFETY: a register exists only inside `run`.
        unsafe {
            let bits = _mm512_castps_si512(self.0);
            let mantissa =
                _mm512_or_si512(_mm512_and_si512(bits, _mm512_set1_epi32(0x007f_ffff)), _mm512_set1_epi32(0x3f00_0000));
            let exponent = _mm512_sub_epi32(_mm512_srli_epi32::<23>(bits), _mm512_set1_epi32(126));
            (F32x16(_mm512_castsi512_ps(mantissa)), F32x16(_mm512_cvtepi32_ps(exponent)))
        }
    }
    #[inline(always)]
    unsafe fn transpose(from: *const f32, into: *mut f32) {
        // SAFETY: sixteen lines each by the caller's contract; called only inside `run`.
        unsafe {
            let mut r = [_mm512_setzero_ps(); 16];
            for (i, row) in r.iter_mut().enumerate() {
                *row = _mm512_loadu_ps(from.add(i * 16));
            }
            // Pairs of floats, then of pairs, within 128-bit quarters …
            let mut t = r;
            for i in 0..8 {
                t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
            }
            for i in 0..4 {
                let (a, b) = (_mm512_castps_pd(t[4 * i]), _mm512_castps_pd(t[4 * i + 1]));
                let (c, d) = (_mm512_castps_pd(t[4 * i + 2]), _mm512_castps_pd(t[4 * i + 3]));
                r[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
                r[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
                r[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
                r[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
            }
            // … then the quarters themselves: r[4i + j] holds columns j, 4 + j, 8 + j, 12 + j of rows 4i … 4i + 3.
            for j in 0..4 {
                let low = _mm512_shuffle_f32x4::<0b10_00_10_00>(r[j], r[4 + j]);
                let high = _mm512_shuffle_f32x4::<0b11_01_11_01>(r[j], r[4 + j]);
                let low_rest = _mm512_shuffle_f32x4::<0b10_00_10_00>(r[8 + j], r[12 + j]);
                let high_rest = _mm512_shuffle_f32x4::<0b11_01_11_01>(r[8 + j], r[12 + j]);
                let line = |column: usize| into.add(column * 16);
                _mm512_storeu_ps(line(j), _mm512_shuffle_f32x4::<0b10_00_10_00>(low, low_rest));
                _mm512_storeu_ps(line(8 + j), _mm512_shuffle_f32x4::<0b11_01_11_01>(low, low_rest));
                _mm512_storeu_ps(line(4 + j), _mm512_shuffle_f32x4::<0b10_00_10_00>(high, high_rest));
                _mm512_storeu_ps(line(12 + j), _mm512_shuffle_f32x4::<0b11_01_11_01>(high, high_rest));
            }
        }
    }
    #[inline(always)]
    unsafe fn compress(self, first: u32, values: *mut f32, offsets: *mut u32) -> usize {
        // SAFETY: sixteen lanes each by the caller's contract; called only inside `run`.
        unsafe {
            let mask = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(self.0, _mm512_setzero_ps());
            let lanes = _mm512_setr_epi32(0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240);
            let places = _mm512_add_epi32(lanes, _mm512_set1_epi32(first as i32));
            // Compressed in the register: some processors take very long over a compressing store.
            _mm512_storeu_ps(values, _mm512_maskz_compress_ps(mask, self.0));
            _mm512_storeu_si512(offsets.cast(), _mm512_maskz_compress_epi32(mask, places));
            mask.count_ones() as usize
        }
    }
    tile_shapes!(1 x [1 2 3 4 5 6 7 8], 2 x [1 2 3 4 5 6 7 8]);
}

impl Bits for U32x16 {
    type Mask = __mmask16;
    #[inline(always)]
    fn splat(x: u32) -> Self {
        // SAFETY: called only inside `run`.
        U32x16(unsafe { _mm512_set1_epi32(x as i32) })
    }
    #[inline(always)]
    fn iota(start: u32) -> Self {
        // SAFETY: called only inside `run`.
        unsafe {
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            U32x16(_mm512_add_epi32(lanes, _mm512_set1_epi32(start as i32)))
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: a register exists only inside `run`.
        U32x16(unsafe { _mm512_add_epi32(self.0, other.0) })
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: a register exists only inside `run`.
        U32x16(unsafe { _mm512_xor_si512(self.0, other.0) })
    }
    #[inline(always)]
    fn rotate<const N: i32, const REST: i32>(self) -> Self {
        // SAFETY: a register exists only inside `run`.
        U32x16(unsafe { _mm512_rol_epi32::<N>(self.0) })
    }
    #[inline(always)]
    fn ge(self, other: Self) -> __mmask16 {
        // SAFETY: a register exists only inside `run`.
        unsafe { _mm512_cmpge_epu32_mask(self.0, other.0) }
    }
}
