//! Losses: Keras's formulas, each with its gradient, fused with a last softmax or sigmoid where there is one.
//!
//! A loss works on one row (one sample): `row` returns its value and writes dL/dp. Where the last activation is a
//! softmax or a sigmoid and the loss the crossentropy that belongs to it, the engine passes logits z instead and the
//! two are computed as one, without the clipping that Keras needs: ln Σe^z − z_c, and max(z, 0) − zy + ln(1 + e^−|z|).
//!
//! Each formula stands once: a `Term` of a column (`mean.rs`), whose mean over the columns is the loss, or a `Fold`
//! over a row (`fold.rs`). `Loss::visit` says which is whose, for the CPU and for shaders. A new loss is a formula, a
//! variant, and a line there and in `config.rs`. What a user writes himself is an [`Expression`].

mod config;
mod crossentropy;
mod expression;
mod fold;
mod mean;
mod power;
mod rows;
mod terms;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(feature = "gpu")]
mod wgsl;

pub(crate) use config::SPELLINGS;
pub use config::{CrossentropyKind, LossConfig, LossSpec, Reduction};
pub use expression::Expression;

use crate::activations::Activation;
use crate::error::{Error, Result};
use crate::real::Real;
use serde::Serialize;
use strum::VariantNames;

/// A loss function with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, strum::IntoStaticStr, strum::VariantNames)]
#[serde(tag = "class_name", content = "config")]
#[strum(serialize_all = "snake_case")]
#[allow(missing_docs, reason = "each field is Keras's argument of the same name")]
pub enum Loss {
    /// mean (p − y)².
    MeanSquaredError,
    /// mean |p − y|; its derivative at 0 is 0.
    MeanAbsoluteError,
    /// mean −(y ln p + (1 − y) ln(1 − p)).
    BinaryCrossentropy { from_logits: bool, label_smoothing: f64 },
    /// −Σ y ln p, for a target of one number a class.
    CategoricalCrossentropy { from_logits: bool, label_smoothing: f64 },
    /// −ln p_c, for a target that is the class c.
    SparseCategoricalCrossentropy { from_logits: bool, ignore_class: Option<i64> },
    /// mean 100·|y − p| / max(|y|, ε).
    MeanAbsolutePercentageError,
    /// mean (ln(1 + p) − ln(1 + y))².
    MeanSquaredLogarithmicError,
    /// mean ln cosh(p − y).
    LogCosh,
    /// mean of e²/2 for |e| ≤ δ, of δ|e| − δ²/2 beyond.
    Huber { delta: f64 },
    /// −yp / (|y|·|p|).
    CosineSimilarity,
    /// Σ y ln(y/p).
    #[serde(rename = "KLDivergence")]
    KlDivergence,
    /// mean p − y ln p.
    Poisson,
    /// mean (1 − p_t)^γ·B for the binary crossentropy B.
    BinaryFocalCrossentropy {
        apply_class_balancing: bool,
        alpha: f64,
        gamma: f64,
        from_logits: bool,
        label_smoothing: f64,
    },
    /// −Σ αy(1 − p)^γ·ln p.
    CategoricalFocalCrossentropy { alpha: Alpha, gamma: f64, from_logits: bool, label_smoothing: f64 },
    /// (1 − p_cᑫ)/q, for a target that is the class c.
    CategoricalGeneralizedCrossEntropy { q: f64 },
    /// mean max(1 − yp, 0).
    Hinge,
    /// mean max(1 − yp, 0)².
    SquaredHinge,
    /// max(0, 1 + max (1 − y)p − Σ yp).
    CategoricalHinge,
    /// 1 − 2Σyp / (Σy + Σp), of the row: `axis` is −1.
    Dice { axis: Option<i64> },
    /// 1 − Σyp / (Σyp + αΣy(1 − p) + βΣp(1 − y)), of the row: `axis` is −1.
    Tversky { alpha: f64, beta: f64, axis: Option<i64> },
    /// What the user wrote.
    #[serde(rename = "expression")]
    Expression(Expression),
    /// A loss that somebody else computes: the target is n times its gradient, for n columns; here its value is 0.
    Given,
}

/// The weight of the classes: one number, or one for each.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Alpha {
    /// Of all.
    One(f64),
    /// Of each; at least one.
    Each(Vec<f64>),
}

impl Alpha {
    #[inline(always)]
    fn list(&self) -> &[f64] {
        match self {
            Self::One(alpha) => std::slice::from_ref(alpha),
            Self::Each(list) => list,
        }
    }
}

