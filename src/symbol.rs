//! A number that writes itself down: formulas over [`Real`] become WGSL by being run once on [`Symbol`].
//!
//! So an activation, a loss's term or an update rule is written in one place, for the CPU's registers and for shaders. A
//! constant becomes a literal; or, where the shader outlives it (a learning rate), a numbered parameter, whose
//! values another run of the same formula gives.

use crate::real::Real;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A value in the function being written.
#[derive(Clone, Copy, Debug)]
pub struct Symbol(usize);

/// A truth value in the function being written.
#[derive(Clone, Copy, Debug)]
pub struct Truth(usize);

/// What has been written so far.
#[derive(Default)]
struct Tape {
    /// What each value is called: an argument, a literal or a `let`.
    names: Vec<String>,
    /// Expressions that have a name already.
    known: HashMap<String, usize>,
    lines: String,
    /// The constants, where they are to be parameters.
    parameters: Option<Vec<f64>>,
}

thread_local! {
    static TAPE: RefCell<Tape> = RefCell::default();
}

/// A formula on paper.
pub struct Recording {
    /// Its `let` lines.
    pub lines: String,
    /// What the results are called.
    pub results: Vec<String>,
    /// The constants that became parameters, in order.
    pub parameters: Vec<f64>,
}

/// Runs `formula` on arguments of these names. `parametric`: constants become `parameter(0)`, `parameter(1)`, ….
pub fn record<const N: usize>(
    arguments: [&str; N],
    parametric: bool,
    formula: impl FnOnce([Symbol; N]) -> Vec<Symbol>,
) -> Recording {
    TAPE.set(Tape { parameters: parametric.then(Vec::new), ..Tape::default() });
    let results = formula(arguments.map(|name| Symbol(named(name.to_string()))));
    let tape = TAPE.take();
    Recording {
        results: results.iter().map(|s| tape.names[s.0].clone()).collect(),
        lines: tape.lines,
        parameters: tape.parameters.unwrap_or_default(),
    }
}

/// A WGSL function of numbers with one result.
pub fn function<const N: usize>(
    name: &str,
    arguments: [&str; N],
    formula: impl FnOnce([Symbol; N]) -> Symbol,
) -> String {
    let Recording { lines, results, .. } = record(arguments, false, |symbols| vec![formula(symbols)]);
    let arguments = arguments.map(|a| format!("{a}: f32")).join(", ");
    format!("fn {name}({arguments}) -> f32 {{\n{lines}    return {};\n}}\n", results[0])
}

/// A number as WGSL writes it. Infinities have no literal.
pub fn literal(x: f64) -> String {
    let x = x as f32;
    match x {
        f32::INFINITY => "infinity()".into(),
        f32::NEG_INFINITY => "(-infinity())".into(),
        _ if x.is_sign_negative() => format!("({x:?}f)"),
        _ => format!("{x:?}f"),
    }
}

/// Gives a value a name of its own choice.
fn named(name: String) -> usize {
    TAPE.with_borrow_mut(|tape| {
        tape.names.push(name);
        tape.names.len() - 1
    })
}

/// Gives an expression a name, the same one if it has been written before.
fn written(expression: String) -> usize {
    TAPE.with_borrow_mut(|tape| {
        if let Some(&known) = tape.known.get(&expression) {
            return known;
        }
        let number = tape.names.len();
        let _ = writeln!(tape.lines, "    let s{number} = {expression};");
        tape.names.push(format!("s{number}"));
        tape.known.insert(expression, number);
        number
    })
}

fn name(index: usize) -> String {
    TAPE.with_borrow(|tape| tape.names[index].clone())
}

/// `sum!("{} + {}", a, b)`: the expression of these values.
macro_rules! write_down {
    ($kind:ident, $form:literal, $($value:expr),+) => {
        $kind(written(format!($form, $(name($value.0)),+)))
    };
}

macro_rules! operator {
    ($($trait:ident $method:ident $form:literal)*) => {$(
        impl $trait for Symbol {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                write_down!(Symbol, $form, self, other)
            }
        }
    )*};
}
operator!(Add add "{} + {}" Sub sub "{} - {}" Mul mul "{} * {}" Div div "{} / {}");

