//! Penalties on weights or activities: Keras's regularizers, each with its value R(w) and its gradient.
//!
//! L1: l1·Σ|w|, of gradient l1·sign(w), which is 0 at 0. L2: l2·Σw², of gradient 2·l2·w; no ½. L1L2 is their sum.
//!
//! Orthogonal: with ŵᵢ = wᵢ/‖wᵢ‖ the rows (or columns) scaled to length 1, n of them, R = factor/P·Σ_{i<j} |ŵᵢ·ŵⱼ| over
//! the P = n(n − 1)/2 pairs. With gᵢ = factor/P·Σ_{j≠i} sign(ŵᵢ·ŵⱼ)·ŵⱼ the gradient is the part of gᵢ that is
//! perpendicular to wᵢ: (gᵢ − ŵᵢ(ŵᵢ·gᵢ))/‖wᵢ‖. A length below 1e-7 counts as 1e-7 and as constant.
//! (`keras/src/regularizers/regularizers.py`; there a single row gives 0/0, here 0.)

use crate::error::{Error, Result};
use crate::spec::Spec;
use serde::Serialize;
use serde_json::Value;

/// The shortest length that a vector is divided by: Keras's epsilon.
const EPSILON: f64 = 1e-7;

/// Which vectors of a matrix [`Regularizer::Orthogonal`] compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrthogonalMode {
    /// Its rows.
    Rows,
    /// Its columns.
    Columns,
}

/// A penalty. Serialised as Keras's `{"class_name": …, "config": {…}}`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "class_name", content = "config")]
#[allow(missing_docs, reason = "each field is Keras's argument of the same name")]
pub enum Regularizer {
    /// l1·Σ|w|.
    L1 { l1: f64 },
    /// l2·Σw².
    L2 { l2: f64 },
    /// Both.
    L1L2 { l1: f64, l2: f64 },
    /// The mean |cosine| between different rows, or columns, times `factor`.
    #[serde(rename = "OrthogonalRegularizer")]
    Orthogonal { factor: f64, mode: OrthogonalMode },
}

/// Class name, snake-case name, and how Keras's own conversion spells it where that differs.
const SPELLINGS: [(&str, &str, &str); 4] = [
    ("L1", "l1", ""),
    ("L2", "l2", ""),
    ("L1L2", "l1_l2", "l1l2"),
    ("OrthogonalRegularizer", "orthogonal_regularizer", ""),
];

impl Regularizer {
    /// Keras's snake-case name, e.g. `l1_l2`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::L1 { .. } => "l1",
            Self::L2 { .. } => "l2",
            Self::L1L2 { .. } => "l1_l2",
            Self::Orthogonal { .. } => "orthogonal_regularizer",
        }
    }

    /// Every regularizer's name.
    pub fn names() -> Vec<&'static str> {
        SPELLINGS.iter().map(|s| s.1).collect()
    }

    /// Reads null (none), a name, or a class name with arguments.
    pub fn parse(value: &Value, place: &str) -> Result<Option<Self>> {
        if value.is_null() {
            return Ok(None);
        }
        let spec = Spec::parse(value, place)?;
        let known = SPELLINGS.iter().find(|s| !spec.name.is_empty() && [s.0, s.1, s.2].contains(&spec.name));
        let Some(&(_, name, _)) = known else {
            return Err(spec.unknown(&SPELLINGS.map(|s| [s.1, s.0]).concat()));
        };
        let factor = |key, default| spec.number_where(key, default, "a number ≥ 0", |x| x >= 0.0);
        let (regularizer, arguments): (Self, &[&str]) = match name {
            "l1" => (Self::L1 { l1: factor("l1", 0.01)? }, &["l1"]),
            "l2" => (Self::L2 { l2: factor("l2", 0.01)? }, &["l2"]),
            "l1_l2" => (Self::L1L2 { l1: factor("l1", 0.0)?, l2: factor("l2", 0.0)? }, &["l1", "l2"]),
            _ => {
                let mode = match spec.text("mode")?.unwrap_or("rows") {
                    "rows" => OrthogonalMode::Rows,
                    "columns" => OrthogonalMode::Columns,
                    other => return Err(Error::unknown(&spec.place("mode"), other, &["rows", "columns"])),
                };
                (Self::Orthogonal { factor: factor("factor", 0.01)?, mode }, &["factor", "mode"])
            }
        };
        spec.only(arguments)?;
        Ok(Some(regularizer))
    }

    /// Keras's `{"class_name": …, "config": {…}}`.
    pub fn config(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// (l1, l2) where the gradient of an element is l1·sign(w) + 2·l2·w and needs no other element.
    pub fn elementwise(&self) -> Option<(f64, f64)> {
        match *self {
            Self::L1 { l1 } => Some((l1, 0.0)),
            Self::L2 { l2 } => Some((0.0, l2)),
            Self::L1L2 { l1, l2 } => Some((l1, l2)),
            Self::Orthogonal { .. } => None,
        }
    }

    /// Refuses a shape that the penalty is not defined on.
    pub fn check_shape(&self, shape: &[usize], place: &str) -> Result<()> {
        if self.elementwise().is_some() || shape.len() == 2 {
            return Ok(());
        }
        // The beginning of the text is Keras's.
        let expected = "Inputs to OrthogonalRegularizer must have rank 2";
        Err(Error::invalid(place, expected, format!("shape {shape:?} of rank {}", shape.len())))
    }

    /// R(w), for w of this shape in row-major order.
    pub fn value(&self, w: &[f32], shape: &[usize]) -> f64 {
        match *self {
            Self::Orthogonal { factor, mode } => {
                let vectors = Vectors::new(w, shape, mode);
                let pairs = (0..vectors.count).flat_map(|i| (0..i).map(move |j| (i, j)));
                let sum: f64 = pairs.map(|(i, j)| dot(vectors.unit(i), vectors.unit(j)).abs()).sum();
                factor * sum / vectors.pairs()
            }
            Self::L1 { .. } | Self::L2 { .. } | Self::L1L2 { .. } => {
                let (l1, l2) = self.elementwise().unwrap_or_default();
                let term = |x: f64| l1 * x.abs() + l2 * x * x;
                w.iter().map(|&x| term(f64::from(x))).sum()
            }
        }
    }

    /// Adds dR/dw to `gradient`.
    pub fn add_gradient(&self, w: &[f32], shape: &[usize], gradient: &mut [f32]) {
        debug_assert_eq!(w.len(), gradient.len());
        if let Some((l1, l2)) = self.elementwise() {
            for (g, &x) in gradient.iter_mut().zip(w) {
                let sign = if x > 0.0 {
                    l1
                } else if x < 0.0 {
                    -l1
                } else {
                    0.0
                };
                *g += (sign + 2.0 * l2 * f64::from(x)) as f32;
            }
        } else if let Self::Orthogonal { factor, mode } = *self {
            let vectors = Vectors::new(w, shape, mode);
            let scale = factor / vectors.pairs();
            let mut pull = vec![0.0; vectors.length];
            for i in 0..vectors.count {
                vectors.pull(i, scale, &mut pull);
                for (k, &x) in pull.iter().enumerate() {
                    gradient[vectors.position(i, k)] += x as f32;
                }
            }
        }
    }
}

