//! The second phase of a training step: gradients of a dense layer's variables, and their update.

use super::ops::{Context, Step, part};
use super::pool::Worker;
use super::program::Op;
use super::simd::PANEL;
use super::update::{ApplyRule, Store, Unit, UnitGradient, sum_of_squares, unit, units};
use crate::optimizers::{Update, UpdateVisitor};
use crate::params::Layout;
use crate::plan::{Kind, Stage};

/// Where the parts of a unit lie in its kernel and in its gradient, panel by panel: (offset of the variable's part,
/// offset in the scratch, floats).
fn kernel_parts(kernel: Layout, unit: &Unit) -> impl Iterator<Item = (usize, usize, usize)> {
    let (rows, panel) = (unit.rows.clone(), unit.panel);
    (0..unit.across).map(move |p| {
        let count = rows.len() * PANEL;
        (((panel + p) * kernel.rows + rows.start) * PANEL, p * count, count)
    })
}

/// The same for the bias, which goes with the first unit of its panels.
fn bias_parts(unit: &Unit) -> Option<(usize, usize, usize)> {
    (unit.rows.start == 0).then(|| (unit.panel * PANEL, unit.across * unit.rows.len() * PANEL, unit.across * PANEL))
}

/// The variables of one dense stage.
#[derive(Clone, Copy)]
struct Variables {
    kernel: usize,
    bias: Option<usize>,
    layout: Layout,
}

