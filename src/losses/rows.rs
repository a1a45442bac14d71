//! Losses of a row that are no sum over its columns. Formulas: keras/src/losses/losses.py.

use super::crossentropy::{EPSILON, HIGH};
use super::fold::{Column, Fold};
use super::power::{power, power_slope, step};
use crate::real::Real;

/// −Σ yp / (|y|·|p|), each norm at least ε.
pub struct Cosine;
impl<R: Real> Fold<R, 3> for Cosine {
    #[inline(always)]
    fn passes(&self, _gradient: bool) -> usize {
        1
    }
    #[inline(always)]
    fn start(&self) -> [R; 3] {
        [R::zero(); 3]
    }
    #[inline(always)]
    fn fold(&mut self, _pass: usize, [yy, pp, yp]: &mut [R; 3], Column { y, p, .. }: Column<R>) {
        (*yy, *pp, *yp) = (y.mul_add(y, *yy), p.mul_add(p, *pp), y.mul_add(p, *yp));
    }
    #[inline(always)]
    fn value(&self, &[yy, pp, yp]: &[R; 3]) -> R {
        let low = R::splat(EPSILON);
        -yp / low.max(yy.sqrt()) / low.max(pp.sqrt())
    }
    #[inline(always)]
    fn slope(&mut self, &[yy, pp, yp]: &[R; 3], Column { y, p, .. }: Column<R>) -> R {
        let (zero, low) = (R::zero(), R::splat(EPSILON));
        let (length, norm) = (low.max(yy.sqrt()), low.max(pp.sqrt()));
        // Where |p| is held at ε, it is a constant.
        let along = R::select(pp.sqrt().gt(low), yp / norm / norm * p, zero);
        (along - y) / length / norm
    }
}

/// max(0, 1 + max (1 − y)p − Σ yp). The gradient of the inner maximum is shared by the columns that attain it.
pub struct CategoricalHinge;
impl<R: Real> Fold<R, 3> for CategoricalHinge {
    #[inline(always)]
    fn passes(&self, gradient: bool) -> usize {
        if gradient { 2 } else { 1 }
    }
    #[inline(always)]
    fn start(&self) -> [R; 3] {
        [R::zero(), R::splat(f64::NEG_INFINITY), R::zero()]
    }
    #[inline(always)]
    fn fold(&mut self, pass: usize, [right, wrong, ties]: &mut [R; 3], Column { y, p, .. }: Column<R>) {
        let other = (R::one() - y) * p;
        if pass == 0 {
            (*right, *wrong) = (y.mul_add(p, *right), R::select(other.gt(*wrong), other, *wrong));
        } else {
            *ties = *ties + R::select(other.eq(*wrong), R::one(), R::zero());
        }
    }
    #[inline(always)]
    fn value(&self, &[right, wrong, _]: &[R; 3]) -> R {
        R::zero().max(wrong - right + R::one())
    }
    #[inline(always)]
    fn slope(&mut self, &[right, wrong, ties]: &[R; 3], Column { y, p, .. }: Column<R>) -> R {
        let rest = R::one() - y;
        let largest = R::select((rest * p).eq(wrong), rest / ties, R::zero());
        step(wrong - right + R::one()) * (largest - y)
    }
}

/// (1 − p_cᑫ)/q for the probability p_c of the class.
pub struct Generalized {
    /// q.
    pub q: f64,
}
impl<R: Real> Fold<R, 1> for Generalized {
    #[inline(always)]
    fn passes(&self, _gradient: bool) -> usize {
        1
    }
    #[inline(always)]
    fn start(&self) -> [R; 1] {
        [R::zero()]
    }
    #[inline(always)]
    fn fold(&mut self, _pass: usize, [hit]: &mut [R; 1], Column { y, p, .. }: Column<R>) {
        *hit = R::select(y.eq(R::zero()), *hit, y.mul_add(p, *hit));
    }
    #[inline(always)]
    fn value(&self, &[hit]: &[R; 1]) -> R {
        (R::one() - power(hit, self.q)) * R::splat(1.0 / self.q)
    }
    #[inline(always)]
    fn slope(&mut self, &[hit]: &[R; 1], Column { y, .. }: Column<R>) -> R {
        R::select(y.eq(R::zero()), R::zero(), -y * power(hit, self.q - 1.0))
    }
}

/// 1 − aΣyp / (bΣyp + cΣy + dΣp + ε). Dice has a = 2 and b = 0; Tversky, with α on Σ(1 − p)y and β on Σp(1 − y),
/// has a = 1 and b = 1 − α − β.
pub struct Overlap {
    /// a.
    pub shared: f64,
    /// b, c and d.
    pub whole: [f64; 3],
}
impl Overlap {
    /// The Dice coefficient.
    pub const DICE: Self = Overlap { shared: 2.0, whole: [0.0, 1.0, 1.0] };