/// The rows or columns of a matrix, one after the other, scaled to length 1.
struct Vectors {
    count: usize,
    length: usize,
    mode: OrthogonalMode,
    units: Vec<f64>,
    /// ‖wᵢ‖, at least [`EPSILON`].
    norms: Vec<f64>,
}

impl Vectors {
    fn new(w: &[f32], shape: &[usize], mode: OrthogonalMode) -> Self {
        let (rows, columns) = match *shape {
            [rows, columns] => (rows, columns),
            // No matrix, no pair of rows: `check_shape` has refused it long before.
            _ => (1, w.len()),
        };
        let (count, length) = if mode == OrthogonalMode::Rows { (rows, columns) } else { (columns, rows) };
        let mut vectors = Vectors { count, length, mode, units: vec![0.0; w.len()], norms: vec![EPSILON; count] };
        for i in 0..count {
            let at = |k| f64::from(w[vectors.position(i, k)]);
            let norm = (0..length).map(|k| at(k) * at(k)).sum::<f64>().sqrt().max(EPSILON);
            let unit: Vec<f64> = (0..length).map(|k| at(k) / norm).collect();
            vectors.units[i * length..(i + 1) * length].copy_from_slice(&unit);
            vectors.norms[i] = norm;
        }
        vectors
    }

    /// Where element k of vector i lies in the matrix.
    fn position(&self, i: usize, k: usize) -> usize {
        match self.mode {
            OrthogonalMode::Rows => i * self.length + k,
            OrthogonalMode::Columns => k * self.count + i,
        }
    }

    fn unit(&self, i: usize) -> &[f64] {
        &self.units[i * self.length..(i + 1) * self.length]
    }

    /// How many pairs; 1 where there is none, so that the empty sum stays 0.
    fn pairs(&self) -> f64 {
        (self.count as f64 * (self.count as f64 - 1.0) / 2.0).max(1.0)
    }

    /// The gradient with respect to vector i.
    fn pull(&self, i: usize, scale: f64, out: &mut [f64]) {
        let unit = self.unit(i);
        out.fill(0.0);
        for j in (0..self.count).filter(|&j| j != i) {
            let product = dot(unit, self.unit(j));
            let sign = if product > 0.0 {
                scale
            } else if product < 0.0 {
                -scale
            } else {
                0.0
            };
            out.iter_mut().zip(self.unit(j)).for_each(|(g, u)| *g += sign * u);
        }
        let along = if self.norms[i] > EPSILON { dot(unit, out) } else { 0.0 };
        out.iter_mut().zip(unit).for_each(|(g, u)| *g = (*g - u * along) / self.norms[i]);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: Value) -> Regularizer {
        Regularizer::parse(&value, "r").unwrap().unwrap()
    }

