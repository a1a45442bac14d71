//! Gradients of dense layers and the optimizer's update.
//!
//! A unit is a block of kernel rows in up to four panels. Its gradient is computed into a scratch that stays in the
//! first-level cache. On the fused path the rule runs over it at once, while the lines of the weights are near: no
//! gradient goes to memory. On the general path it is stored (or added) to the gradient buffers, and the same rule
//! runs over those later. Both call [`ApplyRule`] on the same numbers and so give the same bits.

use super::gemm::{self, Panels};
use super::simd::{Level, PANEL, Task, Vector};
use super::single;
use super::skip::Columns;
use crate::constraints::Constraint;
use crate::optimizers::{MAX_SLOTS, Update};
use crate::params::{Layout, Line, panels};
use std::ops::Range;

/// Kernel rows in a unit, at most.
pub const UNIT_ROWS: usize = 128;
/// Kernel rows in a unit of a single panel: a narrow kernel should be work for several.
const NARROW_UNIT_ROWS: usize = 64;
/// Panels in a unit, at most.
pub const UNIT_PANELS: usize = 4;
/// Floats of scratch for a unit's gradient and its bias's.
pub const UNIT_FLOATS: usize = (UNIT_ROWS + 1) * UNIT_PANELS * PANEL;

/// Kernel rows and panels of one unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    pub rows: Range<usize>,
    pub panel: usize,
    pub across: usize,
}

/// Kernel rows of a unit: about the same for all, in whole panels of the layer's input.
fn unit_rows(kernel: Layout) -> usize {
    let most = if kernel.columns <= PANEL { NARROW_UNIT_ROWS } else { UNIT_ROWS };
    kernel.rows.div_ceil(kernel.rows.div_ceil(most).max(1)).next_multiple_of(PANEL).max(PANEL)
}

/// How many units a kernel has.
pub fn units(kernel: Layout) -> usize {
    kernel.rows.div_ceil(unit_rows(kernel)) * panels(kernel.columns).div_ceil(UNIT_PANELS)
}

/// Unit number `index`: panel by panel, so that a run of units is a run of memory.
pub fn unit(kernel: Layout, index: usize) -> Unit {
    let height = unit_rows(kernel);
    let down = kernel.rows.div_ceil(height);
    let (row, panel) = (index % down * height, index / down * UNIT_PANELS);
    Unit {
        rows: row..(row + height).min(kernel.rows),
        panel,
        across: (panels(kernel.columns) - panel).min(UNIT_PANELS),
    }
}

/// The gradient of one unit: dW = Xᵀ · dY on its rows and panels and, in the first unit of its panels, the bias's: the
/// column sums of dY. Written to the scratch: panel by panel `rows` lines, then one bias line a panel.
pub struct UnitGradient<'a> {
    pub unit: &'a Unit,
    pub x: Panels,
    pub dy: Panels,
    /// Rows of the batch.
    pub depth: usize,
    /// Whether the kernel has one column.
    pub single: bool,
    /// The numbers of dY in these panels that are not zero, where that pays.
    pub columns: Option<Columns>,
    pub scratch: *mut f32,
}

impl Task for UnitGradient<'_> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Unit { rows, panel, across } = self.unit;
        let mut done = 0;
        if self.single {
            // SAFETY: the scratch has room for the unit; X and dY hold `depth` rows.
            unsafe { single::kernel_gradient::<V>(rows.clone(), self.depth, self.x, self.dy, self.scratch) };
            done = *across;
        } else if let Some(columns) = self.columns {
            let c = Panels { start: self.scratch, stride: rows.len() * PANEL };
            // SAFETY: the scratch has room for the unit; X and dY hold `depth` rows.
            unsafe { columns.product::<V>(self.x, rows.clone(), self.depth, c) };
            done = *across;
        }
        while done < *across {
            let now = (across - done).min(V::TILE_PANELS);
            let stride = rows.len() * PANEL;
            // SAFETY: the scratch has room for the unit; X and dY hold `depth` rows.
            unsafe {
                let c = Panels { start: self.scratch.add(done * stride), stride };
                gemm::product_transposed::<V>(rows.clone(), panel + done, now, self.depth, self.x, self.dy, c);
            }
            done += now;
        }
        if rows.start > 0 {
            return;
        }
        for p in 0..*across {
            for lane in (0..PANEL).step_by(V::LANES) {
                let mut sum = V::zero();
                // SAFETY: as above; the bias lines follow the kernel's.
                unsafe {
                    for row in 0..self.depth {
                        sum = sum + V::load(self.dy.at(panel + p, row).add(lane));
                    }
                    sum.store(self.scratch.add((across * rows.len() + p) * PANEL + lane));
                }
            }
        }
    }
}

