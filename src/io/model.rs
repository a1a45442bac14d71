//! The graph as text, and a whole model to a file and back, without Python.
//!
//! `{"input_shapes": [[4]], "layers": [{"layer": {"class_name": …, "config": …}, "variables": [0, 1]}],
//! "nodes": [[0, [0]]], "outputs": [1]}`: a node is a layer's number and those of the values that it reads; values are
//! the inputs, then one a node; variables are numbered as the tensors are.

use super::ration::{self, Rationed};
use super::{Loaded, Random, Saving};
use crate::config;
use crate::error::{Error, Result};
use crate::layers::{Layer, Shape};
use crate::model::{Graph, Model, lock};
use crate::optimizers::{OptimizerConfig, OptimizerState};
use crate::params::Variable;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    input_shapes: Vec<Vec<usize>>,
    layers: Vec<DescribedLayer>,
    nodes: Vec<(usize, Vec<usize>)>,
    outputs: Vec<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DescribedLayer {
    layer: Value,
    variables: Vec<usize>,
}

/// The text of a graph whose variables are counted in this order.
pub(crate) fn describe(graph: &Graph, variables: &[Arc<Variable>]) -> Result<Value> {
    let mut layers: Vec<&Arc<Layer>> = Vec::new();
    let mut nodes = Vec::new();
    for (layer, inputs) in &graph.nodes {
        let known = layers.iter().position(|known| Arc::ptr_eq(known, layer));
        let place = known.unwrap_or(layers.len());
        if known.is_none() {
            layers.push(layer);
        }
        nodes.push(json!([place, inputs]));
    }
    let number = |variable: &Arc<Variable>| {
        let missing = || Error::invalid("variables", "all of the graph's", format!("none of {}", variable.path()));
        variables.iter().position(|other| Arc::ptr_eq(other, variable)).ok_or_else(missing)
    };
    let layers = layers.into_iter().map(|layer| {
        let numbers: Vec<usize> = layer.variables().iter().map(number).collect::<Result<_>>()?;
        Ok(json!({"layer": layer.config(), "variables": numbers}))
    });
    let layers: Vec<Value> = layers.collect::<Result<_>>()?;
    Ok(json!({"input_shapes": graph.input_shapes, "layers": layers, "nodes": nodes, "outputs": graph.outputs}))
}

impl Loaded {
    fn described(&self) -> Result<Described> {
        let missing = || self.container.wrong("metadata 'model'", "the text of a graph", "none");
        let value = self.json("model")?.ok_or_else(missing)?;
        Described::deserialize(value).map_err(|e| self.container.wrong("metadata 'model'", "a graph", e.to_string()))
    }

    /// Builds the graph with the stored numbers. Shapes are held against the tensors before a layer is built.
    pub fn graph(&self) -> Result<Graph> {
        let described = self.described()?;
        let wrong = |error: Error| match error {
            Error::Load { .. } | Error::OutOfMemory { .. } => error,
            other => self.container.wrong("metadata 'model'", "layers that can be built", other.to_string()),
        };
        let _ration = Rationed::new(self.count());
        let parse = |described: &DescribedLayer| {
            let value = config::normalise(described.layer.clone(), "layer")?;
            Ok(Arc::new(Layer::from_value(&value)?))
        };
        let layers: Vec<Arc<Layer>> = described.layers.iter().map(parse).collect::<Result<_>>().map_err(wrong)?;
        let open = |shape: &Vec<usize>| shape.iter().map(|&d| Some(d)).collect();
        let mut shapes: Vec<Shape> = described.input_shapes.iter().map(open).collect();
        ration::check_shapes("input_shapes", &shapes).map_err(wrong)?;
        let mut nodes = Vec::new();
        for (place, inputs) in &described.nodes {
            let field = format!("metadata 'model', node {}", nodes.len());
            let (Some(layer), Some(numbers)) = (layers.get(*place), described.layers.get(*place)) else {
                return Err(self.container.wrong(&field, format!("one of {} layers", layers.len()), place.to_string()));
            };
            let given: Option<Vec<Shape>> = inputs.iter().map(|&value| shapes.get(value).cloned()).collect();
            let Some(given) = given.filter(|given| !given.is_empty()) else {
                return Err(self.container.wrong(&field, "values made before it", format!("{inputs:?}")));
            };
            if !layer.is_built() {
                self.build(layer, &given, &numbers.variables).map_err(wrong)?;
            }
            shapes.push(layer.output_shape(&given).map_err(wrong)?);
            nodes.push((layer.clone(), inputs.clone()));
        }
        if described.outputs.is_empty() || described.outputs.iter().any(|&value| value >= shapes.len()) {
            let expected = format!("numbers below {}", shapes.len());
            return Err(self.container.wrong(
                "metadata 'model', outputs",
                expected,
                format!("{:?}", described.outputs),
            ));
        }
        Ok(Graph { nodes, input_shapes: described.input_shapes, outputs: described.outputs })
    }