    #[test]
    fn every_spelling_parses_and_prints() {
        for (class, name, short) in SPELLINGS {
            for spelling in [class, name, short].into_iter().filter(|s| !s.is_empty()) {
                let regularizer = parse(json!(spelling));
                assert_eq!((regularizer.name(), &regularizer.config()["class_name"]), (name, &json!(class)));
                assert_eq!(parse(regularizer.config()), regularizer);
            }
        }
        assert_eq!(Regularizer::parse(&Value::Null, "r"), Ok(None));
        assert_eq!(parse(json!("l2")), Regularizer::L2 { l2: 0.01 });
        let value = json!({"class_name": "L1L2", "config": {"l1": 0.5, "l2": null}});
        assert_eq!(parse(value), Regularizer::L1L2 { l1: 0.5, l2: 0.0 });
        let value = json!({"class_name": "OrthogonalRegularizer", "config": {"factor": 2.0, "mode": "columns"}});
        assert_eq!(parse(value.clone()).config(), value);
    }

    #[test]
    fn parse_refuses_what_it_does_not_know() {
        let error = |value| Regularizer::parse(&value, "Dense 'd', argument 'kernel_regularizer'").unwrap_err();
        let text = error(json!("l3")).to_string();
        assert!(text.starts_with("Dense 'd', argument 'kernel_regularizer'"), "{text}");
        for config in [json!({"l2": -1}), json!({"l1": 1}), json!({"l2": "x"})] {
            let text = error(json!({"class_name": "L2", "config": config})).to_string();
            assert!(text.contains("'L2'"), "{text}");
        }
        error(json!({"class_name": "OrthogonalRegularizer", "config": {"mode": "row"}}));
        assert!(parse(json!("orthogonal_regularizer")).check_shape(&[3], "k").is_err());
        assert!(parse(json!("orthogonal_regularizer")).check_shape(&[3, 2], "k").is_ok());
        assert!(parse(json!("l1")).check_shape(&[3], "k").is_ok());
    }

    #[test]
    fn values_by_hand() {
        let w = [1.0, -2.0, 0.0, 3.0];
        let l1_l2 = Regularizer::L1L2 { l1: 0.5, l2: 0.25 };
        assert_eq!(l1_l2.value(&w, &[2, 2]), 0.5 * 6.0 + 0.25 * 14.0);
        let mut gradient = [1.0; 4];
        l1_l2.add_gradient(&w, &[4], &mut gradient);
        assert_eq!(gradient, [2.0, -0.5, 1.0, 3.0]);
        // Rows (1, −2)/√5 and (0, 3)/3: one pair, of cosine −2/√5. Columns (1, 0) and (−2, 3)/√13: −2/√13.
        for (mode, cosine) in
            [(OrthogonalMode::Rows, 2.0 / 5_f64.sqrt()), (OrthogonalMode::Columns, 2.0 / 13_f64.sqrt())]
        {
            let value = Regularizer::Orthogonal { factor: 3.0, mode }.value(&w, &[2, 2]);
            assert!((value - 3.0 * cosine).abs() < 1e-12, "{mode:?}: {value}");
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_values() {
        // Steps are taken in f32, where a power of two is exact.
        let (shape, step) = ([5, 7], 2_f32.powi(-8));
        let w: Vec<f32> = (0..35).map(|i| ((i * 37 % 64) as f32 - 31.5) / 32.0).collect();
        for regularizer in [
            Regularizer::L1 { l1: 0.3 },
            Regularizer::L2 { l2: 0.7 },
            Regularizer::L1L2 { l1: 0.3, l2: 0.7 },
            Regularizer::Orthogonal { factor: 2.0, mode: OrthogonalMode::Rows },
            Regularizer::Orthogonal { factor: 2.0, mode: OrthogonalMode::Columns },
        ] {
            let mut gradient = vec![0.0; w.len()];
            regularizer.add_gradient(&w, &shape, &mut gradient);
            for i in 0..w.len() {
                let at = |h: f32| {
                    let mut moved = w.clone();
                    moved[i] += h;
                    regularizer.value(&moved, &shape)
                };
                let slope = (at(step) - at(-step)) / (2.0 * f64::from(step));
                let error = (f64::from(gradient[i]) - slope).abs();
                assert!(error < 1e-4, "{regularizer:?} at {i}: {} for {slope}", gradient[i]);
            }
        }
    }

    #[test]
    fn what_has_no_direction_pulls_nowhere() {
        let orthogonal = Regularizer::Orthogonal { factor: 1.0, mode: OrthogonalMode::Rows };
        for (w, shape) in [(vec![0.0, 0.0, 1.0, 2.0], [2, 2]), (vec![1.0, 2.0, 3.0], [1, 3]), (vec![], [0, 3])] {
            let mut gradient = vec![0.0; w.len()];
            orthogonal.add_gradient(&w, &shape, &mut gradient);
            assert_eq!((orthogonal.value(&w, &shape), gradient), (0.0, vec![0.0; w.len()]));
        }
    }
}
