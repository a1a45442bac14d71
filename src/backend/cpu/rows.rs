//! Kernels that take each row as a whole: softmax and its kin, losses, metrics.
//!
//! A block of rows is turned around first, so that a register holds one column of `LANES` rows. The formulas then read
//! like scalar code, need no masks or sums across a register, and no two rows meet, so neither block size nor threads
//! change a bit.

use super::gemm::Panels;
use super::simd::{PANEL, Task, Vector};
use crate::activations::Activation;
use crate::backend::Measure;
use crate::losses::{Head, Loss, Target};
use std::ops::Range;

/// Registers in a worker's scratch, cut into pieces of `columns`.
///
/// # Safety
/// `scratch` must have room for `N · columns` registers that nobody else uses while the pieces live, 64-byte aligned.
#[inline(always)]
unsafe fn pieces<'a, V: Vector, const N: usize>(scratch: *mut f32, columns: [usize; N]) -> [&'a mut [V]; N] {
    let mut at = 0;
    columns.map(|n| {
        // SAFETY: the pieces do not overlap and lie within the caller's room; any bits are a valid register.
        let piece = unsafe { std::slice::from_raw_parts_mut(scratch.add(at).cast::<V>(), n) };
        at += n * V::LANES;
        piece
    })
}

/// Floats of scratch that a row kernel takes for `columns` columns in all its pieces.
pub fn scratch_floats(columns: usize) -> usize {
    columns * PANEL
}

/// Reads `count` rows from `row` on into one register a column; lanes beyond are zero, or repeat a row that is alone.
///
/// # Safety
/// The matrix must hold the rows and as many columns as `out`; nobody may write them meanwhile.
#[inline(always)]
unsafe fn load_columns<V: Vector>(from: Panels, row: usize, count: usize, out: &mut [V]) {
    for (column, register) in out.iter_mut().enumerate() {
        if count == 1 {
            // SAFETY: within the matrix by the caller's contract. Without a detour by memory, which would have to wait.
            *register = unsafe { V::broadcast(from.at(column / PANEL, row).add(column % PANEL)) };
            continue;
        }
        let mut lanes = [0.0_f32; PANEL];
        for (lane, value) in lanes.iter_mut().take(count.min(V::LANES)).enumerate() {
            // SAFETY: the rows and columns are within the matrix by the caller's contract.
            *value = unsafe { *from.at(column / PANEL, row + lane).add(column % PANEL) };
        }
        // SAFETY: `lanes` holds a register.
        *register = unsafe { V::load(lanes.as_ptr()) };
    }
}

/// The reverse of [`load_columns`].
///
/// # Safety
/// The matrix must hold the rows and as many columns as there are registers; they must be this worker's alone.
#[inline(always)]
unsafe fn store_columns<V: Vector>(registers: &[V], into: Panels, row: usize, count: usize, accumulate: bool) {
    for (column, register) in registers.iter().enumerate() {
        let mut lanes = [0.0_f32; PANEL];
        // SAFETY: `lanes` holds a register.
        unsafe { register.store(lanes.as_mut_ptr()) };
        for (lane, &value) in lanes.iter().take(count.min(V::LANES)).enumerate() {
            // SAFETY: the rows and columns are within the matrix by the caller's contract.
            unsafe {
                let place = into.at(column / PANEL, row + lane).add(column % PANEL);
                *place = if accumulate { *place + value } else { value };
            }
        }
    }
}

/// One register from `count` consecutive floats; lanes beyond are zero, or repeat a number that is alone.
///
/// # Safety
/// `from` must be readable for `count` floats.
#[inline(always)]
unsafe fn load_some<V: Vector>(from: *const f32, count: usize) -> V {
    if count == 1 {
        // SAFETY: readable by the caller's contract.
        return unsafe { V::broadcast(from) };
    }
    if count >= V::LANES {
        // SAFETY: as above.
        return unsafe { V::load(from) };
    }
    let mut lanes = [0.0_f32; PANEL];
    for (lane, value) in lanes.iter_mut().take(count.min(V::LANES)).enumerate() {
        // SAFETY: readable by the caller's contract.
        *value = unsafe { *from.add(lane) };
    }
    // SAFETY: `lanes` holds a register.
    unsafe { V::load(lanes.as_ptr()) }
}

/// `count` consecutive floats from one register.
///
/// # Safety
/// `into` must be writable for `count` floats.
#[inline(always)]
unsafe fn store_some<V: Vector>(register: V, into: *mut f32, count: usize) {
    let mut lanes = [0.0_f32; PANEL];
    // SAFETY: `lanes` holds a register; the target is writable by the caller's contract.
    unsafe {
        register.store(lanes.as_mut_ptr());
        std::ptr::copy_nonoverlapping(lanes.as_ptr(), into, count.min(V::LANES));
    }
}