/// Lists the numbers of a unit's panels of dY that are not zero, for all units of those panels.
pub struct ListColumns<'a> {
    pub unit: &'a Unit,
    /// Columns of X.
    pub rows: usize,
    pub dy: Panels,
    /// Rows of the batch.
    pub depth: usize,
    /// Room for the lists, see [`super::skip::columns_floats`].
    pub lists: *mut f32,
}

impl Task for ListColumns<'_> {
    type Output = Option<Columns>;
    #[inline(always)]
    fn run<V: Vector>(self) -> Option<Columns> {
        let ListColumns { unit, rows, dy, depth, lists } = self;
        // SAFETY: dY was finished before; the lists are this worker's alone.
        unsafe { Columns::of::<V>(dy, unit.panel..unit.panel + unit.across, rows, depth, lists) }
    }
}

/// into (+)= from, `count` floats (a multiple of a panel).
pub struct Store {
    pub from: *const f32,
    pub into: *mut f32,
    pub count: usize,
    pub accumulate: bool,
}

impl Task for Store {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        for at in (0..self.count).step_by(V::LANES) {
            // SAFETY: both runs hold `count` floats, and the target is this worker's alone.
            unsafe {
                let value = V::load(self.from.add(at));
                let sum = if self.accumulate { V::load(self.into.add(at)) + value } else { value };
                sum.store(self.into.add(at));
            }
        }
    }
}

/// The optimizer's rule over a run of weights.
pub struct ApplyRule<U> {
    pub rule: U,
    /// What gradients are multiplied by first: 1, or less when a norm is clipped.
    pub scale: f32,
    pub weights: *const f32,
    /// Where the new weights go.
    pub result: *mut f32,
    pub gradient: *const f32,
    pub slots: [*mut f32; MAX_SLOTS],
    /// Floats, a multiple of a panel.
    pub count: usize,
}

impl<U: Update> Task for ApplyRule<U> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let scale = V::splat(f64::from(self.scale));
        for at in (0..self.count).step_by(V::LANES) {
            // SAFETY: weights, gradient and the rule's slots hold `count` floats; all but the gradient are this
            // worker's alone.
            unsafe {
                let mut slots = [V::zero(); MAX_SLOTS];
                for (i, slot) in slots.iter_mut().take(U::SLOTS).enumerate() {
                    *slot = V::load(self.slots[i].add(at));
                }
                let gradient = V::load(self.gradient.add(at)) * scale;
                let new = self.rule.update(V::load(self.weights.add(at)), gradient, &mut slots);
                new.store(self.result.add(at));
                for (i, slot) in slots.iter().take(U::SLOTS).enumerate() {
                    slot.store(self.slots[i].add(at));
                }
            }
        }
    }
}

/// g += l1·sign(w) + 2·l2·w over a run of weights.
pub struct PenaltySlope {
    pub l1: f64,
    pub l2: f64,
    pub weights: *const f32,
    pub gradient: *mut f32,
    /// Floats, a multiple of a panel.
    pub count: usize,
}

impl Task for PenaltySlope {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let (l1, twice) = (V::splat(self.l1), V::splat(2.0 * self.l2));
        for at in (0..self.count).step_by(V::LANES) {
            // SAFETY: both runs hold `count` floats, and the gradient is this worker's alone.
            unsafe {
                let w = V::load(self.weights.add(at));
                let slope = w.mul_add(twice, w.signum() * l1);
                (V::load(self.gradient.add(at)) + slope).store(self.gradient.add(at));
            }
        }
    }
}

