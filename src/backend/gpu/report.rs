//! What a step reports, added up by the host in double precision.

use super::dispatch::row_groups;
use super::program::{Content, Program};
use super::run::Run;
use crate::backend::Totals;
use crate::data::Target as Bound;
use crate::losses::Target;

/// The numbers of one step.
pub struct Report<'a, 'b, 'c> {
    pub run: &'a Run<'b, 'c>,
    pub program: &'a Program,
    /// The samples of the batch.
    pub samples: &'a [u32],
    /// What the sum of each output's losses is multiplied by.
    pub scales: &'a [f64],
    pub numbers: &'a [f32],
}

impl Report<'_, '_, '_> {
    /// Quantity number `i` of an output, summed over the workgroups.
    fn sum(&self, first: usize, (output, quantities, long): (usize, usize, bool), i: usize) -> f64 {
        let groups = row_groups(self.samples.len() * self.run.outputs[output].per_sample, long);
        let groups = self.numbers[first..].chunks_exact(quantities).take(groups);
        groups.map(|group| f64::from(group[i])).sum()
    }

    /// An output's own loss.
    fn own_loss(&self, first: usize, rows: (usize, usize, bool)) -> f64 {
        self.sum(first, rows, 0) * self.scales[rows.0]
    }

    /// The loss of the batch, penalties included.
    pub fn loss(&self) -> f64 {
        let part = |content, first: usize| match content {
            Content::Rows { output, quantities, long } if self.run.objectives[output].loss.is_some() => {
                self.own_loss(first, (output, quantities, long)) * self.run.objectives[output].weight
            }
            Content::Penalty => f64::from(self.numbers[first]),
            Content::Activity => {
                let groups = &self.numbers[first..first + row_groups(self.samples.len(), false)];
                groups.iter().map(|&sum| f64::from(sum)).sum::<f64>() / self.samples.len() as f64
            }
            Content::Rows { .. } | Content::Raw { .. } => 0.0,
        };
        self.program.sections.iter().map(|section| part(section.content, section.first)).sum()
    }

    /// Adds the step, whose loss is this.
    pub fn tally(&self, loss: f64, totals: &mut Totals) {
        let count = self.samples.len() as f64;
        totals.loss += loss * count;
        totals.samples += count;
        for section in &self.program.sections {
            match section.content {
                Content::Rows { output, quantities, long } => {
                    let rows = (output, quantities, long);
                    if self.run.objectives[output].loss.is_some() {
                        totals.losses[output] += self.own_loss(section.first, rows) * count;
                    }
                    self.add_means(section.first, rows, totals);
                }
                Content::Raw { output } => self.add_rows(section.first, output, totals),
                Content::Penalty | Content::Activity => {}
            }
        }
    }

    /// The states of an output's metrics.
    fn states<'t>(&self, output: usize, totals: &'t mut Totals) -> &'t mut [Vec<f64>] {
        let before = self.run.objectives[..output].iter().map(|o| o.metrics.len()).sum();
        &mut totals.metrics[before..]
    }

    /// Adds the metrics that the device computed.
    fn add_means(&self, first: usize, rows: (usize, usize, bool), totals: &mut Totals) {
        let output = rows.0;
        let known = &self.run.outputs[output];
        let states = self.states(output, totals).iter_mut();
        let metrics = self.run.objectives[output].metrics.iter().zip(states);
        for (i, (measure, state)) in metrics.filter(|(m, _)| m.metric.is_row_mean()).enumerate() {
            let weights: f64 = match measure.weighted {
                true => self.samples.iter().map(|&s| known.weight(s)).sum(),
                false => self.samples.len() as f64,
            };
            state[0] += self.sum(first, rows, 1 + i);
            state[1] += weights * known.per_sample as f64;
        }
    }

    /// Adds the rows of an output to the metrics that the host computes.
    fn add_rows(&self, first: usize, output: usize, totals: &mut Totals) {
        let Some(bound) = self.run.feed.targets.get(output).and_then(Option::as_ref) else { return };
        let known = &self.run.outputs[output];
        let columns = self.run.plan.tensors[self.run.plan.outputs[output]].columns();
        let states = self.states(output, totals);
        let mut rows = self.numbers[first..].chunks_exact(columns.max(1));
        let mut wanted = Vec::new();
        for &sample in self.samples {
            match bound {
                Bound::Dense(y) => {
                    wanted.clear();
                    y.append_row(sample as usize, &mut wanted);
                }
                Bound::Class(_) => {}
            }
            for (r, p) in rows.by_ref().take(known.per_sample).enumerate() {
                let p: Vec<f64> = p.iter().map(|&p| f64::from(p)).collect();
                let dense: Vec<f64> = wanted.iter().skip(r * columns).take(columns).map(|&y| f64::from(y)).collect();
                let target = match bound {
                    Bound::Dense(_) => Target::Dense(&dense[..]),
                    Bound::Class(y) => Target::Class(f64::from(y.element(sample as usize, r) as f32)),
                };
                let metrics = self.run.objectives[output].metrics.iter().zip(states.iter_mut());
                for (measure, state) in metrics.filter(|(m, _)| !m.metric.is_row_mean()) {
                    let weight = if measure.weighted { known.weight(sample) } else { 1.0 };
                    measure.metric.add(state, target, &p, weight);
                }
            }
        }
    }
}