    fn build(&self, layer: &Layer, inputs: &[Shape], numbers: &[usize]) -> Result<()> {
        let wanted = layer.variable_shapes(inputs)?;
        if wanted.len() != numbers.len() {
            return Err(Error::invalid(
                layer.place(),
                format!("{} variables", wanted.len()),
                numbers.len().to_string(),
            ));
        }
        for ((name, shape), &i) in wanted.iter().zip(numbers) {
            self.check_shape(i, &format!("{}: {name}", layer.place()), shape)?;
        }
        layer.build(inputs, 0, "")?;
        for (variable, &i) in layer.variables().iter().zip(numbers) {
            variable.assign(variable.shape(), &self.values(i)?)?;
        }
        Ok(())
    }

    /// The variables of a graph in the order of the tensors; each tensor belongs to one.
    fn in_order(&self, graph: &Graph) -> Result<Vec<Arc<Variable>>> {
        let described = self.described()?;
        let mut order: Vec<Option<Arc<Variable>>> = vec![None; self.weights().len()];
        for ((layer, _), (place, _)) in graph.nodes.iter().zip(&described.nodes) {
            let numbers = described.layers.get(*place).map_or(&[][..], |layer| &layer.variables[..]);
            for (variable, &i) in layer.variables().iter().zip(numbers) {
                let other = order.get(i).and_then(Option::as_ref).is_some_and(|known| !Arc::ptr_eq(known, variable));
                match order.get_mut(i) {
                    Some(slot) if !other => *slot = Some(variable.clone()),
                    _ => return Err(self.container.wrong("metadata 'model'", "each variable once", i.to_string())),
                }
            }
        }
        let all: Option<Vec<Arc<Variable>>> = order.into_iter().collect();
        all.ok_or_else(|| self.container.wrong("tensors 'weights/…'", "a layer for each", "more of them"))
    }

    /// The whole model: graph, numbers, random position, and, where it was compiled, what it trains with.
    pub fn model(&self) -> Result<Arc<Model>> {
        let graph = self.graph()?;
        let variables = self.in_order(&graph)?;
        let random = self.random()?.unwrap_or(Random { seed: 0, epochs: 0, calls: 0 });
        let wrong = |field: &'static str| {
            move |error: Error| match error {
                Error::Load { .. } | Error::OutOfMemory { .. } => error,
                other => self.container.wrong(field, "what a model takes", other.to_string()),
            }
        };
        let model = Arc::new(Model::new(graph, random.seed).map_err(wrong("metadata 'model'"))?);
        model.set_position(random.epochs, random.calls);
        model.set_choices(self.choices()?)?;
        let Some(training) = self.json("training")? else { return Ok(model) };
        let training = config::normalise(training, "training").map_err(wrong("metadata 'training'"))?;
        let parsed = OptimizerConfig::parse(training.get("optimizer").unwrap_or(&Value::Null));
        let state = OptimizerState::new(parsed.map_err(wrong("metadata 'training'"))?);
        let optimizer = Arc::new(Mutex::new(state));
        if self.has_optimizer() {
            self.restore(&variables, Some(&optimizer))?;
        }
        let outputs = training.get("outputs").unwrap_or(&Value::Null);
        model.compile(optimizer, outputs).map_err(wrong("metadata 'training'"))?;
        Ok(model)
    }
}

impl Model {
    /// Reads a model from a file, with its weights and, where it was compiled, its optimizer's state.
    ///
    /// Everything that Python saves can be read, but for what was written in Python: such a loss has no gradient here,
    /// and such a learning rate is the number it last was.
    ///
    /// ```
    /// use ironhorn::{Array, Model, Sequential};
    ///
    /// # let path = std::env::temp_dir().join(format!("ironhorn-doc-{}.ironhorn", std::process::id()));
    /// let model = Sequential::new(&[3], 7).dense(4, "relu")?.dense(2, "softmax")?.build()?;
    /// model.save(&path)?;
    ///
    /// let loaded = Model::load(&path)?;
    /// let x = || Array::new(vec![0.1_f32, -0.2, 0.3], &[1, 3]);
    /// assert_eq!(loaded.predict(vec![x()?])?, model.predict(vec![x()?])?);
    /// # std::fs::remove_file(&path).ok();
    /// # Ok::<(), ironhorn::Error>(())
    /// ```
    pub fn load(path: impl AsRef<Path>) -> Result<Arc<Model>> {
        Loaded::open(path.as_ref())?.model()
    }

    /// Writes the model to a file. After an error the old file, if there was any, is as it was.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let variables = self.variables().to_vec();
        let mut texts = vec![("model".to_string(), describe(self.graph(), &variables)?.to_string())];
        let compiled = self.compiled().ok();
        if let Some(compiled) = &compiled {
            texts.push(("training".into(), compiled.describe().to_string()));
        }
        let choices = self.choices();
        if !choices.is_empty() {
            let choices =
                choices.iter().map(|(task, size, device)| json!([task.to_string(), size, device.to_string()]));
            texts.push(("devices".into(), choices.collect::<Value>().to_string()));
        }
        let (epochs, calls) = self.position();
        let random = Some(Random { seed: self.seed(), epochs, calls });
        let optimizer = compiled.map(|compiled| compiled.optimizer.clone());
        Saving { kind: "model", texts, variables, optimizer, random }.to_file(path.as_ref())
    }
}

impl crate::model::Compiled {
    /// The text of what it trains with.
    fn describe(&self) -> Value {
        json!({"optimizer": lock(&self.optimizer).config().source.0, "outputs": self.outputs})
    }
}
