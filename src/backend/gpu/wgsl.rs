//! Shaders put together: a file of `shaders/`, before it the constants that tell its variants apart and what concepts
//! supply about themselves.

use crate::activations::Activation;
use crate::backend::Objective;
use crate::constraints::Constraint;
use crate::losses::{Head, TargetKind};
use crate::metrics::Metric;
use crate::optimizers::OptimizerConfig;
use crate::plan::RowMoments;
use crate::symbol::function;
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
    /// Whether a gradient in memory adds to what is there, as common.wgsl says.
    pub adds: u32,
}

/// dkernel = xᵀ · dy, and the rule over it, or without a rule the gradient alone.
pub fn weight_gradient(variant: WeightVariant, rule: Option<&OptimizerConfig>) -> String {
    let constants: [(&str, &dyn Display); 9] = [
        ("A_ALONG", &false),
        ("B_ALONG", &false),
        ("KERNEL", &variant.kernel),
        ("BIAS", &variant.bias),
        ("GATHER", &variant.gather),
        ("ACCUMULATE", &unsigned(variant.adds)),
        ("UPDATE", &rule.is_some()),
        ("SLOTS", &unsigned(rule.map_or(0, OptimizerConfig::seen_slots))),
        ("AVERAGE", &unsigned(average(rule))),
    ];
    let update = rule.map_or_else(no_rule, OptimizerConfig::wgsl);
    shader(&constants, &[UPDATE, &update, include_str!("shaders/weight_gradient.wgsl"), GEMM])
}

const UPDATE: &str = include_str!("shaders/update.wgsl");

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
    shader(&constants, &[UPDATE, &update, &rule.wgsl_between(), include_str!("shaders/apply.wgsl")])
}

/// A sum of squares.
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

fn no_loss() -> String {
    "fn loss(row: u32, from_row: u32, factor: f32, gradient: bool) -> f32 {\n    return 0.0f;\n}\n".into()
}

