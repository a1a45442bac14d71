//! Steps over arrays of the caller's own, for a training loop that computes its gradients elsewhere: accumulation,
//! clipping, decay, the rule and the averages, through the same [`Update`](super::Update)s as in `fit`. Slots are kept
//! by a key of the caller's, row-major like the arrays.

use super::{OptimizerConfig, OptimizerState, Update, UpdateVisitor};
use crate::backend::cpu::apply_to_slices;
use crate::error::{Error, Result};
use crate::params::{Variable, lines, zeros};
use std::collections::BTreeMap;

/// The slots of each array, by its key.
pub(crate) type Standalone = BTreeMap<usize, Vec<Vec<f32>>>;

/// An array of weights and its gradient.
pub struct Pair<'a> {
    /// What its slots are found by.
    pub key: usize,
    /// The weights, changed in place.
    pub weights: &'a mut [f32],
    /// Its gradient, of the same length; an array without one keeps its weights, and its average goes on.
    pub gradient: Option<&'a [f32]>,
    /// Whether it takes part in weight decay.
    pub decays: bool,
}

/// Runs an update over whole arrays.
struct Over<'a> {
    scale: f32,
    weights: &'a mut [f32],
    gradient: &'a [f32],
    slots: &'a mut [Vec<f32>],
}

impl UpdateVisitor for Over<'_> {
    type Output = ();
    fn visit<U: Update>(self, u: U) {
        let mut slots: Vec<&mut [f32]> = self.slots.iter_mut().take(U::SLOTS).map(Vec::as_mut_slice).collect();
        apply_to_slices(u, self.scale, self.weights, self.gradient, &mut slots);
    }
}

fn squares(values: &[f32]) -> f64 {
    values.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}

impl OptimizerConfig {
    /// What each gradient is multiplied by so that no norm, or not that of all together, is above its limit.
    pub fn clip_scales(&self, gradients: &[&[f32]]) -> Vec<f64> {
        let squares: Vec<f64> = match (self.clipnorm, self.global_clipnorm) {
            (None, None) => return vec![1.0; gradients.len()],
            _ => gradients.iter().map(|g| squares(g)).collect(),
        };
        match self.global_clipnorm {
            Some(_) => vec![self.clip_scale(squares.iter().sum::<f64>().sqrt()); gradients.len()],
            None => squares.iter().map(|s| self.clip_scale(s.sqrt())).collect(),
        }
    }

