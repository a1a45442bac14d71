//! What weights must keep to after every update: Keras's constraints.
//!
//! NonNeg: max(w, 0). The others scale the weights that lie along `axis` by a function of their norm n = √Σw²,
//! [`Constraint::factor`], with ε = 1e-7:
//!
//! MaxNorm: min(n, max)/(ε + n). UnitNorm: 1/(ε + n). MinMaxNorm: (rate·clip(n, min, max) + (1 − rate)·n)/(ε + n).
//! (`keras/src/constraints/constraints.py`)

use crate::error::{Error, Result};
use crate::real::Real;
use crate::spec::Spec;
use serde::Serialize;
use serde_json::Value;

/// Keras's epsilon, which keeps a norm of 0 from being divided by.
const EPSILON: f64 = 1e-7;

/// Along which axes norms are taken; negative ones count from the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Axis {
    /// One.
    One(i64),
    /// Several.
    Many(Vec<i64>),
    /// Null in a configuration: all of them.
    All(()),
}

/// A projection of weights. Serialised as Keras's `{"class_name": …, "config": {…}}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "class_name", content = "config")]
#[allow(missing_docs, reason = "each field is Keras's argument of the same name")]
pub enum Constraint {
    /// Norms of at most `max_value`.
    MaxNorm { max_value: f64, axis: Axis },
    /// Nothing below 0.
    NonNeg {},
    /// Norms of 1.
    UnitNorm { axis: Axis },
    /// Norms between two bounds, approached at `rate` (1: at once).
    MinMaxNorm { min_value: f64, max_value: f64, rate: f64, axis: Axis },
}

/// Class name and snake-case name.
const SPELLINGS: [(&str, &str); 4] =
    [("MaxNorm", "max_norm"), ("NonNeg", "non_neg"), ("UnitNorm", "unit_norm"), ("MinMaxNorm", "min_max_norm")];

