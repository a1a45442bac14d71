//! The second half of a step: gradients of variables, and their update. The order is Keras's: penalty's gradient, clip, decay,
//! rule, moving average, constraint.
//!
//! A dense layer's variables are updated in the store of their gradient where the rule takes each element alone and nobody
//! else uses them. Otherwise the gradient is stored, or added to what is there, and the rule runs over it later.

use super::dispatch::{Count, Grid, Place, Shape};
use super::program::{Course, Maker, amounts};
use super::schedule::Node;
use super::step::rule_from;
use super::wgsl::{self, Pass, Product, WeightVariant};
use crate::plan::Kind;

/// A trained variable whose gradient is stored, and the layer that had it first.
struct Stored {
    variable: usize,
    layer: String,
}

/// The variables of a dense stage that are trained.
struct Dense {
    stage: usize,
    kernel: Option<usize>,
    bias: Option<usize>,
    /// The layout's variable.
    matrix: usize,
    /// The product.
    output: usize,
}

impl Maker<'_> {
    /// Gradients of variables and their updates.
    pub(super) fn update(&mut self, course: &Course) {
        let mut stored: Vec<Stored> = Vec::new();
        for node in self.nodes.clone() {
            match node {
                Node::Dense { stage, kernel, bias, tail } => {
                    let trained = |v: &usize| self.plan.trained[*v];
                    let (own, bias) = (Some(kernel).filter(trained), bias.filter(trained));
                    let dense = Dense { stage, kernel: own, bias, matrix: kernel, output: tail.input };
                    self.dense_gradient(&dense, course, &mut stored);
                }
                Node::Other { stage } => self.stored_gradients(stage, course, &mut stored),
                Node::Tail { .. } | Node::Rows { .. } => {}
            }
        }
        self.penalty_slopes(&stored, course);
        self.apply(&stored, course);
        self.constrain();
        self.move_statistics();
    }

    /// Where a variable's gradient is stored.
    fn stored_at(course: &Course, v: usize) -> Place {
        if course.config.gradient_accumulation_steps.is_some() {
            Place::Accumulator(v)
        } else {
            Place::VariableGradient(v)
        }
    }

    /// How a gradient of these variables is stored: as `adds` in common.wgsl says. Notes them.
    fn store(&self, variables: &[usize], layer: &str, course: &Course, stored: &mut Vec<Stored>) -> u32 {
        let again = variables.iter().any(|v| stored.iter().any(|s| s.variable == *v));
        for &variable in variables {
            if !stored.iter().any(|s| s.variable == variable) {
                stored.push(Stored { variable, layer: layer.to_string() });
            }
        }
        match (again, course.config.gradient_accumulation_steps) {
            (true, _) => 1,
            (false, Some(_)) => 2,
            (false, None) => 0,
        }
    }

    /// A variable to which no gradient comes has one of zeros.
    fn no_gradient(&mut self, variables: &[usize], layer: &str, course: &Course, stored: &mut Vec<Stored>) {
        for &v in variables {
            let adds = self.store(&[v], layer, course, stored);
            if adds != 1 {
                let shape = Shape::fixed(self.plan.variables[v].layout().len());
                self.each(layer, wgsl::clear(adds), vec![Self::stored_at(course, v)], shape);
            }
        }
    }

    /// The gradient of a dense stage's variables, and their update where that can be at once.
    fn dense_gradient(&mut self, dense: &Dense, course: &Course, stored: &mut Vec<Stored>) {
        let stage = &self.plan.stages[dense.stage];
        let (input, layer) = (stage.input(), &stage.layer);
        let variables: Vec<usize> = dense.kernel.into_iter().chain(dense.bias).collect();
        if variables.is_empty() {
            return;
        }
        if !self.filled.contains(&self.roots[dense.output]) {
            return self.no_gradient(&variables, layer, course, stored);
        }
        let alone = |v: &usize| self.plan.variable_uses[*v] == 1;
        let fused = course.config.is_elementwise() && alone(&dense.matrix) && dense.bias.iter().all(alone);
        let adds = if fused { 0 } else { self.store(&variables, layer, course, stored) };
        // Kernel and bias are used together, but for a bias that is trained where the kernel is not.
        let variant = WeightVariant {
            kernel: dense.kernel.is_some(),
            bias: dense.bias.is_some(),
            gather: self.direct[input],
            adds,
        };
        let seen = course.config.seen_slots();
        let place = |v: usize| if fused { Place::Variable(v) } else { Self::stored_at(course, v) };
        let slots = |v: usize, i| if fused && seen > 0 { Place::Slots(v) } else { Place::Void(i) };
        let mut places = vec![self.value(input), self.gradient(dense.output), Place::Order];
        places.extend(dense.kernel.map_or([Place::Void(0), Place::Void(1)], |v| [place(v), slots(v, 1)]));
        places.extend(dense.bias.map_or([Place::Void(2), Place::Void(3)], |v| [place(v), slots(v, 3)]));
        let (depth, columns) = (self.size(input).1, self.size(dense.output).1);
        let penalty = |v: Option<usize>| {
            let penalty = v.and_then(|v| self.plan.variables[v].regularizer()).and_then(|r| r.elementwise());
            penalty.map_or([0.0; 2], |(l1, l2)| [l1 as f32, l2 as f32])
        };
        let ([a, b], [c, d]) = (penalty(dense.kernel), penalty(dense.bias));
        let rule = |v: Option<usize>| v.map_or(0, |v| rule_from(course.decays[v]));
        let shape = Shape {
            depth,
            rule: [rule(dense.kernel), rule(dense.bias)],
            amounts: [a, b, c, d],
            ..self.shape(dense.output)
        };
        let rows = depth + usize::from(dense.bias.is_some());
        let product = Product::of(rows, columns).with_features(depth);
        let shader = wgsl::weight_gradient(variant, fused.then_some(&course.config), product);
        self.push(layer, shader, places, shape, Grid::Tiles(Count::Fixed(rows), columns, product.tile));
    }

    /// The gradients of another stage's variables.
    fn stored_gradients(&mut self, s: usize, course: &Course, stored: &mut Vec<Stored>) {
        let stage = &self.plan.stages[s];
        let trained = |v: &usize| self.plan.trained[*v];
        let variables: Vec<usize> = stage.kind.variables().into_iter().filter(trained).collect();
        if !self.arrives(stage) {
            return self.no_gradient(&variables, &stage.layer, course, stored);
        }
        if let Kind::Embedding { table } = stage.kind
            && variables == [table]
            && course.config.is_elementwise()
            && course.config.zero_gradient_is_noop()
            && self.plan.variable_uses[table] == 1
            && self.plan.variables[table].regularizer().is_none()
        {
            return self.update_rows(s, table, course);
        }
        for v in variables {
            let adds = self.store(&[v], &stage.layer, course, stored);
            self.gradient_other(s, v, Self::stored_at(course, v), adds);
        }
    }

    /// Adds the gradients of penalties to stored ones.
    fn penalty_slopes(&mut self, stored: &[Stored], course: &Course) {
        for Stored { variable, layer } in stored {
            let own = &self.plan.variables[*variable];
            let Some((l1, l2)) = own.regularizer().and_then(|r| r.elementwise()) else { continue };
            let shape = Shape { amounts: amounts(l1, l2), ..Shape::fixed(own.layout().len()) };
            let places = vec![Place::Variable(*variable), Self::stored_at(course, *variable)];
            self.each(layer, wgsl::slope(1), places, shape);
        }
    }

    /// Updates from gradients in memory.
    fn apply(&mut self, stored: &[Stored], course: &Course) {
        let config = &course.config;
        let clips = config.clipnorm.is_some() || config.global_clipnorm.is_some();
        let directed = config.has_trust_ratio();
        if clips {
            for (i, s) in stored.iter().enumerate() {
                self.norm(s, Self::stored_at(course, s.variable), i);
            }
        }
        if directed {
            for i in 0..stored.len() {
                self.apply_one(stored, i, course, Pass::Direction);
            }
            for (i, s) in stored.iter().enumerate() {
                self.norm(s, Place::Variable(s.variable), stored.len() + i);
                self.norm(s, Self::stored_at(course, s.variable), 2 * stored.len() + i);
            }
        }
        for i in 0..stored.len() {
            self.apply_one(stored, i, course, if directed { Pass::Along } else { Pass::Whole });
        }
    }

    /// The sum of squares of something of a variable's size, number `extra` of all.
    fn norm(&mut self, Stored { variable, layer }: &Stored, of: Place, extra: usize) {
        let shape = Shape { extra, ..Shape::fixed(self.plan.variables[*variable].layout().len()) };
        self.push(layer, wgsl::norm(), vec![of, Place::Norms], shape, Grid::Groups(1));
    }

    fn apply_one(&mut self, stored: &[Stored], i: usize, course: &Course, pass: Pass) {
        let Stored { variable, layer } = &stored[i];
        let (v, config) = (*variable, &course.config);
        let norms = match config.clipnorm.or(config.global_clipnorm) {
            None if !config.has_trust_ratio() => Place::Nothing,
            _ => Place::Norms,
        };
        let slots = if config.seen_slots() == 0 { Place::Void(0) } else { Place::Slots(v) };
        let places = vec![Self::stored_at(course, v), norms, Place::Variable(v), slots];
        let shape = Shape {
            extra: i,
            rule: [rule_from(course.decays[v]), 0],
            more: [usize::from(course.decays[v]), stored.len(), 0, 0],
            ..Shape::fixed(self.plan.variables[v].layout().len())
        };
        self.each(layer, wgsl::apply(config, pass), places, shape);
    }

    /// Makes variables keep to their constraints.
    fn constrain(&mut self) {
        for (v, variable) in self.plan.variables.iter().enumerate().filter(|(v, _)| self.plan.trained[*v]) {
            let Some(constraint) = variable.constraint() else { continue };
            let count = variable.layout().len();
            let (outer, along, apart) = constraint.runs(variable.shape()).unwrap_or((0, 0, 0));
            let shape = Shape { more: [outer, along, apart, 0], ..Shape::fixed(count) };
            let groups =
                if constraint.is_elementwise() { count.div_ceil(super::dispatch::GROUP) } else { outer * apart };
            let places = vec![Place::Variable(v)];
            self.push(variable.path(), wgsl::constraint(constraint), places, shape, Grid::Groups(groups));
        }
    }

    /// Moves the statistics of batch normalizations.
    fn move_statistics(&mut self) {
        for (s, stage) in self.plan.stages.iter().enumerate() {
            let Kind::BatchNorm { mean, variance, momentum, training: true, .. } = stage.kind else { continue };
            let columns = self.size(stage.output).1;
            let amounts = [momentum as f32, (1.0 - momentum) as f32, 0.0, 0.0];
            let shape = Shape { amounts, ..Shape::fixed(columns) };
            let places = vec![Place::Kept(s, 0), Place::Variable(mean), Place::Variable(variance)];
            self.each(&stage.layer, wgsl::moving(), places, shape);
        }
    }
}
