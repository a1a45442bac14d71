//! Losses that a user writes down: a list of operations on y_true and y_pred, as `ironhorn.ops` traces them.
//!
//! Each node is one operation on the nodes before it, column by column; `sum`, `mean` and `max` run over the row, and
//! their result stands in every column. The last node is the loss; its mean over the columns is the row's loss, so a
//! result that stands in every column is itself the row's loss. With that, one rule serves both: L = (1/n) Σ_j f_j.
//!
//! A reduction has a level: one more than those of the reductions under it. Reductions of level l are added up in one
//! walk over the columns, l after l − 1; then, for the gradient, the derivatives by them, from the last level to the
//! first; see `walk.rs`. Each walk computes the columns' nodes anew, so nothing is stored but the reductions.

mod parse;
#[cfg(test)]
pub(crate) mod tests;
mod walk;

use serde::Serialize;
use std::sync::Arc;

#[cfg(feature = "gpu")]
pub use walk::STATE;
pub use walk::Walker;

/// The largest number of nodes.
pub const NODES: usize = 128;
/// The largest number of reductions among them.
pub const REDUCTIONS: usize = 8;

/// A loss as a list of operations; a clone shares it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Expression {
    #[serde(serialize_with = "parse::written")]
    nodes: Arc<[Node]>,
    #[serde(skip)]
    levels: usize,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
struct Node {
    op: Op,
    /// The nodes it works on; as many as [`Op::arity`] says mean something.
    inputs: [usize; 3],
    /// Of a reduction: its level. Of all others: the highest level under them.
    level: usize,
    /// Of a reduction: its number.
    slot: usize,
}

/// What a node computes. Truth is 1 and 0; everything but 0 is true.
#[derive(Clone, Copy, Debug, PartialEq, strum::EnumString, strum::IntoStaticStr, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
enum Op {
    YTrue,
    YPred,
    Constant(f64),
    Add,
    Subtract,
    Multiply,
    Divide,
    Maximum,
    Minimum,
    /// By a constant.
    Power(f64),
    Negative,
    Abs,
    Sign,
    Exp,
    Expm1,
    Log,
    Log1p,
    Sqrt,
    Square,
    Sigmoid,
    Softplus,
    Tanh,
    Relu,
    Less,
    LessEqual,
    Equal,
    LogicalAnd,
    LogicalOr,
    LogicalNot,
    /// The second input where the first is true, the third elsewhere.
    Where,
    Sum,
    Mean,
    Max,
}

impl Op {
    /// How many inputs it has.
    fn arity(self) -> usize {
        use Op::*;
        match self {
            YTrue | YPred | Constant(_) => 0,
            Add | Subtract | Multiply | Divide | Maximum | Minimum => 2,
            Less | LessEqual | Equal | LogicalAnd | LogicalOr => 2,
            Where => 3,
            _ => 1,
        }
    }

    /// How it is spelled.
    fn name(self) -> &'static str {
        self.into()
    }

    /// Whether it runs over the row.
    fn reduces(self) -> bool {
        matches!(self, Op::Sum | Op::Mean | Op::Max)
    }
}
