//! Every buffer of a compiled plan, allocated once.

use super::gemm::Panels;
use super::rows::{TargetPlace, scratch_floats};
use super::simd::PANEL;
use super::update::UNIT_FLOATS;
use crate::backend::{Objective, Purpose};
use crate::error::{Error, Result};
use crate::losses::TargetKind;
use crate::params::{Line, Lines, lines, panels};
use crate::plan::{Kind, Plan};

/// Row counts are rounded up to this, so that whole blocks can be touched.
const ROW_BLOCK: usize = 16;

/// The buffers, and where each begins. The pointers stay valid because no buffer is ever resized.
pub struct Memory {
    /// One a tensor; tensors that share storage share it here too.
    pub values: Vec<Panels>,
    /// One a tensor, empty where no gradient flows.
    pub gradients: Vec<Panels>,
    /// One a stage, for dropout.
    pub masks: Vec<Panels>,
    /// The batch's targets.
    pub target: TargetPlace,
    /// One weight a row of the output.
    pub weights: *mut f32,
    /// Weighted losses, one a row.
    pub losses: *mut f32,
    /// Metrics, `metric_stride` a metric.
    pub metric_values: *mut f32,
    /// Rows there is room for in the output.
    pub metric_stride: usize,
    /// Gradients of variables, in their layout, where the general path is taken.
    pub variable_gradients: Vec<*mut f32>,
    scratch: Vec<Lines>,
    scratch_lines: usize,
    _owned: Vec<Lines>,
}

// SAFETY: the pointers lead into buffers that the struct owns; who may touch which part when is the schedule's affair.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

/// Hands out buffers and keeps them.
struct Arena(Vec<Lines>);

impl Arena {
    fn take(&mut self, count: usize, place: &str) -> Result<*mut f32> {
        self.0.push(lines(count, place)?);
        Ok(self.0.last_mut().map_or(std::ptr::null_mut(), |l| l.as_mut_ptr().cast()))
    }

    fn matrix(&mut self, rows: usize, columns: usize, place: &str) -> Result<Panels> {
        let count = rows.checked_mul(panels(columns)).filter(|n| n.checked_mul(size_of::<Line>()).is_some());
        let count = count.ok_or_else(|| Error::OutOfMemory { place: place.to_string(), bytes: usize::MAX })?;
        Ok(Panels { start: self.take(count, place)?, stride: rows * PANEL })
    }
}

const NOWHERE: Panels = Panels { start: std::ptr::null_mut(), stride: 0 };

impl Memory {
    /// Buffers for batches of up to `batch` samples. `general` tells the variables whose gradients are stored.
    pub fn new(plan: &Plan, purpose: &Purpose, batch: usize, general: &[bool]) -> Result<Self> {
        let mut arena = Arena(Vec::new());
        let capacity = |rows: usize| {
            batch
                .checked_mul(rows)
                .and_then(|n| n.checked_next_multiple_of(ROW_BLOCK))
                .ok_or_else(|| Error::OutOfMemory { place: "activations".into(), bytes: usize::MAX })
        };
        let training = matches!(purpose, Purpose::Train(_));
        let mut values = vec![NOWHERE; plan.tensors.len()];
        let mut gradients = values.clone();
        for (t, tensor) in plan.tensors.iter().enumerate() {
            if tensor.storage == t && tensor.uses > 0 {
                values[t] = arena.matrix(capacity(tensor.rows())?, tensor.columns(), "activations")?;
            }
            if training && tensor.gradient == t && tensor.trained {
                gradients[t] = arena.matrix(capacity(tensor.rows())?, tensor.columns(), "gradients")?;
            }
        }
        for (t, tensor) in plan.tensors.iter().enumerate() {
            values[t] = values[tensor.storage];
            gradients[t] = gradients[tensor.gradient];
        }
        let mut masks = vec![NOWHERE; plan.stages.len()];
        for (s, stage) in plan.stages.iter().enumerate() {
            if training && matches!(stage.kind, Kind::Dropout { .. }) {
                let tensor = &plan.tensors[stage.output];
                masks[s] = arena.matrix(capacity(tensor.rows())?, tensor.columns(), "dropout masks")?;
            }
        }
        let output = &plan.tensors[plan.outputs[0]];
        let rows = capacity(output.rows())?;
        let mut memory = Memory {
            values,
            gradients,
            masks,
            target: TargetPlace::Class(std::ptr::null_mut()),
            weights: std::ptr::null_mut(),
            losses: std::ptr::null_mut(),
            metric_values: std::ptr::null_mut(),
            metric_stride: rows,
            variable_gradients: vec![std::ptr::null_mut(); plan.variables.len()],
            scratch: Vec::new(),
            scratch_lines: scratch_floats_of(plan) / PANEL,
            _owned: Vec::new(),
        };
        if let Purpose::Train(objective) | Purpose::Evaluate(objective) = purpose {
            memory.bind_objective(&mut arena, objective, rows, output.columns())?;
        }
        for (v, variable) in plan.variables.iter().enumerate() {
            if training && general[v] {
                memory.variable_gradients[v] = arena.take(variable.layout().lines(), variable.path())?;
            }
        }
        memory._owned = arena.0;
        memory.ensure_workers(1)?;
        Ok(memory)
    }

    fn bind_objective(&mut self, arena: &mut Arena, objective: &Objective, rows: usize, columns: usize) -> Result<()> {
        let vector = rows / PANEL;
        self.target = match objective.loss.loss.target_kind() {
            TargetKind::Dense => TargetPlace::Dense(arena.matrix(rows, columns, "targets")?),
            TargetKind::Class => TargetPlace::Class(arena.take(vector, "targets")?),
        };
        self.weights = arena.take(vector, "sample weights")?;
        self.losses = arena.take(vector, "losses")?;
        self.metric_values = arena.take(vector * objective.metrics.len(), "metrics")?;
        Ok(())
    }

    /// Makes sure that `threads` workers have scratch.
    pub fn ensure_workers(&mut self, threads: usize) -> Result<()> {
        while self.scratch.len() < threads {
            self.scratch.push(lines(self.scratch_lines, "scratch")?);
        }
        Ok(())
    }

    /// A worker's scratch.
    pub fn scratch(&self, worker: usize) -> *mut f32 {
        self.scratch[worker].as_ptr().cast_mut().cast()
    }
}

/// The most scratch that any operation takes.
fn scratch_floats_of(plan: &Plan) -> usize {
    let of_stage = |s: &crate::plan::Stage| {
        let (input, output) = (plan.tensors[s.input].columns(), plan.tensors[s.output].columns());
        match s.kind {
            Kind::RowMap(_) => scratch_floats(2 * (input + output)),
            // Two panels of the transposed kernel.
            Kind::Dense { .. } => 2 * output.next_multiple_of(PANEL) * PANEL,
            _ => 0,
        }
    };
    let loss = scratch_floats(3 * plan.outputs.iter().map(|&t| widest(plan, t)).max().unwrap_or(0));
    plan.stages.iter().map(of_stage).chain([loss, UNIT_FLOATS]).max().unwrap_or(0)
}

/// The columns of an output, or of what a fused last activation makes it from.
fn widest(plan: &Plan, output: usize) -> usize {
    let before = plan.stages.iter().find(|s| s.output == output).map_or(output, |s| s.input);
    plan.tensors[output].columns().max(plan.tensors[before].columns())
}
