//! The shaders of whatever is no product, no tail of one, no loss and no rule.

use super::{TAIL, UPDATE, lanes, no_rule, shader, unsigned};
use crate::activations::Activation;
use crate::constraints::Constraint;
use crate::optimizers::OptimizerConfig;
use crate::plan::RowMoments;
use crate::symbol::function;
use std::fmt::Display;

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
    shader(&[("ACCUMULATE", &unsigned(adds))], &[include_str!("../shaders/copy.wgsl")])
}

/// Zeros, but where `adds` says that a sum goes on.
pub fn clear(adds: u32) -> String {
    shader(&[("ACCUMULATE", &unsigned(adds))], &[include_str!("../shaders/clear.wgsl")])
}

/// An output among the results.
pub fn report() -> String {
    shader(&[], &[include_str!("../shaders/report.wgsl")])
}

/// The penalty on a variable.
pub fn penalty() -> String {
    shader(&[], &[include_str!("../shaders/penalty.wgsl")])
}

/// The penalty on a tensor.
pub fn activity() -> String {
    shader(&[], &[include_str!("../shaders/activity.wgsl")])
}

/// The gradient of a penalty.
pub fn slope(adds: u32) -> String {
    let constants: [(&str, &dyn Display); 2] = [("ACCUMULATE", &unsigned(adds)), ("AVERAGE", &"4u")];
    shader(&constants, &[UPDATE, include_str!("../shaders/slope.wgsl")])
}

/// A constraint.
pub fn constraint(constraint: &Constraint) -> String {
    let factor = function("factor", ["n"], |[n]| constraint.factor(n));
    let elementwise = constraint.is_elementwise();
    shader(&[("ELEMENTWISE", &elementwise)], &[&factor, include_str!("../shaders/constraint.wgsl")])
}

/// Two tensors merged.
pub fn merge(number: u32) -> String {
    shader(&[("MERGE", &unsigned(number))], &[include_str!("../shaders/merge.wgsl")])
}

/// The gradient of the first of two.
pub fn merge_backward(number: u32, adds: bool) -> String {
    let constants: [(&str, &dyn Display); 2] = [("MERGE", &unsigned(number)), ("ACCUMULATE", &adds)];
    shader(&constants, &[include_str!("../shaders/merge_backward.wgsl")])
}

/// A tensor among the columns of another.
pub fn concatenate(back: Back) -> String {
    both_ways(&[include_str!("../shaders/concatenate.wgsl")], back, &[])
}

/// The elements of a sample in another order.
pub fn rearrange() -> String {
    shader(&[], &[include_str!("../shaders/rearrange.wgsl")])
}

/// The way back of that.
pub fn rearrange_backward(adds: bool) -> String {
    shader(&[("ACCUMULATE", &adds)], &[include_str!("../shaders/rearrange_backward.wgsl")])
}

/// Products of rows.
pub fn dot() -> String {
    shader(&[], &[include_str!("../shaders/dot.wgsl")])
}

/// The gradient of one side of them.
pub fn dot_backward(second: bool, adds: bool) -> String {
    let constants: [(&str, &dyn Display); 2] = [("SECOND", &second), ("ACCUMULATE", &adds)];
    shader(&constants, &[include_str!("../shaders/dot_backward.wgsl")])
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
    both_ways(&[include_str!("../shaders/column_map.wgsl")], back, &constants)
}

/// Sums of columns, as column_sums.wgsl says.
pub fn column_sums(form: u32, shift: bool) -> String {
    let constants: [(&str, &dyn Display); 2] = [("FORM", &unsigned(form)), ("SHIFT", &shift)];
    shader(&constants, &[include_str!("../shaders/column_sums.wgsl")])
}

/// The gradient of a normalization by the batch's statistics.
pub fn batch_norm_backward(gamma: bool, adds: bool) -> String {
    let constants: [(&str, &dyn Display); 2] = [("GAMMA", &gamma), ("ACCUMULATE", &adds)];
    shader(&constants, &[include_str!("../shaders/batch_norm_backward.wgsl")])
}

