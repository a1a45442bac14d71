//! One link of a chain: what it computes, and its kernels for one row and for a block.

use super::super::columns::{ColumnMap, MapColumns};
use super::super::elementwise::{Map, Share};
use super::super::gemm::{self, Panels, Start, Tile};
use super::super::lines::used;
use super::super::rows::{RowMap, scratch_floats};
use super::super::simd::{PANEL, Task, Vector};
use super::softmax::softmax;
use crate::activations::Activation;
use crate::params::panels;

/// What a link does to a row.
pub enum Link {
    /// y = x · kernel + bias.
    Dense(Dense),
    /// An activation of each element.
    Map { activation: Activation, columns: usize },
    /// An activation of each row, from so many columns to so many.
    RowMap { activation: Activation, columns: (usize, usize) },
    /// Each column by numbers of its own.
    Columns { maps: Box<[ColumnMap]>, columns: usize },
}

/// A dense layer's product.
pub struct Dense {
    pub depth: usize,
    pub columns: usize,
    pub kernel: Panels,
    pub start: Start,
}

impl Link {
    /// Columns of what it makes.
    pub fn columns(&self) -> usize {
        match self {
            Link::Dense(dense) => dense.columns,
            Link::Map { columns, .. } | Link::Columns { columns, .. } => *columns,
            Link::RowMap { columns, .. } => columns.1,
        }
    }

    /// Floats of scratch: whatever the number of rows, and for each row.
    pub fn scratch(&self) -> [usize; 2] {
        match self {
            Link::RowMap { columns, .. } => [scratch_floats(columns.0 + columns.1), 0],
            _ => [0, 0],
        }
    }

    /// Floating-point operations a row.
    pub fn work(&self) -> f64 {
        match self {
            Link::Dense(dense) => 2.0 * (dense.depth * dense.columns) as f64,
            _ => 4.0 * self.columns() as f64,
        }
    }

    /// Takes `rows` rows from `x` to `y`; says whether they are there, and not in `x` still.
    ///
    /// # Safety
    /// Both must have room for the rows, the scratch for what [`Link::scratch`] says, and nobody else may use them.
    #[inline(always)]
    pub unsafe fn run<V: Vector>(&self, rows: usize, x: Panels, y: Panels, scratch: *mut f32) -> bool {
        match self {
            // SAFETY: the caller's contract.
            Link::Dense(dense) => unsafe { dense.run::<V>(rows, x, y) },
            Link::Map { activation, columns } => {
                let share = Share { rows: 0..rows, panels: 0..panels(*columns) };
                Map { activation, share, x, y: x }.run::<V>();
                return false;
            }
            // SAFETY: the caller's contract; a row alone is contiguous.
            Link::RowMap { activation: Activation::Softmax, columns } if rows == 1 => unsafe {
                softmax::<V>(x.start, columns.0, y.start);
            },
            Link::RowMap { activation, columns } => {
                RowMap { activation, rows: 0..rows, x, y, columns: *columns, scratch }.run::<V>();
            }
            Link::Columns { maps, columns } => {
                for (panel, map) in maps.iter().enumerate() {
                    MapColumns { map, rows: 0..rows, panel, used: used(*columns, panel), x, y: x }.run::<V>();
                }
                return false;
            }
        }
        true
    }
}

impl Dense {
    /// # Safety
    /// As [`Link::run`].
    #[inline(always)]
    unsafe fn run<V: Vector>(&self, rows: usize, x: Panels, y: Panels) {
        let Dense { depth, columns, kernel, start } = *self;
        if rows > 1 {
            // SAFETY: the caller's contract; the kernel has `depth` rows.
            return unsafe { gemm::product::<V>(0..rows, 0..panels(columns), depth, x, kernel, y, start) };
        }
        // One row has one sum a register, and the next addition waits for the last: eight sums at a time hide that.
        let per_panel = PANEL / V::LANES;
        let registers = panels(columns) * per_panel;
        let mut register = 0;
        macro_rules! take {
            ($width:literal) => {
                while registers - register >= $width {
                    let (panel, lane) = (register / per_panel, register % per_panel * V::LANES);
                    let start = match start {
                        // SAFETY: the bias has as many panels as the kernel.
                        Start::Row(bias) => Start::Row(unsafe { bias.add(register * V::LANES) }),
                        other => other,
                    };
                    // SAFETY: registers of this row, of the kernel's panels and of its rows.
                    unsafe {
                        let (b, c) = (kernel.at(panel, 0).add(lane), y.at(panel, 0).add(lane));
                        let (a, a_panel, c_panel) = (x.start, x.stride, y.stride);
                        let t = Tile { a, a_panel, b, b_panel: kernel.stride, c, c_panel, depth, start };
                        gemm::tile::<V, 1, $width, false>(&t);
                    }
                    register += $width;
                }
            };
        }
        take!(8);
        take!(4);
        take!(2);
        take!(1);
    }
}
