//! What the host keeps of a data set's targets and weights, whether the data set is resident or comes in windows.

use crate::backend::Objective;
use crate::data::{Array, Feed, Target};
use crate::error::{Error, Result};
use crate::losses::{LossConfig, Reduction};

/// What the host knows about the targets of an output.
#[derive(Default)]
pub struct Known {
    /// One class id a row of the output.
    pub classes: Option<Vec<f32>>,
    /// One weight a sample, if they differ from 1.
    pub weights: Option<Vec<f32>>,
    /// Rows of the output a sample has.
    pub per_sample: usize,
}

impl Known {
    /// Reads what is to be known about output `o`, which has `per_sample` rows of `columns` numbers a sample. Class ids are
    /// checked here once, and the device sees these copies: whoever writes into the array later cannot lead it astray.
    pub fn new(feed: &Feed, o: usize, objective: &Objective, (per_sample, columns): (usize, usize)) -> Result<Self> {
        let mut known = Known { per_sample, ..Known::default() };
        let Some(target) = feed.targets.get(o).and_then(Option::as_ref) else { return Ok(known) };
        if let Target::Class(y) = target {
            known.classes = Some(checked_classes(y, columns, objective.ignored_class())?);
        }
        let given = feed.weights.get(o).and_then(Option::as_ref);
        known.weights = given.map(|array| (0..feed.rows()).map(|row| array.element(row, 0) as f32).collect());
        Ok(known)
    }

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

/// Class ids as numbers; refused where one is neither in range nor the one that the loss leaves out.
fn checked_classes(y: &Array, columns: usize, ignored: Option<i64>) -> Result<Vec<f32>> {
    let mut ids = Vec::with_capacity(y.rows() * y.row_len());
    for row in 0..y.rows() {
        let from = ids.len();
        y.append_row(row, &mut ids);
        let known = |id: f32| (id >= 0.0 && id < columns as f32) || ignored.is_some_and(|i| id == i as f32);
        if let Some(&id) = ids[from..].iter().find(|&&id| !known(id)) {
            return Err(Error::invalid("y", format!("class ids in [0, {columns})"), format!("{id} in row {row}")));
        }
    }
    Ok(ids)
}
