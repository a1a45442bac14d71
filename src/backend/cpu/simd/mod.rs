//! SIMD registers behind one trait, chosen at run time.
//!
//! A kernel is a [`Task`]: generic code over a [`Vector`], written once. [`Level::run`] calls it inside a function
//! that was compiled with the instruction set's features, so everything in it must be `#[inline(always)]`. The
//! instruction-set files hold intrinsics only; `math.rs` builds exp, ln, tanh and erf on top of them.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
pub mod dots;
mod math;
mod portable;
mod stored;
#[cfg(test)]
mod tests;

use crate::real::Real;
use crate::rng::Bits;
use std::sync::OnceLock;
pub use stored::{HALVES, PAIRS, QUADS, Stored, bfloat_bits};

/// Columns in a panel, on every level: one cache line, one AVX-512 register, two AVX2 registers.
///
/// One width for all levels keeps variables valid whatever level reads them.
pub const PANEL: usize = 16;

/// A register of `f32`.
///
/// # Safety
/// Values exist only inside [`Level::run`], where the level's instructions are known to be there; the safe
/// operators rely on it.
pub trait Vector: Real + Stored {
    /// Lanes; divides [`PANEL`].
    const LANES: usize;
    /// Rows of the largest register tile of a product.
    const TILE_ROWS: usize;
    /// Panels of the largest register tile of a product.
    const TILE_PANELS: usize;
    /// Panels whose sums a list of terms adds to at a time, see [`super::skip`].
    const LIST_PANELS: usize;
    /// The same lanes as unsigned integers.
    type Bits: Bits<Mask = Self::Mask>;

    /// Reads `LANES` floats, at any alignment.
    ///
    /// # Safety
    /// `p` must be readable for `LANES` floats.
    unsafe fn load(p: *const f32) -> Self;
    /// Writes `LANES` floats, at any alignment.
    ///
    /// # Safety
    /// `p` must be writable for `LANES` floats.
    unsafe fn store(self, p: *mut f32);
    /// One float in every lane.
    ///
    /// # Safety
    /// `p` must be readable.
    unsafe fn broadcast(p: *const f32) -> Self;
    /// To the nearest integer, ties to even.
    fn round(self) -> Self;
    /// 2ⁿ for integral n in [−126, 127].
    fn pow2(self) -> Self;
    /// (m, e) with self = m · 2ᵉ and m in [½, 1), for positive normal numbers.
    fn frexp(self) -> (Self, Self);
    /// Turns 16 × 16 floats around: column j of the lines at `from` becomes the line `into + 16·j`.
    ///
    /// # Safety
    /// `from` must be readable and `into` writable for 16 lines; they must not overlap.
    #[inline(always)]
    unsafe fn transpose(from: *const f32, into: *mut f32) {
        for i in 0..PANEL {
            for j in 0..PANEL {
                // SAFETY: within the caller's lines.
                unsafe { *into.add(j * PANEL + i) = *from.add(i * PANEL + j) };
            }
        }
    }
    /// Writes the lanes that are not zero, one after the other, and for each `first` + 16 · its number; gives their count.
    /// May write `LANES` of both.
    ///
    /// # Safety
    /// `values` and `offsets` must be writable for `LANES` elements.
    #[inline(always)]
    unsafe fn compress(self, first: u32, values: *mut f32, offsets: *mut u32) -> usize {
        let (mut lanes, mut count) = ([0.0_f32; PANEL], 0);
        // SAFETY: `lanes` holds a register; the count never exceeds the lanes seen.
        unsafe {
            self.store(lanes.as_mut_ptr());
            for (lane, &value) in lanes.iter().take(Self::LANES).enumerate() {
                *values.add(count) = value;
                *offsets.add(count) = first + (lane * PANEL) as u32;
                count += usize::from(value != 0.0);
            }
        }
        count
    }
    /// Computes one register tile of a product; see [`super::gemm`].
    ///
    /// # Safety
    /// As [`super::gemm::tile`]; `rows` ≤ `TILE_ROWS` and `panels` ≤ `TILE_PANELS`, both at least 1.
    unsafe fn tile<const TRANSPOSED: bool>(rows: usize, panels: usize, t: &super::gemm::Tile);
}

/// Generic code to run at one level.
pub trait Task {
    /// What it returns.
    type Output;
    /// The code; must be `#[inline(always)]`, and no closure in it may touch a register: closures are compiled without
    /// the level's features.
    fn run<V: Vector>(self) -> Self::Output;
}