impl Constraint {
    /// Keras's snake-case name, e.g. `max_norm`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::MaxNorm { .. } => "max_norm",
            Self::NonNeg {} => "non_neg",
            Self::UnitNorm { .. } => "unit_norm",
            Self::MinMaxNorm { .. } => "min_max_norm",
        }
    }

    /// Every constraint's name.
    pub fn names() -> Vec<&'static str> {
        SPELLINGS.iter().map(|s| s.1).collect()
    }

    /// Reads null (none), a name, or a class name with arguments.
    pub fn parse(value: &Value, place: &str) -> Result<Option<Self>> {
        if value.is_null() {
            return Ok(None);
        }
        let spec = Spec::parse(value, place)?;
        let Some(&(_, name)) = SPELLINGS.iter().find(|s| [s.0, s.1].contains(&spec.name)) else {
            return Err(spec.unknown(&SPELLINGS.map(|s| [s.1, s.0]).concat()));
        };
        let axis = || axis(&spec, value.pointer("/config/axis"));
        let bound = |key, default| spec.number_where(key, default, "a number ≥ 0", |x| x >= 0.0);
        let (constraint, arguments): (Self, &[&str]) = match name {
            "max_norm" => {
                (Self::MaxNorm { max_value: bound("max_value", 2.0)?, axis: axis()? }, &["max_value", "axis"])
            }
            "non_neg" => (Self::NonNeg {}, &[]),
            "unit_norm" => (Self::UnitNorm { axis: axis()? }, &["axis"]),
            _ => {
                let (min_value, max_value) = (bound("min_value", 0.0)?, bound("max_value", 1.0)?);
                let rate = spec.number("rate", 1.0)?;
                let constraint = Self::MinMaxNorm { min_value, max_value, rate, axis: axis()? };
                (constraint, &["min_value", "max_value", "rate", "axis"])
            }
        };
        spec.only(arguments)?;
        Ok(Some(constraint))
    }

    /// Keras's `{"class_name": …, "config": {…}}`.
    pub fn config(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn axis(&self) -> Option<&Axis> {
        match self {
            Self::NonNeg {} => None,
            Self::MaxNorm { axis, .. } | Self::UnitNorm { axis } | Self::MinMaxNorm { axis, .. } => Some(axis),
        }
    }

    /// Which axes of a shape a norm sums over; none for [`Constraint::NonNeg`].
    fn reduced(&self, shape: &[usize], place: &str) -> Result<Vec<bool>> {
        let all: Vec<i64> = (0..shape.len() as i64).collect();
        let axes = match self.axis() {
            None => &[],
            Some(Axis::All(())) => &all[..],
            Some(Axis::One(axis)) => std::slice::from_ref(axis),
            Some(Axis::Many(axes)) => &axes[..],
        };
        let mut reduced = vec![false; shape.len()];
        for &axis in axes {
            let index = if axis < 0 { axis + shape.len() as i64 } else { axis };
            match usize::try_from(index).ok().and_then(|i| reduced.get_mut(i)) {
                Some(seen) if !*seen => *seen = true,
                found => {
                    let expected = match found {
                        None => format!("axes of the shape {shape:?}"),
                        Some(_) => "each axis once".into(),
                    };
                    let place = format!("{place}: constraint '{}', argument 'axis'", self.name());
                    return Err(Error::invalid(place, expected, format!("{axes:?}")));
                }
            }
        }
        Ok(reduced)
    }

    /// Refuses a shape that lacks an axis of the constraint.
    pub fn check_shape(&self, shape: &[usize], place: &str) -> Result<()> {
        self.reduced(shape, place).map(drop)
    }

    /// Whether an element's new value depends on no other: [`Constraint::NonNeg`].
    pub fn is_elementwise(&self) -> bool {
        self.axis().is_none()
    }

    /// Whether, on this shape, a column of a matrix needs nothing but itself, so that columns can be worked on apart.
    pub fn column_axis_only(&self, shape: &[usize]) -> bool {
        let reduced = self.reduced(shape, "");
        shape.len() == 2 && reduced.is_ok_and(|r| self.is_elementwise() || r == [true, false])
    }

    /// For a shape in row-major order the weights that share a norm, where their axes are neighbours: (outer, along,
    /// apart) for outer·apart groups of `along` weights, which lie `apart` from each other. `None` where the axes are none, or
    /// others lie between them.
    pub fn runs(&self, shape: &[usize]) -> Option<(usize, usize, usize)> {
        let reduced = self.reduced(shape, "").ok()?;
        let first = reduced.iter().position(|&r| r)?;
        let last = reduced.iter().rposition(|&r| r)?;
        let product = |axes: &[usize]| axes.iter().product::<usize>();
        let whole = reduced[first..=last].iter().all(|&r| r);
        whole.then(|| (product(&shape[..first]), product(&shape[first..=last]), product(&shape[last + 1..])))
    }

    /// What weights of norm n are multiplied by; 1 for [`Constraint::NonNeg`], which has no norm.
    #[inline(always)]
    pub fn factor<R: Real>(&self, n: R) -> R {
        let over = R::splat(EPSILON) + n;
        match *self {
            Self::NonNeg {} => R::one(),
            Self::MaxNorm { max_value, .. } => n.clamp(R::zero(), R::splat(max_value)) / over,
            Self::UnitNorm { .. } => R::one() / over,
            Self::MinMaxNorm { min_value, max_value, rate, .. } => {
                let wanted = n.clamp(R::splat(min_value), R::splat(max_value));
                (R::splat(rate) * wanted + R::splat(1.0 - rate) * n) / over
            }
        }
    }

    /// Projects w, of this shape in row-major order. Norms are summed in double precision.
    pub fn apply(&self, w: &mut [f32], shape: &[usize]) -> Result<()> {
        debug_assert_eq!(w.len(), shape.iter().product::<usize>());
        if self.is_elementwise() {
            // The order keeps a NaN.
            w.iter_mut().for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x });
            return Ok(());
        }
        let groups = Groups::new(shape, &self.reduced(shape, "weights")?);
        let mut factors = vec![0.0_f64; groups.count];
        groups.each(|i, group| factors[group] += f64::from(w[i]) * f64::from(w[i]));
        factors.iter_mut().for_each(|x| *x = self.factor(x.sqrt()));
        groups.each(|i, group| w[i] = (f64::from(w[i]) * factors[group]) as f32);
        Ok(())
    }
}

