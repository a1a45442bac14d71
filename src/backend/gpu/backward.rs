//! The way back: gradients of tensors first, then gradients of variables and their updates, since those change what the
//! former read.

use super::dispatch::{Count, Grid, Place, Shape};
use super::program::Maker;
use super::schedule::{Node, Tail};
use super::wgsl::{self, WeightVariant};
use crate::optimizers::OptimizerConfig;
use crate::params::Layout;
use crate::plan::TensorId;
use std::collections::HashSet;

impl Maker<'_> {
    /// All gradients of tensors; returns those that there are.
    pub(super) fn backward(&mut self, output: TensorId) -> HashSet<TensorId> {
        let mut filled = HashSet::new();
        if self.plan.tensors[output].trained {
            filled.insert(self.roots[output]);
        }
        for node in self.nodes.clone().iter().rev() {
            match node {
                Node::Dense { stage, kernel, tail, .. } => {
                    self.tail_backward(*stage, tail, &mut filled);
                    self.dense_backward(*stage, *kernel, tail.input, &mut filled);
                }
                Node::Tail { stage, tail } => self.tail_backward(*stage, tail, &mut filled),
                Node::Rows { stage, activation } => {
                    let s = &self.plan.stages[*stage];
                    let (from, to) = (self.roots[s.input()], self.roots[s.output]);
                    if !self.plan.tensors[s.input()].trained || !filled.contains(&to) {
                        continue;
                    }
                    let shader = wgsl::rows_backward(activation, !filled.insert(from));
                    let shape = Shape { depth: self.size(s.input()).1, ..self.shape(s.output) };
                    let places = vec![
                        self.value(s.input()),
                        self.value(s.output),
                        self.gradient(s.output),
                        self.gradient(s.input()),
                    ];
                    self.push(&s.layer, shader, places, shape, Grid::Each(Count::PerSample(shape.per_sample)));
                }
            }
        }
        filled
    }

    /// From the gradient of a tail's output to that of its input, where no product has done it already.
    fn tail_backward(&mut self, stage: usize, tail: &Tail, filled: &mut HashSet<TensorId>) {
        let (from, to) = (self.roots[tail.input], self.roots[tail.output]);
        if from == to || !filled.contains(&to) || !self.plan.tensors[tail.input].trained {
            return;
        }
        let shader = wgsl::tail_backward(tail.variant(true), !filled.insert(from));
        let (rows, columns) = self.size(tail.input);
        let before = if tail.keeps_input(true) { self.value(tail.input) } else { Place::Nothing };
        let places = vec![self.gradient(tail.output), before, self.value(tail.middle), self.gradient(tail.input)];
        let grid = Grid::Each(Count::PerSample(rows.div_ceil(4) * columns));
        let layer = &self.plan.stages[stage].layer;
        self.push(layer, shader, places, self.shape(tail.input).with(tail), grid);
    }

    /// From the gradient of a product to that of its input, and through the tail that made the input.
    fn dense_backward(&mut self, stage: usize, kernel: usize, product: TensorId, filled: &mut HashSet<TensorId>) {
        let (input, layer) = (self.plan.stages[stage].input(), &self.plan.stages[stage].layer);
        if !self.plan.tensors[input].trained || !filled.contains(&self.roots[product]) {
            return;
        }
        let before = self.nodes.iter().find_map(|node| node.tail().filter(|t| t.output == input && !t.is_empty()));
        let through = before.filter(|_| self.plan.tensors[input].uses == 1).cloned();
        let through = through.filter(|tail| !filled.contains(&self.roots[tail.input]));
        let target = through.as_ref().map_or(input, |tail| tail.input);
        let accumulate = !filled.insert(self.roots[target]);
        let shader = wgsl::input_gradient(through.as_ref().map(|tail| tail.variant(true)), accumulate);
        let (rows, columns) = self.size(input);
        let mut shape = Shape { depth: self.size(product).1, ..self.shape(input) };
        let mut places = vec![self.gradient(product), Place::Variable(kernel), Place::Nothing, Place::Nothing];
        if let Some(tail) = &through {
            shape = shape.with(tail);
            places[3] = self.value(tail.middle);
            if tail.keeps_input(true) {
                places[2] = self.value(tail.input);
            }
        }
        places.push(self.gradient(target));
        self.push(layer, shader, places, shape, Grid::Tiles(Count::PerSample(rows), columns));
    }

    /// Gradients of variables and their updates, after all gradients of tensors.
    pub(super) fn update(&mut self, filled: &HashSet<TensorId>, optimizer: &OptimizerConfig) {
        let clipped = optimizer.clipnorm.is_some() || optimizer.global_clipnorm.is_some();
        let mut stored: Vec<(usize, String)> = Vec::new();
        for node in self.nodes.clone() {
            let Node::Dense { stage, kernel, bias, tail } = node else { continue };
            let bias = bias.filter(|&b| self.plan.trained[b]);
            let trains = self.plan.trained[kernel];
            if !(trains || bias.is_some()) || !filled.contains(&self.roots[tail.input]) {
                continue;
            }
            let (input, layer) = (self.plan.stages[stage].input(), self.plan.stages[stage].layer.clone());
            let general = clipped || self.plan.variable_uses[kernel] != 1;
            let again = general && stored.iter().any(|(v, _)| *v == kernel || Some(*v) == bias);
            let variant =
                WeightVariant { kernel: trains, bias: bias.is_some(), gather: self.direct[input], accumulate: again };
            let shader = wgsl::weight_gradient(variant, (!general).then_some(optimizer));
            let place = |v: usize| if general { Place::VariableGradient(v) } else { Place::Variable(v) };
            let slots = |v: usize, i| if general || optimizer.slots() == 0 { Place::Void(i) } else { Place::Slots(v) };
            let mut places = vec![self.value(input), self.gradient(tail.input), Place::Order];
            places.extend(if trains { [place(kernel), slots(kernel, 1)] } else { [Place::Void(0), Place::Void(1)] });
            places.extend(bias.map_or([Place::Void(2), Place::Void(3)], |b| [place(b), slots(b, 3)]));
            let (depth, columns) = (self.size(input).1, self.size(tail.input).1);
            let shape = Shape { depth, ..self.shape(tail.input) };
            let rows = Count::Fixed(depth + usize::from(bias.is_some()));
            self.push(&layer, shader, places, shape, Grid::Tiles(rows, columns));
            if general && !again {
                stored.extend(trains.then(|| (kernel, layer.clone())));
                stored.extend(bias.map(|b| (b, layer)));
            }
        }
        self.apply(&stored, optimizer, clipped);
    }

    /// Updates from gradients in memory.
    fn apply(&mut self, stored: &[(usize, String)], optimizer: &OptimizerConfig, clipped: bool) {
        let shape = |this: &Self, v: usize, extra| {
            let Layout { rows, columns } = this.plan.variables[v].layout();
            Shape { depth: rows, columns, extra, ..Shape::default() }
        };
        for (i, (v, layer)) in stored.iter().enumerate().filter(|_| clipped) {
            let places = vec![Place::VariableGradient(*v), Place::Norms];
            self.push(layer, wgsl::norm(), places, shape(self, *v, i), Grid::One);
        }
        for (i, (v, layer)) in stored.iter().enumerate() {
            let norms = if clipped { Place::Norms } else { Place::Nothing };
            let slots = if optimizer.slots() == 0 { Place::Void(0) } else { Place::Slots(*v) };
            let places = vec![Place::VariableGradient(*v), norms, Place::Variable(*v), slots];
            let shape = shape(self, *v, i);
            let grid = Grid::Each(Count::Fixed(shape.depth * shape.columns));
            self.push(layer, wgsl::apply(optimizer, stored.len()), places, shape, grid);
        }
    }
}