/// Who gets a loss's formula from `Loss::visit`. A trait and not closures: those would be compiled without SIMD.
trait Visit<R: Real> {
    /// What comes of it.
    type Output;
    /// The mean, or the sum, of a term.
    fn term(self, term: impl mean::Term) -> Self::Output;
    /// A fold.
    fn fold<const W: usize>(self, fold: impl fold::Fold<R, W>) -> Self::Output;
    /// The categorical crossentropy.
    fn categorical(self, from_logits: bool) -> Self::Output;
}

/// Computes one row.
struct Row<'a, 'g, R> {
    labels: crossentropy::Labels<'a, R>,
    p: &'a [R],
    gradient: Option<&'g mut [R]>,
}

impl<R: Real> Visit<R> for Row<'_, '_, R> {
    type Output = R;
    #[inline(always)]
    fn term(self, term: impl mean::Term) -> R {
        mean::mean(term, self.labels.target, self.p, self.gradient)
    }
    #[inline(always)]
    fn fold<const W: usize>(self, fold: impl fold::Fold<R, W>) -> R {
        fold::fold(fold, self.labels.target, self.p, self.gradient)
    }
    #[inline(always)]
    fn categorical(self, from_logits: bool) -> R {
        if from_logits {
            crossentropy::of_logits(self.labels, self.p, self.gradient)
        } else {
            crossentropy::of_probabilities(self.labels, self.p, self.gradient)
        }
    }
}

/// The target of one row; where R is a register, of one row a lane.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a, R> {
    /// One number a column.
    Dense(&'a [R]),
    /// The class id, as a number.
    Class(R),
}

/// Which [`Target`] a loss or a metric wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// [`Target::Dense`].
    Dense,
    /// [`Target::Class`].
    Class,
}

/// The last activation, where it is computed together with the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// It is not: the loss gets the model's output.
    Plain,
    /// Softmax: the loss gets logits and leaves probabilities.
    Softmax,
    /// Sigmoid: likewise.
    Sigmoid,
}

impl<R: Real> Target<'_, R> {
    /// The target of column `j` as a number.
    #[inline(always)]
    pub fn number(&self, j: usize) -> R {
        match *self {
            Target::Dense(y) => y[j],
            Target::Class(class) => class,
        }
    }

    /// The target of column `j` as a probability: the number given, or 1 for the class and 0 for the others.
    #[inline(always)]
    pub fn weight(&self, j: usize) -> R {
        match *self {
            Target::Dense(y) => y[j],
            Target::Class(class) => R::select(class.eq(R::splat(j as f64)), R::one(), R::zero()),
        }
    }
}