/// Adds row-major numbers to lines of this layout.
///
/// # Safety
/// `into` must be writable for the layout's lines.
pub unsafe fn add_packed(layout: Layout, values: &[f32], into: *mut f32) {
    for (r, row) in values.chunks_exact(layout.columns.max(1)).enumerate() {
        for (column, value) in row.iter().enumerate() {
            // SAFETY: row and column are within the layout.
            unsafe { *into.add(((column / PANEL) * layout.rows + r) * PANEL + column % PANEL) += value };
        }
    }
}

/// Makes each column of a panel keep to a constraint that looks at columns alone. Norms are summed in double precision.
///
/// # Safety
/// `panel` must be `rows` lines that nobody else touches.
pub unsafe fn constrain_panel(constraint: &Constraint, panel: *mut f32, rows: usize) {
    // SAFETY: the caller's contract.
    let lines = unsafe { std::slice::from_raw_parts_mut(panel.cast::<Line>(), rows) };
    if constraint.is_elementwise() {
        // The order keeps a NaN.
        lines.iter_mut().flat_map(|line| &mut line.0).for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x });
        return;
    }
    let mut factors = [0.0_f64; PANEL];
    for line in &*lines {
        line.0.iter().zip(&mut factors).for_each(|(x, sum)| *sum += f64::from(*x) * f64::from(*x));
    }
    factors.iter_mut().for_each(|sum| *sum = constraint.factor(sum.sqrt()));
    for line in lines {
        line.0.iter_mut().zip(&factors).for_each(|(x, factor)| *x = (f64::from(*x) * factor) as f32);
    }
}

/// The rule over slices of one length, on this machine's best registers; what is left of the last panel goes through
/// a copy, so that the same code runs over it.
pub fn apply_to_slices<U: Update>(
    rule: U,
    scale: f32,
    weights: &mut [f32],
    gradient: &[f32],
    slots: &mut [&mut [f32]],
) {
    assert!(slots.len() >= U::SLOTS && gradient.len() == weights.len());
    assert!(slots.iter().all(|slot| slot.len() == weights.len()));
    let (level, count) = (Level::current(), weights.len() / PANEL * PANEL);
    let mut pointers = [std::ptr::null_mut(); MAX_SLOTS];
    for (pointer, slot) in pointers.iter_mut().zip(slots.iter_mut().take(U::SLOTS)) {
        *pointer = slot.as_mut_ptr();
    }
    let (from, gradient_from) = (weights.as_mut_ptr(), gradient.as_ptr());
    level.run(ApplyRule { rule, scale, weights: from, result: from, gradient: gradient_from, slots: pointers, count });
    let rest = weights.len() - count;
    if rest == 0 {
        return;
    }
    let copy = |from: &[f32]| {
        let mut panel = [0.0; PANEL];
        panel[..rest].copy_from_slice(&from[count..]);
        panel
    };
    let (mut last, last_gradient) = (copy(weights), copy(gradient));
    let mut last_slots = [[0.0; PANEL]; MAX_SLOTS];
    for (last, slot) in last_slots.iter_mut().zip(slots.iter().take(U::SLOTS)) {
        *last = copy(slot);
    }
    let pointers = last_slots.each_mut().map(|slot| slot.as_mut_ptr());
    let (from, gradient_from) = (last.as_mut_ptr(), last_gradient.as_ptr());
    level.run(ApplyRule {
        rule,
        scale,
        weights: from,
        result: from,
        gradient: gradient_from,
        slots: pointers,
        count: PANEL,
    });
    weights[count..].copy_from_slice(&last[..rest]);
    for (last, slot) in last_slots.iter().zip(slots.iter_mut().take(U::SLOTS)) {
        slot[count..].copy_from_slice(&last[..rest]);
    }
}

/// Σ g² of a run of lines, in double precision, column by column and then across: an order that nothing changes.
///
/// # Safety
/// `gradient` must be readable for `count` floats, a multiple of a panel.
pub unsafe fn sum_of_squares(gradient: *const f32, count: usize) -> f64 {
    let mut columns = [0.0_f64; PANEL];
    for at in (0..count).step_by(PANEL) {
        for (i, sum) in columns.iter_mut().enumerate() {
            // SAFETY: within the caller's run.
            let g = f64::from(unsafe { *gradient.add(at + i) });
            *sum += g * g;
        }
    }
    columns.iter().sum()
}
