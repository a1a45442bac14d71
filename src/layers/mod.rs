//! Layers: a validated configuration and, once built, variables.
//!
//! Each kind has a file with its configuration, its shapes, its parameters and how it lowers into a plan. The set is
//! closed ([`LayerKind`]): what a model file or a configuration can name is in this list and nowhere else.

mod activation;
mod axes;
mod batch_norm;
mod categories;
mod concatenate;
mod dense;
mod dot;
mod dropout;
mod embedding;
mod identity;
mod input;
mod kinds;
mod merge;
mod noise;
mod prelu;
mod reshape;
mod row_norm;
mod scaling;
#[cfg(test)]
mod tests;
mod weights;

pub use kinds::LayerKind;

use crate::config;
use crate::constraints::Constraint;
use crate::error::{Error, Result};
use crate::initializers::Initializer;
use crate::io::ration;
use crate::params::{Variable, zeros};
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
    /// Reads and checks a configuration of this class; `place` is what errors call the layer.
    fn parse(class: &str, config: &Value, place: &str) -> Result<Self>
    where
        Self: Sized;
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

    /// Its variables; an error where it is not built.
    fn all_built_variables(&self) -> Result<&[Arc<Variable>]> {
        let unknown = || Error::State(format!("{} is not built: its input shape is not known yet", self.place()));
        self.built.get().map(|built| &built.variables[..]).ok_or_else(unknown)
    }

    /// The same for a layer that always has `N`.
    fn built_variables<const N: usize>(&self) -> Result<&[Arc<Variable>; N]> {
        let variables = self.all_built_variables()?;
        variables.try_into().map_err(|_| Error::Internal(format!("{} has other variables", self.place())))
    }

    /// The output's shape for tensors of a plan, where every size is known.
    fn shape_for(&self, builder: &Builder, inputs: &[TensorId]) -> Result<Vec<usize>> {
        let open = |&t: &TensorId| builder.shape(t).iter().map(|&d| Some(d)).collect();
        known(&self.place(), &self.output_shape(&inputs.iter().map(open).collect::<Vec<Shape>>())?)
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
        ration::check_shapes(&self.place(), inputs)?;
        let output = self.kind.kind().output_shape_of_many(&self.place(), inputs)?;
        ration::check_shapes(&self.place(), std::slice::from_ref(&output))?;
        Ok(output)
    }

    /// Names and shapes of the variables that it has, or would make for inputs of these shapes.
    pub(crate) fn variable_shapes(&self, inputs: &[Shape]) -> Result<Vec<(String, Vec<usize>)>> {
        self.output_shape(inputs)?;
        let known: Vec<usize> = inputs.first().map_or(&[][..], |i| &i[..]).iter().map(|d| d.unwrap_or(1)).collect();
        Ok(self.kind.kind().variables(&known).into_iter().map(|spec| (spec.name.to_string(), spec.shape)).collect())
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
        let loading = ration::take(&place, count)?;
        let mut values = zeros(count.unwrap_or(usize::MAX), &place)?;
        if !loading {
            let seed = spec.initializer.seed().unwrap_or(seed);
            let mut sequence = Stream::new(seed, &format!("{path}/{}", spec.name)).sequence(0);
            spec.initializer.fill(&spec.shape, &mut values, &mut || sequence.uniform()).map_err(|e| e.at(&place))?;
        }
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
        self.shape_for(builder, inputs)?;
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

/// Whether two shapes have as many axes and the same sizes along these, counted as Keras does.
fn same_axes(axes: &[i64], built: &[usize], input: &[Option<usize>]) -> bool {
    let fits = |&axis: &usize| input[axis].is_none_or(|d| d == built[axis]);
    built.len() == input.len() && axes::all_of_sample("", axes, built.len()).is_ok_and(|a| a.iter().all(fits))
}
