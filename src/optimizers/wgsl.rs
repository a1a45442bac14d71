//! Update rules in shaders: written down from their formulas, with every constant a parameter, since some change from
//! step to step and the shader stays.

use super::{MAX_SLOTS, OptimizerConfig, Update, UpdateVisitor};
use crate::real::Real;
use crate::symbol::{Recording, Symbol, record};

/// How many constants a rule may have in a shader.
pub const MAX_PARAMETERS: usize = 32;

/// How many slots a shader keeps beside a weight: with it they are one vector.
pub const WGSL_SLOTS: usize = 3;

/// The rule on paper; its results are the new weight and the new slots.
struct OnPaper;

impl UpdateVisitor for OnPaper {
    type Output = Recording;
    fn visit<U: Update>(self, u: U) -> Recording {
        assert!(U::SLOTS <= WGSL_SLOTS, "such rules are refused before a shader is written");
        record(["w", "g", "s0", "s1", "s2"], true, |[w, g, s0, s1, s2]| {
            let mut slots = [Symbol::zero(); MAX_SLOTS];
            slots[..WGSL_SLOTS].copy_from_slice(&[s0, s1, s2]);
            let new = u.update(w, g, &mut slots);
            vec![new, slots[0], slots[1], slots[2]]
        })
    }
}

impl OptimizerConfig {
    /// WGSL of a function `update(w, g, s0, s1, s2)`, which gives the new weight and the new slots. It asks
    /// `parameter(i)` for the constants. Panics for what [`OptimizerConfig::refused_by_shaders`] names.
    pub fn wgsl(&self) -> String {
        let Recording { lines, results, .. } = self.at_step(1, self.learning_rate.at(0), true, OnPaper);
        let arguments = "w: f32, g: f32, s0: f32, s1: f32, s2: f32";
        let results = results.join(", ");
        format!("fn update({arguments}) -> vec4<f32> {{\n{lines}    return vec4<f32>({results});\n}}\n")
    }

    /// The parameters in step `t` (from 1) at this learning rate.
    pub fn parameters(&self, t: u64, learning_rate: f64) -> Vec<f32> {
        self.at_step(t, learning_rate, true, OnPaper).parameters.iter().map(|&x| x as f32).collect()
    }
}
