//! Losses: Keras's formulas, each with its gradient, fused with a last softmax or sigmoid where there is one.
//!
//! A loss works on one row (one sample): `row` returns its value and writes dL/dp. Where the last activation is a
//! softmax or a sigmoid and the loss the crossentropy that belongs to it, the engine passes logits z instead and the
//! two are computed as one, without the clipping that Keras needs: ln Σe^z − z_c, and max(z, 0) − zy + ln(1 + e^−|z|).
//!
//! A new elementwise loss is a `Term` of `mean.rs`, a variant, and a line in each `match` here.

mod config;
mod crossentropy;
mod mean;
#[cfg(test)]
mod tests;
#[cfg(feature = "gpu")]
mod wgsl;

pub(crate) use config::SPELLINGS;
pub use config::{CrossentropyKind, LossConfig, LossSpec, Reduction};

use crate::activations::Activation;
use crate::real::Real;
use serde::Serialize;
use strum::VariantNames;

/// A loss function with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, strum::IntoStaticStr, strum::VariantNames)]
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

    /// Every loss's name.
    pub fn names() -> Vec<&'static str> {
        Self::VARIANTS.to_vec()
    }

    /// SHIM
    pub fn has_wgsl(&self) -> bool {
        true
    }

    /// The target it wants.
    pub fn target_kind(&self) -> TargetKind {
        match self {
            Self::SparseCategoricalCrossentropy { .. } => TargetKind::Class,
            _ => TargetKind::Dense,
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
        let labels = self.labels(target);
        match *self {
            Self::MeanSquaredError => mean::mean(mean::Squared, target, p, gradient),
            Self::MeanAbsoluteError => mean::mean(mean::Absolute, target, p, gradient),
            Self::BinaryCrossentropy { from_logits, .. } => {
                if from_logits {
                    mean::mean(crossentropy::Logit::new(&labels), target, p, gradient)
                } else {
                    mean::mean(crossentropy::Probability::new(&labels), target, p, gradient)
                }
            }
            Self::CategoricalCrossentropy { from_logits, .. }
            | Self::SparseCategoricalCrossentropy { from_logits, .. } => {
                if from_logits {
                    crossentropy::of_logits(labels, p, gradient)
                } else {
                    crossentropy::of_probabilities(labels, p, gradient)
                }
            }
        }
    }

    /// 1 for a row that counts, 0 for one that `ignore_class` leaves out (its loss and gradient are 0 already).
    /// Where Keras divides by a number of rows or a sum of weights, it is that of the rows that count.
    #[inline(always)]
    pub fn presence<R: Real>(&self, target: Target<R>) -> R {
        let (zero, one) = (R::zero(), R::one());
        match (*self, target) {
            (Self::SparseCategoricalCrossentropy { ignore_class: Some(ignored), .. }, Target::Class(class)) => {
                R::select(class.eq(R::splat(ignored as f64)), zero, one)
            }
            _ => one,
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
