//! Registers from numbers that are stored narrow: float16, bfloat16 in pairs of rows, bytes in fours of rows.
//!
//! A pair line holds 32 bfloat16: lane j has the first of two rows in its high half, the second in its low half, which is
//! the order in which AVX-512's dot product adds them. A line of bytes holds 64: lane j has four rows, lowest byte first.

use super::PANEL;

/// What a register of `f32` can do with them.
///
/// # Safety
/// As for [`super::Vector`]: values exist only inside [`super::Level::run`].
pub trait Stored: Copy {
    /// The same lanes as integers of 32 bits.
    type Sums: Copy;

    /// As many float16 as the register has lanes.
    ///
    /// # Safety
    /// `p` must be readable for them.
    unsafe fn load_half(p: *const u16) -> Self;
    /// Two rows of a pair line from lane 0 on, as many lanes as the register has.
    ///
    /// # Safety
    /// `p` must be readable for twice as many numbers.
    unsafe fn load_pairs(p: *const u16) -> [Self; 2];
    /// The nearest bfloat16, ties to even; what is below the smallest normal number becomes 0.
    fn to_bfloat(self) -> Self;
    /// Zeros.
    fn no_sums() -> Self::Sums;
    /// sums + Σᵣ x[r]·w[4·lane + r] over r < 4, exactly.
    ///
    /// # Safety
    /// `x` must be readable for four bytes, `w` for four a lane.
    unsafe fn add_quads(sums: Self::Sums, x: *const u8, w: *const i8) -> Self::Sums;
    /// The sums less other integers, as floats.
    ///
    /// # Safety
    /// `minus` must be readable for as many integers as there are lanes.
    unsafe fn to_floats(sums: Self::Sums, minus: *const i32) -> Self;
}

/// The nearest bfloat16, as its bits: what [`Stored::to_bfloat`] does, for one number.
pub fn bfloat_bits(x: f32) -> u16 {
    match x {
        _ if x.is_nan() => 0x7fc0,
        _ if x.abs() < f32::MIN_POSITIVE => 0,
        _ => ((x.to_bits() + 0x7fff + (x.to_bits() >> 16 & 1)) >> 16) as u16,
    }
}

mod portable {
    use super::super::portable::F32x4;
    use super::*;

    const LANES: usize = 4;

    impl Stored for F32x4 {
        type Sums = [i32; LANES];
        #[inline(always)]
        unsafe fn load_half(p: *const u16) -> Self {
            // SAFETY: readable by the caller's contract.
            F32x4(std::array::from_fn(|i| half::f16::from_bits(unsafe { p.add(i).read() }).to_f32()))
        }
        #[inline(always)]
        unsafe fn load_pairs(p: *const u16) -> [Self; 2] {
            // SAFETY: readable by the caller's contract.
            let number = |i: usize| f32::from_bits(u32::from(unsafe { p.add(i).read() }) << 16);
            [F32x4(std::array::from_fn(|i| number(2 * i + 1))), F32x4(std::array::from_fn(|i| number(2 * i)))]
        }
        #[inline(always)]
        fn to_bfloat(self) -> Self {
            F32x4(self.0.map(|x| f32::from_bits(u32::from(bfloat_bits(x)) << 16)))
        }
        #[inline(always)]
        fn no_sums() -> Self::Sums {
            [0; LANES]
        }
        #[inline(always)]
        unsafe fn add_quads(sums: Self::Sums, x: *const u8, w: *const i8) -> Self::Sums {
            std::array::from_fn(|lane| {
                let mut sum = sums[lane];
                for r in 0..4 {
                    // SAFETY: readable by the caller's contract.
                    sum += unsafe { i32::from(*x.add(r)) * i32::from(*w.add(4 * lane + r)) };
                }
                sum
            })
        }
        #[inline(always)]
        unsafe fn to_floats(sums: Self::Sums, minus: *const i32) -> Self {
            // SAFETY: readable by the caller's contract.
            F32x4(std::array::from_fn(|lane| (sums[lane] - unsafe { *minus.add(lane) }) as f32))
        }
    }
}

