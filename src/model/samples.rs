//! What a run is given, held against the model: shapes, lengths, class ids.

use super::compiled::Asked;
use super::{Compiled, Model};
use crate::backend::Objective;
use crate::data::{Array, Feed, Target, check_class_ids, check_finite, check_ids};
use crate::error::{Error, Result};
use crate::losses::TargetKind;
use crate::plan::Kind;
use std::sync::Arc;

impl Model {
    /// Checks inputs against the model.
    pub(crate) fn check_inputs(&self, x: &[Array]) -> Result<()> {
        if x.len() != self.graph.input_shapes.len() {
            let expected = format!("{} inputs", self.graph.input_shapes.len());
            return Err(Error::invalid("x", expected, x.len().to_string()));
        }
        for (array, shape) in x.iter().zip(&self.graph.input_shapes) {
            let sample = array.shape().get(1..).unwrap_or(&[]);
            // As Keras: a trailing axis of 1 may be missing or too many.
            let fits = sample == shape
                || shape.strip_suffix(&[1]) == Some(sample)
                || sample.strip_suffix(&[1]) == Some(&shape[..]);
            if array.shape().is_empty() || !fits {
                return Err(Error::invalid("x", format!("shape {}", with_batch(shape)), tuple(array.shape())));
            }
            if array.rows() == 0 {
                return Err(Error::invalid("x", "at least one sample", "none"));
            }
            if array.rows() != x[0].rows() || array.rows() >= u32::MAX as usize {
                let expected = format!("{} samples, fewer than 2³² − 1", x[0].rows());
                return Err(Error::invalid("x", expected, array.rows().to_string()));
            }
        }
        // What an embedding looks up, where it comes straight from an input.
        for stage in &self.plan.stages {
            let Some(source) = self.plan.tensors[stage.input()].source else { continue };
            let Kind::Embedding { table } = stage.kind else { continue };
            let rows = self.plan.variables[table].layout().rows;
            check_ids(&x[source], rows, &format!("Embedding '{}'", stage.layer))?;
        }
        Ok(())
    }

    /// Checks data for training or evaluation, and settles what the automatic losses and metrics mean for it. `y` and
    /// `weights` hold an entry an output; `weights` may be empty.
    pub(crate) fn check_data(&self, compiled: &Compiled, data: Samples) -> Result<(Arc<Feed>, Vec<Objective>)> {
        let Samples { x, y, mut weights } = data;
        self.check_inputs(&x)?;
        let (outputs, samples) = (compiled.asked.len(), x[0].rows());
        weights.resize(if weights.is_empty() { outputs } else { weights.len() }, None);
        for (place, count) in [("y", y.len()), ("sample_weight", weights.len())] {
            if count != outputs {
                return Err(Error::invalid(place, format!("{outputs} arrays, one an output"), count.to_string()));
            }
        }
        let place = |name: &str, i: usize| if outputs == 1 { name.to_string() } else { format!("{name}[{i}]") };
        let (mut targets, mut objectives) = (Vec::new(), Vec::new());
        for (i, ((asked, y), weights)) in compiled.asked.iter().zip(y).zip(&weights).enumerate() {
            if let Some(weights) = weights {
                check_weights(weights, samples, &place("sample_weight", i))?;
            }
            let output = &compiled.plan.tensors[compiled.plan.outputs[i]];
            let rank = output.shape.len();
            let target_columns = y.as_ref().and_then(|y| (y.shape().len() == rank + 1).then(|| y.shape()[rank]));
            let objective = asked.resolve(output.columns(), target_columns);
            targets.push(check_target(&objective, asked, &output.shape, y, samples, &place("y", i))?);
            objectives.push(objective);
        }
        Ok((Arc::new(Feed { inputs: x, targets, weights }), objectives))
    }
}

/// What a run is given: inputs, and an entry an output of targets and weights.
#[derive(Default)]
pub struct Samples {
    /// The model's inputs.
    pub x: Vec<Array>,
    /// A target for each output that has a loss or a metric.
    pub y: Vec<Option<Array>>,
    /// Weights of the samples; empty where no output has any.
    pub weights: Vec<Option<Array>>,
}

impl Samples {
    /// One input, one output, no weights.
    pub fn of(x: Array, y: Array) -> Self {
        Samples { x: vec![x], y: vec![Some(y)], weights: Vec::new() }
    }
}

fn check_weights(weights: &Array, samples: usize, place: &str) -> Result<()> {
    if weights.rows() != samples {
        return Err(Error::invalid(place, format!("{samples} samples, as x has"), weights.rows().to_string()));
    }
    if weights.row_len() != 1 {
        return Err(Error::invalid(place, "one number a sample", tuple(weights.shape())));
    }
    check_finite(weights, place)
}

/// Checks the target of an output of this shape.
fn check_target(
    objective: &Objective,
    asked: &Asked,
    shape: &[usize],
    y: Option<Array>,
    samples: usize,
    place: &str,
) -> Result<Option<Target>> {
    let Some(kind) = objective.target_kind() else { return Ok(None) };
    let Some(y) = y else { return Err(Error::invalid(place, "a target for the loss and the metrics", "None")) };
    if y.rows() != samples {
        return Err(Error::invalid(place, format!("{samples} samples, as x has"), y.rows().to_string()));
    }
    let columns = shape.last().copied().unwrap_or(1);
    objective.loss.as_ref().map_or(Ok(()), |l| l.loss.check(columns))?;
    for (measure, (config, _)) in objective.metrics.iter().zip(&asked.metrics) {
        measure.metric.check(columns)?;
        // With one column a class id and a number are the same thing.
        if measure.metric.target_kind() != kind && columns != 1 {
            let expected = format!("a metric of {} targets, like the loss", name_of(kind));
            return Err(Error::invalid("metrics", expected, format!("'{}'", config.name)));
        }
    }
    let sample = &y.shape()[1..];
    match kind {
        TargetKind::Class => {
            let rows = &shape[..shape.len().saturating_sub(1)];
            if sample != rows && sample.strip_suffix(&[1]) != Some(rows) {
                let expected = format!("class ids of shape {}", with_batch(rows));
                return Err(Error::invalid(place, expected, tuple(y.shape())));
            }
            check_class_ids(&y, columns, objective.ignored_class(), place)?;
            Ok(Some(Target::Class(y)))
        }
        TargetKind::Dense => {
            if sample != shape && shape.strip_suffix(&[1]) != Some(sample) {
                let expected = format!("shape {}, as the output", with_batch(shape));
                return Err(Error::invalid(place, expected, tuple(y.shape())));
            }
            check_finite(&y, place)?;
            Ok(Some(Target::Dense(y)))
        }
    }
}

fn name_of(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Class => "class-id",
        TargetKind::Dense => "dense",
    }
}

/// A shape as Python writes it.
pub(crate) fn tuple(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// The shape of a batch of samples, as Python writes it.
fn with_batch(shape: &[usize]) -> String {
    let sizes: String = shape.iter().map(|d| format!(", {d}")).collect();
    if shape.is_empty() { "(None,)".into() } else { format!("(None{sizes})") }
}
