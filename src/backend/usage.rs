//! What a run takes of its device's memory, by part.

/// What memory is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Part {
    /// Variables, and the copy of them that a prediction reads.
    Weights,
    /// What the optimizer keeps of each trained variable.
    Optimizer,
    /// Gradients of activations and of variables.
    Gradients,
    /// What layers pass on, and what they keep for the way back.
    Activations,
    /// Samples with their targets and weights: a batch of them, the whole set, or a window of it.
    Data,
    /// What is on its way between the host and the device.
    Staging,
    /// The rest: scratch of the kernels, sums, records.
    Scratch,
}

/// Bytes by part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage([u64; 7]);

impl Usage {
    /// Adds to a part.
    pub fn add(&mut self, part: Part, bytes: u64) {
        let sum = &mut self.0[part as usize];
        *sum = sum.saturating_add(bytes);
    }

    /// Adds all parts of another.
    pub fn add_all(&mut self, other: &Usage) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, bytes)| *sum = sum.saturating_add(bytes));
    }

    /// The bytes of a part.
    pub fn of(&self, part: Part) -> u64 {
        self.0[part as usize]
    }

    /// The bytes of all parts.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// Every part's name with its bytes.
    pub fn by_name(&self) -> Vec<(&'static str, u64)> {
        use strum::IntoEnumIterator;
        Part::iter().map(|part| (part.into(), self.of(part))).collect()
    }
}

/// A run whose memory is asked for.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// What is run.
    pub plan: &'a std::sync::Arc<crate::plan::Plan>,
    /// For what.
    pub purpose: &'a super::Purpose,
    /// Samples in a batch; a prediction goes by batches of its own.
    pub batch: usize,
    /// Samples in the data set.
    pub samples: usize,
    /// By which training updates.
    pub optimizer: Option<&'a crate::optimizers::OptimizerState>,
}
