//! Update rules in shaders: written down from their formulas, with every constant a parameter, since some change from
//! step to step and the shader stays.

use super::{MAX_SLOTS, OptimizerConfig, Update, UpdateVisitor};
use crate::symbol::{Recording, Symbol, record};

/// How many constants a rule may have in a shader.
pub const MAX_PARAMETERS: usize = 32;

/// The rule on paper; its results are the new weight and the new slots.
struct OnPaper;

impl UpdateVisitor for OnPaper {
    type Output = Recording;
    fn visit<U: Update>(self, u: U) -> Recording {
        record(["w", "g", "s.x", "s.y", "s.z", "s.w"], true, |[w, g, slots @ ..]: [Symbol; 2 + MAX_SLOTS]| {
            let mut slots = slots;
            let new = u.update(w, g, &mut slots);
            std::iter::once(new).chain(slots).collect()
        })
    }
}

/// A WGSL function that gives the new weight and the new slots.
fn function(head: &str, Recording { lines, results, .. }: &Recording) -> String {
    let slots = results[1..].join(", ");
    format!("fn {head} -> Updated {{\n{lines}    return Updated({}, vec4<f32>({slots}));\n}}\n", results[0])
}

const UPDATE: &str = "update(w: f32, g: f32, s: vec4<f32>)";

impl OptimizerConfig {
    /// WGSL of a function `update(w, g, s)`, which gives the new weight and the new slots. It asks `parameter(i)` for the
    /// constants.
    pub fn wgsl(&self) -> String {
        function(UPDATE, &self.recorded(1, 1.0, true))
    }

    fn recorded(&self, t: u64, learning_rate: f64, decays: bool) -> Recording {
        self.at_step(t, learning_rate, decays, OnPaper)
    }

    /// The same for the two passes of a rule with a trust ratio: the direction in place of a weight, and the way along it.
    pub fn wgsl_of_directions(&self) -> Option<[String; 2]> {
        let direction = self.direction_at_step(1, OnPaper)?;
        let mut along = self.along(1, 1.0, true);
        // Its parameters come after those of the direction.
        let shifted = format!("parameter({}u + ", direction.parameters.len());
        for text in along.results.iter_mut().chain([&mut along.lines]) {
            *text = text.replace("parameter(", &shifted);
        }
        Some([function(UPDATE, &direction), function(UPDATE, &along)])
    }

    /// The way along a direction whose trust ratio is 1: the device knows the norms.
    fn along(&self, t: u64, learning_rate: f64, decays: bool) -> Recording {
        self.along_direction(t, learning_rate, decays, [0.0; 2], OnPaper)
    }

    /// What a step without an update does, on paper.
    pub fn between_wgsl(&self, t: u64) -> Option<Recording> {
        self.between_updates(t, OnPaper)
    }

    /// WGSL of a function `between(w, s)`: what a step without an update does. It asks `between_parameter(i)`.
    pub fn wgsl_between(&self) -> String {
        let head = "between(w: f32, s: vec4<f32>)";
        match self.between_wgsl(1) {
            Some(recording) => function(head, &recording).replace("parameter(", "between_parameter("),
            None => format!("fn {head} -> Updated {{\n    return Updated(w, s);\n}}\n"),
        }
    }

    /// The parameters at the rule's step `t` (from 1) and this learning rate, for a variable that decays or does not.
    pub fn parameters(&self, t: u64, learning_rate: f64, decays: bool) -> Vec<f32> {
        let parameters = match self.direction_at_step(t, OnPaper) {
            Some(direction) => [direction.parameters, self.along(t, learning_rate, decays).parameters].concat(),
            None => self.recorded(t, learning_rate, decays).parameters,
        };
        parameters.iter().map(|&x| x as f32).collect()
    }

    /// How many of the slots an update sees.
    pub fn seen_slots(&self) -> usize {
        self.accumulator_slot().unwrap_or(self.slots())
    }
}
