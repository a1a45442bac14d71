//! Layers in a row, named by class or kind: the shortest way to a model from Rust.

use crate::config;
use crate::error::Result;
use crate::layers::Layer;
use crate::model::{Graph, Model};
use crate::optimizers::{OptimizerConfig, OptimizerState};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// Layers in a row, for Rust programs.
///
/// ```
/// use ironhorn::{Array, Sequential};
///
/// // y = 2x − 1, from four points.
/// let model = Sequential::new(&[1], 7).dense(1, "linear")?.build()?;
/// model.compile_with("sgd", 0.1, "mse", &[])?;
/// let x = Array::new(vec![0.0_f32, 1.0, 2.0, 3.0], &[4, 1])?;
/// let y = Array::new(vec![-1.0_f32, 1.0, 3.0, 5.0], &[4, 1])?;
/// model.fit(x, y, 4, 300)?;
/// let out = model.predict(vec![Array::new(vec![10.0_f32], &[1, 1])?])?;
/// assert!((out[0] - 19.0).abs() < 0.1);
/// # Ok::<(), ironhorn::Error>(())
/// ```
pub struct Sequential {
    layers: Vec<Arc<Layer>>,
    input_shape: Vec<usize>,
    seed: u64,
}

impl Sequential {
    /// No layers yet; samples have this shape.
    pub fn new(input_shape: &[usize], seed: u64) -> Self {
        Sequential { layers: Vec::new(), input_shape: input_shape.to_vec(), seed }
    }

    /// Adds a layer from its class name and configuration, in Keras's form.
    pub fn layer(mut self, class: &str, config: Value) -> Result<Self> {
        let mut config = config;
        if let Some(fields) = config.as_object_mut() {
            fields.entry("name").or_insert_with(|| json!(format!("{}_{}", class.to_lowercase(), self.layers.len())));
        }
        let value = config::normalise(json!({"class_name": class, "config": config}), class)?;
        self.layers.push(Arc::new(Layer::from_value(&value)?));
        Ok(self)
    }

    /// Adds a dense layer.
    pub fn dense(self, units: usize, activation: &str) -> Result<Self> {
        self.layer("Dense", json!({"units": units, "activation": activation}))
    }

    /// Adds a dropout.
    pub fn dropout(self, rate: f64) -> Result<Self> {
        self.layer("Dropout", json!({"rate": rate}))
    }

    /// Makes the variables and the model.
    pub fn build(self) -> Result<Arc<Model>> {
        let graph = Graph::chain(&self.layers, &self.input_shape, self.seed)?;
        Ok(Arc::new(Model::new(graph, self.seed)?))
    }
}

impl Model {
    /// [`Model::compile`] with an optimizer of this name and learning rate, a loss and metrics by name.
    pub fn compile_with(&self, optimizer: &str, learning_rate: f64, loss: &str, metrics: &[&str]) -> Result<()> {
        let config = json!({"class_name": optimizer, "config": {"learning_rate": learning_rate}});
        let optimizer = Arc::new(Mutex::new(OptimizerState::new(OptimizerConfig::parse(&config)?)));
        self.compile(optimizer, &json!({"loss": loss, "metrics": metrics}))
    }
}
