//! Every activation in double precision: against Keras, against finite differences, and at extreme inputs.
//!
//! `keras.json` holds values and derivatives computed by Keras 3.15.1 on JAX in float64 (`keras.activations.*`
//! and `jax.grad` of it) at [`POINTS`], kinks included. JAX's tanh is good to 10⁻⁷ only, hence the tolerance.

use super::*;
use serde_json::json;

const POINTS: [f64; 10] = [-7.0, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 6.0];
const ROWWISE: [Activation; 4] = [Activation::Softmax, Activation::LogSoftmax, Activation::Sparsemax, Activation::Glu];

/// (f(x), f′(x)); the slope gets a poisoned x where it says that it reads none.
struct At(f64);
impl Visitor for At {
    type Output = (f64, f64);
    fn visit<F: Formula>(self, f: F) -> (f64, f64) {
        let y = f.value(self.0);
        (y, f.slope(if F::NEEDS_INPUT { self.0 } else { f64::NAN }, y))
    }
}

fn cases() -> Vec<(Activation, Value)> {
    let all: Vec<Value> = serde_json::from_str(include_str!("keras.json")).unwrap();
    all.into_iter().map(|case| (Activation::parse(&case["activation"], "a").unwrap(), case)).collect()
}

#[track_caller]
fn close(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance * want.abs().max(1.0), "{what}: {got} is not {want}");
}

#[test]
fn keras_has_the_same_values_and_slopes() {
    for (activation, case) in cases() {
        for (i, x) in POINTS.into_iter().enumerate() {
            let (value, slope) = activation.visit(At(x)).unwrap();
            close(&format!("{activation:?} at {x}"), value, case["values"][i].as_f64().unwrap(), 3e-7);
            close(&format!("{activation:?}' at {x}"), slope, case["slopes"][i].as_f64().unwrap(), 3e-7);
        }
    }
}

#[test]
fn every_elementwise_kind_is_in_the_table() {
    for name in Activation::names() {
        let in_table = cases().iter().any(|(a, _)| a.name() == name);
        assert!(in_table != ROWWISE.iter().any(|a| a.name() == name), "{name}");
    }
}

#[test]
fn slopes_are_finite_differences() {
    for (activation, _) in cases() {
        for x in [-9.3, -2.7, -1.3, -0.77, -0.21, -1e-3, 1e-3, 0.13, 0.41, 1.7, 4.3, 9.3] {
            let f = |x| activation.visit(At(x)).unwrap().0;
            let h = 1e-6;
            let slope = activation.visit(At(x)).unwrap().1;
            close(
                &format!("{activation:?}' at {x}"),
                slope,
                (f(x + h) - f(x - h)) / (2.0 * h),
                2e-8 * x.exp().max(1.0),
            );
        }
    }
}

#[test]
fn no_finite_input_makes_a_nan() {
    for (activation, _) in cases() {
        for size in [0.0, 1e-300, 100.0, 745.0, 1e4, 1e160, 1e300] {
            for x in [size, -size] {
                let (value, slope) = activation.visit(At(x)).unwrap();
                assert!(!value.is_nan() && !slope.is_nan(), "{activation:?} at {x}: {value}, {slope}");
                let grows = matches!(activation, Activation::Exponential)
                    || matches!(activation, Activation::Elu { alpha } if alpha < 0.0);
                assert!(grows || value.is_finite() && slope.is_finite(), "{activation:?} at {x}: {value}, {slope}");
            }
        }
    }
}

#[test]
fn small_inputs_keep_their_digits() {
    for name in ["elu", "celu", "log_sigmoid", "softplus"] {
        let activation = Activation::parse(&json!(name), "a").unwrap();
        let (far, near) = (activation.visit(At(-1e-12)).unwrap().0, activation.visit(At(-30.0)).unwrap());
        match name {
            "softplus" => assert!((near.1 / (-30f64).exp() - 1.0).abs() < 1e-8, "{near:?}"),
            "log_sigmoid" => {
                let slope = activation.visit(At(30.0)).unwrap().1;
                assert!((slope / (-30f64).exp() - 1.0).abs() < 1e-8, "{slope}");
            }
            _ => assert!((far / -1e-12 - 1.0).abs() < 1e-8, "{name}: {far}"),
        }
    }
}

const ROWS: [[f64; 4]; 3] = [[0.3, -1.2, 0.8, 0.7], [5.0, 0.0, 0.1, -3.0], [-0.4, -0.41, -0.45, -0.35]];

fn row(activation: Activation, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; activation.output_columns(x.len()).unwrap()];
    activation.row(x, &mut y);
    y
}

#[test]
fn rows_are_keras_s() {
    // keras.activations.* on ROWS[0], float64; sparsemax by hand: S = {0, 2, 3}, τ = (1.8 − 1)/3.
    let tau = 0.8 / 3.0;
    let expected: [&[f64]; 4] = [
        &[0.22916457834052817, 0.051133529065469446, 0.37782851480105467, 0.34187337779294763],
        &[-1.4733148508469183, -2.9733148508469185, -0.9733148508469183, -1.0733148508469184],
        &[0.3 - tau, 0.0, 0.8 - tau, 0.7 - tau],
        &[0.20699234433828376, -0.8018253266017994],
    ];
    for (activation, expected) in ROWWISE.into_iter().zip(expected) {
        for (got, want) in row(activation, &ROWS[0]).into_iter().zip(expected) {
            close(activation.name(), got, *want, 1e-14);
        }
    }
    assert_eq!(row(Activation::Sparsemax, &[5.0, 0.0, 0.0, -3.0]), [1.0, 0.0, 0.0, 0.0]);
    // Ties share.
    assert_eq!(row(Activation::Sparsemax, &[2.0, 2.0, 2.0, 2.0]), [0.25; 4]);
}

