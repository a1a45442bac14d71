//! The layer graph, compiled once into stages over tensors.
//!
//! Layers lower themselves into a [`Plan`]: stages in topological order, each reading and writing numbered tensors.
//! A chain of layers is the simplest graph, not a case of its own. The plan is data that every backend executes; it
//! also decides which tensors can share memory:
//!
//! - a stage whose backward pass needs only its output writes over its input, when nobody else reads that;
//! - the gradient of an elementwise stage's input overwrites the gradient of its output.

use crate::activations::Activation;
use crate::error::{Error, Result};
use crate::params::Variable;
use crate::rng::Stream;
use std::sync::Arc;

/// The number of a tensor in a plan.
pub type TensorId = usize;

/// One value that stages pass on: a matrix with `rows` rows a sample and `columns` columns.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// The shape of one sample as layers see it.
    pub shape: Vec<usize>,
    /// Which input of the model this is a reading of.
    pub source: Option<usize>,
    /// How many stages and outputs read it.
    pub uses: usize,
    /// The tensor whose memory holds it.
    pub storage: TensorId,
    /// The tensor whose gradient memory holds its gradient.
    pub gradient: TensorId,
    /// Whether a trained variable lies upstream, so that a gradient is needed.
    pub trained: bool,
}

impl Tensor {
    /// Rows of a sample: all axes but the last.
    pub fn rows(&self) -> usize {
        self.shape.iter().rev().skip(1).product()
    }
    /// The last axis.
    pub fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }
}

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

    /// Whether the GPU backend can do it.
    pub fn runs_on_gpu(&self) -> bool {
        matches!(self, Self::Dense { .. } | Self::Map(_) | Self::RowMap(_) | Self::Dropout { .. } | Self::Reshape)
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

/// One step of the computation.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The layer it belongs to, for messages.
    pub layer: String,
    /// What it computes.
    pub kind: Kind,
    /// What it reads.
    pub inputs: Vec<TensorId>,
    /// What it writes.
    pub output: TensorId,
}

impl Stage {
    /// What it reads, or the first of it.
    pub fn input(&self) -> TensorId {
        self.inputs[0]
    }
}

/// A compiled graph.
#[derive(Clone)]
pub struct Plan {
    /// Every value.
    pub tensors: Vec<Tensor>,
    /// In topological order.
    pub stages: Vec<Stage>,
    /// The results.
    pub outputs: Vec<TensorId>,
    /// Every variable once, in the order of the layers.
    pub variables: Vec<Arc<Variable>>,
    /// How many stages use each variable.
    pub variable_uses: Vec<usize>,
    /// Whether training changes each variable.
    pub trained: Vec<bool>,
    /// The random seed of the model.
    pub seed: u64,
}

impl Plan {
    /// Whether only dense stages use a variable.
    pub fn is_dense(&self, variable: usize) -> bool {
        let uses = |stage: &&Stage| stage.kind.variables().contains(&variable);
        self.stages.iter().filter(uses).all(|stage| matches!(stage.kind, Kind::Dense { .. }))
    }
}

/// A plan being made.
pub struct Builder {
    plan: Plan,
    path: String,
    /// Whether gradients by the inputs are wanted.
    input_gradients: bool,
}

impl Builder {
    /// An empty plan whose random streams hang on `seed`.
    pub fn new(seed: u64) -> Self {
        let plan = Plan {
            tensors: Vec::new(),
            stages: Vec::new(),
            outputs: Vec::new(),
            variables: Vec::new(),
            variable_uses: Vec::new(),
            trained: Vec::new(),
            seed,
        };
        Builder { plan, path: String::new(), input_gradients: false }
    }

    /// The same for a plan whose way back goes on to the inputs.
    pub fn with_input_gradients(self) -> Self {
        Builder { input_gradients: true, ..self }
    }

    /// Names the random streams of the stages to come: a position in the model, not an order of creation.
    pub fn set_path(&mut self, path: String) {
        self.path = path;
    }

    /// A random stream of the current layer.
    pub fn stream(&self, role: &str, seed: Option<u64>) -> Stream {
        Stream::new(seed.unwrap_or(self.plan.seed), &format!("{}/{role}", self.path))
    }

    /// A tensor that holds input number `source` of the model.
    pub fn input(&mut self, source: usize, shape: &[usize]) -> TensorId {
        self.tensor(shape.to_vec(), Some(source), self.input_gradients)
    }

    /// The shape of one sample of a tensor.
    pub fn shape(&self, tensor: TensorId) -> &[usize] {
        &self.plan.tensors[tensor].shape
    }

    /// The same elements in another shape. An input is simply read in that shape.
    pub fn reshape(&mut self, layer: &str, input: TensorId, shape: Vec<usize>) -> TensorId {
        if self.plan.tensors[input].shape == shape {
            return input;
        }
        match self.plan.tensors[input].source {
            Some(source) => self.tensor(shape, Some(source), self.input_gradients),
            None => self.stage(layer, Kind::Reshape, &[input], shape),
        }
    }

