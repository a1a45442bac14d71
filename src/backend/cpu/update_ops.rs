//! The second phase of a training step: gradients of variables, and their update.
//!
//! The order is Keras's: penalty's gradient, clip, decay, rule, moving average, constraint. On the fused path all but the
//! last run over a tile at a time; on the general path the gradient is stored first.

use super::ops::{Context, Step, part};
use super::pool::Worker;
use super::simd::PANEL;
use super::skip::Columns;
use super::update::{ApplyRule, ListColumns, Store, UNIT_PANELS, Unit, UnitGradient, sum_of_squares, unit, units};
use crate::optimizers::{LearningRate, MAX_SLOTS, OptimizerConfig, OptimizerState, Update, UpdateVisitor};
use crate::params::{Layout, panels};
use crate::plan::{Kind, Plan, Stage};
use std::ops::Range;

/// The optimizer of a run, as the workers read it.
pub struct Course<'a> {
    config: &'a OptimizerConfig,
    learning_rate: &'a LearningRate,
    /// Whether each variable decays.
    decays: Vec<bool>,
}

impl<'a> Course<'a> {
    /// What `optimizer` does to the variables of a plan.
    pub fn of(optimizer: &'a OptimizerState, plan: &Plan) -> Self {
        Course {
            config: optimizer.config(),
            learning_rate: optimizer.rate(),
            decays: plan.variables.iter().map(|v| optimizer.decays(v.id())).collect(),
        }
    }

    /// Calls `visitor` with a variable's rule in the step that follows `number` others.
    pub(super) fn rule<V: UpdateVisitor>(&self, number: u64, variable: usize, visitor: V) -> V::Output {
        let (t, rate) = (self.config.rule_step(number), self.learning_rate.at(number));
        self.config.at_step(t, rate, self.decays[variable], visitor)
    }
}

/// Where the parts of a unit lie in its kernel and in its gradient, panel by panel: (offset of the variable's part,
/// offset in the scratch, floats).
pub(super) fn kernel_parts(kernel: Layout, unit: &Unit) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
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

/// A dense stage's share of units on the fused path.
struct Fused<'a> {
    context: &'a Context<'a>,
    course: &'a Course<'a>,
    stage: &'a Stage,
    variables: Variables,
    /// The variable whose rule is visited.
    lead: usize,
    own: Range<usize>,
    worker: &'a Worker<'a>,
    step: &'a Step<'a>,
}

impl UpdateVisitor for Fused<'_> {
    type Output = ();
    fn visit<U: Update>(self, rule: U) {
        let Fused { context, course, variables: Variables { kernel, bias, layout }, worker, step, .. } = self;
        let (count, scratch) = (self.own.len(), context.memory.scratch(worker.index));
        let mut columns = None;
        for (i, unit) in self.own.map(|i| unit(layout, i)).enumerate() {
            let prefetch = |part: usize| {
                if context.ahead == Some(kernel) {
                    context.prefetch(i * UNIT_PANELS + part, count * UNIT_PANELS, worker, step);
                }
            };
            context.unit_gradient(self.stage, &unit, &mut columns, worker, step);
            let apply = |variable: usize, (at, from, count): (usize, usize, usize)| {
                // SAFETY: the scratch holds the unit's gradient.
                let gradient = unsafe { scratch.add(from) };
                context.add_slope(variable, at, gradient, count);
                if course.decays[variable] == course.decays[self.lead] {
                    context.apply_rule(rule, variable, at, gradient, count, 1.0);
                } else {
                    course.rule(step.number, variable, Part { context, variable, at, gradient, count });
                }
            };
            if context.plan.trained[kernel] {
                for (i, part) in kernel_parts(layout, &unit).enumerate() {
                    prefetch(i);
                    apply(kernel, part);
                }
                (unit.across..UNIT_PANELS).for_each(prefetch);
            }
            if let (Some(bias), Some(part)) = (bias, bias_parts(&unit)) {
                apply(bias, part);
            }
        }
    }
}

/// One run of a variable whose rule is not that of its neighbour.
pub(super) struct Part<'a> {
    pub context: &'a Context<'a>,
    pub variable: usize,
    pub at: usize,
    pub gradient: *const f32,
    pub count: usize,
}

