//! What a step does, and when: the slots, the rule with what stands around it, and several batches to an update.
//!
//! A raw step is one batch, counted from 0. With accumulation over k batches every k-th of them updates, with the mean
//! of k gradients, and the rule's t counts updates. As in Keras the averages of the weights move, and may replace the
//! weights, at every raw step; and a schedule is read at raw steps.

use super::lamb::{Along, trust_ratio};
use super::wrappers::{Averaging, Still, Wrapping};
use super::{Averaged, Family, OptimizerConfig, Rule, UpdateVisitor};

/// The same expression for each rule.
macro_rules! each {
    ($rule:expr, $family:ident => $value:expr) => {
        match $rule {
            Rule::Sgd($family) => $value,
            Rule::Adam($family) => $value,
            Rule::RmsProp($family) => $value,
            Rule::Adagrad($family) => $value,
            Rule::Adadelta($family) => $value,
            Rule::Adamax($family) => $value,
            Rule::Nadam($family) => $value,
            Rule::Ftrl($family) => $value,
            Rule::Lion($family) => $value,
            Rule::Lamb($family) => $value,
        }
    };
}

impl OptimizerConfig {
    /// How many slots a variable needs: the rule's, then the average of the weights, then the sum of gradients.
    pub fn slots(&self) -> usize {
        self.slot_names().len()
    }

