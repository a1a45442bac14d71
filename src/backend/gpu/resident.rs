//! A data set on the device: converted once, then read by the kernels in whatever order an epoch has.

use super::device::Gpu;
use super::dispatch::Place;
use super::memory::buffer;
use crate::backend::Objective;
use crate::data::{Array, Feed, Target};
use crate::error::{Error, Result};
use crate::losses::{LossConfig, Reduction};

/// Numbers converted and handed over at a time.
const CHUNK: usize = 1 << 20;

/// What is on the device, and what the host needs of it for itself.
pub struct Resident {
    /// Samples.
    pub rows: usize,
    /// The buffers with their places.
    pub buffers: Vec<(Place, wgpu::Buffer)>,
    /// What the losses of each output go by.
    pub outputs: Vec<Known>,
    order: Vec<u32>,
}

/// What the host knows about the targets of an output.
#[derive(Default)]
pub struct Known {
    /// One class id a row of the output.
    classes: Option<Vec<f32>>,
    /// One weight a sample, if they differ from 1.
    weights: Option<Vec<f32>>,
    /// Rows of the output a sample has.
    pub per_sample: usize,
}

/// Copies an array, converted to `f32`; `check` sees each chunk with its first sample.
fn upload(
    gpu: &Gpu,
    array: &Array,
    place: &str,
    mut check: impl FnMut(usize, &[f32]) -> Result<()>,
) -> Result<wgpu::Buffer> {
    let target = buffer(gpu, array.rows().saturating_mul(array.row_len()), place)?;
    let at_once = (CHUNK / array.row_len().max(1)).max(1);
    let mut numbers = Vec::with_capacity(at_once.min(array.rows()) * array.row_len());
    for from in (0..array.rows()).step_by(at_once) {
        numbers.clear();
        (from..(from + at_once).min(array.rows())).for_each(|row| array.append_row(row, &mut numbers));
        check(from, &numbers)?;
        gpu.queue.write_buffer(&target, (from * array.row_len() * 4) as u64, bytemuck::cast_slice(&numbers));
        // Without this the copies would pile up in the driver.
        gpu.queue.submit([]);
    }
    Ok(target)
}

impl Resident {
    /// Puts a data set on the device. Class ids are checked for outputs of these numbers of rows and columns.
    pub fn new(gpu: &Gpu, feed: &Feed, objectives: &[Objective], sizes: &[(usize, usize)]) -> Result<Self> {
        let mut resident = Resident { rows: feed.rows(), buffers: Vec::new(), outputs: Vec::new(), order: Vec::new() };
        for (i, input) in feed.inputs.iter().enumerate() {
            resident.buffers.push((Place::Input(i), upload(gpu, input, "x", |_, _| Ok(()))?));
        }
        resident.buffers.push((Place::Order, buffer(gpu, feed.rows(), "order of the samples")?));
        for (o, (objective, &size)) in objectives.iter().zip(sizes).enumerate() {
            resident.add_targets(gpu, feed, o, objective, size)?;
        }
        Ok(resident)
    }

    fn add_targets(
        &mut self,
        gpu: &Gpu,
        feed: &Feed,
        o: usize,
        objective: &Objective,
        (per_sample, columns): (usize, usize),
    ) -> Result<()> {
        let mut known = Known { per_sample, ..Known::default() };
        let target = match feed.targets.get(o).and_then(Option::as_ref) {
            None => None,
            Some(Target::Dense(y)) => Some(upload(gpu, y, "y", |_, _| Ok(()))?),
            Some(Target::Class(y)) => {
                let ignored = objective.ignored_class();
                let mut classes = Vec::with_capacity(y.rows() * y.row_len());
                let target = upload(gpu, y, "y", |from, ids| {
                    classes.extend_from_slice(ids);
                    let known = |id: f32| (id >= 0.0 && id < columns as f32) || ignored.is_some_and(|i| id == i as f32);
                    match ids.iter().position(|&id| !known(id)) {
                        None => Ok(()),
                        Some(at) => {
                            let row = from + at / y.row_len().max(1);
                            Err(Error::invalid(
                                "y",
                                format!("class ids in [0, {columns})"),
                                format!("{} in row {row}", ids[at]),
                            ))
                        }
                    }
                })?;
                known.classes = Some(classes);
                Some(target)
            }
        };
        if let Some(target) = target {
            let given = feed.weights.get(o).and_then(Option::as_ref);
            let weights: Vec<f32> = match given {
                Some(array) => (0..feed.rows()).map(|row| array.element(row, 0) as f32).collect(),
                None => vec![1.0; feed.rows()],
            };
            let on_device = buffer(gpu, weights.len(), "sample_weight")?;
            gpu.queue.write_buffer(&on_device, 0, bytemuck::cast_slice(&weights));
            self.buffers.extend([(Place::Target(o), target), (Place::Weights(o), on_device)]);
            known.weights = given.map(|_| weights);
        }
        self.outputs.push(known);
        Ok(())
    }

    /// Makes the kernels go through the samples in this order.
    pub fn set_order(&mut self, gpu: &Gpu, order: &[u32]) {
        if self.order == order {
            return;
        }
        if let Some((_, buffer)) = self.buffers.iter().find(|(place, _)| *place == Place::Order) {
            gpu.queue.write_buffer(buffer, 0, bytemuck::cast_slice(order));
            self.order.clear();
            self.order.extend_from_slice(order);
        }
    }
}

impl Known {
    /// A sample's weight.
    pub fn weight(&self, sample: u32) -> f64 {
        self.weights.as_ref().map_or(1.0, |w| f64::from(w[sample as usize]))
    }

    /// What the sum of a batch's weighted losses is multiplied by, as on the CPU.
    pub fn loss_scale(&self, objective: &Objective, samples: &[u32]) -> f64 {
        let Some(LossConfig { loss, reduction }) = &objective.loss else { return 0.0 };
        let counted = |sample: u32| -> usize {
            let rows = sample as usize * self.per_sample..(sample as usize + 1) * self.per_sample;
            match (&self.classes, loss.ignored_class()) {
                (Some(classes), Some(ignored)) => classes[rows].iter().filter(|c| **c != ignored as f32).count(),
                _ => self.per_sample,
            }
        };
        let whole: f64 = match reduction {
            Reduction::Sum | Reduction::None => return 1.0,
            Reduction::MeanWithSampleWeight => samples.iter().map(|&s| self.weight(s) * counted(s) as f64).sum(),
            _ if loss.ignored_class().is_some() => samples.iter().map(|&s| counted(s) as f64).sum(),
            _ => (samples.len() * self.per_sample) as f64,
        };
        if whole == 0.0 { 0.0 } else { 1.0 / whole }
    }
}
