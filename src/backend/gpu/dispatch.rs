//! One kernel at work: its shader, its buffers, its numbers, how often it runs.

use super::schedule::Tail;
use super::wgsl::Tile;
use crate::plan::TensorId;
use crate::rng::{dropout_scale, dropout_threshold};

/// Invocations in a workgroup of the other kernels.
pub const GROUP: usize = 64;
/// Workgroups that a dimension of a dispatch may have.
pub const MAX_GROUPS: usize = 65_535;

/// A buffer by what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// An input of the data set.
    Input(usize),
    /// Targets of an output, in the data set.
    Target(usize),
    /// One weight a sample of an output, in the data set.
    Weights(usize),
    /// The order of the samples.
    Order,
    /// What a step reports.
    Results,
    /// A tensor of the batch.
    Value(TensorId),
    /// Its gradient.
    Gradient(TensorId),
    /// A variable.
    Variable(usize),
    /// Its slots that a rule sees, one after the other.
    Slots(usize),
    /// Its gradient, where that is kept for the step.
    VariableGradient(usize),
    /// The slot in which its gradients of several steps add up.
    Accumulator(usize),
    /// Sums of squares of gradients, weights and directions.
    Norms,
    /// Number so-and-so of what a stage keeps.
    Kept(usize, usize),
    /// Number so-and-so of what a stage is given.
    Given(usize, usize),
    /// The gradient of an output's loss, where it adds to others.
    Slope(usize),
    /// For a binding that a kernel's variant does not read.
    Nothing,
    /// For one that it does not write.
    Void(usize),
}

/// A number of things that may grow with the batch.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    PerSample(usize),
    Fixed(usize),
}

impl Count {
    /// How many for a batch of `samples`.
    pub fn of(self, samples: usize) -> usize {
        match self {
            Count::PerSample(n) => n.saturating_mul(samples),
            Count::Fixed(n) => n,
        }
    }
}

/// Whether rows of so many columns get a workgroup each instead of an invocation.
pub fn is_long(columns: usize) -> bool {
    columns > GROUP
}

/// Workgroups for so many rows.
pub fn row_groups(rows: usize, long: bool) -> usize {
    if long { rows } else { rows.div_ceil(GROUP) }
}

/// How many workgroups run.
#[derive(Clone, Copy, Debug)]
pub enum Grid {
    /// Tiles of a matrix with these rows and columns.
    Tiles(Count, usize, Tile),
    /// An invocation a row, or if they are long a workgroup; those beyond the largest dispatch are looped over.
    Rows(Count, bool),
    /// The same, but those beyond go on in the second dimension.
    AllRows(Count, bool),
    /// One invocation a thing; those beyond the largest dispatch are looped over.
    Each(Count),
    /// So many workgroups; those beyond the largest dispatch are looped over.
    Groups(usize),
}

impl Grid {
    /// Workgroups for a batch of `samples`. Rows of tiles beyond the largest dispatch go on in its third dimension.
    pub fn groups(self, samples: usize) -> [usize; 3] {
        match self {
            Grid::Tiles(rows, columns, tile) => {
                let [x, y] = tile.groups(rows.of(samples), columns);
                [x, y.min(MAX_GROUPS), y.div_ceil(MAX_GROUPS)]
            }
            Grid::Rows(count, long) => [row_groups(count.of(samples), long).clamp(1, MAX_GROUPS), 1, 1],
            Grid::AllRows(count, long) => {
                let groups = row_groups(count.of(samples), long);
                [groups.clamp(1, MAX_GROUPS), groups.div_ceil(MAX_GROUPS).max(1), 1]
            }
            Grid::Each(count) => [count.of(samples).div_ceil(GROUP).clamp(1, MAX_GROUPS), 1, 1],
            Grid::Groups(count) => [count.clamp(1, MAX_GROUPS), 1, 1],
        }
    }
}

/// Words of a [`Shape`].
pub const WORDS: usize = 20;

/// The numbers of one dispatch, as `Shape` in `common.wgsl`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    pub per_sample: usize,
    pub depth: usize,
    pub columns: usize,
    pub extra: usize,
    /// The key, the threshold and the scale of masks.
    pub dropout: Option<([u32; 4], u32, f32)>,
    /// Where the constants of one variable's rule, or of two, begin.
    pub rule: [usize; 2],
    pub more: [usize; 4],
    pub amounts: [f32; 4],
}

impl Shape {
    /// As the shader lays them out.
    pub fn words(&self) -> [u32; WORDS] {
        let (key, threshold, keep) = self.dropout.unwrap_or_default();
        let mut words = [0; WORDS];
        words[..3].copy_from_slice(&[self.per_sample, self.depth, self.columns].map(|n| n as u32));
        words[3] = threshold;
        words[4..8].copy_from_slice(&key);
        (words[8], words[9]) = (keep.to_bits(), self.extra as u32);
        words[10..12].copy_from_slice(&self.rule.map(|n| n as u32));
        words[12..16].copy_from_slice(&self.more.map(|n| n as u32));
        words[16..].copy_from_slice(&self.amounts.map(f32::to_bits));
        words
    }

    /// Of so many numbers, whatever the batch.
    pub fn fixed(columns: usize) -> Self {
        Shape { columns, ..Shape::default() }
    }

    /// The same with the masks of a tail.
    pub fn with(self, tail: &Tail) -> Self {
        let dropout =
            tail.dropout.map(|(rate, stream)| (stream.key(), dropout_threshold(rate), dropout_scale(rate) as f32));
        Shape { dropout, ..self }
    }
}

/// One kernel at work.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The layer, for messages.
    pub layer: String,
    /// The shader's text.
    pub shader: String,
    /// What its storage bindings are bound to.
    pub places: Vec<Place>,
    /// Its numbers.
    pub shape: Shape,
    /// How often it runs.
    pub grid: Grid,
}