/// An instruction set this build has kernels for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::EnumString, strum::Display, strum::EnumIter)]
#[strum(serialize_all = "lowercase")]
pub enum Level {
    /// What every processor of the target has; the compiler vectorises it.
    Portable,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX-512 F, DQ, BW and VL.
    Avx512,
}

impl Level {
    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        match self {
            Level::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => {
                Level::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// The level in use: the best available, or the one that the environment variable `IRONHORN_CPU` names.
    /// An unknown or unavailable name leaves the best.
    pub fn current() -> Level {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL.get_or_init(|| {
            let asked = std::env::var("IRONHORN_CPU").ok().and_then(|name| name.to_lowercase().parse().ok());
            match asked {
                Some(level) if Level::is_available(level) => level,
                _ => [Level::Avx512, Level::Avx2].into_iter().find(|l| l.is_available()).unwrap_or(Level::Portable),
            }
        })
    }

    /// Runs a task with this level's instructions; on an unavailable level it panics.
    #[inline]
    pub fn run<T: Task>(self, task: T) -> T::Output {
        match self {
            Level::Portable => task.run::<portable::F32x4>(),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => {
                debug_assert!(self.is_available());
                // SAFETY: a level other than the portable one is reached only through `is_available`.
                unsafe { avx2::run(task) }
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => {
                debug_assert!(self.is_available());
                // SAFETY: as above.
                unsafe { avx512::run(task) }
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("no such level on this processor"),
        }
    }
}

/// Writes the functions of `Real` that `math.rs` builds for every register.
macro_rules! real_math {
    ($($name:ident)*) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            $crate::backend::cpu::simd::math::$name(self)
        }
    )*};
}
use real_math;

/// Writes the operators of an x86 register, each one intrinsic of two operands.
#[cfg(target_arch = "x86_64")]
macro_rules! x86_operators {
    ($register:ident: $($trait:ident $method:ident $intrinsic:ident),*) => {$(
        impl std::ops::$trait for $register {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: a register exists only inside `run`.
                $register(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    )*};
}
#[cfg(target_arch = "x86_64")]
use x86_operators;

/// Writes what `Real` has beside operators and comparisons on an x86 register: one intrinsic each.
#[cfg(target_arch = "x86_64")]
macro_rules! x86_arithmetic {
    ($register:ident: $splat:ident $fma:ident $max:ident $min:ident $sqrt:ident) => {
        #[inline(always)]
        fn splat(x: f64) -> Self {
            // SAFETY: called only inside `run`.
            $register(unsafe { $splat(x as f32) })
        }
        #[inline(always)]
        fn mul_add(self, a: Self, b: Self) -> Self {
            // SAFETY: a register exists only inside `run`.
            $register(unsafe { $fma(self.0, a.0, b.0) })
        }
        #[inline(always)]
        fn max(self, other: Self) -> Self {
            // SAFETY: a register exists only inside `run`.
            $register(unsafe { $max(self.0, other.0) })
        }
        #[inline(always)]
        fn min(self, other: Self) -> Self {
            // SAFETY: a register exists only inside `run`.
            $register(unsafe { $min(self.0, other.0) })
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            // SAFETY: a register exists only inside `run`.
            $register(unsafe { $sqrt(self.0) })
        }
    };
}
#[cfg(target_arch = "x86_64")]
use x86_arithmetic;

/// Writes `Vector::tile` of an instruction set: one arm a tile shape, each with everything in registers.
macro_rules! tile_shapes {
    ($($panels:literal x [$($rows:literal)*]),*) => {
        #[inline(always)]
        unsafe fn tile<const TRANSPOSED: bool>(rows: usize, panels: usize, t: &$crate::backend::cpu::gemm::Tile) {
            const WIDTH: usize = $crate::backend::cpu::simd::PANEL / LANES;
            match (panels, rows) {
                $($(
                    // SAFETY: the caller's contract.
                    ($panels, $rows) => unsafe {
                        $crate::backend::cpu::gemm::tile::<Self, $rows, { $panels * WIDTH }, TRANSPOSED>(t)
                    },
                )*)*
                _ => unreachable!("a tile of {rows} rows and {panels} panels"),
            }
        }
    };
}
use tile_shapes;