    /// Clips gradients in place, by whichever of the three ways is set.
    pub fn clip(&self, gradients: &mut [Vec<f32>]) {
        let scales = self.clip_scales(&gradients.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let limit = self.clipvalue.unwrap_or(f64::INFINITY) as f32;
        for (gradient, scale) in gradients.iter_mut().zip(scales) {
            gradient.iter_mut().for_each(|g| *g = (*g * scale as f32).clamp(-limit, limit));
        }
    }
}

impl OptimizerState {
    /// The slots kept for a key, in the order of their names.
    pub fn standalone_slots(&self, key: usize) -> &[Vec<f32>] {
        self.standalone.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The same, to be written.
    pub fn standalone_slots_mut(&mut self, key: usize) -> &mut [Vec<f32>] {
        self.standalone.get_mut(&key).map_or(&mut [], Vec::as_mut_slice)
    }

    /// Makes slots at their initial values for an array of this many numbers, unless there are any.
    pub fn ensure_standalone(&mut self, key: usize, count: usize) -> Result<()> {
        let initial = self.config().slot_initial_values();
        let slots = self
            .standalone
            .entry(key)
            .or_insert_with(|| initial.iter().map(|&value| vec![value as f32; count]).collect());
        match slots.first() {
            Some(slot) if slot.len() != count => {
                let expected = format!("{} numbers, as at its first step", slot.len());
                Err(Error::invalid(format!("variable {key}"), expected, format!("{count}")))
            }
            _ => Ok(()),
        }
    }

    /// Takes the slots that training keeps for a variable as those of a key, so that steps over its numbers go on from
    /// there. Without any, the key's are made anew.
    pub fn take_slots(&mut self, key: usize, variable: &Variable) -> Result<()> {
        let layout = variable.layout();
        let slots = self.slots(variable.id()).iter().map(|lines| {
            let mut values = zeros(layout.len(), variable.path())?;
            layout.unpack(lines, &mut values);
            Ok(values)
        });
        let slots = slots.collect::<Result<Vec<_>>>()?;
        self.standalone.remove(&key);
        if !slots.is_empty() {
            self.standalone.insert(key, slots);
        }
        self.ensure_standalone(key, layout.len())
    }

    /// The reverse: training goes on from a key's slots.
    pub fn give_slots(&mut self, key: usize, variable: &Variable) -> Result<()> {
        let layout = variable.layout();
        let fresh = self.standalone_slots(key).iter().map(|values| {
            let mut slot = lines(layout.lines(), variable.path())?;
            layout.pack(values, &mut slot);
            Ok(slot)
        });
        let fresh = fresh.collect::<Result<Vec<_>>>()?;
        self.set_slots(variable.id(), fresh);
        Ok(())
    }

    /// One raw step over these arrays. Nothing is changed if any of them is refused.
    pub fn apply(&mut self, pairs: &mut [Pair]) -> Result<()> {
        for pair in pairs.iter() {
            let given = pair.gradient.map_or(pair.weights.len(), <[f32]>::len);
            if given != pair.weights.len() {
                let expected = format!("{} numbers, like the variable", pair.weights.len());
                return Err(Error::invalid(format!("gradient {}", pair.key), expected, format!("{given}")));
            }
            self.ensure_standalone(pair.key, pair.weights.len())?;
        }
        let (config, raw_step, rate) = (self.config().clone(), self.iterations(), self.learning_rate());
        let (t, updates) = (config.rule_step(raw_step), config.updates_at(raw_step));
        let unscale = 1.0 / config.loss_scale_factor.unwrap_or(1.0);
        // The sums lie among the slots; they are taken out so that a rule can read them while it writes the others.
        let mut sums: Vec<Vec<f32>> = Vec::new();
        if let (Some(slot), Some(count)) = (config.accumulator_slot(), config.gradient_accumulation_steps) {
            for pair in pairs.iter() {
                let mut sum = std::mem::take(&mut self.standalone_slots_mut(pair.key)[slot]);
                accumulate(&mut sum, pair.gradient, unscale as f32, if updates { count as f32 } else { 1.0 });
                sums.push(sum);
            }
        }
        let gradients: Vec<Option<&[f32]>> = match sums.is_empty() {
            true => pairs.iter().map(|pair| pair.gradient).collect(),
            false => pairs.iter().zip(&sums).map(|(pair, sum)| pair.gradient.map(|_| sum.as_slice())).collect(),
        };
        let unscale = if sums.is_empty() { unscale } else { 1.0 };
        let present: Vec<&[f32]> = gradients.iter().flatten().copied().collect();
        let mut scales = config.clip_scales_after(&present, unscale).into_iter();
        for (pair, gradient) in pairs.iter_mut().zip(&gradients) {
            let slots = self.standalone_slots_mut(pair.key);
            match gradient.filter(|_| updates) {
                Some(gradient) => {
                    let scale = scales.next().unwrap_or(1.0) as f32;
                    let over = Over { scale, weights: pair.weights, gradient, slots };
                    step(&config, t, rate, pair.decays, over);
                }
                None => {
                    // The gradient is of the right length and not looked at.
                    let gradient = pair.weights.to_vec();
                    config.between_updates(t, Over { scale: 1.0, weights: pair.weights, gradient: &gradient, slots });
                }
            }
        }
        if let Some(slot) = config.accumulator_slot() {
            for (pair, mut sum) in pairs.iter().zip(sums) {
                if updates {
                    sum.fill(0.0);
                }
                self.standalone_slots_mut(pair.key)[slot] = sum;
            }
        }
        if config.overwrites_after(raw_step) {
            for pair in pairs.iter_mut() {
                self.overwrite_standalone(pair.key, pair.weights);
            }
        }
        self.advance(1);
        Ok(())
    }

    /// Puts the average of its weights into an array; does nothing where there is none.
    pub fn overwrite_standalone(&self, key: usize, weights: &mut [f32]) {
        let slot = self.config().average_slot();
        if let Some(average) = slot.and_then(|slot| self.standalone_slots(key).get(slot)) {
            weights.copy_from_slice(average);
        }
    }
}

impl OptimizerConfig {
    /// [`OptimizerConfig::clip_scales`] of gradients that are multiplied by `unscale` as well.
    fn clip_scales_after(&self, gradients: &[&[f32]], unscale: f64) -> Vec<f64> {
        if unscale == 1.0 {
            return self.clip_scales(gradients);
        }
        let scaled = |g: &&[f32]| g.iter().map(|&x| x * unscale as f32).collect();
        let scaled: Vec<Vec<f32>> = gradients.iter().map(scaled).collect();
        let scales = self.clip_scales(&scaled.iter().map(Vec::as_slice).collect::<Vec<_>>());
        scales.into_iter().map(|scale| scale * unscale).collect()
    }
}

/// sum ← (sum + unscale·gradient)/count.
fn accumulate(sum: &mut [f32], gradient: Option<&[f32]>, unscale: f32, count: f32) {
    for (sum, g) in sum.iter_mut().zip(gradient.unwrap_or_default()) {
        *sum = (*sum + g * unscale) / count;
    }
}

/// An update of one array.
fn step(config: &OptimizerConfig, t: u64, rate: f64, decays: bool, over: Over) {
    if !config.has_trust_ratio() {
        return config.at_step(t, rate, decays, over);
    }
    let Over { scale, weights, gradient, slots } = over;
    let mut direction = vec![0.0; weights.len()];
    config.direction_at_step(t, Over { scale, weights: &mut direction, gradient, slots: &mut *slots });
    let norms = [squares(weights).sqrt(), squares(&direction).sqrt()];
    let along = Over { scale: 1.0, weights, gradient: &direction, slots };
    config.along_direction(t, rate, decays, norms, along);
}
