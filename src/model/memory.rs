//! What training and predicting take of a device's memory, computed without taking it.

use super::compiled::Home;
use super::{Model, Task, lock};
use crate::backend::{Device, Purpose, Usage, UsageOf};
use crate::error::{Error, Result};
use crate::losses::TargetKind;

/// What a training step and a prediction need.
#[derive(Clone, Copy, Debug)]
pub struct Needs {
    /// Where; for `auto` what it has chosen for this training, the CPU before it has.
    pub device: Device,
    /// Bytes of training, from the first step to the last.
    pub training: Usage,
    /// Bytes of a prediction.
    pub prediction: Usage,
}

impl Model {
    /// What training in batches of `batch` samples and a prediction need on a device, with a data set of `samples` (without:
    /// a single batch). Nothing is allocated. An error names the largest batch, if this one cannot fit.
    pub fn memory(&self, batch: usize, samples: Option<usize>, device: Option<Device>) -> Result<Needs> {
        let compiled = self.compiled()?;
        if batch == 0 {
            return Err(Error::invalid("batch_size", "a positive integer", "0"));
        }
        let samples = samples.unwrap_or(batch);
        if samples == 0 || samples >= u32::MAX as usize {
            return Err(Error::invalid("samples", "a positive integer below 2³² − 1", samples.to_string()));
        }
        let objectives = compiled.asked.iter().zip(self.output_columns()).map(|(asked, columns)| {
            // The automatic ones as for a target like the output, unless the loss asks for class ids.
            let objective = asked.resolve(columns, Some(columns));
            let class = objective.target_kind() == Some(TargetKind::Class);
            if class { asked.resolve(columns, None) } else { objective }
        });
        let device = match device.map_or_else(|| self.named_device(), |device| Ok(Some(device)))? {
            Some(Device::Auto) => Some(self.chosen(Task::Train, batch).unwrap_or(Device::Cpu)),
            other => other,
        };
        let backend = self.backend_at(Home::at(device))?;
        let optimizer = lock(&compiled.optimizer);
        let (purpose, batch) = (Purpose::Train(objectives.collect()), batch.min(samples));
        let training = UsageOf { plan: &compiled.plan, purpose: &purpose, batch, samples, optimizer: Some(&optimizer) };
        let purpose = Purpose::Predict;
        let batch = crate::infer::BLOCK;
        let prediction = UsageOf { plan: &self.plan, purpose: &purpose, batch, samples, optimizer: None };
        Ok(Needs {
            device: device.unwrap_or(Device::Cpu),
            training: backend.usage(&training)?,
            prediction: backend.usage(&prediction)?,
        })
    }
}