impl Loss {
    /// Keras's name of the function, e.g. `mean_squared_error`.
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// The name of every loss that has one; what a user writes has none.
    pub fn names() -> Vec<&'static str> {
        Self::VARIANTS.iter().copied().filter(|name| !["expression", "given"].contains(name)).collect()
    }

    /// The target it wants.
    pub fn target_kind(&self) -> TargetKind {
        match self {
            Self::SparseCategoricalCrossentropy { .. } | Self::CategoricalGeneralizedCrossEntropy { .. } => {
                TargetKind::Class
            }
            _ => TargetKind::Dense,
        }
    }

    /// Refuses an output of so many columns where an argument does not suit it.
    pub fn check(&self, columns: usize) -> Result<()> {
        match self {
            Self::CategoricalFocalCrossentropy { alpha: Alpha::Each(list), .. } if list.len() != columns => {
                let expected = format!("{columns} numbers, one a class");
                Err(Error::invalid("CategoricalFocalCrossentropy: alpha", expected, list.len().to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Whether the model's last activation is computed together with this loss.
    pub fn head(&self, last: &Activation) -> Head {
        match (self, last) {
            (
                Self::CategoricalCrossentropy { from_logits: false, .. }
                | Self::SparseCategoricalCrossentropy { from_logits: false, .. },
                Activation::Softmax,
            ) => Head::Softmax,
            (Self::BinaryCrossentropy { from_logits: false, .. }, Activation::Sigmoid) => Head::Sigmoid,
            _ => Head::Plain,
        }
    }

    /// One row's loss. With [`Head::Plain`], `p` is what Keras's function gets, and stays; with the others it holds
    /// logits on entry and probabilities on exit, and `head` must be what [`Loss::head`] said. `gradient` gets the
    /// derivative of the row's loss by `p` as it was on entry.
    #[inline(always)]
    pub fn row<R: Real>(&self, head: Head, target: Target<R>, p: &mut [R], gradient: Option<&mut [R]>) -> R {
        match head {
            Head::Plain => self.plain(target, p, gradient),
            Head::Softmax => crossentropy::with_softmax(self.labels(target), p, gradient),
            Head::Sigmoid => crossentropy::with_sigmoid(self.labels(target), p, gradient),
        }
    }

    /// One row's loss of the model's output as it is, [`Head::Plain`].
    #[inline(always)]
    pub fn plain<R: Real>(&self, target: Target<R>, p: &[R], gradient: Option<&mut [R]>) -> R {
        self.visit(Row { labels: self.labels(target), p, gradient })
    }

    /// Hands the visitor this loss's formula.
    #[inline(always)]
    fn visit<R: Real, V: Visit<R>>(&self, visitor: V) -> V::Output {
        match *self {
            Self::MeanSquaredError => visitor.term(mean::Squared),
            Self::MeanAbsoluteError => visitor.term(mean::Absolute),
            Self::BinaryCrossentropy { from_logits: true, label_smoothing } => {
                visitor.term(crossentropy::Logit { smoothing: label_smoothing })
            }
            Self::BinaryCrossentropy { from_logits: false, label_smoothing } => {
                visitor.term(crossentropy::Probability { smoothing: label_smoothing })
            }
            Self::CategoricalCrossentropy { from_logits, .. }
            | Self::SparseCategoricalCrossentropy { from_logits, .. } => visitor.categorical(from_logits),
            Self::MeanAbsolutePercentageError => visitor.term(terms::Percentage),
            Self::MeanSquaredLogarithmicError => visitor.term(terms::Logarithmic),
            Self::LogCosh => visitor.term(terms::LogCosh),
            Self::Huber { delta } => visitor.term(terms::Huber { delta }),
            Self::CosineSimilarity => visitor.fold(rows::Cosine),
            Self::KlDivergence => visitor.term(terms::Divergence),
            Self::Poisson => visitor.term(terms::Poisson),
            Self::BinaryFocalCrossentropy { apply_class_balancing, alpha, gamma, from_logits, label_smoothing } => {
                let alpha = if apply_class_balancing { Some(alpha) } else { None };
                visitor.term(terms::BinaryFocal { alpha, gamma, from_logits, label_smoothing })
            }
            Self::CategoricalFocalCrossentropy { ref alpha, gamma, from_logits, label_smoothing } => {
                let alpha = alpha.list();
                visitor.fold(rows::CategoricalFocal { alpha, gamma, from_logits, label_smoothing })
            }
            Self::CategoricalGeneralizedCrossEntropy { q } => visitor.fold(rows::Generalized { q }),
            Self::Hinge => visitor.term(terms::Hinge { squared: false }),
            Self::SquaredHinge => visitor.term(terms::Hinge { squared: true }),
            Self::CategoricalHinge => visitor.fold(rows::CategoricalHinge),
            Self::Dice { .. } => visitor.fold(rows::Overlap::DICE),
            Self::Tversky { alpha, beta, .. } => visitor.fold(rows::Overlap::tversky(alpha, beta)),
            Self::Given => visitor.term(mean::Given),
            Self::Expression(ref expression) => visitor.fold(expression::Walker::new(expression)),
        }
    }

    /// 1 for a row that counts, 0 for one that `ignore_class` leaves out (its loss and gradient are 0 already).
    /// Where Keras divides by a number of rows or a sum of weights, it is that of the rows that count.
    #[inline(always)]
    pub fn presence<R: Real>(&self, target: Target<R>) -> R {
        let (zero, one) = (R::zero(), R::one());
        match (self, target) {
            (Self::SparseCategoricalCrossentropy { ignore_class: Some(ignored), .. }, Target::Class(class)) => {
                R::select(class.eq(R::splat(*ignored as f64)), zero, one)
            }
            _ => one,
        }
    }

    /// The weights of the classes, where each has its own.
    #[cfg(feature = "gpu")]
    fn class_weights(&self) -> &[f64] {
        match self {
            Self::CategoricalFocalCrossentropy { alpha: Alpha::Each(list), .. } => list,
            _ => &[],
        }
    }

    /// The class that is left out.
    pub fn ignored_class(&self) -> Option<i64> {
        match self {
            Self::SparseCategoricalCrossentropy { ignore_class, .. } => *ignore_class,
            _ => None,
        }
    }

    /// The target as this loss's parameters change it.
    #[inline(always)]
    fn labels<'a, R: Real>(&self, target: Target<'a, R>) -> crossentropy::Labels<'a, R> {
        let smoothing = match *self {
            Self::BinaryCrossentropy { label_smoothing, .. }
            | Self::CategoricalCrossentropy { label_smoothing, .. } => label_smoothing,
            _ => 0.0,
        };
        crossentropy::Labels { target, smoothing, presence: self.presence(target) }
    }
}