    /// Keras's names of the slots.
    pub fn slot_names(&self) -> Vec<&'static str> {
        let mut names = each!(&self.rule, family => family.slot_names()).to_vec();
        names.extend(self.use_ema.map(|_| "average"));
        names.extend(self.gradient_accumulation_steps.map(|_| "gradient_accumulator"));
        names
    }

    /// What each slot holds before the first step, in the order of the names.
    pub fn slot_initial_values(&self) -> Vec<f64> {
        let rule = each!(&self.rule, family => family.slot_initial_values());
        (0..self.slots()).map(|i| if i < self.rule_slots() { rule[i] } else { 0.0 }).collect()
    }

    /// How many of the slots are the rule's own, the first ones.
    pub fn rule_slots(&self) -> usize {
        each!(&self.rule, family => family.slot_names()).len()
    }

    /// Where the average of the weights is, if there is one.
    pub fn average_slot(&self) -> Option<usize> {
        self.use_ema.map(|_| self.rule_slots())
    }

    /// Where gradients are summed up, if they are: the last slot.
    pub fn accumulator_slot(&self) -> Option<usize> {
        self.gradient_accumulation_steps.map(|_| self.slots() - 1)
    }

    /// Calls `v` with the update of step `t` (from 1) at this learning rate; `decays` is false for variables that are
    /// excluded from weight decay. It clips by value, decays, follows the rule and moves the average. Lamb's needs
    /// norms: see [`OptimizerConfig::has_trust_ratio`]; here it goes on with a ratio of 1.
    #[inline(always)]
    pub fn at_step<V: UpdateVisitor>(&self, t: u64, learning_rate: f64, decays: bool, v: V) -> V::Output {
        let limit = self.clipvalue.unwrap_or(f64::INFINITY);
        let rate = self.decay_rate(learning_rate, decays);
        if self.use_ema.is_some() {
            let v = Averaging { limit, rate, momentum: self.ema_momentum(t), visitor: v };
            each!(&self.rule, family => family.at_step(t, learning_rate, v))
        } else if self.clipvalue.is_some() || self.weight_decay.is_some() {
            let v = Wrapping { limit, rate, visitor: v };
            each!(&self.rule, family => family.at_step(t, learning_rate, v))
        } else {
            each!(&self.rule, family => family.at_step(t, learning_rate, v))
        }
    }

    /// The share of a weight that decays in a step.
    fn decay_rate(&self, learning_rate: f64, decays: bool) -> f64 {
        if decays { self.weight_decay.unwrap_or(0.0) * learning_rate } else { 0.0 }
    }

    /// The share of the old average that stays at update `t`: none at the first, which so sets it to the weights.
    fn ema_momentum(&self, t: u64) -> f64 {
        self.use_ema.filter(|_| t > 1).map_or(0.0, |ema| ema.momentum)
    }

    /// Calls `v` with what a raw step without an update does at t = [`OptimizerConfig::rule_step`]: it moves the
    /// average and leaves the weight. `None` where there is no average.
    #[inline(always)]
    pub fn between_updates<V: UpdateVisitor>(&self, t: u64, v: V) -> Option<V::Output> {
        let momentum = self.ema_momentum(t);
        self.use_ema?;
        Some(match self.rule_slots() {
            0 => v.visit(Averaged { momentum, inner: Still::<0> }),
            1 => v.visit(Averaged { momentum, inner: Still::<1> }),
            2 => v.visit(Averaged { momentum, inner: Still::<2> }),
            _ => v.visit(Averaged { momentum, inner: Still::<3> }),
        })
    }

    /// Whether the averages replace the weights when this raw step is over.
    pub fn overwrites_after(&self, raw_step: u64) -> bool {
        let frequency = self.use_ema.and_then(|ema| ema.overwrite_frequency);
        frequency.is_some_and(|frequency| self.rule_step(raw_step).is_multiple_of(frequency))
    }

    /// Whether this raw step updates the weights, with the mean of the gradients since the last that did.
    pub fn updates_at(&self, raw_step: u64) -> bool {
        self.gradient_accumulation_steps.is_none_or(|k| (raw_step + 1).is_multiple_of(k))
    }

    /// The rule's t, from 1, at a raw step.
    pub fn rule_step(&self, raw_step: u64) -> u64 {
        raw_step / self.gradient_accumulation_steps.unwrap_or(1) + 1
    }

    /// Whether the update is scaled by the norms of the weights and of a direction: it then takes
    /// [`OptimizerConfig::direction_at_step`], both norms, and [`OptimizerConfig::along_direction`].
    pub fn has_trust_ratio(&self) -> bool {
        matches!(self.rule, Rule::Lamb(_))
    }

    /// Calls `v` with an update whose result, in place of the new weight, is the direction, and which moves the slots;
    /// `None` for rules without a trust ratio.
    #[inline(always)]
    pub fn direction_at_step<V: UpdateVisitor>(&self, t: u64, v: V) -> Option<V::Output> {
        let Rule::Lamb(lamb) = &self.rule else { return None };
        let limit = self.clipvalue.unwrap_or(f64::INFINITY);
        Some(Wrapping { limit, rate: 0.0, visitor: v }.visit(lamb.direction(t)))
    }

    /// Calls `v` with the rest of such a step, an update that takes the direction in place of the gradient: it decays,
    /// goes along the direction and moves the average. The norms are those of the weights before the step and of the
    /// direction.
    #[inline(always)]
    pub fn along_direction<V: UpdateVisitor>(
        &self,
        t: u64,
        learning_rate: f64,
        decays: bool,
        [weight_norm, direction_norm]: [f64; 2],
        v: V,
    ) -> V::Output {
        let decay = self.decay_rate(learning_rate, decays);
        let ratio = self.trust_ratio(weight_norm * (1.0 - decay).abs(), direction_norm);
        let along = Along { rate: learning_rate * ratio };
        match self.use_ema {
            Some(_) => {
                Averaging { limit: f64::INFINITY, rate: decay, momentum: self.ema_momentum(t), visitor: v }.visit(along)
            }
            None => Wrapping { limit: f64::INFINITY, rate: decay, visitor: v }.visit(along),
        }
    }

    /// What the learning rate is multiplied by, given the norms of the (decayed) weights and of the direction.
    pub fn trust_ratio(&self, weight_norm: f64, direction_norm: f64) -> f64 {
        if self.has_trust_ratio() { trust_ratio(weight_norm, direction_norm) } else { 1.0 }
    }

    /// Whether an element's update depends on that element's weight, gradient and slots alone. If not, the gradient is
    /// stored first.
    pub fn is_elementwise(&self) -> bool {
        self.clipnorm.is_none()
            && self.global_clipnorm.is_none()
            && self.gradient_accumulation_steps.is_none()
            && !self.has_trust_ratio()
    }

    /// Whether a gradient of 0 leaves weight and slots as they are, so that rows without gradient can be left out.
    pub fn zero_gradient_is_noop(&self) -> bool {
        let rule = match self.rule {
            Rule::Sgd(sgd) => sgd.momentum == 0.0,
            Rule::Adagrad(_) => true,
            _ => false,
        };
        rule && self.weight_decay.is_none() && self.use_ema.is_none()
    }

    /// What to multiply a gradient by, given its norm: a variable's for `clipnorm`, that of all variables together for
    /// `global_clipnorm`; 1 where neither is set. NaN for a global norm that is not finite, as in Keras.
    pub fn clip_scale(&self, norm: f64) -> f64 {
        match (self.clipnorm, self.global_clipnorm) {
            (_, Some(_)) if !norm.is_finite() => f64::NAN,
            // Not `max`, which would lose a NaN.
            (Some(limit), _) | (_, Some(limit)) => limit / if norm < limit { limit } else { norm },
            _ => 1.0,
        }
    }
}
