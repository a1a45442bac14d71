//! Penalties on variables, their gradients, and constraints, on one worker's share.

use super::ops::{Context, part};
use super::pool::Worker;
use super::simd::PANEL;
use super::update::{PenaltySlope, add_packed, constrain_panel};
use crate::params::panels;

impl Context<'_> {
    /// Adds the slope of a variable's penalty to a run of its gradient.
    pub(super) fn add_slope(&self, variable: usize, at: usize, gradient: *mut f32, count: usize) {
        if let Some((l1, l2)) = self.plan.variables[variable].regularizer().and_then(|p| p.elementwise()) {
            // SAFETY: the run is within the variable.
            let weights = unsafe { self.variables[variable].add(at).cast_const() };
            self.level.run(PenaltySlope { l1, l2, weights, gradient, count });
        }
    }

    /// The penalty of a variable, a sum a panel.
    pub fn penalty(&self, v: usize, worker: &Worker) {
        let variable = &self.plan.variables[v];
        let (layout, Some(penalty)) = (variable.layout(), variable.regularizer()) else { return };
        let across = panels(layout.columns);
        let Some((l1, l2)) = penalty.elementwise() else {
            if worker.index == 0 {
                let value = self.with_values(v, |w, shape| penalty.value(w, shape));
                // SAFETY: the variable has a double a panel; this worker alone writes them.
                unsafe { self.memory.penalties[v].write(value) };
            }
            return;
        };
        for panel in part(across, 2, worker) {
            // SAFETY: the panel is within the variable, which nobody writes in this phase.
            unsafe {
                let lines = self.variables[v].add(panel * layout.rows * PANEL);
                let (mut absolute, mut square) = ([0.0_f64; PANEL], [0.0_f64; PANEL]);
                for at in 0..layout.rows {
                    for lane in 0..PANEL {
                        let w = f64::from(*lines.add(at * PANEL + lane));
                        absolute[lane] += w.abs();
                        square[lane] += w * w;
                    }
                }
                let sum = l1 * absolute.iter().sum::<f64>() + l2 * square.iter().sum::<f64>();
                *self.memory.penalties[v].add(panel) = sum;
            }
        }
    }

    /// Adds the gradient of a variable's penalty to its stored gradient.
    pub fn penalty_gradient(&self, v: usize, worker: &Worker) {
        let variable = &self.plan.variables[v];
        let (layout, Some(penalty)) = (variable.layout(), variable.regularizer()) else { return };
        if penalty.elementwise().is_none() {
            if worker.index == 0 {
                self.with_values(v, |w, shape| {
                    let mut slope = vec![0.0; w.len()];
                    penalty.add_gradient(w, shape, &mut slope);
                    // SAFETY: the gradient has the variable's layout and is this worker's alone.
                    unsafe { add_packed(layout, &slope, self.gradient_of(v)) };
                });
            }
            return;
        }
        for panel in part(panels(layout.columns), 2, worker) {
            let (at, count) = (panel * layout.rows * PANEL, layout.rows * PANEL);
            // SAFETY: the panel is within the gradient, and this worker's alone.
            let gradient = unsafe { self.gradient_of(v).add(at) };
            self.add_slope(v, at, gradient, count);
        }
    }

    /// Calls `f` with a variable's numbers, row-major, and its shape.
    fn with_values<T>(&self, v: usize, f: impl FnOnce(&[f32], &[usize]) -> T) -> T {
        let variable = &self.plan.variables[v];
        let mut values = vec![0.0; variable.layout().len()];
        // SAFETY: the variable's lines are locked by the run, and nobody writes them in this phase.
        let lines = unsafe { std::slice::from_raw_parts(self.variables[v].cast(), variable.layout().lines()) };
        variable.layout().unpack(lines, &mut values);
        f(&values, variable.shape())
    }

    /// Makes a variable keep to its constraint.
    pub fn constrain(&self, v: usize, worker: &Worker) {
        let variable = &self.plan.variables[v];
        let (layout, Some(constraint)) = (variable.layout(), variable.constraint()) else { return };
        if constraint.is_elementwise() || constraint.column_axis_only(variable.shape()) {
            for panel in part(panels(layout.columns), 2, worker) {
                // SAFETY: the panel is within the variable and this worker's alone.
                unsafe { constrain_panel(constraint, self.variables[v].add(panel * layout.rows * PANEL), layout.rows) };
            }
        } else if worker.index == 0 {
            let mut values = self.with_values(v, |w, _| w.to_vec());
            if constraint.apply(&mut values, variable.shape()).is_ok() {
                // SAFETY: the variable is this worker's alone.
                let lines = unsafe { std::slice::from_raw_parts_mut(self.variables[v].cast(), layout.lines()) };
                layout.pack(&values, lines);
            }
        }
    }
}
