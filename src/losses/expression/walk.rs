//! An expression's value and gradient, by walks over the columns of a row.
//!
//! State: the loss; for each reduction r its value, for a maximum how many columns attain it, and dL/dr. In one
//! column, reverse mode starts with dL/df = 1/n; what flows into a reduction of the level at hand is added to its
//! dL/dr, and out of a reduction of a higher level flows its whole dL/dr. A maximum's is shared by the columns that
//! attain it. Where no derivative flows, none is computed: `where` protects from 0·∞.

use super::{Expression, NODES, Node, Op, REDUCTIONS};
use crate::losses::fold::{Column, Fold};
use crate::losses::power::{power, power_slope, step};
use crate::real::Real;

/// How many numbers the state has.
pub const STATE: usize = 1 + 3 * REDUCTIONS;
const VALUE: usize = 0;
const REDUCED: usize = 1;
const TIES: usize = REDUCED + REDUCTIONS;
const DERIVED: usize = TIES + REDUCTIONS;

/// An expression with room for the nodes of one column.
pub struct Walker<'a, R> {
    expression: &'a Expression,
    values: [R; NODES],
    slopes: [R; NODES],
}

impl<'a, R: Real> Walker<'a, R> {
    /// For this expression.
    #[inline(always)]
    pub fn new(expression: &'a Expression) -> Self {
        Walker { expression, values: [R::zero(); NODES], slopes: [R::zero(); NODES] }
    }

    #[inline(always)]
    fn forward(&mut self, state: &[R; STATE], column: Column<R>) {
        for (i, node) in self.expression.nodes.iter().enumerate() {
            self.values[i] = node.value(&self.values, state, column);
        }
    }

    /// dL/d(node) of every node in this column, as far as it comes through reductions above `level`; those at `level`
    /// have what this column adds.
    #[inline(always)]
    fn backward(&mut self, level: usize, state: &[R; STATE], column: Column<R>) {
        let nodes = &self.expression.nodes;
        for slope in &mut self.slopes[..nodes.len()] {
            *slope = R::zero();
        }
        self.slopes[nodes.len() - 1] = column.share;
        for (i, node) in nodes.iter().enumerate().rev() {
            if node.op.reduces() {
                if node.level > level {
                    let x = node.inputs[0];
                    let slope = state[DERIVED + node.slot];
                    self.slopes[x] = self.slopes[x]
                        + match node.op {
                            Op::Sum => slope,
                            Op::Mean => slope * column.share,
                            _ => {
                                let hit = self.values[x].eq(self.values[i]);
                                R::select(hit, slope / state[TIES + node.slot], R::zero())
                            }
                        };
                }
            } else {
                node.spread(i, &self.values, &mut self.slopes);
            }
        }
    }
}

impl Node {
    #[inline(always)]
    fn value<R: Real>(&self, values: &[R; NODES], state: &[R; STATE], column: Column<R>) -> R {
        let (zero, one) = (R::zero(), R::one());
        let [a, b, c] = [values[self.inputs[0]], values[self.inputs[1]], values[self.inputs[2]]];
        match self.op {
            Op::YTrue => column.y,
            Op::YPred => column.p,
            Op::Constant(x) => R::splat(x),
            Op::Add => a + b,
            Op::Subtract => a - b,
            Op::Multiply => a * b,
            Op::Divide => a / b,
            Op::Maximum => R::select(a.gt(b), a, b),
            Op::Minimum => R::select(a.lt(b), a, b),
            Op::Power(exponent) => power(a, exponent),
            Op::Negative => -a,
            Op::Abs => a.abs(),
            Op::Sign => a.signum(),
            Op::Exp => a.exp(),
            Op::Expm1 => expm1(a),
            Op::Log => a.ln(),
            Op::Log1p => a.ln_1p(),
            Op::Sqrt => a.sqrt(),
            Op::Square => a * a,
            Op::Sigmoid => a.sigmoid(),
            Op::Softplus => a.softplus(),
            Op::Tanh => a.tanh(),
            Op::Relu => zero.max(a),
            Op::Less => R::select(a.lt(b), one, zero),
            Op::LessEqual => R::select(a.le(b), one, zero),
            Op::Equal => R::select(a.eq(b), one, zero),
            Op::LogicalAnd => R::select(a.eq(zero), zero, R::select(b.eq(zero), zero, one)),
            Op::LogicalOr => R::select(R::both(a.eq(zero), b.eq(zero)), zero, one),
            Op::LogicalNot => R::select(a.eq(zero), one, zero),
            Op::Where => R::select(a.eq(zero), c, b),
            Op::Sum | Op::Mean | Op::Max => state[REDUCED + self.slot],
        }
    }

