//! A data set as the kernels read it: resident as a whole where the device has buffers for it, else in windows.

use super::device::Gpu;
use super::dispatch::Place;
use super::known::Known;
use super::memory::largest;
use super::resident::Resident;
use super::windows::Windows;
use crate::backend::Objective;
use crate::data::{Array, Feed, Target};
use crate::error::{Error, Result};
use std::ops::Range;

/// A data set.
pub struct DataSet {
    /// Samples.
    pub rows: usize,
    /// What the losses of each output go by.
    pub outputs: Vec<Known>,
    /// Where the numbers are.
    pub store: Store,
}

/// Where the numbers of a data set are.
pub enum Store {
    /// All of them on the device.
    Whole(Resident),
    /// A window of them there, another on its way.
    Windows(Windows),
}

/// One array that kernels read, in `f32`.
pub struct Column {
    /// Whose.
    pub place: Place,
    /// Numbers a sample.
    pub row_len: usize,
    source: Source,
}

enum Source {
    /// The caller's.
    Array(Array),
    /// The classes of an output.
    Classes(usize),
    /// The weights of an output's samples.
    Weights(usize),
}

impl Column {
    /// Every array of a data set.
    pub fn all(feed: &Feed, outputs: &[Known]) -> Vec<Self> {
        let array =
            |place, array: &Array| Column { place, row_len: array.row_len(), source: Source::Array(array.clone()) };
        let mut columns: Vec<Column> =
            feed.inputs.iter().enumerate().map(|(i, input)| array(Place::Input(i), input)).collect();
        for (o, known) in outputs.iter().enumerate() {
            let Some(target) = feed.targets.get(o).and_then(Option::as_ref) else { continue };
            columns.push(match target {
                Target::Dense(y) => array(Place::Target(o), y),
                Target::Class(_) => {
                    Column { place: Place::Target(o), row_len: known.per_sample, source: Source::Classes(o) }
                }
            });
            columns.push(Column { place: Place::Weights(o), row_len: 1, source: Source::Weights(o) });
        }
        columns
    }

    /// Appends the numbers of one sample.
    pub fn append(&self, outputs: &[Known], sample: u32, numbers: &mut Vec<f32>) {
        let sample = sample as usize;
        match &self.source {
            Source::Array(array) => array.append_row(sample, numbers),
            Source::Classes(o) => {
                let rows = sample * self.row_len..(sample + 1) * self.row_len;
                numbers.extend_from_slice(outputs[*o].classes.as_ref().map_or(&[], |classes| &classes[rows]));
            }
            Source::Weights(o) => numbers.push(outputs[*o].weight(sample as u32) as f32),
        }
    }
}

/// Whether all of so many samples can be resident, with so many numbers a sample in each array.
pub fn fits(limit: u64, rows: usize, row_lens: impl IntoIterator<Item = usize>) -> bool {
    let bytes = |row_len: usize| (rows as u64).saturating_mul(row_len as u64).saturating_mul(4);
    row_lens.into_iter().chain([1]).all(|row_len| bytes(row_len) <= limit)
}

impl DataSet {
    /// Reads what the host has to know, and puts on the device what fits. `sizes` are the rows and columns of each output.
    pub fn new(
        gpu: &Gpu,
        feed: &Feed,
        objectives: &[Objective],
        sizes: &[(usize, usize)],
        batch: usize,
    ) -> Result<Self> {
        let known = |(o, (own, &size))| Known::new(feed, o, own, size);
        let outputs: Vec<Known> = objectives.iter().zip(sizes).enumerate().map(known).collect::<Result<_>>()?;
        let columns = Column::all(feed, &outputs);
        let rows = feed.rows();
        if !fits(largest(gpu).0, rows, columns.iter().map(|c| c.row_len)) {
            let store = Store::Windows(Windows::new(gpu, columns, rows, batch)?);
            return Ok(DataSet { rows, outputs, store });
        }
        let store = match gpu.guarded("data", || Resident::new(gpu, &columns, &outputs, rows)) {
            Ok(resident) => Store::Whole(resident),
            // No single array is too large, but together they are.
            Err(Error::Device(_)) if gpu.check().is_ok() => Store::Windows(Windows::new(gpu, columns, rows, batch)?),
            Err(error) => return Err(error),
        };
        Ok(DataSet { rows, outputs, store })
    }
}

impl Store {
    /// The buffers that kernels read, with their places.
    pub fn buffers(&self) -> &[(Place, wgpu::Buffer)] {
        match self {
            Store::Whole(resident) => &resident.buffers,
            Store::Windows(windows) => &windows.buffers,
        }
    }

    /// Makes this the order of the samples, from now on.
    pub fn set_order(&mut self, gpu: &Gpu, order: &[u32]) {
        match self {
            Store::Whole(resident) => resident.set_order(gpu, order),
            Store::Windows(windows) => windows.set_order(order),
        }
    }

    /// Sees to it that the commands which follow in `encoder` can read the samples at these positions of the order: all up to
    /// `least`, and as many more as happen to be there. Gives the position at which the kernels' own count begins,
    /// and the end of what they can read.
    pub fn reach(
        &mut self,
        gpu: &Gpu,
        outputs: &[Known],
        encoder: &mut wgpu::CommandEncoder,
        wanted: Range<usize>,
        least: usize,
    ) -> Result<Range<usize>> {
        match self {
            Store::Whole(_) => Ok(0..wanted.end),
            Store::Windows(windows) => windows.reach(gpu, outputs, encoder, wanted, least),
        }
    }

    /// Makes ready, while the device works on what was submitted, the next `count` samples after those it can read.
    pub fn prefetch(&mut self, gpu: &Gpu, outputs: &[Known], count: usize) -> Result<()> {
        match self {
            Store::Whole(_) => Ok(()),
            Store::Windows(windows) => windows.prefetch(gpu, outputs, count),
        }
    }

    /// After an error nothing is taken to be on the device that may have been on its way.
    pub fn forget(&mut self) {
        if let Store::Windows(windows) = self {
            windows.forget();
        }
    }
}
