//! Merging several matrices of one shape element by element, and the way back.
//!
//! Maximum and minimum fold from the first input to the last, m ← max(m, x). As in JAX, the gradient of one fold goes to
//! the larger of the two, half to each where they are equal; a NaN stays one.

use super::elementwise::{Share, each_register};
use super::gemm::Panels;
use super::simd::{PANEL, Task, Vector};
use crate::plan::{Merge, TensorId};

/// The larger (or smaller) of two; NaN where either is one.
#[inline(always)]
fn extreme<V: Vector>(merge: Merge, m: V, x: V) -> V {
    let other = if merge == Merge::Maximum { m.max(x) } else { m.min(x) };
    V::select(m.eq(m), other, m)
}

/// The part of a gradient that goes to `a` where `a` is compared with `b`.
#[inline(always)]
fn wins<V: Vector>(merge: Merge, a: V, b: V) -> V {
    let half = V::select(a.eq(b), V::splat(0.5), V::zero());
    let ahead = if merge == Merge::Maximum { a.gt(b) } else { a.lt(b) };
    V::select(ahead, V::one(), half)
}

/// y = x₀ ∘ x₁ ∘ …
pub struct Fold<'a> {
    pub merge: Merge,
    pub share: Share,
    /// The matrices of a plan, and which of them are merged.
    pub values: &'a [Panels],
    pub inputs: &'a [TensorId],
    pub y: Panels,
}

impl Task for Fold<'_> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let count = V::splat(self.inputs.len() as f64);
        each_register!(V, self.share, self.y.stride, at => {
            // SAFETY: the share is this worker's alone and within all matrices, which have the same stride.
            unsafe {
                let mut sum = V::load(self.values[self.inputs[0]].start.add(at));
                for &input in &self.inputs[1..] {
                    let x = V::load(self.values[input].start.add(at));
                    sum = match self.merge {
                        Merge::Add | Merge::Average => sum + x,
                        Merge::Subtract => sum - x,
                        Merge::Multiply => sum * x,
                        Merge::Maximum | Merge::Minimum => extreme(self.merge, sum, x),
                    };
                }
                let y = if self.merge == Merge::Average { sum / count } else { sum };
                y.store(self.y.start.add(at));
            }
        });
    }
}

/// dxᵢ (+)= the gradient of input number i.
pub struct FoldBackward<'a> {
    pub merge: Merge,
    pub share: Share,
    pub values: &'a [Panels],
    pub inputs: &'a [TensorId],
    pub i: usize,
    pub dy: Panels,
    pub dx: Panels,
    pub accumulate: bool,
}

impl Task for FoldBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let count = V::splat(self.inputs.len() as f64);
        each_register!(V, self.share, self.dx.stride, at => {
            // SAFETY: the share is this worker's alone and within all matrices, which have the same stride.
            unsafe {
                let mut gradient = V::load(self.dy.start.add(at));
                match self.merge {
                    Merge::Add => {}
                    Merge::Average => gradient = gradient / count,
                    Merge::Subtract => gradient = if self.i == 0 { gradient } else { -gradient },
                    Merge::Multiply => {
                        for (j, &input) in self.inputs.iter().enumerate() {
                            if j != self.i {
                                gradient = gradient * V::load(self.values[input].start.add(at));
                            }
                        }
                    }
                    Merge::Maximum | Merge::Minimum => {
                        let mut m = V::load(self.values[self.inputs[0]].start.add(at));
                        for (j, &input) in self.inputs.iter().enumerate().skip(1) {
                            let x = V::load(self.values[input].start.add(at));
                            if j == self.i {
                                gradient = gradient * wins(self.merge, x, m);
                            } else if j > self.i {
                                gradient = gradient * wins(self.merge, m, x);
                            }
                            m = extreme(self.merge, m, x);
                        }
                    }
                }
                let sum = if self.accumulate { V::load(self.dx.start.add(at)) + gradient } else { gradient };
                sum.store(self.dx.start.add(at));
            }
        });
    }
}
