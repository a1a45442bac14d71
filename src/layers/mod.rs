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
use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::initializers::Initializer;
use crate::params::Variable;
use crate::plan::{self, Builder, TensorId};
use crate::regularizers::Regularizer;
use crate::rng::Stream;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use strum::VariantNames;

/// The shape of one sample, without the batch; an unknown size is `None`.
pub type Shape = Vec<Option<usize>>;

/// What one kind of layer knows. Shapes are of one sample, without the batch. A layer that merges several inputs
/// overrides the two methods `…_of_many`, all others the plain ones.
pub(crate) trait Kind {
    /// The canonical configuration.
    fn config(&self) -> Value;
    /// The output's shape.
    fn output_shape(&self, _place: &str, input: &[Option<usize>]) -> Result<Shape> {
        Ok(input.to_vec())
    }
    /// The same from the shapes of all inputs.
    fn output_shape_of_many(&self, place: &str, inputs: &[Shape]) -> Result<Shape> {
        match inputs {
            [input] => self.output_shape(place, input),
            _ => Err(Error::invalid(place, "one input", inputs.len().to_string())),
        }
    }
    /// The variables it needs for an input of this shape.
    fn variables(&self, _input: &[usize]) -> Vec<VariableSpec> {
        Vec::new()
    }
    /// Whether variables made for the input `built` serve this one; by default where the last axes agree.
    fn serves(&self, built: &[usize], input: &[Option<usize>]) -> bool {
        built.last().copied() == input.last().copied().flatten()
    }
    /// Adds its stages to a plan.
    fn lower(&self, _builder: &mut Builder, layer: &Layer, _input: TensorId) -> Result<TensorId> {
        Err(Error::invalid(layer.place(), "several inputs", "one"))
    }
    /// The same for all inputs.
    fn lower_many(&self, builder: &mut Builder, layer: &Layer, inputs: &[TensorId]) -> Result<TensorId> {
        match *inputs {
            [input] => self.lower(builder, layer, input),
            _ => Err(Error::invalid(layer.place(), "one input", inputs.len().to_string())),
        }
    }
}

/// A variable to be made.
pub(crate) struct VariableSpec {
    pub name: &'static str,
    pub shape: Vec<usize>,
    pub initializer: Initializer,
    /// Whether training changes it by its gradient.
    pub trainable: bool,
    pub regularizer: Option<Regularizer>,
    pub constraint: Option<Constraint>,
}

impl VariableSpec {
    /// A trained variable without rules.
    pub fn new(name: &'static str, shape: Vec<usize>, initializer: Initializer) -> Self {
        VariableSpec { name, shape, initializer, trainable: true, regularizer: None, constraint: None }
    }
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
    /// A penalty on the output.
    activity: Option<Regularizer>,
    built: OnceLock<Built>,
}

struct Built {
    input: Vec<usize>,
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
        let place = format!("{class} '{name}'");
        let activity = fields.shift_remove("activity_regularizer").unwrap_or(Value::Null);
        let activity = Regularizer::parse(&activity, &format!("{place}: activity_regularizer"))?;
        if activity.as_ref().is_some_and(|r| r.elementwise().is_none()) {
            return Err(Error::invalid(format!("{place}: activity_regularizer"), "L1, L2 or L1L2", "another"));
        }
        let kind = LayerKind::parse(class, &config, &place)?;
        Ok(Layer {
            name,
            class: class.to_string(),
            trainable: AtomicBool::new(trainable),
            kind,
            activity,
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
        if let (Some(activity), Some(fields)) = (&self.activity, config.as_object_mut()) {
            fields.insert("activity_regularizer".into(), activity.config());
        }
        json!({"class_name": self.class, "config": config})
    }

    /// The output's shape for these inputs.
    pub fn output_shape(&self, inputs: &[Shape]) -> Result<Shape> {
        self.kind.kind().output_shape_of_many(&self.place(), inputs)
    }

    /// Makes and initialises the variables for inputs of these shapes. `seed` and `path` name the random streams. Once
    /// built, a layer keeps its variables and refuses inputs that they do not serve.
    pub fn build(&self, inputs: &[Shape], seed: u64, path: &str) -> Result<()> {
        self.output_shape(inputs)?;
        let input = inputs.first().map_or(&[][..], |i| &i[..]);
        if let Some(built) = self.built.get() {
            if built.variables.is_empty() || self.kind.kind().serves(&built.input, input) {
                return Ok(());
            }
            let expected = format!("an input of shape {:?}, as built (or one with the same last axis)", built.input);
            return Err(Error::invalid(self.place(), expected, format!("{input:?}")));
        }
        let known: Vec<usize> = input.iter().map(|d| d.unwrap_or(1)).collect();
        let specs = self.kind.kind().variables(&known).into_iter();
        let variables = specs.map(|spec| self.make(spec, seed, path)).collect::<Result<_>>()?;
        // A layer that another thread built in the meantime keeps that build.
        let _ = self.built.set(Built { input: known, variables });
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
        if let Some(regularizer) = &spec.regularizer {
            regularizer.check_shape(&spec.shape, &place)?;
        }
        if let Some(constraint) = &spec.constraint {
            constraint.check_shape(&spec.shape, &place)?;
        }
        let variable = Variable::new(spec.name, &own, &spec.shape, spec.trainable, &values);
        let variable = variable.map_err(|e| e.at(&self.place()))?;
        Ok(Arc::new(variable.with_rules(spec.regularizer, spec.constraint)))
    }

    /// Adds this layer's stages to a plan.
    pub fn lower(&self, builder: &mut Builder, inputs: &[TensorId]) -> Result<TensorId> {
        let shapes: Vec<Shape> = inputs.iter().map(|&t| builder.shape(t).iter().map(|&d| Some(d)).collect()).collect();
        self.output_shape(&shapes)?;
        let output = self.kind.kind().lower_many(builder, self, inputs)?;
        match self.activity.as_ref().and_then(Regularizer::elementwise) {
            Some((l1, l2)) => {
                let shape = builder.shape(output).to_vec();
                Ok(builder.stage(&self.name, plan::Kind::Penalty { l1, l2 }, &[output], shape))
            }
            None => Ok(output),
        }
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
        dense.build(&[vec![Some(4)]], 1, "0").unwrap();
        assert_eq!(dense.variables()[0].shape(), [4, 3]);
        dense.build(&[vec![Some(2), Some(4)]], 9, "5").unwrap();
        assert!(dense.build(&[vec![Some(5)]], 1, "0").is_err());
    }
}
