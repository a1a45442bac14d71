//! One link of a chain.

use super::super::columns::{ColumnMap, MapColumns};
use super::super::elementwise::{Map, Share};
use super::super::gemm::Panels;
use super::super::lines::used;
use super::super::rows::{RowMap, scratch_floats};
use super::super::simd::{Task, Vector};
use super::dense::Dense;
use super::softmax::softmax;
use crate::activations::Activation;
use crate::params::panels;

/// What a link does to a row.
pub enum Link {
    /// y = x · kernel + bias, and a ReLU.
    Dense(Dense),
    /// An activation of each element.
    Map { activation: Activation, columns: usize },
    /// An activation of each row, from so many columns to so many.
    RowMap { activation: Activation, columns: (usize, usize) },
    /// Each column by numbers of its own.
    Columns { maps: Box<[ColumnMap]>, columns: usize },
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
            Link::Dense(dense) => dense.scratch(),
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
            Link::Dense(dense) => unsafe { dense.run::<V>(rows, x, y, scratch) },
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
