//! The graph of a model: layers and how they are connected.

use crate::error::{Error, Result};
use crate::layers::{Layer, Shape};
use crate::plan::{Builder, Plan, TensorId};
use std::sync::Arc;

/// Layers and how they are connected. Values are numbered: the inputs first, then one value a node.
pub struct Graph {
    /// Each layer with the values it reads.
    pub nodes: Vec<(Arc<Layer>, Vec<usize>)>,
    /// Shapes of one sample.
    pub input_shapes: Vec<Vec<usize>>,
    /// The values that come out.
    pub outputs: Vec<usize>,
}

impl Graph {
    /// Layers one after the other, built for this input.
    pub fn chain(layers: &[Arc<Layer>], input_shape: &[usize], seed: u64) -> Result<Self> {
        let nodes = layers.iter().enumerate().map(|(i, layer)| (layer.clone(), vec![i])).collect();
        let graph = Graph { nodes, input_shapes: vec![input_shape.to_vec()], outputs: vec![layers.len()] };
        graph.build(seed)?;
        Ok(graph)
    }

    /// Builds the layers that are not built yet. A layer's random streams are named by its first place in the graph.
    pub fn build(&self, seed: u64) -> Result<()> {
        let known = |shape: &Vec<usize>| shape.iter().map(|&d| Some(d)).collect();
        let mut shapes: Vec<Shape> = self.input_shapes.iter().map(known).collect();
        for (i, (layer, inputs)) in self.nodes.iter().enumerate() {
            let inputs = pick(&shapes, layer, inputs)?;
            layer.build(&inputs, seed, &i.to_string())?;
            shapes.push(layer.output_shape(&inputs)?);
        }
        Ok(())
    }

    /// The plan; `seed` is the model's.
    pub fn lower(&self, seed: u64) -> Result<Plan> {
        self.lower_into(Builder::new(seed))
    }

    /// The same with gradients by the inputs.
    pub fn lower_with_input_gradients(&self, seed: u64) -> Result<Plan> {
        self.lower_into(Builder::new(seed).with_input_gradients())
    }

    fn lower_into(&self, mut builder: Builder) -> Result<Plan> {
        let inputs = self.input_shapes.iter().enumerate();
        let mut values: Vec<TensorId> = inputs.map(|(i, shape)| builder.input(i, shape)).collect();
        for (i, (layer, inputs)) in self.nodes.iter().enumerate() {
            let inputs = pick(&values, layer, inputs)?;
            builder.set_path(i.to_string());
            let value = layer.lower(&mut builder, &inputs)?;
            values.push(value);
        }
        let outputs: Option<Vec<TensorId>> = self.outputs.iter().map(|&o| values.get(o).copied()).collect();
        match outputs {
            Some(outputs) if !outputs.is_empty() => Ok(builder.finish(outputs)),
            _ => Err(Error::invalid("model", "outputs that layers make", format!("{:?}", self.outputs))),
        }
    }
}

/// What a node reads of what was made before it.
fn pick<T: Clone>(values: &[T], layer: &Layer, inputs: &[usize]) -> Result<Vec<T>> {
    let picked: Option<Vec<T>> = inputs.iter().map(|&i| values.get(i).cloned()).collect();
    let made = || Error::invalid(layer.place(), "inputs made before it", format!("values {inputs:?}"));
    picked.filter(|picked| !picked.is_empty()).ok_or_else(made)
}
