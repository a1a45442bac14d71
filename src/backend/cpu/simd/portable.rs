//! Four lanes as a plain array: SSE2 or NEON by the compiler's vectoriser, anything elsewhere.

use super::{Vector, real_math, tile_shapes};
use crate::real::Real;
use crate::rng::Bits;
use std::ops::{Add, Div, Mul, Neg, Sub};

const LANES: usize = 4;

/// Four floats.
#[derive(Clone, Copy)]
#[repr(align(16))]
pub struct F32x4(pub(super) [f32; LANES]);

/// Four unsigned integers.
#[derive(Clone, Copy)]
#[repr(align(16))]
pub struct U32x4([u32; LANES]);

/// Four truth values, as all ones or all zeros.
#[derive(Clone, Copy)]
#[repr(align(16))]
pub struct Mask4([u32; LANES]);

#[inline(always)]
fn map2(a: F32x4, b: F32x4, f: impl Fn(f32, f32) -> f32) -> F32x4 {
    F32x4([f(a.0[0], b.0[0]), f(a.0[1], b.0[1]), f(a.0[2], b.0[2]), f(a.0[3], b.0[3])])
}

#[inline(always)]
fn map1(a: F32x4, f: impl Fn(f32) -> f32) -> F32x4 {
    F32x4([f(a.0[0]), f(a.0[1]), f(a.0[2]), f(a.0[3])])
}

#[inline(always)]
fn compare(a: F32x4, b: F32x4, f: impl Fn(f32, f32) -> bool) -> Mask4 {
    Mask4(std::array::from_fn(|i| if f(a.0[i], b.0[i]) { u32::MAX } else { 0 }))
}

macro_rules! operator {
    ($trait:ident, $method:ident, $op:tt) => {
        impl $trait for F32x4 {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                map2(self, other, |a, b| a $op b)
            }
        }
    };
}
operator!(Add, add, +);
operator!(Sub, sub, -);
operator!(Mul, mul, *);
operator!(Div, div, /);

impl Neg for F32x4 {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        map1(self, |a| -a)
    }
}

impl Real for F32x4 {
    type Mask = Mask4;
    #[inline(always)]
    fn splat(x: f64) -> Self {
        F32x4([x as f32; LANES])
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        // Without an FMA instruction `f32::mul_add` is a slow call into libm.
        if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
            F32x4(std::array::from_fn(|i| self.0[i].mul_add(a.0[i], b.0[i])))
        } else {
            self * a + b
        }
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        map2(self, other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        map2(self, other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn abs(self) -> Self {
        map1(self, f32::abs)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        map1(self, f32::sqrt)
    }
    #[inline(always)]
    fn lt(self, other: Self) -> Mask4 {
        compare(self, other, |a, b| a < b)
    }
    #[inline(always)]
    fn le(self, other: Self) -> Mask4 {
        compare(self, other, |a, b| a <= b)
    }
    #[inline(always)]
    fn eq(self, other: Self) -> Mask4 {
        compare(self, other, |a, b| a == b)
    }
    #[inline(always)]
    fn both(a: Mask4, b: Mask4) -> Mask4 {
        Mask4(std::array::from_fn(|i| a.0[i] & b.0[i]))
    }
    #[inline(always)]
    fn select(mask: Mask4, yes: Self, no: Self) -> Self {
        F32x4(std::array::from_fn(|i| {
            f32::from_bits((yes.0[i].to_bits() & mask.0[i]) | (no.0[i].to_bits() & !mask.0[i]))
        }))
    }
    real_math!(exp ln tanh erf);
}

impl Vector for F32x4 {
    const LANES: usize = LANES;
    const TILE_ROWS: usize = 2;
    const TILE_PANELS: usize = 1;
    const LIST_PANELS: usize = 3;
    type Bits = U32x4;

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: readable for four floats by the caller's contract; any alignment will do.
        F32x4(unsafe { p.cast::<[f32; LANES]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: writable for four floats by the caller's contract.
        unsafe { p.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn broadcast(p: *const f32) -> Self {
        // SAFETY: readable by the caller's contract.
        F32x4([unsafe { p.read() }; LANES])
    }
    #[inline(always)]
    fn round(self) -> Self {
        // Adding and taking away 1.5 · 2²³ rounds to an integer; enough for the |x| < 2²² that exp asks for.
        const MAGIC: f32 = 12_582_912.0;
        map1(self, |a| (a + MAGIC) - MAGIC)
    }
    #[inline(always)]
    fn pow2(self) -> Self {
        map1(self, |n| f32::from_bits(((n as i32).wrapping_add(127) as u32) << 23))
    }
    #[inline(always)]
    fn frexp(self) -> (Self, Self) {
        (
            map1(self, |x| f32::from_bits((x.to_bits() & 0x007f_ffff) | 0x3f00_0000)),
            map1(self, |x| ((x.to_bits() >> 23) as i32 - 126) as f32),
        )
    }
    tile_shapes!(1 x [1 2]);
}

impl Bits for U32x4 {
    type Mask = Mask4;
    #[inline(always)]
    fn splat(x: u32) -> Self {
        U32x4([x; LANES])
    }
    #[inline(always)]
    fn iota(start: u32) -> Self {
        U32x4(std::array::from_fn(|i| start.wrapping_add(i as u32)))
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        U32x4(std::array::from_fn(|i| self.0[i].wrapping_add(other.0[i])))
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        U32x4(std::array::from_fn(|i| self.0[i] ^ other.0[i]))
    }
    #[inline(always)]
    fn rotate<const N: i32, const REST: i32>(self) -> Self {
        U32x4(std::array::from_fn(|i| self.0[i].rotate_left(N as u32)))
    }
    #[inline(always)]
    fn ge(self, other: Self) -> Mask4 {
        Mask4(std::array::from_fn(|i| if self.0[i] >= other.0[i] { u32::MAX } else { 0 }))
    }
}
