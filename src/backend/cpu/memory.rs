//! Every buffer of a compiled plan, allocated once; or their sizes alone.

use super::dense::input_gradient_floats;
use super::gemm::Panels;
use super::program::Program;
use super::rows::{TargetPlace, scratch_floats};
use super::simd::PANEL;
use super::skip::{columns_floats, product_floats};
use super::update::{UNIT_FLOATS, UNIT_PANELS, UNIT_ROWS};
use crate::backend::{Objective, Part, Purpose, Usage};
use crate::error::{Error, Result};
use crate::losses::TargetKind;
use crate::params::{Line, Lines, lines, panels};
use crate::plan::{Kind, Plan, Stage, TensorId};

/// Row counts are rounded up to this, so that whole blocks can be touched.
const ROW_BLOCK: usize = 16;
/// Rows of a panel that fill 4 KiB. Panels so far apart would fall into the same sets of a first-level cache.
const PAGE_ROWS: usize = 64;

/// What the loss of one output reads and writes; empty where there is neither loss nor metric.
#[derive(Clone, Copy)]
pub struct OutputMemory {
    /// The batch's targets.
    pub target: TargetPlace,
    /// One weight a row of the output.
    pub weights: *mut f32,
    /// Weighted losses, one a row.
    pub losses: *mut f32,
    /// Metrics, `stride` a metric.
    pub metric_values: *mut f32,
    /// Rows there is room for in the output.
    pub stride: usize,
}

/// The buffers, and where each begins. The pointers stay valid because no buffer is ever resized.
pub struct Memory {
    /// One a tensor, a vector a worker; tensors that share storage share it here too. Workers share all but the copied ones.
    values: Vec<Vec<Panels>>,
    /// Tensors that each worker has a copy of its own of, with the rows of its matrix and its columns.
    copied: Vec<(TensorId, usize, usize)>,
    /// One a tensor, empty where no gradient flows.
    pub gradients: Vec<Panels>,
    /// One a stage: the factors of dropout and noise, or what a normalization keeps for the way back: a batch
    /// normalization three rows (mean, 1/√(variance + ε), variance), a layer normalization two columns.
    pub saved: Vec<Panels>,
    /// One a stage that penalises activity: a penalty a sample.
    pub stage_rows: Vec<*mut f32>,
    /// One an output.
    pub outputs: Vec<OutputMemory>,
    /// Gradients of variables, in their layout, except where they are fused with the update.
    pub variable_gradients: Vec<*mut f32>,
    /// Three doubles a panel of each variable on the general path: sums of squares, see `update_ops.rs`.
    pub norms: Vec<*mut f64>,
    /// The same for each variable with a penalty.
    pub penalties: Vec<*mut f64>,
    scratch: Vec<Lines>,
    scratch_lines: usize,
    /// For products that skip zeros; they live while the scratch is used for other things.
    lists: Vec<Lines>,
    list_lines: usize,
    owned: Vec<Lines>,
}

// SAFETY: the pointers lead into buffers that the struct owns; who may touch which part when is the schedule's affair.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

/// Hands out buffers and keeps them; or only adds up what they would take.
#[derive(Default)]
struct Arena {
    owned: Vec<Lines>,
    usage: Usage,
    dry: bool,
}

impl Arena {
    fn take(&mut self, part: Part, count: usize, place: &str) -> Result<*mut f32> {
        self.usage.add(part, bytes_of(count));
        if self.dry {
            return Ok(std::ptr::null_mut());
        }
        self.owned.push(lines(count, place)?);
        Ok(self.owned.last_mut().map_or(std::ptr::null_mut(), |l| l.as_mut_ptr().cast()))
    }

    fn matrix(&mut self, part: Part, rows: usize, columns: usize, place: &str) -> Result<Panels> {
        let count = rows.checked_mul(panels(columns)).filter(|n| n.checked_mul(size_of::<Line>()).is_some());
        let count = count.ok_or_else(|| Error::OutOfMemory { place: place.to_string(), bytes: usize::MAX })?;
        Ok(Panels { start: self.take(part, count, place)?, stride: rows * PANEL })
    }
}

const NOWHERE: Panels = Panels { start: std::ptr::null_mut(), stride: 0 };

impl Memory {
    /// Buffers for batches of up to `batch` samples. The program tells whose gradients are stored, and what
    /// is copied.
    pub fn new(plan: &Plan, purpose: &Purpose, batch: usize, program: &Program) -> Result<Self> {
        let mut arena = Arena::default();
        let mut memory = Self::lay_out(plan, purpose, batch, program, &mut arena)?;
        memory.owned = arena.owned;
        memory.ensure_workers(1)?;
        Ok(memory)
    }

