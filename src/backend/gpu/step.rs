//! One step as the kernels see it: `Step` in `shaders/common.wgsl`.

use crate::optimizers::{MAX_PARAMETERS, OptimizerState};
use crate::symbol::Recording;

/// Outputs whose losses have a scale in a step's record.
pub const MAX_OUTPUTS: usize = 48;

/// Where the scales begin, after two lists of parameters.
const SCALES: usize = 12 + 2 * MAX_PARAMETERS;

/// Words of a record.
pub const STEP_WORDS: usize = SCALES + MAX_OUTPUTS;

/// Where the constants of a rule begin, for a variable that decays or does not.
pub fn rule_from(decays: bool) -> usize {
    if decays { 0 } else { MAX_PARAMETERS }
}

/// The record of a batch, without a rule.
pub fn record(first: usize, samples: usize, number: u64, slot: usize, scales: &[f32]) -> [u32; STEP_WORDS] {
    let mut words = [0; STEP_WORDS];
    let head = [first as u32, samples as u32, number as u32, (number >> 32) as u32, slot as u32];
    words[..5].copy_from_slice(&head);
    for (word, scale) in words[SCALES..].iter_mut().zip(scales) {
        *word = scale.to_bits();
    }
    words
}

/// Puts what the optimizer does in the step that follows `number` others into a record.
pub fn add_rule(words: &mut [u32; STEP_WORDS], optimizer: &OptimizerState, number: u64) {
    let (config, rate) = (optimizer.config(), optimizer.rate().at(number));
    let continues = number > 0 && !config.updates_at(number - 1);
    let flags = [continues, config.updates_at(number), config.overwrites_after(number)];
    words[5] = flags.iter().enumerate().map(|(bit, &set)| u32::from(set) << bit).sum();
    words[7] = ((config.weight_decay.unwrap_or(0.0) * rate) as f32).to_bits();
    let t = config.rule_step(number);
    let between = config.between_wgsl(t).map_or_else(Vec::new, |Recording { parameters, .. }| parameters);
    for (word, parameter) in words[8..12].iter_mut().zip(between) {
        *word = (parameter as f32).to_bits();
    }
    for decays in [true, false] {
        let parameters = config.parameters(t, rate, decays);
        debug_assert!(parameters.len() <= MAX_PARAMETERS);
        for (word, parameter) in words[12 + rule_from(decays)..].iter_mut().zip(parameters) {
            *word = parameter.to_bits();
        }
    }
}
