//! Layers: a validated configuration and, once built, variables.
//!
//! Each kind has a file with its configuration, its shapes, its parameters and how it lowers into a plan. The set is
//! closed ([`LayerKind`]): what a model file or a configuration can name is in this list and nowhere else.

mod activation;
mod dense;
mod dropout;
mod input;
mod reshape;

use crate::config;
use crate::error::{Error, Result};
use crate::initializers::Initializer;
use crate::params::Variable;
use crate::plan::{Builder, TensorId};
use crate::rng::Stream;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use strum::VariantNames;

/// What one kind of layer knows. Shapes are of one sample, without the batch.
pub(crate) trait Kind {
    /// The canonical configuration.
    fn config(&self) -> Value;
    /// The output's shape; an unknown size is `None`.
    fn output_shape(&self, place: &str, input: &[Option<usize>]) -> Result<Vec<Option<usize>>>;
    /// The variables it needs for a known last axis.
    fn variables(&self, _input: &[usize]) -> Vec<VariableSpec> {
        Vec::new()
    }
    /// Adds its stages to a plan.
    fn lower(&self, builder: &mut Builder, layer: &Layer, input: TensorId) -> Result<TensorId>;
}

/// A variable to be made.
pub(crate) struct VariableSpec {
    pub name: &'static str,
    pub shape: Vec<usize>,
    pub initializer: Initializer,
}

/// Every kind of layer.
#[derive(Debug, strum::VariantNames)]
#[allow(missing_docs, reason = "Keras's names say it")]
pub enum LayerKind {
    InputLayer(input::InputLayer),
    Dense(Box<dense::Dense>),
    Activation(activation::ActivationLayer),
    ReLU(activation::ActivationLayer),
    LeakyReLU(activation::ActivationLayer),
    ELU(activation::ActivationLayer),
    Softmax(activation::ActivationLayer),
    Dropout(dropout::Dropout),
    Flatten(reshape::Flatten),
}

impl LayerKind {
    fn parse(class: &str, config: &Value, place: &str) -> Result<Self> {
        Ok(match class {
            "InputLayer" => Self::InputLayer(config::read(config, place)?),
            "Dense" => Self::Dense(Box::new(dense::Dense::parse(config, place)?)),
            "Activation" => Self::Activation(activation::ActivationLayer::parse(class, config, place)?),
            "ReLU" => Self::ReLU(activation::ActivationLayer::parse(class, config, place)?),
            "LeakyReLU" => Self::LeakyReLU(activation::ActivationLayer::parse(class, config, place)?),
            "ELU" => Self::ELU(activation::ActivationLayer::parse(class, config, place)?),
            "Softmax" => Self::Softmax(activation::ActivationLayer::parse(class, config, place)?),
            "Dropout" => Self::Dropout(dropout::Dropout::parse(config, place)?),
            "Flatten" => Self::Flatten(config::read(config, place)?),
            other => return Err(Error::unknown("layer", other, Self::VARIANTS)),
        })
    }

    fn kind(&self) -> &dyn Kind {
        match self {
            Self::InputLayer(k) => k,
            Self::Dense(k) => k.as_ref(),
            Self::Activation(k) | Self::ReLU(k) | Self::LeakyReLU(k) | Self::ELU(k) | Self::Softmax(k) => k,
            Self::Dropout(k) => k,
            Self::Flatten(k) => k,
        }
    }
}

/// A layer of a model, or of several: they then train the same variables.
pub struct Layer {
    name: String,
    class: String,
    trainable: AtomicBool,
    kind: LayerKind,
    built: OnceLock<Built>,
}

struct Built {
    columns: usize,
    variables: Vec<Arc<Variable>>,
}

impl Layer {
    /// A layer from Keras's nested configuration, as JSON text.
    pub fn parse(text: &str) -> Result<Self> {
        Self::from_value(&config::parse(text, "layer")?)
    }