    /// What that takes for `threads` workers, without taking it.
    pub fn usage(plan: &Plan, purpose: &Purpose, batch: usize, program: &Program, threads: usize) -> Result<Usage> {
        let mut arena = Arena { dry: true, ..Arena::default() };
        let memory = Self::lay_out(plan, purpose, batch, program, &mut arena)?;
        let a_worker = bytes_of(memory.scratch_lines.saturating_add(memory.list_lines));
        arena.usage.add(Part::Scratch, a_worker.saturating_mul(threads as u64));
        for _ in 1..threads {
            memory.copies(&mut arena)?;
        }
        Ok(arena.usage)
    }

    /// All the bytes that are held.
    #[cfg(test)]
    pub fn allocated(&self) -> u64 {
        [&self.owned, &self.scratch, &self.lists].into_iter().flatten().map(|l| bytes_of(l.len())).sum()
    }

    fn lay_out(plan: &Plan, purpose: &Purpose, batch: usize, program: &Program, arena: &mut Arena) -> Result<Self> {
        let capacity = |rows: usize| {
            batch
                .checked_mul(rows)
                .and_then(|n| n.checked_next_multiple_of(ROW_BLOCK))
                .and_then(|n| if n.is_multiple_of(PAGE_ROWS) { n.checked_add(ROW_BLOCK) } else { Some(n) })
                .ok_or_else(|| Error::OutOfMemory { place: "activations".into(), bytes: usize::MAX })
        };
        let (training, general) = (purpose.is_training(), &program.general);
        let mut copied = Vec::new();
        let mut values = vec![NOWHERE; plan.tensors.len()];
        let mut gradients = values.clone();
        for (t, tensor) in plan.tensors.iter().enumerate() {
            if tensor.storage == t && tensor.uses > 0 {
                let (rows, columns) = (capacity(tensor.rows())?, tensor.columns());
                values[t] = arena.matrix(Part::Activations, rows, columns, "activations")?;
                if program.copied.contains(&t) {
                    copied.push((t, rows, columns));
                }
            }
            if purpose.has_gradients() && tensor.gradient == t && tensor.trained {
                gradients[t] =
                    arena.matrix(Part::Gradients, capacity(tensor.rows())?, tensor.columns(), "gradients")?;
            }
        }
        for (t, tensor) in plan.tensors.iter().enumerate() {
            values[t] = values[tensor.storage];
            gradients[t] = gradients[tensor.gradient];
        }
        let (mut saved, mut stage_rows) =
            (vec![NOWHERE; plan.stages.len()], vec![std::ptr::null_mut(); plan.stages.len()]);
        for (s, stage) in plan.stages.iter().enumerate() {
            let tensor = &plan.tensors[stage.output];
            let rows = capacity(tensor.rows())?;
            match stage.kind {
                Kind::Dropout { .. } | Kind::Noise { .. } if training => {
                    saved[s] = arena.matrix(Part::Activations, rows, tensor.columns(), "dropout masks")?;
                }
                Kind::BatchNorm { .. } if training => {
                    saved[s] = arena.matrix(Part::Activations, 3, tensor.columns(), "normalizations")?;
                }
                Kind::LayerNorm { .. } if training => {
                    saved[s] = arena.matrix(Part::Activations, rows, 2, "normalizations")?;
                }
                Kind::Penalty { .. } => stage_rows[s] = arena.take(Part::Scratch, capacity(1)? / PANEL, "penalties")?,
                _ => {}
            }
        }
        let nowhere = vec![std::ptr::null_mut(); plan.variables.len()];
        let mut memory = Memory {
            values: vec![values],
            copied,
            gradients,
            saved,
            stage_rows,
            outputs: Vec::new(),
            variable_gradients: nowhere,
            norms: vec![std::ptr::null_mut(); plan.variables.len()],
            penalties: vec![std::ptr::null_mut(); plan.variables.len()],
            scratch: Vec::new(),
            scratch_lines: scratch_floats_of(plan, batch).div_ceil(PANEL),
            lists: Vec::new(),
            list_lines: list_floats_of(plan, purpose, batch).div_ceil(PANEL),
            owned: Vec::new(),
        };
        for (objective, &output) in purpose.objectives().iter().zip(&plan.outputs) {
            let tensor = &plan.tensors[output];
            let output = output_memory(arena, objective, capacity(tensor.rows())?, tensor.columns())?;
            memory.outputs.push(output);
        }
        for (v, variable) in plan.variables.iter().enumerate() {
            let sums = panels(variable.layout().columns).div_ceil(PANEL / 2);
            if !purpose.objectives().is_empty() && variable.regularizer().is_some() {
                memory.penalties[v] = arena.take(Part::Scratch, sums, variable.path())?.cast();
            }
            let trained = purpose.has_gradients() && plan.trained[v];
            if trained && (general[v] || !plan.is_dense(v)) {
                memory.variable_gradients[v] =
                    arena.take(Part::Gradients, variable.layout().lines(), variable.path())?;
            }
            if trained && general[v] {
                memory.norms[v] = arena.take(Part::Scratch, 3 * sums, variable.path())?.cast();
            }
        }
        Ok(memory)
    }

