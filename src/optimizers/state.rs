//! An optimizer at work: its configuration, the learning rate now, the step counter, and the slots.

use super::{MAX_SLOTS, OptimizerConfig};
use crate::error::Result;
use crate::params::{Lines, lines};
use crate::plan::Plan;
use std::collections::HashMap;

/// What an optimizer remembers. Slots belong to a variable and have its layout; they are made when it is first trained.
#[derive(Debug)]
pub struct OptimizerState {
    config: OptimizerConfig,
    learning_rate: f64,
    iterations: u64,
    slots: HashMap<u64, Vec<Lines>>,
    version: u64,
}

impl OptimizerState {
    /// At step 0.
    pub fn new(config: OptimizerConfig) -> Self {
        OptimizerState { learning_rate: config.learning_rate, config, iterations: 0, slots: HashMap::new(), version: 0 }
    }

    /// The rule and its options.
    pub fn config(&self) -> &OptimizerConfig {
        &self.config
    }
    /// The learning rate in use.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate
    }
    /// Sets it from the next step on.
    pub fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
    }
    /// Steps taken.
    pub fn iterations(&self) -> u64 {
        self.iterations
    }
    /// Counts steps taken.
    pub fn advance(&mut self, steps: u64) {
        self.iterations += steps;
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

    /// Numbers in the slots of a plan's trained variables, whether made yet or not.
    pub fn slot_count(&self, plan: &Plan) -> usize {
        let trained = plan.variables.iter().zip(&plan.trained).filter(|(_, trained)| **trained);
        trained.map(|(v, _)| v.layout().len() * self.config.slots()).sum()
    }

    /// Makes zeroed slots for the trained variables that have none.
    pub fn ensure_slots(&mut self, plan: &Plan) -> Result<()> {
        for (variable, _) in plan.variables.iter().zip(&plan.trained).filter(|(_, trained)| **trained) {
            if !self.slots.contains_key(&variable.id()) {
                let place = format!("optimizer slots of {}", variable.path());
                let fresh: Result<Vec<Lines>> =
                    (0..self.config.slots()).map(|_| lines(variable.layout().lines(), &place)).collect();
                self.slots.insert(variable.id(), fresh?);
            }
        }
        Ok(())
    }

    /// The start of each variable's slots, null where there is none.
    pub fn slot_pointers(&mut self, plan: &Plan) -> Vec<[*mut f32; MAX_SLOTS]> {
        self.version += 1;
        let mut pointers = vec![[std::ptr::null_mut(); MAX_SLOTS]; plan.variables.len()];
        for (variable, places) in plan.variables.iter().zip(&mut pointers) {
            for (slot, place) in self.slots.get_mut(&variable.id()).into_iter().flatten().zip(places) {
                *place = slot.as_mut_ptr().cast();
            }
        }
        pointers
    }
}
