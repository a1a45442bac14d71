//! What an elementwise activation is, and the one place where its kind is matched.

use super::{Activation, piecewise, smooth};
use crate::real::Real;

/// An elementwise function f with its derivative. It holds its parameters and is copied into the loop.
pub trait Formula: Copy {
    /// Whether [`Formula::slope`] reads x; where it does not, the engine keeps only y (and may pass anything for x).
    const NEEDS_INPUT: bool;
    /// f(x).
    fn value<R: Real>(self, x: R) -> R;
    /// f′(x), given y = f(x).
    fn slope<R: Real>(self, x: R, y: R) -> R;
}

/// A loop that wants to be compiled for each [`Formula`].
pub trait Visitor {
    /// What the loop returns.
    type Output;
    /// Runs it.
    fn visit<F: Formula>(self, formula: F) -> Self::Output;
}

impl Activation {
    /// Calls `v` with the formula of this kind; `None`, without a call, for the rowwise kinds.
    #[inline(always)]
    pub fn visit<V: Visitor>(&self, v: V) -> Option<V::Output> {
        Some(match *self {
            Self::Celu { alpha } => v.visit(smooth::Celu { alpha }),
            // The output tells the sides apart only if its sign is the input's.
            Self::Elu { alpha } if alpha >= 0.0 => v.visit(smooth::Elu { alpha }),
            Self::Elu { alpha } => v.visit(smooth::EluOfInput { alpha }),
            Self::Exponential => v.visit(smooth::Exponential {}),
            Self::Gelu { approximate: false } => v.visit(smooth::Gelu {}),
            Self::Gelu { approximate: true } => v.visit(smooth::GeluTanh {}),
            Self::HardShrink { threshold } => v.visit(piecewise::HardShrink { threshold }),
            Self::HardSigmoid => v.visit(piecewise::HardSigmoid {}),
            Self::HardSilu => v.visit(piecewise::HardSilu {}),
            Self::HardTanh => v.visit(piecewise::HardTanh {}),
            Self::LeakyRelu { negative_slope } => visit_leaky(v, negative_slope),
            Self::Linear => v.visit(piecewise::Linear {}),
            Self::LogSigmoid => v.visit(smooth::LogSigmoid {}),
            Self::Mish => v.visit(smooth::Mish {}),
            Self::Relu { negative_slope, max_value, threshold } => match (negative_slope, max_value, threshold) {
                (0.0, None, 0.0) => v.visit(piecewise::Relu {}),
                (0.0, Some(6.0), 0.0) => v.visit(piecewise::Relu6 {}),
                (_, None, 0.0) => visit_leaky(v, negative_slope),
                _ => v.visit(piecewise::ReluGeneral::new(negative_slope, max_value, threshold)),
            },
            Self::Relu6 => v.visit(piecewise::Relu6 {}),
            Self::Selu => v.visit(smooth::Selu {}),
            Self::Sigmoid => v.visit(smooth::Sigmoid {}),
            Self::Silu => v.visit(smooth::Silu {}),
            Self::SoftShrink { threshold } => v.visit(piecewise::SoftShrink { threshold }),
            Self::Softplus => v.visit(smooth::Softplus {}),
            Self::Softsign => v.visit(smooth::Softsign {}),
            Self::SparsePlus => v.visit(piecewise::SparsePlus {}),
            Self::SparseSigmoid => v.visit(piecewise::SparseSigmoid {}),
            Self::Squareplus { b } => v.visit(smooth::Squareplus { b }),
            Self::Tanh => v.visit(smooth::Tanh {}),
            Self::TanhShrink => v.visit(smooth::TanhShrink {}),
            Self::Threshold { threshold, default_value } => v.visit(piecewise::Threshold { threshold, default_value }),
            Self::Softmax | Self::LogSoftmax | Self::Sparsemax | Self::Glu => return None,
        })
    }
}

#[inline(always)]
fn visit_leaky<V: Visitor>(v: V, negative_slope: f64) -> V::Output {
    if negative_slope > 0.0 {
        v.visit(piecewise::LeakyRelu { negative_slope })
    } else {
        v.visit(piecewise::LeakyReluOfInput { negative_slope })
    }
}

/// eˣ − 1, without the cancellation at 0: its Taylor polynomial below ¼ (relative error 2·10⁻⁹, under a thirtieth of
/// a single-precision rounding), the plain difference from there on.
#[inline(always)]
pub(super) fn exp_m1<R: Real>(x: R) -> R {
    let mut near = R::splat(1.0 / 7.0);
    for k in (1..7).rev() {
        near = near.mul_add(x, R::one()) * R::splat(1.0 / k as f64);
    }
    R::select(x.abs().lt(R::splat(0.25)), near * x, x.exp() - R::one())
}

/// Writes a [`Formula`] as f and its slope: `from input` where the slope reads x, `from output` where y is enough.
/// The parameters are there in every lane under their own names.
macro_rules! formula {
    (
        $(#[$doc:meta])+
        $name:ident($($field:ident),*) from $kind:ident {
            f($fx:ident) = $value:expr;
            slope($x:ident, $y:ident) = $slope:expr;
        }
    ) => {
        $(#[$doc])+
        #[derive(Clone, Copy)]
        pub struct $name {
            $(pub $field: f64),*
        }
        impl Formula for $name {
            const NEEDS_INPUT: bool = formula!(@ $kind);
            #[inline(always)]
            fn value<R: Real>(self, $fx: R) -> R {
                $(let $field = R::splat(self.$field);)*
                $value
            }
            #[inline(always)]
            #[allow(unused_variables)]
            fn slope<R: Real>(self, $x: R, $y: R) -> R {
                $(let $field = R::splat(self.$field);)*
                $slope
            }
        }
    };
    (@ input) => { true };
    (@ output) => { false };
}
pub(super) use formula;