    /// Makes sure that `threads` workers have scratch.
    pub fn ensure_workers(&mut self, threads: usize) -> Result<()> {
        while self.values.len() < threads {
            let mut arena = Arena::default();
            let values = self.copies(&mut arena)?;
            self.values.push(values);
            self.owned.append(&mut arena.owned);
        }
        while self.scratch.len() < threads {
            self.scratch.push(lines(self.scratch_lines, "scratch")?);
            self.lists.push(lines(self.list_lines, "lists")?);
        }
        Ok(())
    }

    /// The tensors of another worker than the first.
    fn copies(&self, arena: &mut Arena) -> Result<Vec<Panels>> {
        let mut values = self.values[0].clone();
        for &(t, rows, columns) in &self.copied {
            values[t] = arena.matrix(Part::Activations, rows, columns, "activations")?;
        }
        Ok(values)
    }

    /// Where each tensor is for a worker.
    pub fn values(&self, worker: usize) -> &[Panels] {
        &self.values[worker]
    }

    /// A worker's scratch.
    pub fn scratch(&self, worker: usize) -> *mut f32 {
        self.scratch[worker].as_ptr().cast_mut().cast()
    }

    /// A worker's room for lists of numbers that are not zero.
    pub fn lists(&self, worker: usize) -> *mut f32 {
        self.lists[worker].as_ptr().cast_mut().cast()
    }
}

/// The bytes of so many lines.
pub fn bytes_of(lines: usize) -> u64 {
    (lines as u64).saturating_mul(size_of::<Line>() as u64)
}

/// What products of a plan's dense layers take for their lists.
fn list_floats_of(plan: &Plan, purpose: &Purpose, batch: usize) -> usize {
    let dense = plan.stages.iter().filter(|s| matches!(s.kind, Kind::Dense { .. }));
    let of_stage = |s: &Stage| {
        let rows = batch.saturating_mul(plan.tensors[s.output].rows());
        let kept = if purpose.has_gradients() { columns_floats(UNIT_PANELS, rows, UNIT_ROWS) } else { 0 };
        product_floats(rows).max(kept)
    };
    dense.map(of_stage).max().unwrap_or(0)
}

fn output_memory(arena: &mut Arena, objective: &Objective, rows: usize, columns: usize) -> Result<OutputMemory> {
    let null = std::ptr::null_mut();
    let vector = rows / PANEL;
    let Some(kind) = objective.target_kind() else {
        let target = TargetPlace::Class(null);
        return Ok(OutputMemory { target, weights: null, losses: null, metric_values: null, stride: rows });
    };
    Ok(OutputMemory {
        target: match kind {
            TargetKind::Dense => TargetPlace::Dense(arena.matrix(Part::Data, rows, columns, "targets")?),
            TargetKind::Class => TargetPlace::Class(arena.take(Part::Data, vector, "targets")?),
        },
        weights: arena.take(Part::Data, vector, "sample weights")?,
        losses: arena.take(Part::Scratch, vector, "losses")?,
        metric_values: arena.take(Part::Scratch, vector * objective.metrics.len(), "metrics")?,
        stride: rows,
    })
}

/// The most scratch that any operation takes.
fn scratch_floats_of(plan: &Plan, batch: usize) -> usize {
    let of_stage = |s: &Stage| {
        let (input, output) = (plan.tensors[s.input()].columns(), plan.tensors[s.output].columns());
        match s.kind {
            Kind::RowMap(_) => scratch_floats(2 * (input + output)),
            Kind::Dense { .. } => input_gradient_floats(output),
            // The row, its gradient, and what comes of them.
            Kind::LayerNorm { .. } | Kind::UnitNormalize { .. } => scratch_floats(4 * input),
            // A list of rows.
            Kind::Embedding { .. } => batch.saturating_mul(plan.tensors[s.input()].shape.iter().product()),
            _ => 0,
        }
    };
    let loss = scratch_floats(3 * plan.outputs.iter().map(|&t| widest(plan, t)).max().unwrap_or(0));
    plan.stages.iter().map(of_stage).chain([loss, UNIT_FLOATS]).max().unwrap_or(0)
}

/// The columns of an output, or of what a fused last activation makes it from.
fn widest(plan: &Plan, output: usize) -> usize {
    let before = plan.stages.iter().find(|s| s.output == output).map_or(output, |s| s.input());
    plan.tensors[output].columns().max(plan.tensors[before].columns())
}
