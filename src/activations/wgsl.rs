//! Activations in shaders: elementwise ones from their formula, rowwise ones from `rowwise.wgsl` beside `rowwise.rs`.

use super::{Activation, Formula, Visitor};
use crate::symbol::function;

/// The functions `activate(x)` and `slope(x, y)`.
struct Elementwise;

impl Visitor for Elementwise {
    type Output = String;
    fn visit<F: Formula>(self, formula: F) -> String {
        let value = function("activate", ["x"], |[x]| formula.value(x));
        value + &function("slope", ["x", "y"], |[x, y]| formula.slope(x, y))
    }
}

impl Activation {
    /// WGSL of an elementwise kind: `activate(x)` and `slope(x, y)`. Empty for a rowwise one.
    pub fn wgsl(&self) -> String {
        self.visit(Elementwise).unwrap_or_default()
    }

    /// WGSL of a rowwise kind: `row_value`, or `row_gradient`.
    pub fn row_wgsl(&self, gradient: bool) -> String {
        let text = include_str!("rowwise.wgsl");
        let (values, gradients) = text.split_once("//--- gradients\n").unwrap_or((text, ""));
        let (text, called) = if gradient { (gradients, "gradient") } else { (values, "value") };
        let name = self.name();
        format!(
            "{text}\nfn row_{called}(from_x: u32, from_y: u32, n: u32) {{\n    {name}_{called}(from_x, from_y, n);\n}}\n"
        )
    }
}