    /// The Tversky index.
    pub fn tversky(alpha: f64, beta: f64) -> Self {
        Overlap { shared: 1.0, whole: [1.0 - alpha - beta, alpha, beta] }
    }

    #[inline(always)]
    fn whole<R: Real>(&self, &[yp, y, p]: &[R; 3]) -> R {
        let [b, c, d] = self.whole;
        R::splat(b) * yp + R::splat(c) * y + R::splat(d) * p + R::splat(EPSILON)
    }
}
impl<R: Real> Fold<R, 3> for Overlap {
    #[inline(always)]
    fn passes(&self, _gradient: bool) -> usize {
        1
    }
    #[inline(always)]
    fn start(&self) -> [R; 3] {
        [R::zero(); 3]
    }
    #[inline(always)]
    fn fold(&mut self, _pass: usize, [both, targets, predictions]: &mut [R; 3], Column { y, p, .. }: Column<R>) {
        (*both, *targets, *predictions) = (y.mul_add(p, *both), *targets + y, *predictions + p);
    }
    #[inline(always)]
    fn value(&self, sums: &[R; 3]) -> R {
        R::one() - R::splat(self.shared) * sums[0] / self.whole(sums)
    }
    #[inline(always)]
    fn slope(&mut self, sums: &[R; 3], Column { y, .. }: Column<R>) -> R {
        let whole = self.whole(sums);
        let by_whole = R::splat(self.whole[0]) * y + R::splat(self.whole[2]);
        R::splat(self.shared) * (sums[0] / whole * by_whole - y) / whole
    }
}

/// −Σ αy(1 − c)^γ·ln c, for c the share of p in its row, held between ε and 1 − ε.
pub struct CategoricalFocal<'a> {
    /// α: one number, or one a class.
    pub alpha: &'a [f64],
    /// γ.
    pub gamma: f64,
    /// Whether predictions are logits.
    pub from_logits: bool,
    /// How much of each label is spread over all classes.
    pub label_smoothing: f64,
}
impl CategoricalFocal<'_> {
    /// The column's share q of its row, and the term and its derivative by q.
    #[inline(always)]
    fn term<R: Real>(&self, &[max, sum, ..]: &[R; 4], Column { y, p, .. }: Column<R>) -> (R, R, R) {
        let (zero, one, low, high) = (R::zero(), R::one(), R::splat(EPSILON), R::splat(HIGH));
        let q = if self.from_logits { (p - max).exp() / sum } else { p / sum };
        let c = q.clamp(low, high);
        let (rest, log) = (one - c, c.ln());
        let focus = power(rest, self.gamma);
        let slope = y * (power_slope(rest, self.gamma) * log - focus / c);
        (q, -y * focus * log, R::select(R::both(q.ge(low), q.le(high)), slope, zero))
    }
}
/// The state is the maximum of the logits, the sum of the row, the loss, and Σ q·dL/dq.
impl<R: Real> Fold<R, 4> for CategoricalFocal<'_> {
    #[inline(always)]
    fn passes(&self, _gradient: bool) -> usize {
        3
    }
    #[inline(always)]
    fn start(&self) -> [R; 4] {
        [R::splat(f64::NEG_INFINITY), R::zero(), R::zero(), R::zero()]
    }
    #[inline(always)]
    fn fold(&mut self, pass: usize, state: &mut [R; 4], column: Column<R>) {
        let p = column.p;
        match pass {
            0 => state[0] = R::select(state[0].gt(p), state[0], p),
            1 => state[1] = state[1] + if self.from_logits { (p - state[0]).exp() } else { p },
            _ => {
                let (q, value, slope) = self.term(state, column);
                (state[2], state[3]) = (state[2] + value, slope.mul_add(q, state[3]));
            }
        }
    }
    #[inline(always)]
    fn value(&self, &[_, _, value, _]: &[R; 4]) -> R {
        value
    }
    #[inline(always)]
    fn slope(&mut self, state: &[R; 4], column: Column<R>) -> R {
        let (q, _, slope) = self.term(state, column);
        let rest = slope - state[3];
        if self.from_logits { q * rest } else { rest / state[1] }
    }
    #[inline(always)]
    fn label(&self, y: R, j: usize, share: R) -> R {
        let spread = R::splat(self.label_smoothing) * share;
        // The engine checks the length of α; here no length may panic.
        let alpha = self.alpha[j % self.alpha.len()];
        y.mul_add(R::splat(1.0 - self.label_smoothing), spread) * R::splat(alpha)
    }
}
