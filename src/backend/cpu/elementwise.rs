//! Kernels that take each element alone: activations, their gradients, dropout.
//!
//! A share is a range of rows of a range of panels; in each panel it is one run of memory.

use super::gemm::Panels;
use super::simd::{PANEL, Task, Vector};
use crate::activations::{Activation, Formula, Visitor};
use crate::rng::{Bits, Stream, dropout_scale, dropout_threshold};
use std::ops::Range;

/// Rows and panels of one worker.
#[derive(Clone, Debug)]
pub struct Share {
    /// Rows of the matrix.
    pub rows: Range<usize>,
    /// Panels of the matrix.
    pub panels: Range<usize>,
}

/// Runs a body for the offset of every register of a share, in matrices of this stride.
///
/// A macro, because a closure would be compiled without the instruction set's features.
macro_rules! each_register {
    ($vector:ty, $share:expr, $stride:expr, $at:ident => $body:block) => {
        for panel in $share.panels.clone() {
            let mut $at = panel * $stride + $share.rows.start * PANEL;
            let end = panel * $stride + $share.rows.end * PANEL;
            while $at < end {
                $body
                $at += <$vector>::LANES;
            }
        }
    };
}

pub(super) use each_register;

/// y = f(x).
pub struct Map<'a> {
    pub activation: &'a Activation,
    pub share: Share,
    pub x: Panels,
    pub y: Panels,
}

impl Task for Map<'_> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        struct Apply<'b, 'a, V>(&'b Map<'a>, std::marker::PhantomData<V>);
        impl<V: Vector> Visitor for Apply<'_, '_, V> {
            type Output = ();
            #[inline(always)]
            fn visit<F: Formula>(self, formula: F) {
                let Map { share, x, y, .. } = self.0;
                each_register!(V, share, x.stride, at => {
                    // SAFETY: the share is this worker's alone and within both matrices, which have the same stride.
                    unsafe { formula.value(V::load(x.start.add(at))).store(y.start.add(at)) }
                });
            }
        }
        self.activation.visit(Apply::<V>(&self, std::marker::PhantomData));
    }
}

/// dx (+)= dy · f'(x).
pub struct MapBackward<'a> {
    pub activation: &'a Activation,
    pub share: Share,
    pub x: Panels,
    pub y: Panels,
    pub dy: Panels,
    pub dx: Panels,
    pub accumulate: bool,
}

impl Task for MapBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        struct Apply<'b, 'a, V>(&'b MapBackward<'a>, std::marker::PhantomData<V>);
        impl<V: Vector> Visitor for Apply<'_, '_, V> {
            type Output = ();
            #[inline(always)]
            fn visit<F: Formula>(self, formula: F) {
                let MapBackward { share, x, y, dy, dx, accumulate, .. } = self.0;
                each_register!(V, share, dy.stride, at => {
                    // SAFETY: the share is this worker's alone and within all matrices, which have the same stride.
                    unsafe {
                        let value = V::load(y.start.add(at));
                        let input = if F::NEEDS_INPUT { V::load(x.start.add(at)) } else { value };
                        let gradient = V::load(dy.start.add(at)) * formula.slope(input, value);
                        let sum = if *accumulate { V::load(dx.start.add(at)) + gradient } else { gradient };
                        sum.store(dx.start.add(at));
                    }
                });
            }
        }
        self.activation.visit(Apply::<V>(&self, std::marker::PhantomData));
    }
}

/// mask = 0 or 1/(1 − rate) by the stream's bits; y = x · mask.
pub struct Dropout {
    pub share: Share,
    pub stream: Stream,
    pub step: u64,
    pub rate: f64,
    pub x: Panels,
    pub y: Panels,
    pub mask: Panels,
}

impl Task for Dropout {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let threshold = V::Bits::splat(dropout_threshold(self.rate));
        let (scale, zero) = (V::splat(dropout_scale(self.rate)), V::zero());
        let Share { rows, panels } = self.share;
        for panel in panels {
            for quad in (rows.start / 4..rows.end.div_ceil(4)).step_by(2) {
                for lane in (0..PANEL).step_by(V::LANES) {
                    let column = V::Bits::iota((panel * PANEL + lane) as u32);
                    let words = self.stream.row_pairs(self.step, quad as u32, column);
                    for i in 0..8 {
                        let row = quad * 4 + i;
                        if row < rows.start || row >= rows.end {
                            continue;
                        }
                        let word = if i < 4 { words[i].0 } else { words[i - 4].1 };
                        let at = panel * self.x.stride + row * PANEL + lane;
                        // SAFETY: the share is this worker's alone and within all matrices.
                        unsafe {
                            let mask = V::select(word.ge(threshold), scale, zero);
                            mask.store(self.mask.start.add(at));
                            (V::load(self.x.start.add(at)) * mask).store(self.y.start.add(at));
                        }
                    }
                }
            }
        }
    }
}

/// z (+)= a · b, element by element.
pub struct Multiply {
    pub share: Share,
    pub a: Panels,
    pub b: Panels,
    pub z: Panels,
    pub accumulate: bool,
}

impl Task for Multiply {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        each_register!(V, self.share, self.z.stride, at => {
            // SAFETY: the share is this worker's alone and within all matrices, which have the same stride.
            unsafe {
                let product = V::load(self.a.start.add(at)) * V::load(self.b.start.add(at));
                let sum = if self.accumulate { V::load(self.z.start.add(at)) + product } else { product };
                sum.store(self.z.start.add(at));
            }
        });
    }
}