impl Context<'_> {
    fn variables_of(&self, stage: &Stage) -> Option<Variables> {
        match stage.kind {
            Kind::Dense { kernel, bias } => {
                let trained = |v: &usize| self.plan.trained[*v];
                Some(Variables { kernel, bias: bias.filter(trained), layout: self.plan.variables[kernel].layout() })
            }
            _ => None,
        }
    }

    /// Gradients of this worker's units; updated at once or stored.
    pub fn gradient(&self, s: usize, op: Op, worker: &Worker, step: &Step) {
        let stage = &self.plan.stages[s];
        let (Some(variables), Some(optimizer)) = (self.variables_of(stage), self.optimizer) else { return };
        let scratch = self.memory.scratch(worker.index);
        let compute = |unit: &Unit| {
            self.level.run(UnitGradient {
                unit,
                x: self.memory.values[stage.input],
                dy: self.memory.gradients[stage.output],
                depth: step.rows.len() * self.plan.tensors[stage.input].rows(),
                scratch,
            });
        };
        let own = part(units(variables.layout), 1, worker);
        if let Op::Gradient(_, accumulate) = op {
            for unit in own.map(|i| unit(variables.layout, i)) {
                compute(&unit);
                let store = |variable: usize, (at, from, count): (usize, usize, usize)| {
                    // SAFETY: the unit's part of the gradient buffer is this worker's alone.
                    let (from, into) =
                        unsafe { (scratch.add(from).cast_const(), self.memory.variable_gradients[variable].add(at)) };
                    self.level.run(Store { from, into, count, accumulate });
                };
                kernel_parts(variables.layout, &unit).for_each(|p| store(variables.kernel, p));
                if let (Some(bias), Some(part)) = (variables.bias, bias_parts(&unit)) {
                    store(bias, part);
                }
            }
            return;
        }
        struct Fused<'a, F> {
            context: &'a Context<'a>,
            variables: Variables,
            own: std::ops::Range<usize>,
            scratch: *mut f32,
            compute: F,
            worker: &'a Worker<'a>,
            step: &'a Step<'a>,
        }
        impl<F: Fn(&Unit)> UpdateVisitor for Fused<'_, F> {
            type Output = ();
            fn visit<U: Update>(self, rule: U) {
                let count = self.own.len();
                for (i, unit) in self.own.map(|i| unit(self.variables.layout, i)).enumerate() {
                    self.context.prefetch(i, count, self.worker, self.step);
                    (self.compute)(&unit);
                    let apply = |variable: usize, (at, from, count): (usize, usize, usize)| {
                        // SAFETY: the scratch holds the unit's gradient.
                        let gradient = unsafe { self.scratch.add(from) };
                        self.context.apply_rule(rule, variable, at, gradient, count, 1.0);
                    };
                    if self.context.plan.trained[self.variables.kernel] {
                        kernel_parts(self.variables.layout, &unit).for_each(|p| apply(self.variables.kernel, p));
                    }
                    if let (Some(bias), Some(part)) = (self.variables.bias, bias_parts(&unit)) {
                        apply(bias, part);
                    }
                }
            }
        }
        let fused = Fused { context: self, variables, own, scratch, compute, worker, step };
        optimizer.at_step(step.number + 1, self.learning_rate, true, fused);
    }

    /// The rule over a stored gradient.
    pub fn apply(&self, s: usize, worker: &Worker, step: &Step) {
        let stage = &self.plan.stages[s];
        let (Some(variables), Some(optimizer)) = (self.variables_of(stage), self.optimizer) else { return };
        struct Stored<'a> {
            context: &'a Context<'a>,
            variables: Variables,
            own: std::ops::Range<usize>,
            scales: [f32; 2],
        }
        impl UpdateVisitor for Stored<'_> {
            type Output = ();
            fn visit<U: Update>(self, rule: U) {
                for unit in self.own.map(|i| unit(self.variables.layout, i)) {
                    let apply = |variable: usize, (at, _, count): (usize, usize, usize), scale: f32| {
                        // SAFETY: the buffer has the variable's layout.
                        let gradient = unsafe { self.context.memory.variable_gradients[variable].add(at) };
                        self.context.apply_rule(rule, variable, at, gradient, count, scale);
                    };
                    if self.context.plan.trained[self.variables.kernel] {
                        let kernel = self.variables.kernel;
                        kernel_parts(self.variables.layout, &unit).for_each(|p| apply(kernel, p, self.scales[0]));
                    }
                    if let (Some(bias), Some(part)) = (self.variables.bias, bias_parts(&unit)) {
                        apply(bias, part, self.scales[1]);
                    }
                }
            }
        }
        let scale = |v: Option<usize>| v.map_or(1.0, |v| self.clip_scale(v));
        let scales = [scale(Some(variables.kernel)), scale(variables.bias)];
        let own = part(units(variables.layout), 1, worker);
        let stored = Stored { context: self, variables, own, scales };
        optimizer.at_step(step.number + 1, self.learning_rate, true, stored);
    }

    /// What a variable's gradient is multiplied by to clip its norm, or the norm of all gradients.
    ///
    /// Every worker computes the same sum in the same order rather than wait for another barrier.
    fn clip_scale(&self, variable: usize) -> f32 {
        let squares = |v: usize| {
            // SAFETY: the buffer has the variable's layout and was finished before the barrier.
            unsafe {
                sum_of_squares(self.memory.variable_gradients[v], self.plan.variables[v].layout().lines() * PANEL)
            }
        };
        let Some(optimizer) = self.optimizer else { return 1.0 };
        let sum: f64 = if optimizer.global_clipnorm.is_some() {
            (0..self.plan.variables.len()).filter(|&v| self.plan.trained[v]).map(squares).sum()
        } else if optimizer.clipnorm.is_some() {
            squares(variable)
        } else {
            return 1.0;
        };
        optimizer.clip_scale(sum.sqrt()) as f32
    }

    fn apply_rule<U: Update>(
        &self,
        rule: U,
        variable: usize,
        at: usize,
        gradient: *const f32,
        count: usize,
        scale: f32,
    ) {
        // SAFETY: `at` and `count` are a unit's part of the variable and of its slots, which have the same layout.
        let (weights, slots) = unsafe {
            let slots = self.slots[variable].map(|s| if s.is_null() { s } else { s.add(at) });
            (self.variables[variable].add(at), slots)
        };
        self.level.run(ApplyRule { rule, scale, weights, gradient, slots, count });
    }
}