    /// A layer from a normalised configuration.
    pub fn from_value(value: &Value) -> Result<Self> {
        let (class, config) = config::object(value, "layer")?;
        let mut config = config.clone();
        let fields = config
            .as_object_mut()
            .ok_or_else(|| Error::invalid(class, "a configuration with named values", "something else"))?;
        let name = match fields.shift_remove("name") {
            Some(Value::String(name)) => name,
            None | Some(Value::Null) => class.to_lowercase(),
            Some(other) => return Err(Error::invalid(format!("{class}: name"), "text", other.to_string())),
        };
        let trainable = match fields.shift_remove("trainable") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(trainable)) => trainable,
            Some(other) => {
                return Err(Error::wrong_type(format!("{class} '{name}': trainable"), "a bool", other.to_string()));
            }
        };
        let kind = LayerKind::parse(class, &config, &format!("{class} '{name}'"))?;
        Ok(Layer {
            name,
            class: class.to_string(),
            trainable: AtomicBool::new(trainable),
            kind,
            built: OnceLock::new(),
        })
    }

    /// Every class name there is.
    pub fn names() -> &'static [&'static str] {
        LayerKind::VARIANTS
    }

    /// The layer's name.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Class and name, for messages.
    pub fn place(&self) -> String {
        format!("{} '{}'", self.class, self.name)
    }
    /// Whether its variables are trained, by models that are compiled from now on.
    pub fn trainable(&self) -> bool {
        self.trainable.load(Ordering::Relaxed)
    }
    /// Freezes or frees its variables, for models that are compiled from now on.
    pub fn set_trainable(&self, trainable: bool) {
        self.trainable.store(trainable, Ordering::Relaxed);
    }
    /// Whether it has its variables; a layer without any is always built.
    pub fn is_built(&self) -> bool {
        self.built.get().is_some()
    }
    /// Its variables, empty until it is built.
    pub fn variables(&self) -> &[Arc<Variable>] {
        self.built.get().map_or(&[], |b| &b.variables)
    }

    /// The canonical configuration.
    pub fn config(&self) -> Value {
        let mut config = json!({"name": self.name, "trainable": self.trainable()});
        if let (Some(all), Value::Object(own)) = (config.as_object_mut(), self.kind.kind().config()) {
            all.extend(own);
        }
        json!({"class_name": self.class, "config": config})
    }

    /// The output's shape without the batch; unknown sizes are `None`.
    pub fn output_shape(&self, input: &[Option<usize>]) -> Result<Vec<Option<usize>>> {
        self.kind.kind().output_shape(&self.place(), input)
    }

    /// Makes and initialises the variables for an input of this shape (without the batch). `seed` and `path` name the
    /// random streams. Once built, a layer keeps its variables and refuses another last axis.
    pub fn build(&self, input: &[Option<usize>], seed: u64, path: &str) -> Result<()> {
        self.output_shape(input)?;
        let columns = input.last().copied().flatten().unwrap_or(1);
        if let Some(built) = self.built.get() {
            if built.variables.is_empty() || built.columns == columns {
                return Ok(());
            }
            let expected = format!("an input whose last axis is {}, as built", built.columns);
            return Err(Error::invalid(self.place(), expected, format!("{columns}")));
        }
        let known: Vec<usize> = input.iter().map(|d| d.unwrap_or(1)).collect();
        let variables = self
            .kind
            .kind()
            .variables(&known)
            .into_iter()
            .map(|spec| self.make(spec, seed, path))
            .collect::<Result<_>>()?;
        // A layer that another thread built in the meantime keeps that build.
        let _ = self.built.set(Built { columns, variables });
        Ok(())
    }

    fn make(&self, spec: VariableSpec, seed: u64, path: &str) -> Result<Arc<Variable>> {
        let own = format!("{}/{}", self.name, spec.name);
        let place = format!("{}: {}", self.place(), spec.name);
        let count = spec.shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        let out_of_memory =
            || Error::OutOfMemory { place: place.clone(), bytes: count.unwrap_or(usize::MAX).saturating_mul(4) };
        let mut values: Vec<f32> = Vec::new();
        values.try_reserve_exact(count.unwrap_or(usize::MAX)).map_err(|_| out_of_memory())?;
        values.resize(count.unwrap_or(0), 0.0);
        let mut sequence =
            Stream::new(spec.initializer.seed().unwrap_or(seed), &format!("{path}/{}", spec.name)).sequence(0);
        spec.initializer.fill(&spec.shape, &mut values, &mut || sequence.uniform()).map_err(|e| e.at(&place))?;
        Variable::new(spec.name, &own, &spec.shape, true, &values).map_err(|e| e.at(&self.place()))
    }

    /// Adds this layer's stages to a plan.
    pub fn lower(&self, builder: &mut Builder, input: TensorId) -> Result<TensorId> {
        let shape: Vec<Option<usize>> = builder.shape(input).iter().map(|&d| Some(d)).collect();
        self.output_shape(&shape)?;
        self.kind.kind().lower(builder, self, input)
    }
}

/// The sizes of a shape that must all be known.
fn known(place: &str, shape: &[Option<usize>]) -> Result<Vec<usize>> {
    let known: Option<Vec<usize>> = shape.iter().copied().collect();
    known.ok_or_else(|| Error::invalid(place, "an input whose shape is known", format!("{shape:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(class: &str, config: Value) -> Result<Layer> {
        Layer::parse(&json!({"class_name": class, "config": config}).to_string())
    }

    #[test]
    fn every_kind_round_trips_through_its_configuration() {
        let configs = [
            ("InputLayer", json!({"batch_shape": [null, 3]})),
            ("Dense", json!({"units": 3, "activation": "relu"})),
            ("Activation", json!({"activation": "tanh"})),
            ("ReLU", json!({"max_value": 6.0})),
            ("LeakyReLU", json!({"negative_slope": 0.1})),
            ("ELU", json!({"alpha": 0.5})),
            ("Softmax", json!({})),
            ("Dropout", json!({"rate": 0.5})),
            ("Flatten", json!({})),
        ];
        assert_eq!(configs.iter().map(|c| c.0).collect::<Vec<_>>(), Layer::names());
        for (class, config) in configs {
            let first = layer(class, config).unwrap().config();
            assert_eq!(Layer::parse(&first.to_string()).unwrap().config(), first);
        }
    }

    #[test]
    fn mistakes_name_the_layer_and_what_was_expected() {
        let text = |class, config| layer(class, config).map(|_| ()).unwrap_err().to_string();
        assert!(text("Dense", json!({"name": "d", "units": 0})).starts_with("Dense 'd': units: expected a positive"));
        assert!(text("Dropout", json!({"name": "d", "rate": 1.5})).contains("Dropout 'd': rate"));
        assert!(text("Dens", json!({"units": 3})).contains("did you mean 'Dense'"));
        assert!(text("Dense", json!({"unit": 3})).contains("unit"));
    }

    #[test]
    fn a_built_layer_refuses_another_width() {
        let dense = layer("Dense", json!({"units": 3})).unwrap();
        dense.build(&[Some(4)], 1, "0").unwrap();
        assert_eq!(dense.variables()[0].shape(), [4, 3]);
        dense.build(&[Some(2), Some(4)], 9, "5").unwrap();
        assert!(dense.build(&[Some(5)], 1, "0").is_err());
    }
}