    /// The elements of each sample in another order: element e is the input's element `map[e]`.
    pub fn rearrange(&mut self, layer: &str, input: TensorId, map: Vec<u32>, shape: Vec<usize>) -> TensorId {
        let identity = map.len() == self.shape(input).iter().product::<usize>();
        if identity && map.iter().enumerate().all(|(i, &from)| i == from as usize) {
            return self.reshape(layer, input, shape);
        }
        self.stage(layer, Kind::Rearrange { map: map.into() }, &[input], shape)
    }

    /// y = x · kernel + bias.
    pub fn dense(&mut self, layer: &str, input: TensorId, variables: &[Arc<Variable>], trainable: bool) -> TensorId {
        let indices: Vec<usize> = variables.iter().map(|v| self.variable(v, trainable)).collect();
        let mut shape = self.shape(input).to_vec();
        if let Some(last) = shape.last_mut() {
            *last = variables[0].shape()[1];
        }
        self.stage(layer, Kind::Dense { kernel: indices[0], bias: indices.get(1).copied() }, &[input], shape)
    }

    /// An activation; the identity adds nothing.
    pub fn activation(&mut self, layer: &str, input: TensorId, activation: &Activation) -> Result<TensorId> {
        if *activation == Activation::Linear {
            return Ok(input);
        }
        let mut shape = self.shape(input).to_vec();
        if !activation.is_rowwise() {
            return Ok(self.stage(layer, Kind::Map(*activation), &[input], shape));
        }
        let columns = shape.last().copied().unwrap_or(1);
        let out = activation.output_columns(columns).ok_or_else(|| {
            Error::invalid(format!("{layer}: {}", activation.name()), "an even last axis", columns.to_string())
        })?;
        if let Some(last) = shape.last_mut() {
            *last = out;
        }
        Ok(self.stage(layer, Kind::RowMap(*activation), &[input], shape))
    }

    /// A stage of any kind; the output has this shape. Its variables must come from [`Builder::variable`].
    pub fn stage(&mut self, layer: &str, kind: Kind, inputs: &[TensorId], shape: Vec<usize>) -> TensorId {
        let trains = kind.variables().into_iter().any(|v| self.plan.trained[v]);
        let passes = kind.passes_gradient() && inputs.iter().any(|&t| self.plan.tensors[t].trained);
        let output = self.tensor(shape, None, trains || passes);
        for &input in inputs {
            self.plan.tensors[input].uses += 1;
        }
        self.plan.stages.push(Stage { layer: layer.to_string(), kind, inputs: inputs.to_vec(), output });
        output
    }

    fn tensor(&mut self, shape: Vec<usize>, source: Option<usize>, trained: bool) -> TensorId {
        let id = self.plan.tensors.len();
        self.plan.tensors.push(Tensor { shape, source, uses: 0, storage: id, gradient: id, trained });
        id
    }

    /// The number of a variable among the plan's; `trainable` is its layer's. Each call counts as a use.
    pub fn variable(&mut self, variable: &Arc<Variable>, trainable: bool) -> usize {
        let plan = &mut self.plan;
        let known = plan.variables.iter().position(|v| v.id() == variable.id());
        let index = known.unwrap_or(plan.variables.len());
        if known.is_none() {
            plan.variables.push(variable.clone());
            plan.variable_uses.push(0);
            plan.trained.push(variable.trainable() && trainable);
        }
        plan.variable_uses[index] += 1;
        index
    }

    /// The finished plan.
    pub fn finish(mut self, outputs: Vec<TensorId>) -> Plan {
        for &output in &outputs {
            self.plan.tensors[output].uses += 1;
        }
        self.plan.outputs = outputs;
        self.share_memory();
        self.plan
    }

    fn share_memory(&mut self) {
        let plan = &mut self.plan;
        let made_by_dense = |plan: &Plan, t: TensorId| {
            plan.stages.iter().any(|s| s.output == t && matches!(s.kind, Kind::Dense { .. }))
        };
        for i in 0..plan.stages.len() {
            let Stage { ref kind, ref inputs, output, .. } = plan.stages[i];
            let input = inputs[0];
            if matches!(kind, Kind::Penalty { .. }) {
                // It only looks at its input.
                plan.tensors[output].storage = plan.tensors[input].storage;
                continue;
            }
            let writes_over = |kind: &Kind| matches!(kind, Kind::Map(a) if !a.needs_input());
            let hands_down = |kind: &Kind| matches!(kind, Kind::Map(_) | Kind::Dropout { .. });
            let (over_input, down) = (writes_over(kind) && made_by_dense(plan, input), hands_down(kind));
            if plan.tensors[input].uses > 1 {
                continue;
            }
            if over_input {
                plan.tensors[output].storage = plan.tensors[input].storage;
            }
            if down {
                // Backward runs from the last stage to the first, so the input's gradient takes the output's place.
                plan.tensors[input].gradient = output;
            }
        }
        for t in (0..plan.tensors.len()).rev() {
            let mut root = plan.tensors[t].gradient;
            while plan.tensors[root].gradient != root {
                root = plan.tensors[root].gradient;
            }
            plan.tensors[t].gradient = root;
        }
    }
}
