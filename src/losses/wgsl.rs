//! Losses in shaders: terms and folds from their formulas, the loops over a row from the `.wgsl` files beside them.

use super::crossentropy::{HIGH, Labels, Logit};
use super::fold::{Column, Fold};
use super::mean::Term;
use super::{Head, Loss, Target, Visit};
use crate::real::Real;
use crate::symbol::{Recording, Symbol, function, literal, record};

impl Loss {
    /// WGSL of a function `name(row, from_row, factor, gradient)`: one row's loss; its gradient times `factor` goes to `dp`
    /// where `gradient` says so. With a fused head, the predictions are logits and become probabilities.
    pub fn wgsl(&self, name: &str, head: Head) -> String {
        self.visit(Writer { loss: self, head }).replace("NAME", name)
    }

    /// Whether several invocations may share a row: what they have of it can be put together in the end.
    pub fn joins_columns(&self) -> bool {
        struct Joins;
        impl Visit<Symbol> for Joins {
            type Output = bool;

            fn term(self, _: impl Term) -> bool {
                true
            }

            fn categorical(self, _: bool) -> bool {
                true
            }

            fn fold<const W: usize>(self, _: impl Fold<Symbol, W>) -> bool {
                false
            }
        }
        self.visit(Joins)
    }

    fn categorical(&self, form: u32) -> String {
        let ignored = self.ignored_class();
        let smoothed = function("NAME_smoothed", ["y", "share"], |[y, share]| {
            let Labels { smoothing, .. } = self.labels(Target::Class(y));
            y.mul_add(Symbol::splat(1.0 - smoothing), Symbol::splat(smoothing) * share)
        });
        [
            format!("const NAME_FORM = {form}u;\nconst NAME_HIGH = {};\n", literal(HIGH)),
            format!("const NAME_IGNORES = {};\n", ignored.is_some()),
            format!("const NAME_IGNORED = {};\n", literal(ignored.unwrap_or(0) as f64)),
            smoothed,
            include_str!("crossentropy.wgsl").into(),
        ]
        .concat()
    }
}

/// Writes a loss down.
struct Writer<'a> {
    loss: &'a Loss,
    head: Head,
}

impl Visit<Symbol> for Writer<'_> {
    type Output = String;

    fn term(self, term: impl Term) -> String {
        // A fused sigmoid gets logits.
        match self.head {
            Head::Sigmoid => mean(Logit { smoothing: self.loss.labels(Target::Class(0.0)).smoothing }, true),
            _ => mean(term, false),
        }
    }

    fn categorical(self, from_logits: bool) -> String {
        self.loss.categorical(match (self.head, from_logits) {
            (Head::Softmax, _) => 2,
            (_, true) => 1,
            _ => 0,
        })
    }

    fn fold<const W: usize>(self, mut fold: impl Fold<Symbol, W>) -> String {
        let state = format!("array<f32, {W}>");
        let function =
            |head: &str, lines: String, result: &str| format!("fn NAME_{head} {{\n{lines}    return {result};\n}}\n");
        let list = |recording: &Recording| format!("{state}({})", recording.results.join(", "));
        let column = |names: [Symbol; ARGUMENTS]| Column { y: names[0], p: names[1], share: names[2] };
        let numbers = |names: [Symbol; ARGUMENTS]| -> [Symbol; W] { std::array::from_fn(|i| names[3 + i]) };
        let names: [String; ARGUMENTS] = std::array::from_fn(|i| match i {
            0 => "y".into(),
            1 => "p".into(),
            2 => "share".into(),
            _ => format!("s[{}]", i - 3),
        });
        let names: [&str; ARGUMENTS] = std::array::from_fn(|i| names[i].as_str());

        let start = record(names, false, |_| fold.start().to_vec());
        let mut text = function(&format!("start() -> {state}"), start.lines.clone(), &list(&start));
        let (passes, walks) = (fold.passes(false), fold.passes(true));
        let mut cases = String::new();
        for pass in 0..walks {
            let step = record(names, false, |all| {
                let mut state = numbers(all);
                fold.fold(pass, &mut state, column(all));
                state.to_vec()
            });
            let head = format!("fold_{pass}(s: {state}, y: f32, p: f32, share: f32) -> {state}");
            text += &function(&head, step.lines.clone(), &list(&step));
            cases += &format!("        case {pass}u: {{ return NAME_fold_{pass}(s, y, p, share); }}\n");
        }
        let value = record(names, false, |all| vec![fold.value(&numbers(all))]);
        text += &function(&format!("value(s: {state}) -> f32"), value.lines, &value.results[0]);
        let slope = record(names, false, |all| vec![fold.slope(&numbers(all), column(all))]);
        let head = format!("slope(s: {state}, y: f32, p: f32, share: f32) -> f32");
        text += &function(&head, slope.lines, &slope.results[0]);
        // What class weights make of the label is a case of its own.
        let mut labels = String::new();
        for j in 0..self.loss.class_weights().len() {
            let label = record(names, false, |all| vec![fold.label(all[0], j, all[2])]);
            labels += &format!("    case {j}u: {{\n{}    return {};\n    }}\n", label.lines, label.results[0]);
        }
        let other = record(names, false, |all| vec![fold.label(all[0], 0, all[2])]);
        labels += &format!("    default: {{\n{}    return {};\n    }}\n", other.lines, other.results[0]);
        text += &format!("fn NAME_label(y: f32, j: u32, share: f32) -> f32 {{\n    switch j {{\n{labels}    }}\n}}\n");
        text += &format!("const NAME_PASSES = {passes}u;\nconst NAME_WALKS = {walks}u;\n");
        text + &include_str!("fold.wgsl").replace("STATE", &state).replace("CASES", &cases)
    }
}

/// y, p, share, and as many numbers of state as any loss has.
const ARGUMENTS: usize = 3 + super::expression::STATE;

fn mean<T: Term>(term: T, head: bool) -> String {
    let value = function("NAME_term", ["y", "p"], |[y, p]| term.term(y, p).0);
    let slope = function("NAME_slope", ["y", "p"], |[y, p]| term.term(y, p).1);
    let constants = format!("const NAME_HEAD = {head};\nconst NAME_SUMMED = {};\n", T::SUMMED);
    format!("{constants}{value}{slope}{}", include_str!("mean.wgsl"))
}
