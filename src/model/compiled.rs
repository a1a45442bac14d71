//! What `compile` leaves: the plan, what each output is trained and measured by, and the executor of the last run.

use super::SharedOptimizer;
use crate::backend::{Device, Executor, Measure, Objective, Totals};
use crate::error::{Error, Result};
use crate::losses::{LossSpec, Reduction};
use crate::metrics::MetricConfig;
use crate::plan::Plan;
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// What `compile` was told.
pub struct Compiled {
    pub(crate) plan: Arc<Plan>,
    pub(crate) optimizer: SharedOptimizer,
    /// What the outputs are trained and measured by, as it was given.
    pub(crate) outputs: Value,
    /// One an output.
    pub(super) asked: Vec<Asked>,
    /// The executor of the last training run, for the next one of the same kind: its buffers, and what it learned about
    /// the machine.
    pub(crate) trainer: Mutex<Option<Trainer>>,
}

/// What `compile` was told about one output. What it means exactly, the data decide.
pub(super) struct Asked {
    pub(super) loss: Option<LossSpec>,
    weight: f64,
    /// What the logs call the output's own loss; `None` where they do not name it.
    loss_key: Option<String>,
    pub(super) metrics: Vec<(MetricConfig, bool)>,
}

impl Asked {
    pub(super) fn parse(value: &Value) -> Result<Self> {
        let loss = value.get("loss").filter(|loss| !loss.is_null());
        let loss = loss.map(|loss| LossSpec::parse(loss, "loss")).transpose()?;
        if let Some(LossSpec::Exact(exact)) = &loss
            && exact.reduction == Reduction::None
        {
            return Err(Error::invalid("loss: reduction", "one that makes a number", "None"));
        }
        let weight = value.get("loss_weight").filter(|w| !w.is_null());
        let weight = weight.map_or(Some(1.0), Value::as_f64).filter(|w| w.is_finite());
        let weight = weight.ok_or_else(|| Error::wrong_type("loss_weights", "finite numbers", value.to_string()))?;
        let metrics = value.get("metrics").and_then(Value::as_array).into_iter().flatten();
        let metrics = metrics.map(|m| {
            let mut metric = MetricConfig::parse(m.get("metric").unwrap_or(m), "metrics")?;
            if let Some(name) = m.get("metric").and(m.get("name")).and_then(Value::as_str) {
                metric.name = name.to_string();
            }
            Ok((metric, m.get("weighted").and_then(Value::as_bool).unwrap_or(false)))
        });
        let loss_key = value.get("loss_key").and_then(Value::as_str).map(str::to_string);
        Ok(Asked { loss, weight, loss_key, metrics: metrics.collect::<Result<_>>()? })
    }

    /// What it means for an output of so many columns and a target of so many.
    pub(super) fn resolve(&self, output_columns: usize, target_columns: Option<usize>) -> Objective {
        let measure = |(config, weighted): &(MetricConfig, bool)| Measure {
            metric: config.spec.resolve(output_columns, target_columns),
            weighted: *weighted,
        };
        Objective {
            loss: self.loss.as_ref().map(|loss| loss.resolve(output_columns, target_columns)),
            weight: self.weight,
            metrics: self.metrics.iter().map(measure).collect(),
        }
    }
}

/// Where an executor can be used again: on the same device (`None`: the model's own backend), in the same process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Home {
    pub(crate) device: Option<Device>,
    pub(super) process: u32,
}

impl Home {
    /// That place in this process.
    pub(super) fn at(device: Option<Device>) -> Self {
        Home { device, process: std::process::id() }
    }
}

/// An executor and its home.
pub(crate) struct Settled {
    pub(crate) home: Home,
    /// Emptied on drop only.
    pub(super) executor: Option<Box<dyn Executor>>,
}

impl Settled {
    /// The executor.
    pub(crate) fn get(&mut self) -> Result<&mut Box<dyn Executor>> {
        self.executor.as_mut().ok_or_else(|| Error::Internal("an executor was taken".into()))
    }
}

impl Drop for Settled {
    fn drop(&mut self) {
        // After a fork, what the parent opened cannot be closed.
        if self.home.process != std::process::id() && !matches!(self.home.device, Some(Device::Cpu)) {
            std::mem::forget(self.executor.take());
        }
    }
}

/// A training executor, and what it was made for.
pub(crate) struct Trainer {
    pub(crate) batch: usize,
    pub(crate) objectives: Vec<Objective>,
    pub(crate) executor: Settled,
}

impl Compiled {
    /// The logs that sums amount to.
    pub(crate) fn logs(&self, objectives: &[Objective], totals: &Totals) -> Vec<(String, f64)> {
        let mean = |sum: f64| if totals.samples > 0.0 { sum / totals.samples } else { 0.0 };
        let mut logs = vec![("loss".to_string(), mean(totals.loss))];
        let mut states = totals.metrics.iter();
        for ((asked, objective), loss) in self.asked.iter().zip(objectives).zip(&totals.losses) {
            logs.extend(asked.loss_key.iter().map(|key| (key.clone(), mean(*loss))));
            for ((config, _), measure) in asked.metrics.iter().zip(&objective.metrics) {
                let state = states.next().map_or(&[][..], Vec::as_slice);
                logs.push((config.name.clone(), measure.metric.result(state)));
            }
        }
        logs
    }
}
