//! The stages beyond dense layers, activations and dropout: their way back, to their inputs and to their variables.

use super::dispatch::{Count, Grid, Place, Shape, is_long};
use super::others::merge_number;
use super::program::{Course, Maker, amounts};
use super::step::rule_from;
use super::wgsl;
use crate::plan::{Kind, Merge, Noise, RowMoments, Stage};

impl Maker<'_> {
    /// Whether gradients arrive at a stage's output.
    pub(super) fn arrives(&self, stage: &Stage) -> bool {
        self.plan.tensors[stage.output].trained && self.filled.contains(&self.roots[stage.output])
    }

    /// The gradients of a stage's inputs.
    pub(super) fn backward_other(&mut self, s: usize) {
        let stage: &Stage = &self.plan.stages[s];
        if let Kind::Penalty { l1, l2 } = stage.kind {
            return self.penalty_backward(s, l1, l2);
        }
        if !self.arrives(stage) {
            return;
        }
        if matches!(stage.kind, Kind::LayerNorm { .. }) || self.takes_moments(s) {
            self.sums(s);
        }
        if !stage.kind.passes_gradient() {
            return;
        }
        if let Kind::Merge(merge @ (Merge::Multiply | Merge::Maximum | Merge::Minimum)) = stage.kind
            && stage.inputs.len() > 1
        {
            return self.merge_backward(s, merge);
        }
        let mut first = 0;
        for (i, &input) in stage.inputs.iter().enumerate() {
            let columns = self.size(input).1;
            if self.plan.tensors[input].trained {
                let adds = !self.filled.insert(self.roots[input]);
                self.backward_input(s, i, first, adds);
            }
            first += columns;
        }
    }

    /// The gradient of input number `i`, whose columns in a concatenation begin at `first`.
    fn backward_input(&mut self, s: usize, i: usize, first: usize, adds: bool) {
        let stage: &Stage = &self.plan.stages[s];
        let (layer, input) = (&stage.layer, stage.inputs[i]);
        let (x, dx, dy) = (self.value(input), self.gradient(input), self.gradient(stage.output));
        let shape = self.shape(input);
        let long = is_long(shape.columns);
        let per_row = Grid::Rows(Count::PerSample(shape.per_sample), long);
        let copy = u32::from(adds);
        let optional = |v: Option<usize>| v.map_or(Place::Nothing, Place::Variable);
        match &stage.kind {
            Kind::Reshape | Kind::Noise { noise: Noise::Gaussian { .. }, .. } => {
                self.copy(layer, dy, dx, shape, 1.0, copy);
            }
            Kind::Noise { noise, stream } => {
                let (number, shape) = self.noise_shape(*noise, stream, input);
                let grid = Grid::Each(Count::PerSample(shape.per_sample.div_ceil(4) * shape.columns));
                self.push(layer, wgsl::noise(number, Some(adds)), vec![dy, dx], shape, grid);
            }
            Kind::Rearrange { map } => {
                let (own, other) = (self.flat(input), self.flat(stage.output));
                let [_, starts, made] = self.maps(s, map, own.columns);
                let shape = Shape { depth: other.columns, ..own };
                self.each(layer, wgsl::rearrange_backward(adds), vec![dy, starts, made, dx], shape);
            }
            Kind::Merge(merge) => {
                let factor = match merge {
                    Merge::Average => 1.0 / stage.inputs.len() as f32,
                    Merge::Subtract if i > 0 => -1.0,
                    _ => 1.0,
                };
                self.copy(layer, dy, dx, shape, factor, copy);
            }
            Kind::Concatenate => {
                let shape = Shape { depth: self.size(stage.output).1, extra: first, ..shape };
                self.each(layer, wgsl::concatenate(Some(adds)), vec![dy, dx], shape);
            }
            Kind::Dot { m, n } => {
                let (own, others) = if i == 0 { (*m, *n) } else { (*n, *m) };
                let shape = Shape { more: [own, others, shape.columns, 0], ..self.flat(input) };
                let places = vec![self.value(stage.inputs[1 - i]), dy, dx];
                self.each(layer, wgsl::dot_backward(i == 1, adds), places, shape);
            }
            Kind::UnitNormalize { epsilon } => {
                let shape = Shape { amounts: [*epsilon as f32, 0.0, 0.0, 0.0], ..shape };
                self.push(layer, wgsl::unit_norm(Some(adds), long), vec![x, dy, dx], shape, per_row);
            }
            Kind::BatchNorm { gamma, .. } if self.takes_moments(s) => {
                let places = vec![x, Place::Kept(s, 0), Place::Kept(s, 1), optional(*gamma), dy, dx];
                self.each(layer, wgsl::batch_norm_backward(gamma.is_some(), adds), places, shape);
            }
            Kind::Affine { .. } | Kind::Standardize { .. } | Kind::BatchNorm { .. } => {
                if let Some(columns) = self.columns(s) {
                    let [a, b, gamma, beta] = columns.places;
                    let shape = Shape { more: columns.more, amounts: [columns.epsilon, 0.0, 0.0, 0.0], ..shape };
                    let places = vec![dy, a, b, gamma, beta, dx];
                    self.each(layer, wgsl::column_map(columns.form, Some(adds)), places, shape);
                }
            }
            Kind::LayerNorm { gamma, moments, .. } => {
                let places = vec![x, optional(*gamma), Place::Kept(s, 0), dy, dx];
                let shader = wgsl::layer_norm_backward(*moments, gamma.is_some(), adds, long);
                self.push(layer, shader, places, shape, per_row);
            }
            Kind::Prelu { alpha, map } => {
                let [map, ..] = self.maps(s, map, self.plan.variables[*alpha].layout().len());
                let places = vec![x, map, Place::Variable(*alpha), dy, dx];
                self.each(layer, wgsl::prelu(Some(adds)), places, self.flat(input));
            }
            Kind::Penalty { .. } | Kind::Embedding { .. } | Kind::Discretize { .. } | Kind::Encode { .. } => {
                unreachable!("stage {s}: no such gradient passes through {}", stage.kind.name())
            }
            Kind::Dense { .. } | Kind::Map(_) | Kind::RowMap(_) | Kind::Dropout { .. } => {
                unreachable!("stage {s}: {} has its place in backward.rs", stage.kind.name())
            }
        }
    }

    /// The gradient that passes through a penalty, and its own.
    fn penalty_backward(&mut self, s: usize, l1: f64, l2: f64) {
        let stage: &Stage = &self.plan.stages[s];
        let (input, shape) = (stage.input(), self.shape(stage.input()));
        if !self.plan.tensors[input].trained {
            return;
        }
        let (from, to) = (self.gradient(stage.output), self.gradient(input));
        if from != to && self.arrives(stage) {
            let adds = !self.filled.insert(self.roots[input]);
            self.copy(&stage.layer, from, to, shape, 1.0, u32::from(adds));
        }
        let adds = !self.filled.insert(self.roots[input]);
        let shape = Shape { amounts: amounts(l1, l2), ..shape };
        self.each(&stage.layer, wgsl::slope(u32::from(adds)), vec![self.value(input), to], shape);
    }

    /// Back through a product or an extreme, two at a time, from the last input to the first.
    fn merge_backward(&mut self, s: usize, merge: Merge) {
        let stage: &Stage = &self.plan.stages[s];
        let (number, shape, count) = (merge_number(merge), self.shape(stage.output), stage.inputs.len());
        let trained = |t: usize| self.plan.tensors[t].trained;
        let trained: Vec<bool> = stage.inputs.iter().map(|&t| trained(t)).collect();
        let mut dy = self.gradient(stage.output);
        for k in (1..count).rev() {
            let (first, b) = (k == 1, self.value(stage.inputs[k]));
            let a = if first { self.value(stage.input()) } else { self.partial(s, k - 1) };
            if trained[k] {
                let adds = !self.filled.insert(self.roots[stage.inputs[k]]);
                let places = vec![b, a, dy, self.gradient(stage.inputs[k])];
                self.each(&stage.layer, wgsl::merge_backward(number, adds), places, shape);
            }
            if !trained[..k].contains(&true) {
                return;
            }
            let (into, adds) = match first {
                true => (self.gradient(stage.input()), !self.filled.insert(self.roots[stage.input()])),
                false => (self.keep(s, count + k, Count::PerSample(shape.per_sample * shape.columns)), false),
            };
            self.each(&stage.layer, wgsl::merge_backward(number, adds), vec![a, b, dy, into], shape);
            dy = into;
        }
    }

    /// Σ dy and Σ dy·h of each column of a normalization: the gradients of β and γ, and what the way back needs.
    fn sums(&mut self, s: usize) {
        let stage: &Stage = &self.plan.stages[s];
        let columns = self.size(stage.output).1;
        let (form, shift) = match stage.kind {
            Kind::LayerNorm { gamma, beta, moments, .. } => {
                if !gamma.into_iter().chain(beta).any(|v| self.plan.trained[v]) {
                    return;
                }
                (2, moments == RowMoments::MeanAndVariance)
            }
            _ => (1, true),
        };
        let sums = self.keep(s, 1, Count::Fixed(2 * columns));
        let places = vec![self.value(stage.input()), self.gradient(stage.output), Place::Kept(s, 0), sums];
        let grid = Grid::Groups(columns.div_ceil(16));
        self.push(&stage.layer, wgsl::column_sums(form, shift), places, self.shape(stage.output), grid);
    }

    /// The gradient of one of a stage's variables into a place; `adds` as in common.wgsl.
    pub(super) fn gradient_other(&mut self, s: usize, variable: usize, into: Place, adds: u32) {
        let stage: &Stage = &self.plan.stages[s];
        let (layer, input) = (&stage.layer, stage.input());
        let length = self.plan.variables[variable].layout().len();
        match &stage.kind {
            Kind::BatchNorm { gamma, .. } | Kind::LayerNorm { gamma, .. } => {
                let extra = if *gamma == Some(variable) { self.size(stage.output).1 } else { 0 };
                let shape = Shape { extra, ..Shape::fixed(length) };
                self.copy(layer, Place::Kept(s, 1), into, shape, 1.0, adds);
            }
            Kind::Prelu { map, .. } => {
                let [_, starts, made] = self.maps(s, map, length);
                let shape = Shape { depth: self.flat(input).columns, ..Shape::fixed(length) };
                let places = vec![self.value(input), self.gradient(stage.output), starts, made, into];
                self.push(layer, wgsl::prelu_gradient(adds), places, shape, Grid::Groups(length));
            }
            Kind::Embedding { .. } => {
                if adds != 1 {
                    self.each(layer, wgsl::clear(adds), vec![into], Shape::fixed(length));
                }
                let rows = self.looked_up(s, variable);
                let places = vec![rows, self.gradient(stage.output), into, Place::Void(0)];
                self.each(layer, wgsl::embedding_gradient(None), places, self.shape(stage.output));
            }
            _ => unreachable!("stage {s}: {} has no variables of its own", stage.kind.name()),
        }
    }

    /// The rows of a table that the ids of a batch name, sorted.
    fn looked_up(&mut self, s: usize, table: usize) -> Place {
        let stage: &Stage = &self.plan.stages[s];
        let ids = self.flat(stage.input()).columns;
        let mut pairs = self.keep(s, 0, Count::PerSample(2 * ids));
        let shape = self.lookup(s, table, Shape { per_sample: ids, columns: 1, ..Shape::default() });
        let places = vec![self.value(stage.input()), Place::Order, pairs];
        let pieces = self.batch.saturating_mul(ids).div_ceil(wgsl::PIECE);
        self.push(&stage.layer, wgsl::embedding_sort(self.direct[stage.input()]), places, shape, Grid::Groups(pieces));
        if pieces > 1 {
            let sorted = self.keep(s, 1, Count::PerSample(2 * ids));
            self.each(&stage.layer, wgsl::embedding_merge(), vec![pairs, sorted], shape);
            pairs = sorted;
        }
        pairs
    }

    /// Gradient and update of the rows of a table that a batch uses, where a gradient of 0 changes nothing.
    pub(super) fn update_rows(&mut self, s: usize, table: usize, course: &Course) {
        let stage: &Stage = &self.plan.stages[s];
        let rows = self.looked_up(s, table);
        let slots = if course.config.seen_slots() == 0 { Place::Void(0) } else { Place::Slots(table) };
        let places = vec![rows, self.gradient(stage.output), Place::Variable(table), slots];
        let shape = Shape {
            rule: [rule_from(course.decays[table]), 0],
            more: [self.plan.variables[table].layout().rows, 0, 0, 0],
            ..self.shape(stage.output)
        };
        self.each(&stage.layer, wgsl::embedding_gradient(Some(&course.config)), places, shape);
    }
}
