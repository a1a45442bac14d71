//! Stages that normalize, on one worker's share: where their numbers come from and where they are kept.
//!
//! A batch normalization saves three rows: mean, 1/√(variance + ε), variance; a layer normalization mean and factor of each
//! row.

use super::columns::{BatchNormBackward, ColumnMap, GradientSums, MapColumns, Moments};
use super::lines::{Lanes, Sums, place, used};
use super::ops::{Context, PANEL_GRAIN, Step, part};
use super::pool::Worker;
use super::row_norm::{LayerNorm, LayerNormBackward, LayerNormGradient};
use super::simd::PANEL;
use crate::params::panels;
use crate::plan::{Kind, TensorId};
use std::ops::Range;

/// Keras's ε of a normalization by given statistics.
const EPSILON: f32 = 1e-7;

impl Context<'_> {
    /// The numbers of a vector for the columns of a panel, `default` without a vector; zeros beyond the last column. A
    /// vector of one number has it for all columns.
    fn columns_of(&self, variable: Option<usize>, default: f32, panel: usize, columns: usize) -> Lanes {
        let mut lanes = [0.0; PANEL];
        for (lane, value) in lanes.iter_mut().enumerate().take(used(columns, panel)) {
            *value = variable.map_or(default, |v| {
                let layout = self.plan.variables[v].layout();
                let e = (panel * PANEL + lane) % layout.len();
                // SAFETY: the element is the variable's, which nobody writes in this phase.
                unsafe { *self.variables[v].add(place(layout, e)) }
            });
        }
        lanes
    }

    /// The numbers by which a stage takes the columns of a panel.
    pub(super) fn column_map(&self, kind: &Kind, panel: usize, columns: usize) -> ColumnMap {
        let used = used(columns, panel);
        let mut map = ColumnMap::identity(used);
        match kind {
            Kind::Affine { scale, offset } => {
                for lane in 0..used {
                    let column = panel * PANEL + lane;
                    map.scale[lane] = scale[column % scale.len()];
                    map.offset[lane] = offset[column % offset.len()];
                }
            }
            Kind::Standardize { mean, variance, invert } => {
                let mean = self.columns_of(Some(*mean), 0.0, panel, columns);
                let variance = self.columns_of(Some(*variance), 1.0, panel, columns);
                for lane in 0..used {
                    let root = variance[lane].sqrt();
                    // The order keeps a NaN.
                    let deviation = if root < EPSILON { EPSILON } else { root };
                    if *invert {
                        (map.scale[lane], map.offset[lane]) = (deviation, mean[lane]);
                    } else {
                        (map.divisor[lane], map.shift[lane]) = (deviation, mean[lane]);
                    }
                }
            }
            Kind::BatchNorm { gamma, beta, mean, variance, epsilon, .. } => {
                let gamma = self.columns_of(*gamma, 1.0, panel, columns);
                let variance = self.columns_of(Some(*variance), 1.0, panel, columns);
                map.shift = self.columns_of(Some(*mean), 0.0, panel, columns);
                map.offset = self.columns_of(*beta, 0.0, panel, columns);
                for lane in 0..used {
                    map.scale[lane] = gamma[lane] / (variance[lane] + *epsilon as f32).sqrt();
                }
            }
            _ => {}
        }
        map
    }

    /// A saved row of a batch normalization on one panel.
    fn saved_lanes(&self, s: usize, row: usize, panel: usize) -> Lanes {
        // SAFETY: the buffer has three rows of the output's panels, finished before.
        unsafe { *self.memory.saved[s].at(panel, row).cast::<Lanes>() }
    }

    /// Saves such a row.
    fn save_lanes(&self, s: usize, row: usize, panel: usize, lanes: Lanes) {
        // SAFETY: as above; the panel is this worker's in every operation of the stage that writes.
        unsafe { *self.memory.saved[s].at(panel, row).cast::<Lanes>() = lanes };
    }

    fn batch_rows(&self, tensor: TensorId, step: &Step) -> usize {
        step.rows.len() * self.plan.tensors[tensor].rows()
    }

    /// A batch normalization by the batch's own statistics, on whole panels.
    pub(super) fn batch_norm(&self, s: usize, own: Range<usize>, step: &Step) {
        let stage = &self.plan.stages[s];
        let Kind::BatchNorm { gamma, beta, epsilon, .. } = stage.kind else { return };
        let (x, y) = (self.values[stage.input()], self.values[stage.output]);
        let (rows, columns) = (self.batch_rows(stage.output, step), self.plan.tensors[stage.output].columns());
        for panel in own {
            let used = used(columns, panel);
            let (mean, variance) = self.level.run(Moments { rows, panel, used, x });
            let gamma = self.columns_of(gamma, 1.0, panel, columns);
            let mut map = ColumnMap::identity(used);
            map.offset = self.columns_of(beta, 0.0, panel, columns);
            let mut factor = [0.0; PANEL];
            for lane in 0..used {
                factor[lane] = (1.0 / (variance[lane] + epsilon).sqrt()) as f32;
                (map.shift[lane], map.scale[lane]) = (mean[lane] as f32, gamma[lane] * factor[lane]);
            }
            let kept = [map.shift, factor, variance.map(|v| v as f32)];
            kept.into_iter().enumerate().for_each(|(row, lanes)| self.save_lanes(s, row, panel, lanes));
            self.level.run(MapColumns { map: &map, rows: 0..rows, panel, used, x, y });
        }
    }

    /// Σ dy and Σ dy·x̂ of a panel.
    fn batch_norm_sums(&self, s: usize, panel: usize, step: &Step) -> (Sums, Sums) {
        let stage = &self.plan.stages[s];
        let columns = self.plan.tensors[stage.output].columns();
        let (x, dy) = (self.values[stage.input()], self.memory.gradients[stage.output]);
        let (rows, used) = (self.batch_rows(stage.output, step), used(columns, panel));
        let (mean, factor) = (&self.saved_lanes(s, 0, panel), &self.saved_lanes(s, 1, panel));
        self.level.run(GradientSums { rows, panel, used, x, dy, mean, factor })
    }

    /// The gradient of a batch normalization by the batch's own statistics.
    pub(super) fn batch_norm_backward(&self, s: usize, accumulate: bool, own: Range<usize>, step: &Step) {
        let stage = &self.plan.stages[s];
        let Kind::BatchNorm { gamma, .. } = stage.kind else { return };
        let columns = self.plan.tensors[stage.output].columns();
        let rows = self.batch_rows(stage.output, step);
        for panel in own {
            let (plain, weighted) = self.batch_norm_sums(s, panel, step);
            let (mean, factor) = (&self.saved_lanes(s, 0, panel), &self.saved_lanes(s, 1, panel));
            let mut scale = self.columns_of(gamma, 1.0, panel, columns);
            scale.iter_mut().zip(factor).for_each(|(scale, factor)| *scale *= factor);
            self.level.run(BatchNormBackward {
                rows,
                panel,
                used: used(columns, panel),
                x: self.values[stage.input()],
                dy: self.memory.gradients[stage.output],
                dx: self.memory.gradients[stage.input()],
                mean,
                factor,
                scale: &scale,
                means: [plain, weighted].map(|sums| sums.map(|sum| (sum / rows as f64) as f32)),
                accumulate,
            });
        }
    }

    /// The gradients of γ and β of a batch normalization.
    pub(super) fn batch_norm_gradient(&self, s: usize, accumulate: bool, worker: &Worker, step: &Step) {
        let stage = &self.plan.stages[s];
        let Kind::BatchNorm { gamma, beta, .. } = stage.kind else { return };
        let columns = self.plan.tensors[stage.output].columns();
        for panel in part(panels(columns), PANEL_GRAIN, worker) {
            let (plain, weighted) = self.batch_norm_sums(s, panel, step);
            self.store_sums(gamma, panel, columns, &weighted, accumulate);
            self.store_sums(beta, panel, columns, &plain, accumulate);
        }
    }

    /// A panel of the gradient of a vector, where it is trained.
    fn store_sums(&self, variable: Option<usize>, panel: usize, columns: usize, sums: &Sums, accumulate: bool) {
        let Some(v) = variable.filter(|&v| self.plan.trained[v]) else { return };
        let layout = self.plan.variables[v].layout();
        for (lane, &sum) in sums.iter().enumerate().take(used(columns, panel)) {
            // SAFETY: the element is the variable's, and this worker's alone.
            unsafe {
                let into = self.gradient_of(v).add(place(layout, panel * PANEL + lane));
                *into = if accumulate { *into + sum as f32 } else { sum as f32 };
            }
        }
    }

    /// A batch normalization's moving statistics: moving·momentum + batch·(1 − momentum).
    pub(super) fn moving(&self, s: usize, worker: &Worker, _step: &Step) {
        let stage = &self.plan.stages[s];
        let Kind::BatchNorm { mean, variance, momentum, .. } = stage.kind else { return };
        let columns = self.plan.tensors[stage.output].columns();
        let (kept, new) = (momentum as f32, (1.0 - momentum) as f32);
        for panel in part(panels(columns), PANEL_GRAIN, worker) {
            for (variable, row) in [(mean, 0), (variance, 2)] {
                let batch = self.saved_lanes(s, row, panel);
                for (lane, batch) in batch.iter().enumerate().take(used(columns, panel)) {
                    // SAFETY: the column is the variable's, and this worker's alone.
                    unsafe {
                        let moving = self.variables[variable].add(panel * PANEL + lane);
                        *moving = *moving * kept + batch * new;
                    }
                }
            }
        }
    }

    /// γ and β of a layer normalization as plain vectors in this worker's scratch, padded with zeros.
    fn row_vectors(&self, s: usize, columns: usize, worker: &Worker) -> [*const f32; 2] {
        let Kind::LayerNorm { gamma, beta, .. } = self.plan.stages[s].kind else { return [std::ptr::null(); 2] };
        let (scratch, width) = (self.memory.scratch(worker.index), panels(columns) * PANEL);
        for panel in 0..panels(columns) {
            for (i, (variable, default)) in [(gamma, 1.0), (beta, 0.0)].into_iter().enumerate() {
                let lanes = self.columns_of(variable, default, panel, columns);
                // SAFETY: the scratch has room for four vectors of the padded width.
                unsafe { *scratch.add(i * width + panel * PANEL).cast::<Lanes>() = lanes };
            }
        }
        // SAFETY: as above.
        [scratch.cast_const(), unsafe { scratch.add(width).cast_const() }]
    }

    /// A layer normalization.
    pub(super) fn layer_norm(&self, s: usize, rows: Range<usize>, worker: &Worker) {
        let stage = &self.plan.stages[s];
        let Kind::LayerNorm { moments, epsilon, .. } = stage.kind else { return };
        let columns = self.plan.tensors[stage.output].columns();
        let (saved, [gamma, beta]) = (self.memory.saved[s], self.row_vectors(s, columns, worker));
        self.level.run(LayerNorm {
            moments,
            epsilon: epsilon as f32,
            rows,
            columns,
            x: self.values[stage.input()],
            y: self.values[stage.output],
            saved: (!saved.start.is_null()).then_some(saved),
            gamma,
            beta,
        });
    }

    /// The gradient of a layer normalization.
    pub(super) fn layer_norm_backward(&self, s: usize, accumulate: bool, rows: Range<usize>, worker: &Worker) {
        let stage = &self.plan.stages[s];
        let Kind::LayerNorm { moments, .. } = stage.kind else { return };
        let columns = self.plan.tensors[stage.output].columns();
        let [gamma, _] = self.row_vectors(s, columns, worker);
        self.level.run(LayerNormBackward {
            moments,
            rows,
            columns,
            x: self.values[stage.input()],
            dy: self.memory.gradients[stage.output],
            dx: self.memory.gradients[stage.input()],
            saved: self.memory.saved[s],
            gamma,
            accumulate,
        });
    }

    /// The gradients of γ and β of a layer normalization.
    pub(super) fn layer_norm_gradient(&self, s: usize, accumulate: bool, worker: &Worker, step: &Step) {
        let stage = &self.plan.stages[s];
        let Kind::LayerNorm { gamma, beta, moments, .. } = stage.kind else { return };
        let columns = self.plan.tensors[stage.output].columns();
        for panel in part(panels(columns), PANEL_GRAIN, worker) {
            let (weighted, plain) = self.level.run(LayerNormGradient {
                moments,
                rows: self.batch_rows(stage.output, step),
                columns,
                panel,
                x: self.values[stage.input()],
                dy: self.memory.gradients[stage.output],
                saved: self.memory.saved[s],
            });
            self.store_sums(gamma, panel, columns, &weighted, accumulate);
            self.store_sums(beta, panel, columns, &plain, accumulate);
        }
    }
}