/// Moving statistics.
pub fn moving() -> String {
    shader(&[], &[include_str!("../shaders/moving.wgsl")])
}

fn moments_number(moments: RowMoments) -> String {
    unsigned(match moments {
        RowMoments::MeanAndVariance => 0,
        RowMoments::MeanSquare => 1,
        RowMoments::VarianceAlone => 2,
    })
}

/// A normalization of each row.
pub fn layer_norm(moments: RowMoments, gamma: bool, beta: bool, long: bool) -> String {
    let moments = moments_number(moments);
    let constants: [(&str, &dyn Display); 3] = [("MOMENTS", &moments), ("GAMMA", &gamma), ("BETA", &beta)];
    shader(&constants, &[lanes(long), include_str!("../shaders/layer_norm.wgsl")])
}

/// Its gradient.
pub fn layer_norm_backward(moments: RowMoments, gamma: bool, adds: bool, long: bool) -> String {
    let moments = moments_number(moments);
    let constants: [(&str, &dyn Display); 3] = [("MOMENTS", &moments), ("GAMMA", &gamma), ("ACCUMULATE", &adds)];
    shader(&constants, &[lanes(long), include_str!("../shaders/layer_norm_backward.wgsl")])
}

/// Rows of length 1.
pub fn unit_norm(back: Back, long: bool) -> String {
    both_ways(&[lanes(long), include_str!("../shaders/unit_norm.wgsl")], back, &[])
}

/// Noise; its number is noise.wgsl's.
pub fn noise(number: u32, back: Back) -> String {
    let parts = [&Activation::Linear.wgsl(), TAIL, include_str!("../shaders/noise.wgsl")];
    both_ways(&parts, back, &[("NOISE", &unsigned(number)), ("DROPOUT", &false)])
}

/// An activation with trained slopes.
pub fn prelu(back: Back) -> String {
    both_ways(&[include_str!("../shaders/prelu.wgsl")], back, &[])
}

/// The gradient of those.
pub fn prelu_gradient(adds: u32) -> String {
    shader(&[("ACCUMULATE", &unsigned(adds))], &[include_str!("../shaders/prelu_gradient.wgsl")])
}

const LOOKUP: &str = include_str!("../shaders/lookup.wgsl");

/// Rows of a table.
pub fn embedding(gather: bool) -> String {
    shader(&[("GATHER", &gather)], &[LOOKUP, include_str!("../shaders/embedding.wgsl")])
}

/// Ids that a workgroup sorts.
pub const PIECE: usize = 1024;

/// Which rows those are, sorted by pieces.
pub fn embedding_sort(gather: bool) -> String {
    let constants: [(&str, &dyn Display); 2] = [("GATHER", &gather), ("PIECE", &unsigned(PIECE))];
    shader(&constants, &[LOOKUP, include_str!("../shaders/embedding_sort.wgsl")])
}

/// The pieces as one list.
pub fn embedding_merge() -> String {
    shader(&[("PIECE", &unsigned(PIECE))], &[include_str!("../shaders/embedding_merge.wgsl")])
}

/// The gradient of a table, or the rule over the rows that have one.
pub fn embedding_gradient(rule: Option<&OptimizerConfig>) -> String {
    let slots = unsigned(rule.map_or(0, OptimizerConfig::seen_slots));
    let updates = rule.is_some();
    let constants: [(&str, &dyn Display); 3] = [("UPDATE", &updates), ("SLOTS", &slots), ("AVERAGE", &"4u")];
    let update = rule.map_or_else(no_rule, OptimizerConfig::wgsl);
    shader(&constants, &[UPDATE, &update, include_str!("../shaders/embedding_gradient.wgsl")])
}

/// Numbers as bins.
pub fn discretize() -> String {
    shader(&[], &[include_str!("../shaders/discretize.wgsl")])
}

/// Categories as rows; the encoding's number is encode.wgsl's.
pub fn encode(number: u32) -> String {
    shader(&[("ENCODING", &unsigned(number))], &[include_str!("../shaders/encode.wgsl")])
}
