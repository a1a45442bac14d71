//! Shaders put together: a file of `shaders/`, before it the constants that tell its variants apart and what concepts
//! supply about themselves.

mod gemm;
mod others;

pub use gemm::{Product, Tile};
pub use others::*;

use super::dispatch::MAX_GROUPS;
use super::pipelines::IN_RANGE;
use crate::activations::Activation;
use crate::backend::Objective;
use crate::losses::{Head, TargetKind};
use crate::metrics::Metric;
use crate::optimizers::OptimizerConfig;
use gemm::fours;
use std::fmt::Display;

/// One shader's text: common parts, constants, files and generated functions.
fn shader(constants: &[(&str, &dyn Display)], parts: &[&str]) -> String {
    let constants: String = constants.iter().map(|(name, value)| format!("const {name} = {value};\n")).collect();
    let common = [include_str!("../shaders/common.wgsl"), include_str!("../shaders/math.wgsl"), &constants];
    [&common, parts].concat().join("\n")
}

const TAIL: &str = include_str!("../shaders/tail.wgsl");
const TAIL_STORE: &str = include_str!("../shaders/tail_store.wgsl");

/// A product's shader. `access` are the buffers whose lines are as long as C's, and whether they are written; `along` is as
/// [`Tile::text`] says.
fn product_shader(
    constants: &[(&str, &dyn Display)],
    parts: &[&str],
    access: &[(&str, bool)],
    product: Product,
    along: [bool; 2],
) -> String {
    let mut access: String = access.iter().map(|(name, writes)| fours(name, product.fours, *writes)).collect();
    if !along[0] {
        access += &fours("x", product.features, false);
    }
    let [declared, text] = [product.elements(), product.tile.text(along)];
    IN_RANGE.to_string()
        + &shader(constants, &[&[declared.as_str(), access.as_str()], parts, &[text.as_str()]].concat())
}

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
pub fn dense(tail: TailVariant, bias: bool, gather: bool, product: Product) -> String {
    let constants: [(&str, &dyn Display); 4] =
        [("BIAS", &bias), ("GATHER", &gather), ("KEEP_INPUT", &tail.keep_input), ("DROPOUT", &tail.dropout)];
    let own = include_str!("../shaders/dense.wgsl");
    let access = [("kernel", false), ("bias", false), ("z", true), ("y", true), ("dropped", true)];
    product_shader(&constants, &[&tail.functions(), TAIL, own, TAIL_STORE], &access, product, [true, false])
}

/// dx = dy · kernelᵀ, and on through a tail.
pub fn input_gradient(tail: Option<TailVariant>, accumulate: bool, product: Product) -> String {
    let (through, tail) = (tail.is_some(), tail.unwrap_or_default());
    let constants: [(&str, &dyn Display); 4] =
        [("TAIL", &through), ("KEEP_INPUT", &tail.keep_input), ("DROPOUT", &tail.dropout), ("ACCUMULATE", &accumulate)];
    let own = include_str!("../shaders/input_gradient.wgsl");
    let access = [("z", false), ("y", false), ("dx", true)];
    product_shader(&constants, &[&tail.functions(), TAIL, own, TAIL_STORE], &access, product, [true, true])
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
    /// Whether a gradient in memory adds to what is there, as common.wgsl says.
    pub adds: u32,
}

/// dkernel = xᵀ · dy, and the rule over it, or without a rule the gradient alone.
pub fn weight_gradient(variant: WeightVariant, rule: Option<&OptimizerConfig>, product: Product) -> String {
    let constants: [(&str, &dyn Display); 7] = [
        ("KERNEL", &variant.kernel),
        ("BIAS", &variant.bias),
        ("GATHER", &variant.gather),
        ("ACCUMULATE", &unsigned(variant.adds)),
        ("UPDATE", &rule.is_some()),
        ("SLOTS", &unsigned(rule.map_or(0, OptimizerConfig::seen_slots))),
        ("AVERAGE", &unsigned(average(rule))),
    ];
    let update = rule.map_or_else(no_rule, OptimizerConfig::wgsl);
    let store = |replacements: [(&str, &str); 4]| {
        let text = include_str!("../shaders/weight_store.wgsl").to_string();
        replacements.iter().fold(text, |text, (mark, own)| text.replace(mark, own))
    };
    let count = [("COUNT", "shape.depth * shape.columns"), ("COUNT", "shape.columns")];
    let kernel = [("NAME", "kernel"), count[0], ("RULE", "shape.rule.x"), ("PENALTY", "shape.amounts.xy")];
    let bias = [("NAME", "bias"), count[1], ("RULE", "shape.rule.y"), ("PENALTY", "shape.amounts.zw")];
    let own = include_str!("../shaders/weight_gradient.wgsl").replace("STORES\n", &(store(kernel) + &store(bias)));
    let access = [("dy", false), ("kernel", true), ("kernel_slots", true), ("bias", true), ("bias_slots", true)];
    product_shader(&constants, &[UPDATE, &update, &own], &access, product, [false, false])
}

const UPDATE: &str = include_str!("../shaders/update.wgsl");

fn unsigned(n: impl Display) -> String {
    format!("{n}u")
}

