//! An optimizer at work: its configuration, the learning rate now, the step counter, and the slots.

use super::standalone::Standalone;
use super::{LearningRate, MAX_SLOTS, OptimizerConfig};
use crate::backend::cpu::simd::PANEL;
use crate::error::{Error, Result};
use crate::params::{Line, Lines, Variable, lines};
use crate::plan::Plan;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// What an optimizer remembers. Slots belong to a variable and have its layout; they are made when it is first trained.
#[derive(Debug)]
pub struct OptimizerState {
    config: OptimizerConfig,
    learning_rate: LearningRate,
    iterations: u64,
    slots: HashMap<u64, Vec<Lines>>,
    excluded: HashSet<u64>,
    version: u64,
    /// Slots of arrays that live outside the variable store.
    pub(super) standalone: Standalone,
}

impl OptimizerState {
    /// At step 0.
    pub fn new(config: OptimizerConfig) -> Self {
        OptimizerState {
            learning_rate: config.learning_rate.clone(),
            config,
            iterations: 0,
            slots: HashMap::new(),
            excluded: HashSet::new(),
            version: 0,
            standalone: Standalone::default(),
        }
    }

    /// The rule and its options.
    pub fn config(&self) -> &OptimizerConfig {
        &self.config
    }
    /// The learning rate of the next step.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate.at(self.iterations)
    }
    /// The learning rate in use, as a function of the raw step.
    pub fn rate(&self) -> &LearningRate {
        &self.learning_rate
    }
    /// Sets it from the next step on; a schedule cannot be set to a number.
    pub fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        match self.learning_rate {
            LearningRate::Constant(_) => {
                self.learning_rate = LearningRate::Constant(learning_rate);
                Ok(())
            }
            LearningRate::Schedule(_) => Err(Error::wrong_type(
                format!("optimizer '{}', learning_rate", self.config.name),
                "no number, for it was created with a schedule (create it with a number to set it later)",
                learning_rate.to_string(),
            )),
        }
    }
    /// Puts another number or another schedule in its place.
    pub fn replace_learning_rate(&mut self, learning_rate: LearningRate) {
        self.learning_rate = learning_rate;
    }
    /// Raw steps taken: batches, also those whose gradients are only summed up.
    pub fn iterations(&self) -> u64 {
        self.iterations
    }
    /// Counts steps taken.
    pub fn advance(&mut self, steps: u64) {
        self.iterations += steps;
    }
    /// Sets the counter, for a state that comes back.
    pub fn set_iterations(&mut self, iterations: u64) {
        self.iterations = iterations;
    }

    /// The variables, by their ids, that do not decay. Replaces those of before.
    pub fn exclude(&mut self, variables: impl IntoIterator<Item = u64>) {
        self.excluded = variables.into_iter().collect();
    }

    /// Whether a variable takes part in weight decay.
    pub fn decays(&self, variable: u64) -> bool {
        !self.excluded.contains(&variable)
    }

    /// Counts the times that somebody may have changed slots.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The slots of a variable, if they are made.
    pub fn slots(&self, variable: u64) -> &[Lines] {
        self.slots.get(&variable).map_or(&[], Vec::as_slice)
    }

    /// The same, to be written.
    pub fn slots_mut(&mut self, variable: u64) -> &mut [Lines] {
        self.version += 1;
        self.slots.get_mut(&variable).map_or(&mut [], Vec::as_mut_slice)
    }

    /// Replaces the slots of a variable.
    pub(super) fn set_slots(&mut self, variable: u64, slots: Vec<Lines>) {
        self.version += 1;
        self.slots.insert(variable, slots);
    }

    /// The average of a variable's weights, if there is one.
    pub fn average(&self, variable: u64) -> Option<&Lines> {
        self.slots(variable).get(self.config.average_slot()?)
    }

    /// Numbers in the slots of a plan's trained variables, whether made yet or not.
    pub fn slot_count(&self, plan: &Plan) -> usize {
        let trained = plan.variables.iter().zip(&plan.trained).filter(|(_, trained)| **trained);
        trained.map(|(v, _)| v.layout().len() * self.config.slots()).sum()
    }

    /// Makes slots at their initial values for the trained variables that have none.
    pub fn ensure_slots(&mut self, plan: &Plan) -> Result<()> {
        for (variable, _) in plan.variables.iter().zip(&plan.trained).filter(|(_, trained)| **trained) {
            if let Entry::Vacant(missing) = self.slots.entry(variable.id()) {
                missing.insert(fresh_slots(&self.config, variable)?);
            }
        }
        Ok(())
    }

    /// Replaces a variable's slots; these came from [`fresh_slots`].
    pub(crate) fn put_slots(&mut self, variable: u64, slots: Vec<Lines>) {
        self.version += 1;
        self.slots.insert(variable, slots);
    }

    /// The slots of arrays of the caller's own, by their keys.
    pub(crate) fn standalone(&self) -> &Standalone {
        &self.standalone
    }

    /// Replaces them.
    pub(crate) fn put_standalone(&mut self, slots: Standalone) {
        self.standalone = slots;
    }

    /// The start of each of a variable's slots that an update sees, null where there is none.
    pub fn slot_pointers(&mut self, plan: &Plan) -> Vec<[*mut f32; MAX_SLOTS]> {
        let seen = self.config.accumulator_slot().unwrap_or(MAX_SLOTS);
        self.pointers(plan, |slots| {
            let mut places = [std::ptr::null_mut(); MAX_SLOTS];
            for (slot, place) in slots.iter_mut().take(seen).zip(&mut places) {
                *place = slot.as_mut_ptr().cast();
            }
            places
        })
    }

    /// The start of each variable's sum of gradients, null where there is none.
    pub fn accumulator_pointers(&mut self, plan: &Plan) -> Vec<*mut f32> {
        let last = self.config.accumulator_slot();
        self.pointers(plan, |slots| {
            let sum = last.and_then(|last| slots.get_mut(last));
            sum.map_or(std::ptr::null_mut(), |sum| sum.as_mut_ptr().cast())
        })
    }

    fn pointers<T>(&mut self, plan: &Plan, of: impl Fn(&mut [Lines]) -> T) -> Vec<T> {
        self.version += 1;
        let mut pointers = Vec::with_capacity(plan.variables.len());
        for variable in &plan.variables {
            pointers.push(of(self.slots.get_mut(&variable.id()).map_or(&mut [], Vec::as_mut_slice)));
        }
        pointers
    }
}

/// A variable's slots at their initial values.
pub(crate) fn fresh_slots(config: &OptimizerConfig, variable: &Variable) -> Result<Vec<Lines>> {
    let place = format!("optimizer slots of {}", variable.path());
    let fresh = |&value: &f64| {
        let mut slot = lines(variable.layout().lines(), &place)?;
        if value != 0.0 {
            slot.fill(Line([value as f32; PANEL]));
        }
        Ok(slot)
    };
    config.slot_initial_values().iter().map(fresh).collect()
}
