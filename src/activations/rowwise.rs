//! Activations of a whole row: softmax, log-softmax, sparsemax and GLU.
//!
//! A row is a slice with one entry a column. The entries may be registers whose lanes are different rows, so nothing
//! here branches on a value. Softmax subtracts the row's maximum m first: yⱼ = e^(xⱼ−m)/Σe^(xₖ−m).
//!
//! Sparsemax (Martins & Astudillo 2016) is yⱼ = max(xⱼ − τ, 0) with τ = (Σ_S x − 1)/|S|. An entry is in the support S
//! if 1 + r·xⱼ > c, where r counts the entries ≥ xⱼ and c is their sum; counting them needs no sort. (Keras 3.15 sums
//! the running sums instead, so that its rows with |S| > 1 do not add up to 1; this is the paper's.)

use super::Activation;
use crate::real::Real;

impl Activation {
    /// The columns of the output for n of input; `None` if the function cannot take n.
    pub fn output_columns(&self, n: usize) -> Option<usize> {
        match self {
            Self::Glu => (n > 0 && n.is_multiple_of(2)).then_some(n / 2),
            _ => Some(n),
        }
    }

    /// One row of a rowwise kind: `y` has [`Activation::output_columns`] entries. Panics for an elementwise kind.
    #[inline(always)]
    pub fn row<R: Real>(&self, x: &[R], y: &mut [R]) {
        match self {
            Self::Softmax => softmax(x, y),
            Self::LogSoftmax => log_softmax(x, y),
            Self::Sparsemax => sparsemax(x, y),
            Self::Glu => glu(x, y),
            _ => unreachable!("an elementwise activation was asked for a row"),
        }
    }

    /// dL/dx of one row, given y and dL/dy. Only GLU reads `x`; for the others it may be empty. Panics for an
    /// elementwise kind.
    #[inline(always)]
    pub fn row_gradient<R: Real>(&self, x: &[R], y: &[R], dy: &[R], dx: &mut [R]) {
        match self {
            Self::Softmax => {
                let mut inner = R::zero();
                for j in 0..y.len() {
                    inner = y[j].mul_add(dy[j], inner);
                }
                for j in 0..y.len() {
                    dx[j] = y[j] * (dy[j] - inner);
                }
            }
            Self::LogSoftmax => {
                let mut sum = R::zero();
                for &d in dy {
                    sum = sum + d;
                }
                for j in 0..y.len() {
                    dx[j] = dy[j] - y[j].exp() * sum;
                }
            }
            Self::Sparsemax => {
                let (zero, one) = (R::zero(), R::one());
                let (mut sum, mut count) = (zero, zero);
                for j in 0..y.len() {
                    let support = y[j].gt(zero);
                    sum = sum + R::select(support, dy[j], zero);
                    count = count + R::select(support, one, zero);
                }
                let mean = sum / count;
                for j in 0..y.len() {
                    dx[j] = R::select(y[j].gt(zero), dy[j] - mean, zero);
                }
            }
            Self::Glu => {
                let half = dy.len();
                for j in 0..half {
                    let gate = x[half + j].sigmoid();
                    dx[j] = dy[j] * gate;
                    dx[half + j] = dy[j] * x[j] * (gate * (R::one() - gate));
                }
            }
            _ => unreachable!("an elementwise activation was asked for a row"),
        }
    }
}

/// The largest entry; of a row with a NaN, possibly that.
#[inline(always)]
pub(crate) fn maximum<R: Real>(x: &[R]) -> R {
    let mut max = x[0];
    for &entry in x {
        max = max.max(entry);
    }
    max
}

#[inline(always)]
fn softmax<R: Real>(x: &[R], y: &mut [R]) {
    let (max, mut sum) = (maximum(x), R::zero());
    for j in 0..x.len() {
        y[j] = (x[j] - max).exp();
        sum = sum + y[j];
    }
    let scale = R::one() / sum;
    for entry in y {
        *entry = *entry * scale;
    }
}

#[inline(always)]
fn log_softmax<R: Real>(x: &[R], y: &mut [R]) {
    let (max, mut sum) = (maximum(x), R::zero());
    for &entry in x {
        sum = sum + (entry - max).exp();
    }
    let log = sum.ln();
    for j in 0..x.len() {
        y[j] = x[j] - max - log;
    }
}

#[inline(always)]
fn sparsemax<R: Real>(x: &[R], y: &mut [R]) {
    let (zero, one, max) = (R::zero(), R::one(), maximum(x));
    for j in 0..x.len() {
        y[j] = x[j] - max;
    }
    let (mut total, mut size) = (zero, zero);
    for j in 0..x.len() {
        let (mut rank, mut sum) = (zero, zero);
        for &other in y.iter() {
            let above = other.ge(y[j]);
            rank = rank + R::select(above, one, zero);
            sum = sum + R::select(above, other, zero);
        }
        let support = rank.mul_add(y[j], one).gt(sum);
        total = total + R::select(support, y[j], zero);
        size = size + R::select(support, one, zero);
    }
    let tau = (total - one) / size;
    for entry in y {
        *entry = zero.max(*entry - tau);
    }
}

#[inline(always)]
fn glu<R: Real>(x: &[R], y: &mut [R]) {
    let half = y.len();
    for j in 0..half {
        y[j] = x[j] * x[half + j].sigmoid();
    }
}
