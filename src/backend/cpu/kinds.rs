//! Stages beyond dense layers, activations and dropout, on one worker's share.

use super::arrange::{Block, place_columns, rearrange, rearrange_backward, take_columns};
use super::categories::{discretize, encode};
use super::columns::{MapColumns, MapColumnsBackward};
use super::dot::{Dot, DotBackward};
use super::elementwise::{Multiply, Share};
use super::lines::{read, used};
use super::merge::{Fold, FoldBackward};
use super::noise::NoiseRows;
use super::ops::{Context, Step, add_to, copy, part};
use super::pool::Worker;
use super::prelu::{Prelu, PreluGradient, Slopes};
use super::row_norm::UnitNormalize;
use super::simd::PANEL;
use crate::params::panels;
use crate::plan::{Kind, Noise, Stage, TensorId};
use std::ops::Range;

/// The samples of a share that was cut between samples.
fn samples(share: &Share, rows: usize) -> Range<usize> {
    let rows = rows.max(1);
    share.rows.start / rows..share.rows.end / rows
}

impl Context<'_> {
    /// A tensor's values as a matrix.
    fn value(&self, t: TensorId) -> Block {
        let tensor = &self.plan.tensors[t];
        Block { at: self.values[t], rows: tensor.rows(), columns: tensor.columns() }
    }

    /// The same for its gradient.
    fn slope(&self, t: TensorId) -> Block {
        Block { at: self.memory.gradients[t], ..self.value(t) }
    }

    fn slopes<'b>(&self, alpha: usize, start: *mut f32, map: &'b [u32], of: TensorId) -> Slopes<'b> {
        let Block { rows, columns, .. } = self.value(of);
        Slopes { start, layout: self.plan.variables[alpha].layout(), map, columns, rows }
    }

    /// A stage forward.
    pub(super) fn forward_kind(&self, s: usize, share: Share, worker: &Worker, step: &Step) {
        let stage = &self.plan.stages[s];
        let (x, y) = (self.value(stage.input()), self.value(stage.output));
        let rows = share.rows.clone();
        // SAFETY, for every kernel called here: the share is this worker's alone in the output, whose shape it was
        // cut from, and what is read was finished before, by this worker or before a barrier.
        match &stage.kind {
            Kind::Noise { noise, stream } => {
                let saved = self.memory.saved[s];
                if saved.start.is_null() {
                    return copy(&share, x.at, y.at);
                }
                let (columns, step) = (y.columns, step.number);
                let noise = NoiseRows { noise: *noise, stream: *stream, step, share, columns, x: x.at, y: y.at, saved };
                // SAFETY: as above; the factors have the output's shape.
                unsafe { noise.run() };
            }
            // SAFETY: as above; the map leads from the output's elements to the input's.
            Kind::Rearrange { map } => unsafe { rearrange(samples(&share, y.rows), map, x, y) },
            Kind::Merge(merge) => {
                let (values, inputs) = (self.values, &stage.inputs[..]);
                self.level.run(Fold { merge: *merge, share, values, inputs, y: y.at });
            }
            Kind::Concatenate => {
                let mut first = 0;
                for part in stage.inputs.iter().map(|&t| self.value(t)) {
                    // SAFETY: as above; the parts' columns together are the output's.
                    unsafe { place_columns(rows.clone(), part, y.at, first) };
                    first += part.columns;
                }
            }
            Kind::Dot { m, n } => {
                let (samples, other) = (samples(&share, y.rows), self.value(stage.inputs[1]));
                self.level.run(Dot { samples, m: *m, n: *n, depth: x.columns, x: x.at, y: other.at, z: y.at });
            }
            Kind::UnitNormalize { epsilon } => self.level.run(UnitNormalize {
                epsilon: *epsilon as f32,
                rows,
                columns: x.columns,
                x: x.at,
                into: y.at,
                dy: None,
                accumulate: false,
            }),
            Kind::BatchNorm { training: true, .. } if self.training => self.batch_norm(s, share.panels, step),
            Kind::Affine { .. } | Kind::Standardize { .. } | Kind::BatchNorm { .. } => {
                for panel in share.panels {
                    let (map, used) = (&self.column_map(&stage.kind, panel, x.columns), used(x.columns, panel));
                    self.level.run(MapColumns { map, rows: rows.clone(), panel, used, x: x.at, y: y.at });
                }
            }
            Kind::LayerNorm { .. } => self.layer_norm(s, rows, worker),
            Kind::Prelu { alpha, map } => {
                let slopes = self.slopes(*alpha, self.variables[*alpha], map, stage.input());
                self.level.run(Prelu { slopes, rows, x: x.at, dy: None, into: y.at, accumulate: false });
            }
            Kind::Embedding { table } => self.embed(stage, *table, rows, step),
            // SAFETY: as above.
            Kind::Discretize { boundaries } => unsafe { discretize(boundaries, rows, x, y) },
            // SAFETY: as above.
            Kind::Encode { encoding, .. } => unsafe { encode(*encoding, rows, x, y) },
            Kind::Penalty { l1, l2 } => self.penalise(s, samples(&share, y.rows), *l1, *l2),
            Kind::Dense { .. } | Kind::Map(_) | Kind::RowMap(_) | Kind::Dropout { .. } | Kind::Reshape => {
                unreachable!("stage {s}: {} has its place in ops.rs", stage.kind.name())
            }
        }
    }

    /// The gradient of a stage's input number `i`.
    pub(super) fn backward_kind(
        &self,
        s: usize,
        i: usize,
        accumulate: bool,
        share: Share,
        worker: &Worker,
        step: &Step,
    ) {
        let stage = &self.plan.stages[s];
        let input = stage.inputs[i];
        let (x, dx, dy) = (self.value(input), self.slope(input), self.slope(stage.output));
        let rows = share.rows.clone();
        // SAFETY, for every kernel called here: the share is this worker's alone in the input's gradient, whose shape
        // it was cut from, and what is read was finished before, by this worker or before a barrier.
        match &stage.kind {
            Kind::Noise { noise: Noise::Gaussian { .. }, .. } => add_to(&share, dy.at, dx.at, accumulate),
            Kind::Noise { .. } => {
                self.level.run(Multiply { share, a: dy.at, b: self.memory.saved[s], z: dx.at, accumulate });
            }
            // SAFETY: as above; the map leads from the output's elements to the input's.
            Kind::Rearrange { map } => unsafe {
                rearrange_backward(samples(&share, dx.rows), map, dy, dx, accumulate);
            },
            Kind::Merge(merge) => {
                let (merge, values, inputs) = (*merge, self.values, &stage.inputs[..]);
                self.level.run(FoldBackward { merge, share, values, inputs, i, dy: dy.at, dx: dx.at, accumulate });
            }
            Kind::Concatenate => {
                let before = &stage.inputs[..i];
                let first = before.iter().map(|&t| self.plan.tensors[t].columns()).sum();
                // SAFETY: as above; the input's columns lie in the output's from the first on.
                unsafe { take_columns(rows, dy.at, first, dx, accumulate) };
            }
            Kind::Dot { m, n } => {
                let (own, others) = if i == 0 { (*m, *n) } else { (*n, *m) };
                self.level.run(DotBackward {
                    samples: samples(&share, dx.rows),
                    own,
                    others,
                    second: i == 1,
                    depth: dx.columns,
                    other: self.values[stage.inputs[1 - i]],
                    dz: dy.at,
                    into: dx.at,
                    accumulate,
                });
            }
            Kind::UnitNormalize { epsilon } => self.level.run(UnitNormalize {
                epsilon: *epsilon as f32,
                rows,
                columns: x.columns,
                x: x.at,
                into: dx.at,
                dy: Some(dy.at),
                accumulate,
            }),
            Kind::BatchNorm { training: true, .. } => self.batch_norm_backward(s, accumulate, share.panels, step),
            Kind::Affine { .. } | Kind::Standardize { .. } | Kind::BatchNorm { .. } => {
                for panel in share.panels {
                    let (map, used) = (&self.column_map(&stage.kind, panel, x.columns), used(x.columns, panel));
                    let (rows, dy, dx) = (rows.clone(), dy.at, dx.at);
                    self.level.run(MapColumnsBackward { map, rows, panel, used, dy, dx, accumulate });
                }
            }
            Kind::LayerNorm { .. } => self.layer_norm_backward(s, accumulate, rows, worker),
            Kind::Prelu { alpha, map } => {
                let slopes = self.slopes(*alpha, self.variables[*alpha], map, input);
                self.level.run(Prelu { slopes, rows, x: x.at, dy: Some(dy.at), into: dx.at, accumulate });
            }
            Kind::Penalty { l1, l2 } => {
                add_to(&share, dy.at, dx.at, accumulate);
                self.penalty_slope(&share, x, dx, [*l1, *l2].map(|l| l / step.rows.len() as f64));
            }
            Kind::Embedding { .. } | Kind::Discretize { .. } | Kind::Encode { .. } => {
                unreachable!("stage {s}: no gradient passes through {}", stage.kind.name())
            }
            Kind::Dense { .. } | Kind::Map(_) | Kind::RowMap(_) | Kind::Dropout { .. } | Kind::Reshape => {
                unreachable!("stage {s}: {} has its place in ops.rs", stage.kind.name())
            }
        }
    }

    /// The gradient of a stage's variables into [`Context::gradient_of`], or added to what is there.
    pub(super) fn gradient_kind(&self, s: usize, accumulate: bool, worker: &Worker, step: &Step) {
        let stage = &self.plan.stages[s];
        let (x, dy) = (self.value(stage.input()), self.slope(stage.output));
        match &stage.kind {
            Kind::Embedding { .. } => self.table_gradient(s, accumulate, worker, step),
            Kind::BatchNorm { .. } => self.batch_norm_gradient(s, accumulate, worker, step),
            Kind::LayerNorm { .. } => self.layer_norm_gradient(s, accumulate, worker, step),
            Kind::Prelu { alpha, map } => {
                let slopes = self.slopes(*alpha, self.gradient_of(*alpha), map, stage.input());
                let own = part(panels(slopes.layout.columns), 1, worker);
                let rows = step.rows.len() * x.rows;
                self.level.run(PreluGradient { slopes, own, rows, x: x.at, dy: dy.at, accumulate });
            }
            _ => unreachable!("stage {s}: {} has no variables of its own", stage.kind.name()),
        }
    }

    /// Each sample's penalty l1·Σ|x| + l2·Σx².
    fn penalise(&self, s: usize, samples: Range<usize>, l1: f64, l2: f64) {
        let stage: &Stage = &self.plan.stages[s];
        let x = self.value(stage.input());
        for sample in samples {
            let (mut absolute, mut square) = (0.0, 0.0);
            for row in sample * x.rows..(sample + 1) * x.rows {
                for panel in 0..panels(x.columns) {
                    // SAFETY: the row is within the matrix and was finished before.
                    let line = unsafe { read(x.at, panel, row, used(x.columns, panel)) };
                    for value in line.map(f64::from) {
                        absolute += value.abs();
                        square += value * value;
                    }
                }
            }
            // SAFETY: the stage has a float a sample, and this sample is the worker's.
            unsafe { *self.memory.stage_rows[s].add(sample) = (l1 * absolute + l2 * square) as f32 };
        }
    }

    /// dx += l1·sign(x) + 2·l2·x.
    fn penalty_slope(&self, share: &Share, x: Block, dx: Block, [l1, l2]: [f64; 2]) {
        let (l1, twice) = (l1 as f32, (2.0 * l2) as f32);
        for panel in share.panels.clone() {
            for row in share.rows.clone() {
                // SAFETY: the share is this worker's alone in dx and within both matrices.
                unsafe {
                    let x = read(x.at, panel, row, used(x.columns, panel));
                    let dx = dx.at.at(panel, row);
                    for (lane, x) in x.into_iter().enumerate().take(PANEL) {
                        let sign = if x > 0.0 {
                            l1
                        } else if x < 0.0 {
                            -l1
                        } else {
                            0.0 * x
                        };
                        *dx.add(lane) += sign + twice * x;
                    }
                }
            }
        }
    }
}