/// Loss, gradient and metrics.
pub fn loss(objective: &Objective, head: Head, gradient: bool) -> String {
    let metrics = objective.metrics.iter().filter(|m| m.metric.is_row_mean());
    let quantities = 1 + metrics.clone().count();
    let class = objective.target_kind() == Some(TargetKind::Class);
    let constants: [(&str, &dyn Display); 4] = [
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
    shader(&constants, &[include_str!("shaders/loss.wgsl"), &functions])
}

/// Whether a kernel goes back, and then whether it adds to what is there.
type Back = Option<bool>;

/// A shader that goes forward or back.
fn both_ways(parts: &[&str], back: Back, more: &[(&str, &dyn Display)]) -> String {
    let (goes, adds) = (back.is_some(), back == Some(true));
    let ways: [(&str, &dyn Display); 2] = [("BACK", &goes), ("ACCUMULATE", &adds)];
    shader(&[more, &ways].concat(), parts)
}

/// A copy, with a factor; `adds` as common.wgsl says.
pub fn copy(adds: u32) -> String {
    shader(&[("ACCUMULATE", &unsigned(adds))], &[include_str!("shaders/copy.wgsl")])
}

/// Zeros, but where `adds` says that a sum goes on.
pub fn clear(adds: u32) -> String {
    shader(&[("ACCUMULATE", &unsigned(adds))], &[include_str!("shaders/clear.wgsl")])
}

/// An output among the results.
pub fn report() -> String {
    shader(&[], &[include_str!("shaders/report.wgsl")])
}

/// The penalty on a variable.
pub fn penalty() -> String {
    shader(&[], &[include_str!("shaders/penalty.wgsl")])
}

/// The penalty on a tensor.
pub fn activity() -> String {
    shader(&[], &[include_str!("shaders/activity.wgsl")])
}

/// The gradient of a penalty.
pub fn slope(adds: u32) -> String {
    let constants: [(&str, &dyn Display); 2] = [("ACCUMULATE", &unsigned(adds)), ("AVERAGE", &"4u")];
    shader(&constants, &[UPDATE, include_str!("shaders/slope.wgsl")])
}

/// A constraint.
pub fn constraint(constraint: &Constraint) -> String {
    let factor = function("factor", ["n"], |[n]| constraint.factor(n));
    let elementwise = constraint.is_elementwise();
    shader(&[("ELEMENTWISE", &elementwise)], &[&factor, include_str!("shaders/constraint.wgsl")])
}

/// Two tensors merged.
pub fn merge(number: u32) -> String {
    shader(&[("MERGE", &unsigned(number))], &[include_str!("shaders/merge.wgsl")])
}

/// The gradient of the first of two.
pub fn merge_backward(number: u32, adds: bool) -> String {
    let constants: [(&str, &dyn Display); 2] = [("MERGE", &unsigned(number)), ("ACCUMULATE", &adds)];
    shader(&constants, &[include_str!("shaders/merge_backward.wgsl")])
}

/// A tensor among the columns of another.
pub fn concatenate(back: Back) -> String {
    both_ways(&[include_str!("shaders/concatenate.wgsl")], back, &[])
}

/// The elements of a sample in another order.
pub fn rearrange() -> String {
    shader(&[], &[include_str!("shaders/rearrange.wgsl")])
}

/// The way back of that.
pub fn rearrange_backward(adds: bool) -> String {
    shader(&[("ACCUMULATE", &adds)], &[include_str!("shaders/rearrange_backward.wgsl")])
}

/// Products of rows.
pub fn dot() -> String {
    shader(&[], &[include_str!("shaders/dot.wgsl")])
}

/// The gradient of one side of them.
pub fn dot_backward(second: bool, adds: bool) -> String {
    let constants: [(&str, &dyn Display); 2] = [("SECOND", &second), ("ACCUMULATE", &adds)];
    shader(&constants, &[include_str!("shaders/dot_backward.wgsl")])
}

/// Which numbers a column is taken by, as column_map.wgsl says.
#[derive(Clone, Copy)]
pub struct ColumnForm {
    /// Which of the forms.
    pub number: u32,
    /// Whether there is a factor for each column.
    pub gamma: bool,
    /// Whether there is a term for each column.
    pub beta: bool,
}

/// Each column by numbers of its own.
pub fn column_map(form: ColumnForm, back: Back) -> String {
    let number = unsigned(form.number);
    let constants: [(&str, &dyn Display); 3] = [("FORM", &number), ("GAMMA", &form.gamma), ("BETA", &form.beta)];
    both_ways(&[include_str!("shaders/column_map.wgsl")], back, &constants)
}

/// Sums of columns, as column_sums.wgsl says.
pub fn column_sums(form: u32, shift: bool) -> String {
    let constants: [(&str, &dyn Display); 2] = [("FORM", &unsigned(form)), ("SHIFT", &shift)];
    shader(&constants, &[include_str!("shaders/column_sums.wgsl")])
}

/// The gradient of a normalization by the batch's statistics.
pub fn batch_norm_backward(gamma: bool, adds: bool) -> String {
    let constants: [(&str, &dyn Display); 2] = [("GAMMA", &gamma), ("ACCUMULATE", &adds)];
    shader(&constants, &[include_str!("shaders/batch_norm_backward.wgsl")])
}

/// A moving statistic.
pub fn moving() -> String {
    shader(&[], &[include_str!("shaders/moving.wgsl")])
}

fn moments_number(moments: RowMoments) -> String {
    unsigned(match moments {
        RowMoments::MeanAndVariance => 0,
        RowMoments::MeanSquare => 1,
        RowMoments::VarianceAlone => 2,
    })
}

/// A normalization of each row.
pub fn layer_norm(moments: RowMoments, gamma: bool, beta: bool) -> String {
    let moments = moments_number(moments);
    let constants: [(&str, &dyn Display); 3] = [("MOMENTS", &moments), ("GAMMA", &gamma), ("BETA", &beta)];
    shader(&constants, &[include_str!("shaders/layer_norm.wgsl")])
}

/// Its gradient.
pub fn layer_norm_backward(moments: RowMoments, gamma: bool, adds: bool) -> String {
    let moments = moments_number(moments);
    let constants: [(&str, &dyn Display); 3] = [("MOMENTS", &moments), ("GAMMA", &gamma), ("ACCUMULATE", &adds)];
    shader(&constants, &[include_str!("shaders/layer_norm_backward.wgsl")])
}

/// Rows of length 1.
pub fn unit_norm(back: Back) -> String {
    both_ways(&[include_str!("shaders/unit_norm.wgsl")], back, &[])
}

/// Noise; its number is noise.wgsl's.
pub fn noise(number: u32, back: Back) -> String {
    let parts = [&Activation::Linear.wgsl(), TAIL, include_str!("shaders/noise.wgsl")];
    both_ways(&parts, back, &[("NOISE", &unsigned(number)), ("DROPOUT", &false)])
}

/// An activation with trained slopes.
pub fn prelu(back: Back) -> String {
    both_ways(&[include_str!("shaders/prelu.wgsl")], back, &[])
}

/// The gradient of those.
pub fn prelu_gradient(adds: u32) -> String {
    shader(&[("ACCUMULATE", &unsigned(adds))], &[include_str!("shaders/prelu_gradient.wgsl")])
}

const LOOKUP: &str = include_str!("shaders/lookup.wgsl");

/// Rows of a table.
pub fn embedding(gather: bool) -> String {
    shader(&[("GATHER", &gather)], &[LOOKUP, include_str!("shaders/embedding.wgsl")])
}

/// Which rows those are.
pub fn embedding_rows(gather: bool) -> String {
    shader(&[("GATHER", &gather)], &[LOOKUP, include_str!("shaders/embedding_rows.wgsl")])
}

/// The gradient of a table.
pub fn embedding_gradient() -> String {
    shader(&[], &[include_str!("shaders/embedding_gradient.wgsl")])
}

/// Numbers as bins.
pub fn discretize() -> String {
    shader(&[], &[include_str!("shaders/discretize.wgsl")])
}

/// Categories as rows; the encoding's number is encode.wgsl's.
pub fn encode(number: u32) -> String {
    shader(&[("ENCODING", &unsigned(number))], &[include_str!("shaders/encode.wgsl")])
}