    /// Hands its derivative on to its inputs.
    #[inline(always)]
    fn spread<R: Real>(&self, i: usize, values: &[R; NODES], slopes: &mut [R; NODES]) {
        let (zero, one, half) = (R::zero(), R::one(), R::splat(0.5));
        let (slope, value) = (slopes[i], values[i]);
        let [x, y, z] = self.inputs;
        let (a, b) = (values[x], values[y]);
        let (to_x, to_y) = match self.op {
            Op::Add => (one, one),
            Op::Subtract => (one, -one),
            Op::Multiply => (b, a),
            Op::Divide => (one / b, -value / b),
            Op::Maximum => (step(a - b), step(b - a)),
            Op::Minimum => (step(b - a), step(a - b)),
            Op::Where => {
                slopes[y] = slopes[y] + R::select(a.eq(zero), zero, slope);
                slopes[z] = slopes[z] + R::select(a.eq(zero), slope, zero);
                return;
            }
            Op::Power(exponent) => (power_slope(a, exponent), zero),
            Op::Negative => (-one, zero),
            Op::Abs => (a.signum(), zero),
            Op::Exp => (value, zero),
            Op::Expm1 => (value + one, zero),
            Op::Log => (one / a, zero),
            Op::Log1p => (one / (one + a), zero),
            Op::Sqrt => (half / value, zero),
            Op::Square => (a + a, zero),
            Op::Sigmoid => (value * (one - value), zero),
            Op::Softplus => (a.sigmoid(), zero),
            Op::Tanh => (one - value * value, zero),
            Op::Relu => (R::select(a.gt(zero), one, zero), zero),
            // Leaves, and what is constant between its jumps.
            _ => return,
        };
        let idle = slope.eq(zero);
        slopes[x] = slopes[x] + R::select(idle, zero, slope * to_x);
        if self.op.arity() == 2 {
            slopes[y] = slopes[y] + R::select(idle, zero, slope * to_y);
        }
    }
}

/// eˣ − 1, exact for tiny x: (w − 1)·x / ln w with w = eˣ (Kahan).
#[inline(always)]
fn expm1<R: Real>(x: R) -> R {
    let (one, w) = (R::one(), x.exp());
    let d = w - one;
    let fine = R::select(x.abs().lt(one), d * x / w.ln(), d);
    R::select(d.eq(R::zero()), x, fine)
}

impl<R: Real> Fold<R, STATE> for Walker<'_, R> {
    #[inline(always)]
    fn passes(&self, gradient: bool) -> usize {
        let levels = self.expression.levels;
        if gradient { 2 * levels + 1 } else { levels + 1 }
    }

    #[inline(always)]
    fn start(&self) -> [R; STATE] {
        let mut state = [R::zero(); STATE];
        for node in self.expression.nodes.iter() {
            if node.op == Op::Max {
                state[REDUCED + node.slot] = R::splat(f64::NEG_INFINITY);
            }
        }
        state
    }

    #[inline(always)]
    fn fold(&mut self, pass: usize, state: &mut [R; STATE], column: Column<R>) {
        let (nodes, levels) = (&self.expression.nodes, self.expression.levels);
        self.forward(state, column);
        if pass > levels {
            let level = 2 * levels + 1 - pass;
            self.backward(level, state, column);
            for (i, node) in nodes.iter().enumerate() {
                if node.op.reduces() && node.level == level {
                    state[DERIVED + node.slot] = state[DERIVED + node.slot] + self.slopes[i];
                }
            }
            return;
        }
        for node in nodes.iter().filter(|n| n.op.reduces()) {
            let (x, slot) = (self.values[node.inputs[0]], REDUCED + node.slot);
            if node.level == pass + 1 {
                state[slot] = match node.op {
                    Op::Sum => state[slot] + x,
                    Op::Mean => x.mul_add(column.share, state[slot]),
                    _ => R::select(state[slot].gt(x), state[slot], x),
                };
            } else if pass == levels && node.op == Op::Max {
                state[TIES + node.slot] = state[TIES + node.slot] + R::select(x.eq(state[slot]), R::one(), R::zero());
            }
        }
        if pass == levels {
            state[VALUE] = column.share.mul_add(self.values[nodes.len() - 1], state[VALUE]);
        }
    }

    #[inline(always)]
    fn value(&self, state: &[R; STATE]) -> R {
        state[VALUE]
    }

    #[inline(always)]
    fn slope(&mut self, state: &[R; STATE], column: Column<R>) -> R {
        self.forward(state, column);
        self.backward(0, state, column);
        let mut sum = R::zero();
        for (i, node) in self.expression.nodes.iter().enumerate() {
            if node.op == Op::YPred {
                sum = sum + self.slopes[i];
            }
        }
        sum
    }
}