/// The slot of the weights' average where that may replace them, else 4.
fn average(rule: Option<&OptimizerConfig>) -> usize {
    let overwrites = rule.filter(|rule| rule.use_ema.is_some_and(|ema| ema.overwrite_frequency.is_some()));
    overwrites.and_then(OptimizerConfig::average_slot).unwrap_or(4)
}

fn no_rule() -> String {
    "fn update(w: f32, g: f32, s: vec4<f32>) -> Updated {\n    return Updated(w, s);\n}\n".into()
}

/// Which part of an update.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// All of it.
    Whole,
    /// The direction, whose length is then measured.
    Direction,
    /// The way along it.
    Along,
}

/// The rule over a gradient in memory.
pub fn apply(rule: &OptimizerConfig, pass: Pass) -> String {
    let (clip, limit) = match (rule.clipnorm, rule.global_clipnorm) {
        (_, Some(limit)) => (2, limit),
        (Some(limit), _) => (1, limit),
        _ => (0, 1.0),
    };
    let mean = 1.0 / rule.gradient_accumulation_steps.unwrap_or(1) as f64;
    let constants: [(&str, &dyn Display); 6] = [
        ("CLIP", &unsigned(clip)),
        ("CLIP_LIMIT", &crate::symbol::literal(limit)),
        ("MEAN", &crate::symbol::literal(mean)),
        ("PASS", &unsigned(pass as u32)),
        ("SLOTS", &unsigned(rule.seen_slots())),
        ("AVERAGE", &unsigned(average(Some(rule)))),
    ];
    let whole = || [rule.wgsl(), rule.wgsl()];
    let [direction, along] = rule.wgsl_of_directions().unwrap_or_else(whole);
    let update = if pass == Pass::Along { along } else { direction };
    shader(&constants, &[UPDATE, &update, &rule.wgsl_between(), include_str!("../shaders/apply.wgsl")])
}

/// A sum of squares.
pub fn norm() -> String {
    shader(&[], &[include_str!("../shaders/norm.wgsl")])
}

/// A batch out of the data set.
pub fn gather() -> String {
    shader(&[], &[include_str!("../shaders/gather.wgsl")])
}

/// An activation and dropout that stand alone.
pub fn tail_forward(tail: TailVariant) -> String {
    let constants: [(&str, &dyn Display); 2] = [("ACTIVATION", &tail.activation.is_some()), ("DROPOUT", &tail.dropout)];
    shader(&constants, &[&tail.functions(), TAIL, include_str!("../shaders/tail_forward.wgsl")])
}

/// The way back through a tail.
pub fn tail_backward(tail: TailVariant, accumulate: bool) -> String {
    let constants: [(&str, &dyn Display); 3] =
        [("KEEP_INPUT", &tail.keep_input), ("DROPOUT", &tail.dropout), ("ACCUMULATE", &accumulate)];
    shader(&constants, &[&tail.functions(), TAIL, include_str!("../shaders/tail_backward.wgsl")])
}

/// How rows are divided among invocations: long ones have a workgroup each.
fn lanes(long: bool) -> &'static str {
    if long { include_str!("../shaders/lanes.wgsl") } else { include_str!("../shaders/lane.wgsl") }
}

/// An activation of rows.
pub fn rows_forward(activation: &Activation, long: bool) -> String {
    let own = include_str!("../shaders/rows_forward.wgsl");
    shader(&[], &[lanes(long), own, &activation.row_wgsl(false)])
}

/// The way back through one.
pub fn rows_backward(activation: &Activation, accumulate: bool, long: bool) -> String {
    let constants: [(&str, &dyn Display); 1] = [("ACCUMULATE", &accumulate)];
    let own = include_str!("../shaders/rows_backward.wgsl");
    shader(&constants, &[lanes(long), own, &activation.row_wgsl(true)])
}

fn no_loss() -> String {
    "fn loss(row: u32, from_row: u32, factor: f32, gradient: bool) -> f32 {\n    return 0.0f;\n}\n".into()
}

/// Loss, gradient and metrics.
pub fn loss(objective: &Objective, head: Head, gradient: bool, long: bool) -> String {
    let metrics = objective.metrics.iter().filter(|m| m.metric.is_row_mean());
    let quantities = 1 + metrics.clone().count();
    let class = objective.target_kind() == Some(TargetKind::Class);
    let constants: [(&str, &dyn Display); 5] = [
        ("MAX_GROUPS", &unsigned(MAX_GROUPS)),
        ("CLASS", &class),
        ("GRADIENT", &gradient),
        ("QUANTITIES", &format!("{quantities}u")),
        ("VALUES", &format!("{}u", 64 * quantities)),
    ];
    let mut functions =
        objective.loss.as_ref().map_or_else(no_loss, |l| l.loss.wgsl("loss", head)) + Metric::common_wgsl();
    let mut calls = String::new();
    for (i, measure) in metrics.enumerate() {
        functions += &measure.metric.wgsl(&format!("metric_{i}"));
        let weight = if measure.weighted { "weight * " } else { "" };
        calls += &format!("    values[at + {i}u] = {weight}metric_{i}(row, from_row);\n");
    }
    functions += &format!("fn metrics(row: u32, from_row: u32, weight: f32, at: u32) {{\n{calls}}}\n");
    shader(&constants, &[lanes(long), include_str!("../shaders/loss.wgsl"), &functions])
}