/// Writes [`Stored`] for an x86 register. Bytes are widened to 16 bits, of which the products of two pairs are summed in 32:
/// nothing saturates.
#[cfg(target_arch = "x86_64")]
macro_rules! x86_stored {
    ($register:path, $bits:ty, $half:ident $load_half:ident $load:ident,
     $set:ident $and:ident $add:ident $sub:ident $left:ident $right:ident,
     $to_float:ident $as_float:ident $as_int:ident,
     $left16:ident $right16:ident $madd:ident) => {
        impl Stored for $register {
            type Sums = $bits;
            #[inline(always)]
            unsafe fn load_half(p: *const u16) -> Self {
                // SAFETY: the caller's contract.
                $register(unsafe { $half($load_half(p.cast())) })
            }
            #[inline(always)]
            unsafe fn load_pairs(p: *const u16) -> [Self; 2] {
                // SAFETY: the caller's contract.
                unsafe {
                    let pairs = $load(p.cast());
                    let first = $and(pairs, $set(0xffff_0000_u32 as i32));
                    [$register($as_float(first)), $register($as_float($left::<16>(pairs)))]
                }
            }
            #[inline(always)]
            fn to_bfloat(self) -> Self {
                // SAFETY: a register exists only inside `run`.
                let rounded = unsafe {
                    let bits = $as_int(self.0);
                    let even = $and($right::<16>(bits), $set(1));
                    let up = $add(bits, $add(even, $set(0x7fff)));
                    $register($as_float($and(up, $set(0xffff_0000_u32 as i32))))
                };
                let tiny = self.abs().lt(Self::splat(f64::from(f32::MIN_POSITIVE)));
                let number = Self::select(tiny, Self::zero(), rounded);
                Self::select(self.eq(self), number, self)
            }
            #[inline(always)]
            fn no_sums() -> Self::Sums {
                // SAFETY: called only inside `run`.
                unsafe { $set(0) }
            }
            #[inline(always)]
            unsafe fn add_quads(sums: Self::Sums, x: *const u8, w: *const i8) -> Self::Sums {
                // SAFETY: the caller's contract.
                unsafe {
                    let (x, w) = ($set(x.cast::<i32>().read_unaligned()), $load(w.cast()));
                    // Rows 0 and 2, then 1 and 3, each in 16 bits: unsigned x, signed w.
                    let even = $madd($and(x, $set(0x00ff_00ff)), $right16::<8>($left16::<8>(w)));
                    let odd = $madd($and($right::<8>(x), $set(0x00ff_00ff)), $right16::<8>(w));
                    $add(sums, $add(even, odd))
                }
            }
            #[inline(always)]
            unsafe fn to_floats(sums: Self::Sums, minus: *const i32) -> Self {
                // SAFETY: the caller's contract.
                $register(unsafe { $to_float($sub(sums, $load(minus.cast()))) })
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::avx2::F32x8;
    use super::super::avx512::F32x16;
    use super::Stored;
    use crate::real::Real;
    use std::arch::x86_64::*;

    x86_stored!(
        F32x8, __m256i, _mm256_cvtph_ps _mm_loadu_si128 _mm256_loadu_si256,
        _mm256_set1_epi32 _mm256_and_si256 _mm256_add_epi32 _mm256_sub_epi32 _mm256_slli_epi32 _mm256_srli_epi32,
        _mm256_cvtepi32_ps _mm256_castsi256_ps _mm256_castps_si256,
        _mm256_slli_epi16 _mm256_srai_epi16 _mm256_madd_epi16
    );
    x86_stored!(
        F32x16, __m512i, _mm512_cvtph_ps _mm256_loadu_si256 _mm512_loadu_si512,
        _mm512_set1_epi32 _mm512_and_si512 _mm512_add_epi32 _mm512_sub_epi32 _mm512_slli_epi32 _mm512_srli_epi32,
        _mm512_cvtepi32_ps _mm512_castsi512_ps _mm512_castps_si512,
        _mm512_slli_epi16 _mm512_srai_epi16 _mm512_madd_epi16
    );
}

/// Numbers in a line of each kind.
pub const HALVES: usize = PANEL;
/// See [`HALVES`].
pub const PAIRS: usize = 2 * PANEL;
/// See [`HALVES`].
pub const QUADS: usize = 4 * PANEL;
