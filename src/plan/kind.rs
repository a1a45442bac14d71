//! What a stage of a plan computes.

use crate::activations::Activation;
use crate::rng::Stream;
use std::sync::Arc;

/// What merges several tensors of one shape, element by element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "Keras's names say it")]
pub enum Merge {
    Add,
    Subtract,
    Multiply,
    Average,
    Maximum,
    Minimum,
}

/// Noise that training puts on each element, from draws n ~ N(0, 1) or kept-or-dropped masks m.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// x + σn.
    Gaussian {
        /// σ.
        stddev: f64,
    },
    /// x·(1 + n·√(rate/(1 − rate))).
    GaussianDropout {
        /// The rate of the dropout it stands for.
        rate: f64,
    },
    /// a·(x·m + α′(1 − m)) + b, which keeps mean and variance of a SELU's output.
    AlphaDropout {
        /// The fraction that is set to α′.
        rate: f64,
    },
}

/// What a row is normalized by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowMoments {
    /// (x − μ)/√(σ² + ε).
    MeanAndVariance,
    /// x/√(mean x² + ε).
    MeanSquare,
    /// x/√(σ² + ε).
    VarianceAlone,
}

/// What `CategoryEncoding` and `Discretization` write for the categories of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One row of zeros and a one for each category.
    OneHot,
    /// A 1 for every category that occurs.
    MultiHot,
    /// How often each category occurs.
    Count,
}

/// What a stage computes. Numbers of variables are indices among the plan's.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "variables are explained by their layer")]
pub enum Kind {
    /// y = x · kernel + bias, along the last axis.
    Dense { kernel: usize, bias: Option<usize> },
    /// An activation of each element.
    Map(Activation),
    /// An activation of each row.
    RowMap(Activation),
    /// Each element kept with probability 1 − rate and then divided by it; the identity in inference.
    Dropout { rate: f64, stream: Stream },
    /// Other noise; the identity in inference.
    Noise { noise: Noise, stream: Stream },
    /// The same elements in another shape.
    Reshape,
    /// Element e of a sample is element `map[e]` of the input's; elements may be repeated or left out.
    Rearrange { map: Arc<[u32]> },
    /// Several inputs of one shape, element by element.
    Merge(Merge),
    /// The inputs side by side along the last axis.
    Concatenate,
    /// For each sample the products of the rows of two inputs: (m, k), (n, k) → (m, n).
    Dot { m: usize, n: usize },
    /// x / √max(Σx², ε) for each row.
    UnitNormalize { epsilon: f64 },
    /// Each column by mean and variance of the batch, or by the moving ones: γ(x − μ)/√(σ² + ε) + β. `training` is
    /// whether training uses the batch's (a frozen layer never does).
    BatchNorm {
        gamma: Option<usize>,
        beta: Option<usize>,
        mean: usize,
        variance: usize,
        momentum: f64,
        epsilon: f64,
        training: bool,
    },
    /// Each row by its own moments: γ·(…) + β.
    LayerNorm { gamma: Option<usize>, beta: Option<usize>, epsilon: f64, moments: RowMoments },
    /// x where positive, αx elsewhere; element e of a sample has element `map[e]` of alpha.
    Prelu { alpha: usize, map: Arc<[u32]> },
    /// scale·x + offset, with one number for all columns or one a column.
    Affine { scale: Arc<[f32]>, offset: Arc<[f32]> },
    /// (x − mean)/max(√variance, ε) for each column, or the inverse of it.
    Standardize { mean: usize, variance: usize, invert: bool },
    /// Each element, a row number, becomes that row of the table.
    Embedding { table: usize },
    /// How many boundaries are ≤ x: the number of the bin.
    Discretize { boundaries: Arc<[f32]> },
    /// The categories along the last axis as a row of `tokens` numbers; for one-hot the last axis is one category.
    Encode { tokens: usize, encoding: Encoding },
    /// The identity, with the penalty l1·Σ|x| + l2·Σx² over the batch's size added to the loss.
    Penalty { l1: f64, l2: f64 },
}

impl Kind {
    /// The variables it reads, trained ones first.
    pub fn variables(&self) -> Vec<usize> {
        match *self {
            Self::Dense { kernel, bias } => std::iter::once(kernel).chain(bias).collect(),
            Self::BatchNorm { gamma, beta, mean, variance, .. } => {
                gamma.into_iter().chain(beta).chain([mean, variance]).collect()
            }
            Self::LayerNorm { gamma, beta, .. } => gamma.into_iter().chain(beta).collect(),
            Self::Prelu { alpha, .. } => vec![alpha],
            Self::Standardize { mean, variance, .. } => vec![mean, variance],
            Self::Embedding { table } => vec![table],
            _ => Vec::new(),
        }
    }

    /// Whether a gradient passes through to the inputs.
    pub fn passes_gradient(&self) -> bool {
        !matches!(self, Self::Embedding { .. } | Self::Discretize { .. } | Self::Encode { .. })
    }

    /// What messages call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dense { .. } => "Dense",
            Self::Map(activation) | Self::RowMap(activation) => activation.name(),
            Self::Dropout { .. } => "Dropout",
            Self::Noise { noise: Noise::Gaussian { .. }, .. } => "GaussianNoise",
            Self::Noise { noise: Noise::GaussianDropout { .. }, .. } => "GaussianDropout",
            Self::Noise { noise: Noise::AlphaDropout { .. }, .. } => "AlphaDropout",
            Self::Reshape => "Reshape",
            Self::Rearrange { .. } => "a permutation of axes",
            Self::Merge(Merge::Add) => "Add",
            Self::Merge(Merge::Subtract) => "Subtract",
            Self::Merge(Merge::Multiply) => "Multiply",
            Self::Merge(Merge::Average) => "Average",
            Self::Merge(Merge::Maximum) => "Maximum",
            Self::Merge(Merge::Minimum) => "Minimum",
            Self::Concatenate => "Concatenate",
            Self::Dot { .. } => "Dot",
            Self::UnitNormalize { .. } => "UnitNormalization",
            Self::BatchNorm { .. } => "BatchNormalization",
            Self::LayerNorm { .. } => "LayerNormalization",
            Self::Prelu { .. } => "PReLU",
            Self::Affine { .. } => "Rescaling",
            Self::Standardize { .. } => "Normalization",
            Self::Embedding { .. } => "Embedding",
            Self::Discretize { .. } => "Discretization",
            Self::Encode { .. } => "CategoryEncoding",
            Self::Penalty { .. } => "an activity regularizer",
        }
    }
}