#[test]
fn row_gradients_are_finite_differences() {
    let weights = [1.0, -2.0, 0.5, 0.25];
    for activation in ROWWISE {
        for x in ROWS {
            let loss = |x: &[f64]| row(activation, x).iter().zip(weights).map(|(y, w)| y * w).sum::<f64>();
            let (y, mut dx) = (row(activation, &x), [0.0; 4]);
            let read = if activation.needs_input() { &x[..] } else { &[] };
            activation.row_gradient(read, &y, &weights[..y.len()], &mut dx);
            for j in 0..4 {
                let (mut up, mut down) = (x, x);
                up[j] += 1e-6;
                down[j] -= 1e-6;
                close(&format!("{activation:?} {x:?} {j}"), dx[j], (loss(&up) - loss(&down)) / 2e-6, 1e-8);
            }
        }
    }
}

#[test]
fn extreme_rows_stay_finite() {
    for x in [[100.0, -100.0, 1000.0, -1000.0], [1e300, -1e300, 1e300, 0.0], [-1e308, 1e308, 0.0, 1.0]] {
        for activation in ROWWISE {
            let (y, mut dx) = (row(activation, &x), [0.0; 4]);
            activation.row_gradient(&x, &y, &[1.0, -2.0, 0.5, 0.25][..y.len()], &mut dx);
            assert!(!y.iter().chain(&dx).any(|v| v.is_nan()), "{activation:?}: {y:?} {dx:?}");
            if matches!(activation, Activation::Softmax | Activation::Sparsemax) {
                close(activation.name(), y.iter().sum(), 1.0, 1e-12);
            }
        }
    }
}

#[test]
fn every_name_parses_and_prints() {
    for name in Activation::names().into_iter().filter(|&n| n != "threshold") {
        let activation = Activation::parse(&json!(name), "a").unwrap();
        assert_eq!(activation.name(), name);
        let written = serde_json::to_value(activation).unwrap();
        assert_eq!((written["class_name"].as_str(), Activation::parse(&written, "a")), (Some(name), Ok(activation)));
    }
    assert_eq!(Activation::names().len(), 30);
    let parse = |value| Activation::parse(&value, "a").unwrap();
    assert_eq!(parse(json!(null)), Activation::Linear);
    assert_eq!((parse(json!("swish")), parse(json!("hard_swish"))), (Activation::Silu, Activation::HardSilu));
    assert_eq!(parse(json!("LeakyReLU")), Activation::LeakyRelu { negative_slope: 0.3 });
    assert_eq!(parse(json!("leaky_relu")), Activation::LeakyRelu { negative_slope: 0.2 });
    let layer = json!({"class_name": "ReLU", "config": {"max_value": 6.0, "negative_slope": 0.0, "name": "re_lu"}});
    assert_eq!(parse(layer), Activation::Relu { negative_slope: 0.0, max_value: Some(6.0), threshold: 0.0 });
    assert_eq!(parse(json!({"class_name": "function", "config": "gelu"})), Activation::Gelu { approximate: false });
    assert_eq!(parse(json!({"class_name": "Softmax", "config": {"axis": -1}})), Activation::Softmax);
}

#[test]
fn parse_refuses_what_it_does_not_know() {
    let error = |value: Value| Activation::parse(&value, "Dense 'd'").unwrap_err().to_string();
    assert!(error(json!("rellu")).starts_with("Dense 'd': expected a known name (did you mean 'relu'?)"));
    assert!(error(json!({"class_name": "relu", "config": {"alpha": 1}})).contains("argument"));
    assert!(error(json!({"class_name": "ReLU", "config": {"max_value": -1}})).contains("≥ 0"));
    assert!(error(json!({"class_name": "softmax", "config": {"axis": 0}})).contains("'axis': expected -1"));
    assert!(error(json!("threshold")).contains("argument 'threshold'"));
    assert!(error(json!(7)).contains("received 7"));
}

#[test]
fn what_a_slope_reads() {
    let needs = |name| Activation::parse(&json!(name), "a").unwrap().needs_input();
    for name in ["relu", "sigmoid", "tanh", "elu", "selu", "softplus", "exponential", "softmax", "log_softmax"] {
        assert!(!needs(name), "{name}");
    }
    for name in ["gelu", "silu", "mish", "glu"] {
        assert!(needs(name), "{name}");
    }
    assert_eq!(Activation::Glu.output_columns(6), Some(3));
    assert_eq!((Activation::Glu.output_columns(5), Activation::Tanh.output_columns(5)), (None, Some(5)));
    assert!(Activation::Softmax.visit(At(1.0)).is_none() && Activation::Softmax.is_rowwise());
}
