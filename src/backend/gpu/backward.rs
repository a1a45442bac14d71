//! The way back: gradients of tensors. Those of variables, and updates, come after all of them, since they change what these
//! read. Where no gradient arrives, a stage has none to pass on.

use super::dispatch::{Count, Grid, Place, Shape, is_long};
use super::program::Maker;
use super::schedule::{Node, Tail};
use super::wgsl::{self, Product};

impl Maker<'_> {
    /// All gradients of tensors.
    pub(super) fn backward(&mut self) {
        for node in self.nodes.clone().iter().rev() {
            match node {
                Node::Dense { stage, kernel, tail, .. } => {
                    self.tail_backward(*stage, tail);
                    self.dense_backward(*stage, *kernel, tail);
                }
                Node::Tail { stage, tail } => self.tail_backward(*stage, tail),
                Node::Rows { stage, activation } => {
                    let s = &self.plan.stages[*stage];
                    if !self.plan.tensors[s.input()].trained || !self.arrives(s) {
                        continue;
                    }
                    let long = is_long(self.size(s.output).1);
                    let shader = wgsl::rows_backward(activation, !self.filled.insert(self.roots[s.input()]), long);
                    let shape = Shape { depth: self.size(s.input()).1, ..self.shape(s.output) };
                    let places = vec![
                        self.value(s.input()),
                        self.value(s.output),
                        self.gradient(s.output),
                        self.gradient(s.input()),
                    ];
                    self.push(&s.layer, shader, places, shape, Grid::Rows(Count::PerSample(shape.per_sample), long));
                }
                Node::Other { stage } => self.backward_other(*stage),
            }
        }
    }

    /// From the gradient of a tail's output to that of its input, where no product has done it already.
    fn tail_backward(&mut self, stage: usize, tail: &Tail) {
        let (from, to) = (self.roots[tail.input], self.roots[tail.output]);
        if from == to || !self.filled.contains(&to) || !self.plan.tensors[tail.input].trained {
            return;
        }
        let shader = wgsl::tail_backward(tail.variant(true), !self.filled.insert(from));
        let (rows, columns) = self.size(tail.input);
        let before = if tail.keeps_input(true) { self.value(tail.input) } else { Place::Nothing };
        let places = vec![self.gradient(tail.output), before, self.value(tail.middle), self.gradient(tail.input)];
        let grid = Grid::Each(Count::PerSample(rows.div_ceil(4) * columns));
        let layer = &self.plan.stages[stage].layer;
        self.push(layer, shader, places, self.shape(tail.input).with(tail), grid);
    }

    /// From the gradient of a product to that of its input, and through the tail that made the input.
    fn dense_backward(&mut self, stage: usize, kernel: usize, tail: &Tail) {
        let product = tail.input;
        let (input, layer) = (self.plan.stages[stage].input(), &self.plan.stages[stage].layer);
        if !self.plan.tensors[input].trained || !self.filled.contains(&self.roots[product]) {
            return;
        }
        let before = self.nodes.iter().find_map(|node| node.tail().filter(|t| t.output == input && !t.is_empty()));
        let through = before.filter(|_| self.plan.tensors[input].uses == 1).cloned();
        let through = through.filter(|tail| !self.filled.contains(&self.roots[tail.input]));
        let target = through.as_ref().map_or(input, |tail| tail.input);
        let accumulate = !self.filled.insert(self.roots[target]);
        let (rows, columns) = self.size(input);
        let shape_of = Product::of(rows.saturating_mul(self.batch), columns);
        let shader = wgsl::input_gradient(through.as_ref().map(|tail| tail.variant(true)), accumulate, shape_of);
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
        self.push(layer, shader, places, shape, Grid::Tiles(Count::PerSample(rows), columns, shape_of.tile));
    }
}
