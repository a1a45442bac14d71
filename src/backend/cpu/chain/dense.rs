//! The dense link: y = relu?(x · W + b), with weights as they are or stored narrow.

use super::super::gemm::{self, Panels, Start};
use super::super::simd::{PANEL, Task, Vector};
use super::bytes::Bytes;
use super::narrow::{Bfloats, Halves};
use super::row::{Stored, Whole, row};
use crate::activations::Activation;
use crate::backend::cpu::elementwise::{Map, Share};
use crate::params::panels;

/// A dense layer, and the ReLU that follows it.
pub struct Dense {
    pub depth: usize,
    pub columns: usize,
    pub start: Start,
    pub relu: bool,
    pub weights: Weights,
}

/// The kernel.
pub enum Weights {
    /// The panels of the snapshot.
    Whole(*mut f32),
    /// float16.
    Halves(Halves),
    /// bfloat16.
    Bfloats(Bfloats),
    /// Bytes.
    Bytes(Bytes),
}

/// One product: so many rows, and where they are.
#[derive(Clone, Copy)]
pub struct Job {
    pub rows: usize,
    pub depth: usize,
    pub panels: usize,
    pub x: Panels,
    pub y: Panels,
    pub start: Start,
    pub relu: bool,
    pub scratch: *mut f32,
}

impl Dense {
    /// Floats of scratch: whatever the number of rows, and for each row.
    pub fn scratch(&self) -> [usize; 2] {
        match &self.weights {
            Weights::Whole(_) => [0, 0],
            Weights::Halves(_) => [Halves::SCRATCH, 0],
            Weights::Bfloats(_) => [Bfloats::SCRATCH, Bfloats::units(self.depth)],
            Weights::Bytes(_) => [0, Bytes::units(self.depth)],
        }
    }

    /// # Safety
    /// As [`super::link::Link::run`].
    #[inline(always)]
    pub unsafe fn run<V: Vector>(&self, rows: usize, x: Panels, y: Panels, scratch: *mut f32) {
        let Dense { depth, columns, start, relu, .. } = *self;
        let job = Job { rows, depth, panels: panels(columns), x, y, start, relu, scratch };
        // SAFETY: the caller's contract; the kernel has as many rows and panels.
        unsafe {
            match &self.weights {
                Weights::Whole(kernel) if rows == 1 => {
                    row::<V, Whole>(
                        x.start,
                        &Stored { start: *kernel, lines: depth },
                        job.panels,
                        start,
                        relu,
                        y.start,
                    );
                }
                Weights::Whole(kernel) => {
                    let kernel = Panels { start: *kernel, stride: depth * PANEL };
                    gemm::product::<V>(0..rows, 0..job.panels, depth, x, kernel, y, start);
                    job.relu::<V>();
                }
                Weights::Halves(halves) => halves.run::<V>(job),
                Weights::Bfloats(bfloats) => bfloats.run::<V>(job),
                Weights::Bytes(bytes) => bytes.run::<V>(job),
            }
        }
    }
}

impl Job {
    /// The ReLU over the result, where there is one.
    #[inline(always)]
    pub fn relu<V: Vector>(&self) {
        if self.relu {
            let activation = &Activation::Relu { negative_slope: 0.0, max_value: None, threshold: 0.0 };
            let share = Share { rows: 0..self.rows, panels: 0..self.panels };
            Map { activation, share, x: self.y, y: self.y }.run::<V>();
        }
    }
}

/// Whether an activation is the ReLU that the kernels do themselves.
pub fn is_relu(activation: &Activation) -> bool {
    matches!(activation, Activation::Relu { negative_slope, max_value: None, threshold }
        if *negative_slope == 0.0 && *threshold == 0.0)
}
