//! Tables: rows looked up, their gradients, and the update of those that a batch uses.
//!
//! Ids that come from an input of the model are read where they are, in double precision, so that none above 2²⁴ is
//! confused with its neighbour. A fraction is cut off; as in Keras on JAX an id from −rows on counts from the end, and
//! one beyond the table gives a row of NaN and no gradient.
//!
//! On the sparse path the gradient buffer is all zeros between two steps: a worker lists the rows of its part that the batch
//! uses, adds up their gradients in the order of the batch, applies the rule to them and clears them again.

use super::ops::{Context, Step, part};
use super::pool::Worker;
use super::simd::PANEL;
use crate::optimizers::{Update, UpdateVisitor};
use crate::params::{Layout, panels};
use crate::plan::{Kind, Stage};
use std::ops::Range;

/// The row that an id names in a table of so many.
pub fn row_of(id: f64, rows: usize) -> Option<usize> {
    let (id, end) = (id.trunc(), rows as f64);
    let id = if id < 0.0 { id + end } else { id };
    (id >= 0.0 && id < end).then_some(id as usize)
}

/// One worker's part of the rows of a table, some of which a batch uses.
struct Used<'a> {
    context: &'a Context<'a>,
    table: usize,
    layout: Layout,
    rows: &'a [u32],
}

impl UpdateVisitor for Used<'_> {
    type Output = ();
    fn visit<U: Update>(self, rule: U) {
        let gradient = self.context.gradient_of(self.table);
        for &row in self.rows {
            for panel in 0..panels(self.layout.columns) {
                let at = (panel * self.layout.rows + row as usize) * PANEL;
                // SAFETY: the line is within the table and its gradient and this worker's alone.
                unsafe {
                    let gradient = gradient.add(at);
                    self.context.apply_rule(rule, self.table, at, gradient, PANEL, 1.0);
                    std::ptr::write_bytes(gradient, 0, PANEL);
                }
            }
        }
    }
}

impl Context<'_> {
    /// The row of the table that row `r` of a stage's output is.
    fn looked_up(&self, stage: &Stage, layout: Layout, step: &Step, r: usize) -> Option<usize> {
        let ids = &self.plan.tensors[stage.input()];
        let per_sample = ids.rows() * ids.columns();
        let (sample, e) = (r / per_sample, r % per_sample);
        let id = match ids.source {
            Some(source) => self.feed.inputs[source].element(step.rows[sample] as usize, e),
            None => {
                let (row, column) = (sample * ids.rows() + e / ids.columns(), e % ids.columns());
                // SAFETY: the element is the sample's, and was computed before.
                f64::from(unsafe { *self.values[stage.input()].at(column / PANEL, row).add(column % PANEL) })
            }
        };
        row_of(id, layout.rows)
    }

    /// Rows of a table into this worker's rows of a stage's output.
    pub(super) fn embed(&self, stage: &Stage, table: usize, rows: Range<usize>, step: &Step) {
        let (layout, y) = (self.plan.variables[table].layout(), self.values[stage.output]);
        for r in rows {
            let row = self.looked_up(stage, layout, step, r);
            for panel in 0..panels(layout.columns) {
                // SAFETY: the row of y is this worker's alone; the line is the table's, which nobody writes now.
                unsafe {
                    let line = y.at(panel, r);
                    match row {
                        Some(row) => {
                            let from = self.variables[table].add((panel * layout.rows + row) * PANEL);
                            std::ptr::copy_nonoverlapping(from, line, PANEL);
                        }
                        None => (0..PANEL).for_each(|lane| *line.add(lane) = f32::NAN),
                    }
                }
            }
        }
    }

    /// Adds the gradient of row `r` of a stage's output to that of the table's row.
    ///
    /// # Safety
    /// The table's row must be this worker's alone, and the stage's gradient finished.
    unsafe fn add_row(&self, stage: &Stage, table: usize, layout: Layout, r: usize, row: usize) {
        let (dy, into) = (self.memory.gradients[stage.output], self.gradient_of(table));
        for panel in 0..panels(layout.columns) {
            // SAFETY: the caller's contract; lanes beyond the last column are zeros in every gradient.
            unsafe {
                let (from, into) = (dy.at(panel, r), into.add((panel * layout.rows + row) * PANEL));
                for lane in 0..PANEL {
                    *into.add(lane) += *from.add(lane);
                }
            }
        }
    }

    /// How many rows a stage's output has in a batch.
    fn rows_of(&self, stage: &Stage, step: &Step) -> usize {
        step.rows.len() * self.plan.tensors[stage.output].rows()
    }

    /// The gradient of this worker's rows of a table, whole.
    pub(super) fn table_gradient(&self, s: usize, accumulate: bool, worker: &Worker, step: &Step) {
        let stage = &self.plan.stages[s];
        let Kind::Embedding { table } = stage.kind else { return };
        let layout = self.plan.variables[table].layout();
        let own = part(layout.rows, 1, worker);
        if !accumulate {
            for panel in 0..panels(layout.columns) {
                // SAFETY: these rows of the gradient are this worker's alone.
                unsafe {
                    let start = self.gradient_of(table).add((panel * layout.rows + own.start) * PANEL);
                    std::ptr::write_bytes(start, 0, own.len() * PANEL);
                }
            }
        }
        for r in 0..self.rows_of(stage, step) {
            if let Some(row) = self.looked_up(stage, layout, step, r).filter(|row| own.contains(row)) {
                // SAFETY: the row is in this worker's part; gradients were finished before the barrier.
                unsafe { self.add_row(stage, table, layout, r, row) };
            }
        }
    }

    /// Gradient and update of the rows of a table that the batch uses.
    pub(super) fn update_rows(&self, s: usize, worker: &Worker, step: &Step) {
        let stage = &self.plan.stages[s];
        let (Kind::Embedding { table }, Some(course)) = (&stage.kind, self.optimizer) else { return };
        let (table, layout) = (*table, self.plan.variables[*table].layout());
        let own = part(layout.rows, 1, worker);
        let count = self.rows_of(stage, step);
        // SAFETY: the scratch is this worker's and has a float for each row of the largest batch; any bits are a `u32`.
        let list = unsafe { std::slice::from_raw_parts_mut(self.memory.scratch(worker.index).cast::<u32>(), count) };
        let mut used = 0;
        for r in 0..count {
            if let Some(row) = self.looked_up(stage, layout, step, r).filter(|row| own.contains(row)) {
                // SAFETY: as in `table_gradient`; the buffer held zeros in this row before the batch's first use of it.
                unsafe { self.add_row(stage, table, layout, r, row) };
                list[used] = row as u32;
                used += 1;
            }
        }
        let list = &mut list[..used];
        list.sort_unstable();
        let mut distinct = 0;
        for i in 0..list.len() {
            if i == 0 || list[i] != list[i - 1] {
                list.swap(distinct, i);
                distinct += 1;
            }
        }
        course.rule(step.number, table, Used { context: self, table, layout, rows: &list[..distinct] });
    }
}

#[cfg(test)]
mod tests {
    use super::row_of;

    #[test]
    fn ids_are_cut_off_and_count_from_the_end() {
        assert_eq!([0.0, 2.9, -1.0, -3.0, -0.5].map(|id| row_of(id, 3)), [Some(0), Some(2), Some(2), Some(0), Some(0)]);
        assert_eq!([3.0, -4.0, f64::NAN, f64::INFINITY].map(|id| row_of(id, 3)), [None; 4]);
        let rows = (1 << 25) + 1;
        assert_eq!(row_of(((1 << 24) + 1) as f64, rows), Some((1 << 24) + 1));
    }
}
