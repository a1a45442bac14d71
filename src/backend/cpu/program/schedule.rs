//! Operations in order, with the barriers that their reads and writes call for.

use crate::plan::TensorId;
use std::collections::HashMap;

/// One operation. `s` is a stage, `v` a variable, `o` an output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Reads a tensor's part of the batch from an input.
    Gather(TensorId),
    /// Reads targets and weights of an output.
    Target(usize),
    /// A stage forward.
    Forward(usize),
    /// Loss, its gradient and the metrics of an output; the flag: the gradient is added to what is there.
    Loss(usize, bool),
    /// The gradient of a stage's input of this number from that of its output; added to what is there when the flag
    /// says so.
    Backward(usize, usize, bool),
    /// No gradient comes from behind: zeros.
    ClearGradient(TensorId),
    /// The penalty on a variable.
    Penalty(usize),
    /// Worker 0 adds up losses and metrics and decides whether to go on.
    Tally,
    /// The gradient of a dense stage's variables, and their update at once.
    Update(usize),
    /// The gradient of the rows of a table that the batch uses, and their update at once.
    UpdateRows(usize),
    /// The gradient of a stage's variables into memory, or added to it.
    Gradient(usize, bool),
    /// Adds the gradient of a penalty that needs the whole variable.
    PenaltyGradient(usize),
    /// The square of a gradient's norm.
    Norm(usize),
    /// The direction of an update in place of the gradient.
    Direction(usize),
    /// The squares of weights and of the update's direction.
    TrustNorms(usize),
    /// The update of a variable from its gradient in memory.
    Apply(usize),
    /// Puts a variable's moving average in its place, when it is time.
    Overwrite(usize),
    /// Makes a variable keep to its rule.
    Constrain(usize),
    /// Moves a normalization's moving statistics.
    Moving(usize),
}

/// How an operation is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// By samples.
    Rows,
    /// By panels of the stage's matrix; the number of panels tells which stages agree.
    Panels(usize),
    /// By units of a kernel.
    Units(usize),
    /// By rows of a table.
    Table(usize),
    /// Worker 0 does it.
    First,
    /// Every worker does all of it, in memory of its own.
    Each,
}

/// An operation in its place.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// What to do.
    pub op: Op,
    /// Who does which part.
    pub split: Split,
    /// Whether all workers meet before it.
    pub barrier: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Buffer {
    Value(TensorId),
    Gradient(TensorId),
    Target(usize),
    /// Losses and metrics of an output's rows, or the penalties of a stage's.
    Rows(usize),
    StageRows(usize),
    /// What a normalization keeps for the way back.
    Saved(usize),
    Variable(usize),
    VariableGradient(usize),
    Norm(usize),
    Penalty(usize),
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Need {
    /// What this worker wrote, if the division is the same.
    Own(Buffer),
    /// Everybody's part.
    All(Buffer),
}

#[derive(Default)]
pub(super) struct Schedule {
    pub(super) ops: Vec<Scheduled>,
    pub(super) written: HashMap<Buffer, Split>,
}

impl Schedule {
    pub(super) fn push(&mut self, op: Op, split: Split, reads: &[Need], writes: &[Buffer]) {
        let foreign = |need: &Need| match need {
            Need::Own(buffer) => self.written.get(buffer).is_some_and(|by| ![split, Split::Each].contains(by)),
            Need::All(buffer) => self.written.get(buffer).is_some_and(|by| *by != Split::Each),
        };
        let clobbers = |buffer: &Buffer| self.written.get(buffer).is_some_and(|by| *by != split);
        let barrier = reads.iter().any(foreign) || writes.iter().any(clobbers);
        if barrier {
            self.written.clear();
        }
        self.written.extend(writes.iter().map(|&buffer| (buffer, split)));
        self.ops.push(Scheduled { op, split, barrier });
    }
}