impl UpdateVisitor for Part<'_> {
    type Output = ();
    fn visit<U: Update>(self, rule: U) {
        self.context.apply_rule(rule, self.variable, self.at, self.gradient, self.count, 1.0);
    }
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

    /// The gradient of a unit of a dense stage into this worker's scratch. `listed` holds lists of dY between the units of
    /// the same panels, which follow each other.
    fn unit_gradient(
        &self,
        stage: &Stage,
        unit: &Unit,
        listed: &mut Option<(usize, Option<Columns>)>,
        worker: &Worker,
        step: &Step,
    ) {
        let (input, dy) = (&self.plan.tensors[stage.input()], self.memory.gradients[stage.output]);
        let depth = step.rows.len() * input.rows();
        let single = self.plan.tensors[stage.output].columns() == 1;
        let columns = match *listed {
            _ if single => None,
            Some((panel, columns)) if panel == unit.panel => columns,
            _ => {
                let lists = self.memory.lists(worker.index);
                self.level.run(ListColumns { unit, rows: input.columns(), dy, depth, lists })
            }
        };
        *listed = Some((unit.panel, columns));
        let (x, scratch) = (self.values[stage.input()], self.memory.scratch(worker.index));
        self.level.run(UnitGradient { unit, x, dy, depth, single, columns, scratch });
    }

    /// Where a variable's gradient is stored: in a buffer, or in the slot where the gradients of several steps add up.
    pub(super) fn gradient_of(&self, variable: usize) -> *mut f32 {
        match self.accumulators.get(variable) {
            Some(sum) if !sum.is_null() => *sum,
            _ => self.memory.variable_gradients[variable],
        }
    }

    /// Whether a stored gradient adds to that of earlier steps.
    pub(super) fn continues(&self, step: &Step) -> bool {
        // A sum begins with the step after an update.
        step.number > 0 && self.optimizer.is_some_and(|course| !course.config.updates_at(step.number - 1))
    }

    /// Stores the gradients of a stage's variables, or adds them to what is there.
    pub fn gradient(&self, s: usize, accumulate: bool, worker: &Worker, step: &Step) {
        let stage = &self.plan.stages[s];
        let accumulate = accumulate || self.continues(step);
        let Some(variables) = self.variables_of(stage) else {
            return self.gradient_kind(s, accumulate, worker, step);
        };
        let (scratch, mut columns) = (self.memory.scratch(worker.index), None);
        for unit in part(units(variables.layout), 1, worker).map(|i| unit(variables.layout, i)) {
            self.unit_gradient(stage, &unit, &mut columns, worker, step);
            let store = |variable: usize, (at, from, count): (usize, usize, usize)| {
                // SAFETY: the unit's part of the gradient buffer is this worker's alone.
                let (from, into) = unsafe { (scratch.add(from).cast_const(), self.gradient_of(variable).add(at)) };
                self.level.run(Store { from, into, count, accumulate });
            };
            if self.plan.trained[variables.kernel] {
                kernel_parts(variables.layout, &unit).for_each(|p| store(variables.kernel, p));
            }
            if let (Some(bias), Some(part)) = (variables.bias, bias_parts(&unit)) {
                store(bias, part);
            }
        }
    }

    /// Gradients of a dense stage's variables a tile at a time, and the rule over each tile while it is near.
    pub fn update(&self, s: usize, worker: &Worker, step: &Step) {
        let stage = &self.plan.stages[s];
        let (Some(variables), Some(course)) = (self.variables_of(stage), self.optimizer) else { return };
        let own = part(units(variables.layout), 1, worker);
        let lead = variables.bias.filter(|_| !self.plan.trained[variables.kernel]).unwrap_or(variables.kernel);
        course.rule(step.number, lead, Fused { context: self, course, stage, variables, lead, own, worker, step });
    }

    /// The sums of squares of `what`, which has the layout of a variable, panel by panel.
    fn squares_by_panel(&self, v: usize, what: *const f32, into: usize, worker: &Worker) {
        let layout = self.plan.variables[v].layout();
        let across = panels(layout.columns);
        for panel in part(across, 2, worker) {
            // SAFETY: what is summed was finished before the barrier; the sums are this worker's.
            unsafe {
                let sum = sum_of_squares(what.add(panel * layout.rows * PANEL), layout.rows * PANEL);
                *self.memory.norms[v].add(into * across + panel) = sum;
            }
        }
    }

    /// The norm whose parts are number `of`: 0 a stored gradient's, 1 the weights', 2 an update's direction's.
    fn squared_norm(&self, v: usize, of: usize) -> f64 {
        let across = panels(self.plan.variables[v].layout().columns);
        // SAFETY: the sums were finished before the barrier.
        (of * across..(of + 1) * across).map(|i| unsafe { *self.memory.norms[v].add(i) }).sum()
    }

    /// The squares of a stored gradient.
    pub fn norm(&self, v: usize, worker: &Worker) {
        self.squares_by_panel(v, self.gradient_of(v), 0, worker);
    }

    /// The squares of weights and of an update's direction.
    pub fn trust_norms(&self, v: usize, worker: &Worker) {
        self.squares_by_panel(v, self.variables[v], 1, worker);
        self.squares_by_panel(v, self.gradient_of(v), 2, worker);
    }

    /// What a variable's gradient is multiplied by: the mean of several steps, and the clip of its norm, or of the norm of
    /// all gradients.
    fn gradient_scale(&self, variable: usize) -> f32 {
        let Some(course) = self.optimizer else { return 1.0 };
        let mean = 1.0 / course.config.gradient_accumulation_steps.unwrap_or(1) as f64;
        let stored = |v: &usize| self.plan.trained[*v] && self.program.general[*v];
        let sum: f64 = if course.config.global_clipnorm.is_some() {
            (0..self.plan.variables.len()).filter(stored).map(|v| self.squared_norm(v, 0)).sum()
        } else if course.config.clipnorm.is_some() {
            self.squared_norm(variable, 0)
        } else {
            return mean as f32;
        };
        (mean * course.config.clip_scale(sum.sqrt() * mean)) as f32
    }

    /// This worker's runs of a variable: (offset, floats).
    fn runs(&self, v: usize, worker: &Worker) -> impl Iterator<Item = (usize, usize)> {
        let layout = self.plan.variables[v].layout();
        let own = part(units(layout), 1, worker).map(move |i| unit(layout, i));
        own.flat_map(move |unit| kernel_parts(layout, &unit).map(|(at, _, count)| (at, count)))
    }

    /// The direction of an update in place of the gradient, where its length is to be measured first.
    pub fn direction(&self, v: usize, worker: &Worker, step: &Step) {
        let Some(course) = self.optimizer.filter(|course| course.config.updates_at(step.number)) else { return };
        struct Turn<'a>(&'a Context<'a>, usize, &'a Worker<'a>, f32);
        impl UpdateVisitor for Turn<'_> {
            type Output = ();
            fn visit<U: Update>(self, rule: U) {
                let Turn(context, v, worker, scale) = self;
                for (at, count) in context.runs(v, worker) {
                    // SAFETY: the run is within the variable's gradient and slots and this worker's alone.
                    unsafe {
                        let gradient = context.gradient_of(v).add(at);
                        let slots = context.slots_at(v, at);
                        let weights = context.variables[v].add(at).cast_const();
                        context.level.run(ApplyRule { rule, scale, weights, result: gradient, gradient, slots, count });
                    }
                }
            }
        }
        let turn = Turn(self, v, worker, self.gradient_scale(v));
        let _ = course.config.direction_at_step(course.config.rule_step(step.number), turn);
    }

    /// The rule over a stored gradient; in a step without an update what else moves.
    pub fn apply(&self, v: usize, worker: &Worker, step: &Step) {
        struct Stored<'a>(&'a Context<'a>, usize, &'a Worker<'a>, f32);
        impl UpdateVisitor for Stored<'_> {
            type Output = ();
            fn visit<U: Update>(self, rule: U) {
                let Stored(context, v, worker, scale) = self;
                for (at, count) in context.runs(v, worker) {
                    // SAFETY: the run is within the variable's gradient.
                    let gradient = unsafe { context.gradient_of(v).add(at) };
                    context.apply_rule(rule, v, at, gradient, count, scale);
                }
            }
        }
        let Some(course) = self.optimizer else { return };
        let (config, t) = (course.config, course.config.rule_step(step.number));
        if !config.updates_at(step.number) {
            let _ = config.between_updates(t, Stored(self, v, worker, 1.0));
        } else if config.has_trust_ratio() {
            let norms = [self.squared_norm(v, 1).sqrt(), self.squared_norm(v, 2).sqrt()];
            let rate = course.learning_rate.at(step.number);
            config.along_direction(t, rate, course.decays[v], norms, Stored(self, v, worker, 1.0));
        } else {
            course.rule(step.number, v, Stored(self, v, worker, self.gradient_scale(v)));
        }
    }

    /// Puts the moving average in a variable's place after the steps that say so.
    pub fn overwrite(&self, v: usize, worker: &Worker, step: &Step) {
        let Some(course) = self.optimizer.filter(|course| course.config.overwrites_after(step.number)) else { return };
        let Some(slot) = course.config.average_slot() else { return };
        for (at, count) in self.runs(v, worker) {
            // SAFETY: the run is within variable and slot and this worker's alone.
            unsafe { std::ptr::copy_nonoverlapping(self.slots[v][slot].add(at), self.variables[v].add(at), count) };
        }
    }

    /// A variable's slots from an offset on.
    ///
    /// # Safety
    /// The offset must be within the variable.
    unsafe fn slots_at(&self, v: usize, at: usize) -> [*mut f32; MAX_SLOTS] {
        // SAFETY: the slots have the variable's layout.
        self.slots[v].map(|s| if s.is_null() { s } else { unsafe { s.add(at) } })
    }

    pub(super) fn apply_rule<U: Update>(
        &self,
        rule: U,
        variable: usize,
        at: usize,
        gradient: *const f32,
        count: usize,
        scale: f32,
    ) {
        // SAFETY: `at` and `count` are a unit's part of the variable and of its slots, which have the same layout.
        let (weights, slots) = unsafe { (self.variables[variable].add(at), self.slots_at(variable, at)) };
        self.level.run(ApplyRule { rule, scale, weights, result: weights, gradient, slots, count });
    }
}
