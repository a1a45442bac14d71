//! Losses in shaders: the terms from their formulas, the sums over a row from the `.wgsl` files beside them.

use super::crossentropy::{EPSILON, Labels, Logit, Probability};
use super::mean::{Absolute, Squared, Term};
use super::{Head, Loss, Target};
use crate::real::Real;
use crate::symbol::{Symbol, function, literal};

impl Loss {
    /// WGSL of a function `name(row, from_row, factor, gradient)`: one row's loss; its gradient times `factor` goes to `dp`
    /// where `gradient` says so. With a fused head, the predictions are logits and become probabilities.
    pub fn wgsl(&self, name: &str, head: Head) -> String {
        let labels = self.labels(Target::Class(0.0));
        let text = match *self {
            Self::MeanSquaredError => mean(Squared, head),
            Self::MeanAbsoluteError => mean(Absolute, head),
            Self::BinaryCrossentropy { from_logits, .. } if from_logits || head == Head::Sigmoid => {
                mean(Logit::new(&labels), head)
            }
            Self::BinaryCrossentropy { .. } => mean(Probability::new(&labels), head),
            Self::CategoricalCrossentropy { from_logits, .. }
            | Self::SparseCategoricalCrossentropy { from_logits, .. } => {
                let form = match (head, from_logits) {
                    (Head::Softmax, _) => 2,
                    (_, true) => 1,
                    _ => 0,
                };
                self.categorical(form)
            }
        };
        text.replace("NAME", name)
    }

    fn categorical(&self, form: u32) -> String {
        let ignored = self.ignored_class();
        let smoothed = function("NAME_smoothed", ["y", "share"], |[y, share]| {
            let Labels { smoothing, .. } = self.labels(Target::Class(y));
            y.mul_add(Symbol::splat(1.0 - smoothing), Symbol::splat(smoothing) * share)
        });
        [
            format!("const NAME_FORM = {form}u;\nconst NAME_HIGH = {};\n", literal(1.0 - EPSILON)),
            format!("const NAME_IGNORES = {};\n", ignored.is_some()),
            format!("const NAME_IGNORED = {};\n", literal(ignored.unwrap_or(0) as f64)),
            smoothed,
            include_str!("crossentropy.wgsl").into(),
        ]
        .concat()
    }
}

fn mean(term: impl Term, head: Head) -> String {
    let value = function("NAME_term", ["y", "p"], |[y, p]| term.term(y, p).0);
    let slope = function("NAME_slope", ["y", "p"], |[y, p]| term.term(y, p).1);
    format!("const NAME_HEAD = {};\n{value}{slope}{}", head == Head::Sigmoid, include_str!("mean.wgsl"))
}