impl Neg for Symbol {
    type Output = Self;
    fn neg(self) -> Self {
        write_down!(Symbol, "-{}", self)
    }
}

impl Real for Symbol {
    type Mask = Truth;
    fn splat(x: f64) -> Self {
        let parameter = TAPE.with_borrow_mut(|tape| {
            let parameters = tape.parameters.as_mut()?;
            parameters.push(x);
            Some(format!("parameter({}u)", parameters.len() - 1))
        });
        Symbol(named(parameter.unwrap_or_else(|| literal(x))))
    }
    fn zero() -> Self {
        Symbol(named("0.0f".into()))
    }
    fn one() -> Self {
        Symbol(named("1.0f".into()))
    }
    fn mul_add(self, a: Self, b: Self) -> Self {
        write_down!(Symbol, "fma({}, {}, {})", self, a, b)
    }
    // Not WGSL's max and min, which may lose a NaN.
    fn max(self, other: Self) -> Self {
        write_down!(Symbol, "larger({}, {})", self, other)
    }
    fn min(self, other: Self) -> Self {
        write_down!(Symbol, "smaller({}, {})", self, other)
    }
    fn abs(self) -> Self {
        write_down!(Symbol, "abs({})", self)
    }
    fn sqrt(self) -> Self {
        write_down!(Symbol, "sqrt({})", self)
    }
    fn lt(self, other: Self) -> Truth {
        write_down!(Truth, "{} < {}", self, other)
    }
    fn le(self, other: Self) -> Truth {
        write_down!(Truth, "{} <= {}", self, other)
    }
    fn eq(self, other: Self) -> Truth {
        write_down!(Truth, "{} == {}", self, other)
    }
    fn both(a: Truth, b: Truth) -> Truth {
        write_down!(Truth, "{} && {}", a, b)
    }
    fn select(mask: Truth, yes: Self, no: Self) -> Self {
        write_down!(Symbol, "select({}, {}, {})", no, yes, mask)
    }
    // The project's own functions: WGSL allows its own to be too far off.
    fn exp(self) -> Self {
        write_down!(Symbol, "exp_of({})", self)
    }
    fn ln(self) -> Self {
        write_down!(Symbol, "ln_of({})", self)
    }
    fn ln_1p(self) -> Self {
        write_down!(Symbol, "ln_1p_of({})", self)
    }
    fn tanh(self) -> Self {
        write_down!(Symbol, "tanh_of({})", self)
    }
    fn erf(self) -> Self {
        write_down!(Symbol, "erf_of({})", self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_becomes_a_function() {
        let text = function("f", ["x", "y"], |[x, y]| (x - y).square() * Symbol::splat(-0.5));
        assert_eq!(
            text,
            "fn f(x: f32, y: f32) -> f32 {\n    let s2 = x - y;\n    let s3 = s2 * s2;\n    let s5 = s3 * (-0.5f);\n    return s5;\n}\n"
        );
    }

    #[test]
    fn equal_expressions_are_written_once() {
        let text = function("f", ["x"], |[x]| x.exp() + x.exp());
        assert_eq!(text.matches("exp_of").count(), 1);
    }

    #[test]
    fn constants_become_parameters_in_order() {
        let rule = |rate: f64| record(["w", "g"], true, |[w, g]| vec![w - g * Symbol::splat(rate) + Symbol::one()]);
        let (one, other) = (rule(0.1), rule(0.2));
        assert_eq!((one.lines.clone(), one.parameters), (other.lines, vec![0.1]));
        assert_eq!(other.parameters, [0.2]);
        assert!(one.lines.contains("g * parameter(0u)"));
    }

    #[test]
    fn literals() {
        assert_eq!(
            (literal(1.0), literal(-1e-7), literal(f64::INFINITY)),
            ("1.0f".into(), "(-1e-7f)".into(), "infinity()".into())
        );
    }
}
