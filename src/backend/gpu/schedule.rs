//! Stages grouped for the GPU: what follows a product in its store is one node with it.

use super::wgsl::TailVariant;
use crate::activations::Activation;
use crate::plan::{Kind, Plan, TensorId};
use crate::rng::Stream;

/// An activation of each element and dropout after it; either may be missing.
#[derive(Clone, Debug)]
pub struct Tail {
    pub activation: Option<Activation>,
    pub dropout: Option<(f64, Stream)>,
    /// Before the activation.
    pub input: TensorId,
    /// After it.
    pub middle: TensorId,
    /// After dropout.
    pub output: TensorId,
}

impl Tail {
    fn none(tensor: TensorId) -> Self {
        Tail { activation: None, dropout: None, input: tensor, middle: tensor, output: tensor }
    }

    /// Whether nothing follows.
    pub fn is_empty(&self) -> bool {
        self.activation.is_none() && self.dropout.is_none()
    }

    /// Whether the way back reads what was before the activation.
    pub fn keeps_input(&self, training: bool) -> bool {
        training && self.activation.is_some_and(|a| a.needs_input())
    }

    /// The shader's variant.
    pub fn variant(&self, training: bool) -> TailVariant<'_> {
        TailVariant {
            activation: self.activation.as_ref(),
            keep_input: self.keeps_input(training),
            dropout: self.dropout.is_some(),
        }
    }
}

/// What runs as one.
#[derive(Clone, Debug)]
pub enum Node {
    /// A dense stage and its tail.
    Dense { stage: usize, kernel: usize, bias: Option<usize>, tail: Tail },
    /// A tail that no product precedes.
    Tail { stage: usize, tail: Tail },
    /// An activation of rows.
    Rows { stage: usize, activation: Activation },
    /// Any other stage.
    Other { stage: usize },
}

impl Node {
    /// Its tail.
    pub fn tail(&self) -> Option<&Tail> {
        match self {
            Node::Dense { tail, .. } | Node::Tail { tail, .. } => Some(tail),
            Node::Rows { .. } | Node::Other { .. } => None,
        }
    }
}

/// Whether a stage leaves the numbers of its input as they are.
pub fn is_identity(kind: &Kind, training: bool) -> bool {
    match kind {
        Kind::Dropout { .. } | Kind::Noise { .. } => !training,
        Kind::Reshape | Kind::Penalty { .. } => true,
        _ => false,
    }
}

/// The nodes of a plan without the stages that losses do, `fused`; and for each tensor the one whose buffers hold it: a
/// reshaped tensor is the same numbers where nobody else reads those, and so is what dropout leaves in inference.
pub fn nodes(plan: &Plan, fused: &[usize], training: bool) -> (Vec<Node>, Vec<TensorId>) {
    let stages = &plan.stages;
    let mut roots: Vec<TensorId> = (0..plan.tensors.len()).collect();
    let mut done = vec![false; stages.len()];
    let mut nodes = Vec::new();
    // The only reader of a tensor, if it is a stage.
    let reader = |t: TensorId| {
        let only = plan.tensors[t].uses == 1;
        (0..stages.len()).find(|s| only && stages[*s].input() == t && !fused.contains(s))
    };
    for (i, stage) in stages.iter().enumerate() {
        if done[i] {
            continue;
        }
        if fused.contains(&i) {
            roots[stage.output] = roots[stage.input()];
            continue;
        }
        let mut tail = Tail::none(stage.output);
        match &stage.kind {
            Kind::Dense { kernel, bias } => {
                follow(plan, &reader, &mut tail, &mut done, training);
                nodes.push(Node::Dense { stage: i, kernel: *kernel, bias: *bias, tail });
            }
            Kind::Map(activation) => {
                tail.input = stage.input();
                tail.activation = Some(*activation);
                follow(plan, &reader, &mut tail, &mut done, training);
                nodes.push(Node::Tail { stage: i, tail });
            }
            Kind::Dropout { rate, stream } if training => {
                tail = Tail { dropout: Some((*rate, *stream)), middle: stage.input(), input: stage.input(), ..tail };
                nodes.push(Node::Tail { stage: i, tail });
            }
            Kind::RowMap(activation) => nodes.push(Node::Rows { stage: i, activation: *activation }),
            kind => {
                let same = is_identity(kind, training) && plan.tensors[stage.input()].uses == 1;
                if same {
                    roots[stage.output] = roots[stage.input()];
                }
                if !same || matches!(kind, Kind::Penalty { .. }) {
                    nodes.push(Node::Other { stage: i });
                }
            }
        }
    }
    (nodes, roots)
}

/// Takes an activation, if there is none yet, and dropout into a tail, where nobody else reads what is between.
fn follow(
    plan: &Plan,
    reader: &impl Fn(TensorId) -> Option<usize>,
    tail: &mut Tail,
    done: &mut [bool],
    training: bool,
) {
    while let Some(s) = reader(tail.output) {
        let stage = &plan.stages[s];
        match &stage.kind {
            Kind::Map(activation) if tail.activation.is_none() => {
                tail.activation = Some(*activation);
                (tail.middle, tail.output) = (stage.output, stage.output);
            }
            Kind::Dropout { rate, stream } if training => {
                tail.dropout = Some((*rate, *stream));
                tail.output = stage.output;
            }
            _ => return,
        }
        done[s] = true;
        if tail.dropout.is_some() {
            return;
        }
    }
}