/// The elements of an array that share a norm.
struct Groups<'a> {
    shape: &'a [usize],
    /// How far a step along each axis moves in the list of norms: 0 along a summed one.
    strides: Vec<usize>,
    count: usize,
}

impl<'a> Groups<'a> {
    fn new(shape: &'a [usize], reduced: &[bool]) -> Self {
        let (mut strides, mut count) = (vec![0; shape.len()], 1);
        for i in (0..shape.len()).rev().filter(|&i| !reduced[i]) {
            strides[i] = count;
            count *= shape[i];
        }
        Groups { shape, strides, count }
    }

    /// Calls `visit(element, group)` for every element in row-major order.
    fn each(&self, mut visit: impl FnMut(usize, usize)) {
        let elements = self.shape.iter().product();
        let mut index = vec![0; self.shape.len()];
        let mut group = 0;
        for i in 0..elements {
            visit(i, group);
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                group += self.strides[axis];
                if index[axis] < self.shape[axis] {
                    break;
                }
                group -= self.strides[axis] * index[axis];
                index[axis] = 0;
            }
        }
    }
}

/// Reads an axis: absent it is 0, null all of them.
fn axis(spec: &Spec, given: Option<&Value>) -> Result<Axis> {
    let wrong =
        |value: &Value| Error::wrong_type(spec.place("axis"), "an integer or a list of them", value.to_string());
    match given {
        None => Ok(Axis::One(0)),
        Some(Value::Null) => Ok(Axis::All(())),
        Some(value @ Value::Array(items)) => {
            let axes: Option<Vec<i64>> = items.iter().map(Value::as_i64).collect();
            axes.map(Axis::Many).ok_or_else(|| wrong(value))
        }
        Some(value) => value.as_i64().map(Axis::One).ok_or_else(|| wrong(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: Value) -> Constraint {
        Constraint::parse(&value, "c").unwrap().unwrap()
    }

    #[test]
    fn every_spelling_parses_and_prints() {
        for (class, name) in SPELLINGS {
            for spelling in [class, name] {
                let constraint = parse(json!(spelling));
                assert_eq!((constraint.name(), &constraint.config()["class_name"]), (name, &json!(class)));
                assert_eq!(parse(constraint.config()), constraint);
            }
        }
        assert_eq!(Constraint::parse(&Value::Null, "c"), Ok(None));
        assert_eq!(parse(json!("max_norm")), Constraint::MaxNorm { max_value: 2.0, axis: Axis::One(0) });
        for axis in [json!(-1), json!([0, 1]), json!(null)] {
            let value = json!({"class_name": "UnitNorm", "config": {"axis": axis}});
            assert_eq!(parse(value.clone()).config(), value);
        }
    }

    #[test]
    fn parse_refuses_what_it_does_not_know() {
        let error = |value| Constraint::parse(&value, "Dense 'd', argument 'bias_constraint'").unwrap_err().to_string();
        assert!(error(json!("maxnorm")).starts_with("Dense 'd', argument 'bias_constraint'"));
        for config in [json!({"max_value": -1}), json!({"axis": 0.5}), json!({"axis": [0, "x"]}), json!({"rate": 1})] {
            let text = error(json!({"class_name": "MaxNorm", "config": config}));
            assert!(text.contains("'MaxNorm'"), "{text}");
        }
        let axis = |axis| parse(json!({"class_name": "UnitNorm", "config": {"axis": axis}}));
        for (axis, shape, valid) in [
            (axis(json!(1)), vec![3], false),
            (axis(json!(-2)), vec![3], false),
            (axis(json!([0, -2])), vec![3, 2], false),
            (axis(json!([0, -1])), vec![3, 2], true),
        ] {
            assert_eq!(axis.check_shape(&shape, "k").is_ok(), valid, "{axis:?} on {shape:?}");
        }
    }

    #[test]
    fn which_work_column_by_column() {
        let axis = |axis| parse(json!({"class_name": "MaxNorm", "config": {"axis": axis}}));
        let matrix = [3, 2];
        for (constraint, expected) in [
            (axis(json!(0)), true),
            (axis(json!([-2])), true),
            (parse(json!("non_neg")), true),
            (axis(json!(1)), false),
            (axis(json!([0, 1])), false),
            (axis(json!(null)), false),
        ] {
            assert_eq!(constraint.column_axis_only(&matrix), expected, "{constraint:?}");
            assert!(!constraint.column_axis_only(&[3]));
        }
    }

    #[test]
    fn values_by_hand() {
        let apply = |name: &str, config: Value, w: &[f32], shape: &[usize]| {
            let mut w = w.to_vec();
            parse(json!({"class_name": name, "config": config})).apply(&mut w, shape).unwrap();
            w
        };
        // Columns (3, 4) and (0.6, 0.8); rows (3, 0.6) and (4, 0.8).
        let w = [3.0, 0.6, 4.0, 0.8];
        let close = |a: &[f32], b: [f64; 4]| {
            assert!(a.iter().zip(b).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6), "{a:?} for {b:?}");
        };
        close(&apply("MaxNorm", json!({"max_value": 2.5}), &w, &[2, 2]), [1.5, 0.6, 2.0, 0.8]);
        close(&apply("UnitNorm", json!({}), &w, &[2, 2]), [0.6, 0.6, 0.8, 0.8]);
        close(&apply("MinMaxNorm", json!({"min_value": 2, "max_value": 3}), &w, &[2, 2]), [1.8, 1.2, 2.4, 1.6]);
        let half = json!({"min_value": 2, "max_value": 3, "rate": 0.5});
        close(&apply("MinMaxNorm", half, &w, &[2, 2]), [2.4, 0.9, 3.2, 1.2]);
        let long = 26_f64.sqrt();
        for axis in [json!(null), json!([0, 1])] {
            let whole = apply("UnitNorm", json!({"axis": axis}), &w, &[2, 2]);
            close(&whole, [3.0 / long, 0.6 / long, 4.0 / long, 0.8 / long]);
        }
        assert_eq!(apply("NonNeg", json!({}), &[-1.0, 2.0], &[2]), [0.0, 2.0]);
        assert!(apply("NonNeg", json!({}), &[f32::NAN], &[1])[0].is_nan());
        assert_eq!(apply("UnitNorm", json!({}), &[0.0, 0.0], &[2]), [0.0, 0.0]);
    }

    #[test]
    fn any_axis_of_any_shape_is_the_naive_sum() {
        let shape = [2, 3, 4, 5];
        let w: Vec<f32> = (0..120).map(|i| (i * 37 % 64) as f32 / 32.0 - 1.0).collect();
        for axes in [vec![0], vec![3], vec![1, 2], vec![-4, 2], vec![0, 1, 2]] {
            let mut out = w.clone();
            Constraint::UnitNorm { axis: Axis::Many(axes.clone()) }.apply(&mut out, &shape).unwrap();
            let index = |i: usize| [i / 60, i / 20 % 3, i / 5 % 4, i % 5];
            let kept: Vec<usize> =
                (0..4).filter(|&a| !axes.contains(&(a as i64)) && !axes.contains(&(a as i64 - 4))).collect();
            for i in 0..120 {
                let same = |&j: &usize| kept.iter().all(|&a| index(i)[a] == index(j)[a]);
                let norm = (0..120).filter(same).map(|j| f64::from(w[j]).powi(2)).sum::<f64>().sqrt();
                let expected = f64::from(w[i]) / (1e-7 + norm);
                assert!((f64::from(out[i]) - expected).abs() < 1e-6, "{axes:?} at {i}");
            }
        }
    }
}
