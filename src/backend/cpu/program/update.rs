//! The second phase of a training step: gradients of variables, their updates, and what comes after.

use super::Program;
use super::schedule::{Buffer, Need, Op, Schedule, Split};
use crate::backend::cpu::update;
use crate::optimizers::OptimizerConfig;
use crate::params::panels;
use crate::plan::{Kind, Plan};

impl Program {
    /// Gradients of variables, with the update where that is fused; says whose are stored.
    pub(super) fn gradients(
        &self,
        plan: &Plan,
        optimizer: Option<&OptimizerConfig>,
        schedule: &mut Schedule,
    ) -> Vec<usize> {
        let trained = |v: &usize| plan.trained[*v];
        let units = |v: usize| Split::Units(update::units(plan.variables[v].layout()));
        let mut stored: Vec<usize> = Vec::new();
        for (s, stage) in plan.stages.iter().enumerate() {
            let own: Vec<usize> = stage.kind.variables().into_iter().filter(trained).collect();
            if own.is_empty() {
                continue;
            }
            let input = &plan.tensors[stage.input()];
            let x = Need::All(Buffer::Value(input.storage));
            let dy = Need::All(Buffer::Gradient(plan.tensors[stage.output].gradient));
            let accumulate = own.iter().any(|v| stored.contains(v));
            let gradients: Vec<Buffer> = own.iter().map(|&v| Buffer::VariableGradient(v)).collect();
            match stage.kind {
                Kind::Dense { kernel, .. } if !self.general[kernel] => {
                    let written: Vec<Buffer> = own.iter().map(|&v| Buffer::Variable(v)).collect();
                    schedule.push(Op::Update(s), units(kernel), &[x, dy], &written);
                    continue;
                }
                Kind::Dense { kernel, .. } => {
                    schedule.push(Op::Gradient(s, accumulate), units(kernel), &[x, dy], &gradients);
                }
                Kind::Embedding { table } => {
                    let rows = plan.variables[table].layout().rows;
                    let alone = !self.general[table] && plan.variables[table].regularizer().is_none();
                    if alone && optimizer.is_some_and(OptimizerConfig::zero_gradient_is_noop) {
                        let written = [Buffer::VariableGradient(table), Buffer::Variable(table)];
                        schedule.push(Op::UpdateRows(s), Split::Table(rows), &[x, dy], &written);
                        continue;
                    }
                    schedule.push(Op::Gradient(s, accumulate), Split::Table(rows), &[x, dy], &gradients);
                }
                _ => {
                    let split = Split::Panels(panels(plan.tensors[stage.output].columns()));
                    let saved = Need::All(Buffer::Saved(s));
                    schedule.push(Op::Gradient(s, accumulate), split, &[x, dy, saved], &gradients);
                }
            }
            stored.extend(own);
        }
        stored.sort_unstable();
        stored.dedup();
        for &v in &stored {
            if let Some(penalty) = plan.variables[v].regularizer() {
                let across = panels(plan.variables[v].layout().columns);
                let split = if penalty.elementwise().is_some() { Split::Panels(across) } else { Split::First };
                let gradient = Buffer::VariableGradient(v);
                schedule.push(Op::PenaltyGradient(v), split, &[Need::All(gradient)], &[gradient]);
            }
        }
        stored
    }

    /// Moving statistics, from what forward passes saved.
    pub(super) fn moving(&self, plan: &Plan, schedule: &mut Schedule) {
        for (s, stage) in plan.stages.iter().enumerate() {
            if let Kind::BatchNorm { mean, variance, training: true, .. } = stage.kind {
                let split = Split::Panels(panels(plan.tensors[stage.output].columns()));
                let written = [Buffer::Variable(mean), Buffer::Variable(variance)];
                schedule.push(Op::Moving(s), split, &[Need::Own(Buffer::Saved(s))], &written);
            }
        }
    }

    /// The rule over stored gradients, and what comes after any update.
    pub(super) fn apply(&self, plan: &Plan, optimizer: &OptimizerConfig, stored: &[usize], schedule: &mut Schedule) {
        let units = |v: usize| Split::Units(update::units(plan.variables[v].layout()));
        let clips = optimizer.clipnorm.is_some() || optimizer.global_clipnorm.is_some();
        for &v in stored.iter().filter(|_| clips) {
            let split = Split::Panels(panels(plan.variables[v].layout().columns));
            schedule.push(Op::Norm(v), split, &[Need::All(Buffer::VariableGradient(v))], &[Buffer::Norm(v)]);
        }
        let norms: Vec<Need> = stored.iter().map(|&v| Need::All(Buffer::Norm(v))).collect();
        for &v in stored.iter().filter(|_| optimizer.has_trust_ratio()) {
            let gradient = Buffer::VariableGradient(v);
            let reads = [&norms[..], &[Need::All(gradient)]].concat();
            schedule.push(Op::Direction(v), units(v), &reads, &[gradient]);
        }
        for &v in stored.iter().filter(|_| optimizer.has_trust_ratio()) {
            let split = Split::Panels(panels(plan.variables[v].layout().columns));
            schedule.push(Op::TrustNorms(v), split, &[Need::All(Buffer::VariableGradient(v))], &[Buffer::Norm(v)]);
        }
        for &v in stored {
            let reads = [&norms[..], &[Need::All(Buffer::VariableGradient(v))]].concat();
            schedule.push(Op::Apply(v), units(v), &reads, &[Buffer::Variable(v)]);
        }
        for (v, variable) in plan.variables.iter().enumerate().filter(|(v, _)| plan.trained[*v]) {
            if optimizer.use_ema.is_some_and(|ema| ema.overwrite_frequency.is_some()) {
                let own = Buffer::Variable(v);
                schedule.push(Op::Overwrite(v), units(v), &[Need::All(own)], &[own]);
            }
            if let Some(constraint) = variable.constraint() {
                let by_columns = constraint.is_elementwise() || constraint.column_axis_only(variable.shape());
                let across = panels(variable.layout().columns);
                let split = if by_columns { Split::Panels(across) } else { Split::First };
                schedule.push(Op::Constrain(v), split, &[Need::All(Buffer::Variable(v))], &[Buffer::Variable(v)]);
            }
        }
    }
}
