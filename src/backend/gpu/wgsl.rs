//! Shaders put together: a file of `shaders/`, before it the constants that tell its variants apart and what concepts
//! supply about themselves.

use crate::activations::Activation;
use crate::backend::Objective;
use crate::losses::{Head, TargetKind};
use crate::metrics::Metric;
use crate::optimizers::OptimizerConfig;
use std::fmt::Display;

/// One shader's text: common parts, constants, files and generated functions.
fn shader(constants: &[(&str, &dyn Display)], parts: &[&str]) -> String {
    let constants: String = constants.iter().map(|(name, value)| format!("const {name} = {value};\n")).collect();
    let common = [include_str!("shaders/common.wgsl"), include_str!("shaders/math.wgsl"), &constants];
    [&common, parts].concat().join("\n")
}

const GEMM: &str = include_str!("shaders/gemm.wgsl");
const TAIL: &str = include_str!("shaders/tail.wgsl");

/// What may follow a product: the variants of an activation and of dropout.
#[derive(Clone, Copy, Default)]
pub struct TailVariant<'a> {
    /// The activation, if there is one.
    pub activation: Option<&'a Activation>,
    /// Whether the values before it are kept.
    pub keep_input: bool,
    /// Whether dropout follows.
    pub dropout: bool,
}

impl TailVariant<'_> {
    fn functions(&self) -> String {
        self.activation.unwrap_or(&Activation::Linear).wgsl()
    }
}

/// y = f(x · kernel + bias) and dropout.
pub fn dense(tail: TailVariant, bias: bool, gather: bool) -> String {
    let constants: [(&str, &dyn Display); 6] = [
        ("A_ALONG", &true),
        ("B_ALONG", &false),
        ("BIAS", &bias),
        ("GATHER", &gather),
        ("KEEP_INPUT", &tail.keep_input),
        ("DROPOUT", &tail.dropout),
    ];
    shader(&constants, &[&tail.functions(), TAIL, include_str!("shaders/dense.wgsl"), GEMM])
}

/// dx = dy · kernelᵀ, and on through a tail.
pub fn input_gradient(tail: Option<TailVariant>, accumulate: bool) -> String {
    let (through, tail) = (tail.is_some(), tail.unwrap_or_default());
    let constants: [(&str, &dyn Display); 6] = [
        ("A_ALONG", &true),
        ("B_ALONG", &true),
        ("TAIL", &through),
        ("KEEP_INPUT", &tail.keep_input),
        ("DROPOUT", &tail.dropout),
        ("ACCUMULATE", &accumulate),
    ];
    shader(&constants, &[&tail.functions(), TAIL, include_str!("shaders/input_gradient.wgsl"), GEMM])
}

/// Which part of a dense layer's variables is trained, and how.
#[derive(Clone, Copy)]
pub struct WeightVariant {
    /// Whether the kernel is trained.
    pub kernel: bool,
    /// Whether there is a bias that is trained.
    pub bias: bool,
    /// Whether x is read from the data set.
    pub gather: bool,
    /// Whether the gradient goes to memory, added to what is there.
    pub accumulate: bool,
}

/// dkernel = xᵀ · dy, and the rule over it, or without a rule the gradient alone.
pub fn weight_gradient(variant: WeightVariant, rule: Option<&OptimizerConfig>) -> String {
    let constants: [(&str, &dyn Display); 8] = [
        ("A_ALONG", &false),
        ("B_ALONG", &false),
        ("KERNEL", &variant.kernel),
        ("BIAS", &variant.bias),
        ("GATHER", &variant.gather),
        ("ACCUMULATE", &variant.accumulate),
        ("UPDATE", &rule.is_some()),
        ("SLOTS", &format!("{}u", rule.map_or(0, OptimizerConfig::slots))),
    ];
    let update = rule.map_or_else(no_rule, OptimizerConfig::wgsl);
    shader(&constants, &[&update, include_str!("shaders/weight_gradient.wgsl"), GEMM])
}

fn no_rule() -> String {
    "fn update(w: f32, g: f32, s0: f32, s1: f32, s2: f32) -> vec4<f32> {\n    return vec4<f32>(w, s0, s1, s2);\n}\n"
        .into()
}

/// The rule over a gradient in memory, one of `variables`.
pub fn apply(rule: &OptimizerConfig, variables: usize) -> String {
    let (clip, limit) = match (rule.clipnorm, rule.global_clipnorm) {
        (Some(limit), _) => (1, limit),
        (_, Some(limit)) => (2, limit),
        _ => (0, 1.0),
    };
    let constants: [(&str, &dyn Display); 4] = [
        ("CLIP", &format!("{clip}u")),
        ("CLIP_LIMIT", &crate::symbol::literal(limit)),
        ("VARIABLES", &format!("{variables}u")),
        ("SLOTS", &format!("{}u", rule.slots())),
    ];
    shader(&constants, &[&rule.wgsl(), include_str!("shaders/apply.wgsl")])
}

/// The sum of squares of a gradient.
pub fn norm() -> String {
    shader(&[], &[include_str!("shaders/norm.wgsl")])
}

/// A batch out of the data set.
pub fn gather() -> String {
    shader(&[], &[include_str!("shaders/gather.wgsl")])
}

/// An activation and dropout that stand alone.
pub fn tail_forward(tail: TailVariant) -> String {
    let constants: [(&str, &dyn Display); 2] = [("ACTIVATION", &tail.activation.is_some()), ("DROPOUT", &tail.dropout)];
    shader(&constants, &[&tail.functions(), TAIL, include_str!("shaders/tail_forward.wgsl")])
}

/// The way back through a tail.
pub fn tail_backward(tail: TailVariant, accumulate: bool) -> String {
    let constants: [(&str, &dyn Display); 3] =
        [("KEEP_INPUT", &tail.keep_input), ("DROPOUT", &tail.dropout), ("ACCUMULATE", &accumulate)];
    shader(&constants, &[&tail.functions(), TAIL, include_str!("shaders/tail_backward.wgsl")])
}

/// An activation of rows.
pub fn rows_forward(activation: &Activation) -> String {
    shader(&[], &[include_str!("shaders/rows_forward.wgsl"), &activation.row_wgsl(false)])
}

/// The way back through one.
pub fn rows_backward(activation: &Activation, accumulate: bool) -> String {
    let constants: [(&str, &dyn Display); 1] = [("ACCUMULATE", &accumulate)];
    shader(&constants, &[include_str!("shaders/rows_backward.wgsl"), &activation.row_wgsl(true)])
}

/// Loss, gradient and metrics.
pub fn loss(objective: &Objective, head: Head, gradient: bool) -> String {
    let quantities = 1 + objective.metrics.len();
    let class = objective.target_kind() == Some(TargetKind::Class);
    let constants: [(&str, &dyn Display); 4] = [
        ("CLASS", &class),
        ("GRADIENT", &gradient),
        ("QUANTITIES", &format!("{quantities}u")),
        ("VALUES", &format!("{}u", 64 * quantities)),
    ];
    let mut functions =
        objective.loss.as_ref().map_or_else(String::new, |l| l.loss.wgsl("loss", head)) + Metric::common_wgsl();
    let mut calls = String::new();
    for (i, measure) in objective.metrics.iter().enumerate() {
        functions += &measure.metric.wgsl(&format!("metric_{i}"));
        calls += &format!("    values[at + {i}u] = metric_{i}(row, from_row);\n");
    }
    functions += &format!("fn metrics(row: u32, from_row: u32, at: u32) {{\n{calls}}}\n");
    shader(&constants, &[include_str!("shaders/loss.wgsl"), &functions])
}