/// y = f(x) for each row.
pub struct RowMap<'a> {
    pub activation: &'a Activation,
    pub rows: Range<usize>,
    pub x: Panels,
    pub y: Panels,
    /// Columns of x and of y.
    pub columns: (usize, usize),
    /// Room for both.
    pub scratch: *mut f32,
}

impl Task for RowMap<'_> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        for row in self.rows.clone().step_by(V::LANES) {
            let count = (self.rows.end - row).min(V::LANES);
            // SAFETY: rows of this worker's share, scratch of this worker with room for both pieces.
            unsafe {
                let [x, y] = pieces::<V, 2>(self.scratch, [self.columns.0, self.columns.1]);
                load_columns(self.x, row, count, x);
                self.activation.row(x, y);
                store_columns(y, self.y, row, count, false);
            }
        }
    }
}

/// dx (+)= the gradient of a row activation.
pub struct RowMapBackward<'a> {
    pub activation: &'a Activation,
    pub rows: Range<usize>,
    pub x: Panels,
    pub y: Panels,
    pub dy: Panels,
    pub dx: Panels,
    /// Columns of x and of y.
    pub columns: (usize, usize),
    pub accumulate: bool,
    /// Room for both twice.
    pub scratch: *mut f32,
}

impl Task for RowMapBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let (n, out) = self.columns;
        for row in self.rows.clone().step_by(V::LANES) {
            let count = (self.rows.end - row).min(V::LANES);
            // SAFETY: rows of this worker's share, scratch of this worker with room for the four pieces.
            unsafe {
                let [x, dx, y, dy] = pieces::<V, 4>(self.scratch, [n, n, out, out]);
                load_columns(self.x, row, count, x);
                load_columns(self.y, row, count, y);
                load_columns(self.dy, row, count, dy);
                self.activation.row_gradient(x, y, dy, dx);
                store_columns(dx, self.dx, row, count, self.accumulate);
            }
        }
    }
}

/// Where a batch's targets are.
#[derive(Clone, Copy)]
pub enum TargetPlace {
    /// A matrix like the predictions.
    Dense(Panels),
    /// One class id a row.
    Class(*mut f32),
}

/// Loss, its gradient and the metrics of each row.
pub struct LossRows<'a> {
    /// Without one only metrics are computed.
    pub loss: Option<&'a Loss>,
    pub head: Head,
    pub metrics: &'a [Measure],
    pub rows: Range<usize>,
    /// Columns of the predictions.
    pub columns: usize,
    pub predictions: Panels,
    pub target: TargetPlace,
    /// One weight a row.
    pub weights: *const f32,
    /// What each row's gradient is multiplied by, besides its weight.
    pub scale: f64,
    /// Receives dL/d(predictions); without it only values are computed.
    pub gradient: Option<Panels>,
    /// Whether the gradient is added to what is there.
    pub accumulate: bool,
    /// Receives weight · loss, one a row.
    pub losses: *mut f32,
    /// Receives the metrics: `metric_stride` floats for each metric.
    pub metric_values: *mut f32,
    pub metric_stride: usize,
    /// Receives the predictions after the head, where somebody reads them later.
    pub output: Option<Panels>,
    /// Room for predictions, targets and gradient.
    pub scratch: *mut f32,
}

impl Task for LossRows<'_> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let n = self.columns;
        for row in self.rows.clone().step_by(V::LANES) {
            let count = (self.rows.end - row).min(V::LANES);
            // SAFETY: rows of this worker's share in every matrix and vector; scratch of this worker alone.
            unsafe {
                let [p, t, g] = pieces::<V, 3>(self.scratch, [n, n, n]);
                load_columns(self.predictions, row, count, p);
                let target = match self.target {
                    TargetPlace::Dense(matrix) => {
                        load_columns(matrix, row, count, t);
                        Target::Dense(t)
                    }
                    TargetPlace::Class(ids) => Target::Class(load_some::<V>(ids.add(row), count)),
                };
                let weight = load_some::<V>(self.weights.add(row), count);
                let wanted = self.gradient.is_some().then_some(&mut g[..]);
                let value = match self.loss {
                    Some(loss) => loss.row(self.head, target, p, wanted),
                    None => V::zero(),
                };
                store_some(value * weight, self.losses.add(row), count);
                if let Some(output) = self.output {
                    store_columns(p, output, row, count, false);
                }
                if let Some(gradient) = self.gradient {
                    let factor = weight * V::splat(self.scale);
                    for register in g.iter_mut() {
                        *register = *register * factor;
                    }
                    store_columns(g, gradient, row, count, self.accumulate);
                }
                for (i, measure) in self.metrics.iter().enumerate() {
                    if !measure.metric.is_row_mean() {
                        continue;
                    }
                    let target = match self.target {
                        TargetPlace::Dense(_) => Target::Dense(t),
                        TargetPlace::Class(ids) => Target::Class(load_some::<V>(ids.add(row), count)),
                    };
                    let value = measure.metric.row(target, p);
                    store_some(value, self.metric_values.add(i * self.metric_stride + row), count);
                }
            }
        }
    }
}
