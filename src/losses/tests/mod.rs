//! Every loss in double precision: against Keras (`keras.rs`), against finite differences, and in saturation.

mod keras;

use super::*;
use crate::error::Error;
use serde_json::json;

const Y: [f64; 3] = [0.0, 1.0, 0.0];
const P: [f64; 3] = [0.2, 0.5, 0.4];
const SOFT: [f64; 3] = [0.2, 0.7, 0.1];
const Z: [f64; 3] = [1.5, -0.5, 0.25];

fn binary(from_logits: bool, label_smoothing: f64) -> Loss {
    Loss::BinaryCrossentropy { from_logits, label_smoothing }
}
fn categorical(from_logits: bool, label_smoothing: f64) -> Loss {
    Loss::CategoricalCrossentropy { from_logits, label_smoothing }
}
fn sparse(from_logits: bool, ignore_class: Option<i64>) -> Loss {
    Loss::SparseCategoricalCrossentropy { from_logits, ignore_class }
}

/// Every loss, with several arguments; no variant is left out.
pub(crate) fn samples() -> Vec<Loss> {
    let mut all = vec![
        Loss::MeanSquaredError,
        Loss::MeanAbsoluteError,
        Loss::MeanAbsolutePercentageError,
        Loss::MeanSquaredLogarithmicError,
        Loss::LogCosh,
        Loss::Huber { delta: 1.0 },
        Loss::Huber { delta: 0.25 },
        Loss::CosineSimilarity,
        Loss::KlDivergence,
        Loss::Poisson,
        Loss::CategoricalGeneralizedCrossEntropy { q: 0.7 },
        Loss::Hinge,
        Loss::SquaredHinge,
        Loss::CategoricalHinge,
        Loss::Dice { axis: Some(-1) },
        Loss::Tversky { alpha: 0.3, beta: 0.9, axis: Some(-1) },
    ];
    for from_logits in [false, true] {
        for smoothing in [0.0, 0.2] {
            all.extend([binary(from_logits, smoothing), categorical(from_logits, smoothing)]);
            for (balanced, gamma) in [(false, 2.0), (true, 1.5)] {
                all.push(binary_focal(balanced, gamma, from_logits, smoothing));
                let alpha = if balanced { Alpha::Each(vec![0.3, 0.5, 0.2]) } else { Alpha::One(0.25) };
                all.push(categorical_focal(alpha, gamma, from_logits, smoothing));
            }
        }
        all.extend([sparse(from_logits, None), sparse(from_logits, Some(0))]);
    }
    all.extend(super::expression::tests::samples());
    // A loss that is given has no value of its own; tests/python/test_python_path.py trains with it.
    for name in Loss::VARIANTS.iter().filter(|name| **name != "given") {
        assert!(all.iter().any(|loss| loss.name() == *name), "{name} is not tested");
    }
    all
}

fn binary_focal(apply_class_balancing: bool, gamma: f64, from_logits: bool, label_smoothing: f64) -> Loss {
    Loss::BinaryFocalCrossentropy { apply_class_balancing, alpha: 0.3, gamma, from_logits, label_smoothing }
}
fn categorical_focal(alpha: Alpha, gamma: f64, from_logits: bool, label_smoothing: f64) -> Loss {
    Loss::CategoricalFocalCrossentropy { alpha, gamma, from_logits, label_smoothing }
}

/// (loss, gradient, p on exit); the loss is checked to be the same without a gradient.
fn row(loss: &Loss, head: Head, target: Target<f64>, p: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
    let (mut out, mut again, mut gradient) = (p.to_vec(), p.to_vec(), vec![f64::NAN; p.len()]);
    let value = loss.row(head, target, &mut out, Some(&mut gradient));
    assert_eq!(value, loss.row(head, target, &mut again, None), "{loss:?}");
    let same = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
    assert!(
        same(&out, &again) && (head != Head::Plain || same(&out, p)),
        "{loss:?} leaves {out:?}, {again:?} of {p:?}"
    );
    (value, gradient, out)
}

#[track_caller]
fn close(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance * want.abs().max(1.0), "{what}: {got} is not {want}");
}

#[test]
fn gradients_are_finite_differences() {
    let (mut checked, losses) = (0, samples());
    for loss in &losses {
        for head in [Head::Plain, loss.head(&Activation::Softmax), loss.head(&Activation::Sigmoid)] {
            for target in [Target::Dense(&Y[..]), Target::Dense(&SOFT), Target::Class(1.0), Target::Class(0.0)] {
                // No column at a kink: of none of the losses, with none of the targets.
                for x in if head == Head::Plain { [[0.27, 0.5, 0.4], [0.85, 0.31, 0.12]] } else { [Z, P] } {
                    let (_, gradient, _) = row(loss, head, target, &x);
                    for j in 0..3 {
                        let at = |d: f64| {
                            let mut x = x;
                            x[j] += d;
                            row(loss, head, target, &x).0
                        };
                        let want = (at(1e-6) - at(-1e-6)) / 2e-6;
                        // Near y = 0 a percentage error is 10⁹.
                        let tolerance = 1e-8 * row(loss, head, target, &x).0.abs().max(1.0);
                        close(&format!("{loss:?} {head:?} {target:?} {j}"), gradient[j], want, tolerance);
                        checked += 1;
                    }
                }
            }
        }
    }
    assert_eq!(checked, losses.len() * 3 * 4 * 2 * 3);
}

#[test]
fn heads_equal_the_activation_and_its_loss() {
    let (mut probabilities, z) = ([0.0; 3], [0.3, -1.2, 0.8]);
    Activation::Softmax.row(&z, &mut probabilities);
    for (loss, target) in [
        (categorical(false, 0.0), Target::Dense(&Y[..])),
        (categorical(false, 0.3), Target::Dense(&[0.5, 0.2, 0.1])),
        (sparse(false, None), Target::Class(2.0)),
        (sparse(false, Some(2)), Target::Class(2.0)),
    ] {
        let head = loss.head(&Activation::Softmax);
        assert_eq!(head, Head::Softmax);
        let (value, gradient, out) = row(&loss, head, target, &z);
        let (want, by_p, _) = row(&loss, Head::Plain, target, &probabilities);
        close(&format!("{loss:?}"), value, want, 1e-14);
        let mut by_z = [0.0; 3];
        Activation::Softmax.row_gradient(&[], &probabilities, &by_p, &mut by_z);
        for j in 0..3 {
            close(&format!("{loss:?} p"), out[j], probabilities[j], 1e-15);
            close(&format!("{loss:?} gradient"), gradient[j], by_z[j], 1e-14);
        }
    }
    for smoothing in [0.0, 0.2] {
        let loss = binary(false, smoothing);
        assert_eq!(loss.head(&Activation::Sigmoid), Head::Sigmoid);
        let (value, gradient, out) = row(&loss, Head::Sigmoid, Target::Dense(&Y), &z);
        let p = z.map(|z| z.sigmoid());
        let (want, by_p, _) = row(&loss, Head::Plain, Target::Dense(&Y), &p);
        close("sigmoid", value, want, 1e-14);
        for j in 0..3 {
            close("sigmoid p", out[j], p[j], 1e-15);
            close("sigmoid gradient", gradient[j], by_p[j] * p[j] * (1.0 - p[j]), 1e-14);
        }
    }
}

#[test]
fn only_a_loss_and_its_own_activation_are_fused() {
    assert_eq!(categorical(true, 0.0).head(&Activation::Softmax), Head::Plain);
    assert_eq!(binary(true, 0.0).head(&Activation::Sigmoid), Head::Plain);
    assert_eq!(binary(false, 0.0).head(&Activation::Softmax), Head::Plain);
    assert_eq!(sparse(false, None).head(&Activation::Sigmoid), Head::Plain);
    assert_eq!(Loss::MeanSquaredError.head(&Activation::Softmax), Head::Plain);
}

#[test]
fn saturation_is_exact() {
    for z in [100.0, 1000.0, 1e300] {
        // The wrong side: loss z, gradient 1; the right side: both 0.
        let (value, gradient, p) = row(&sparse(false, None), Head::Softmax, Target::Class(1.0), &[z, 0.0]);
        assert_eq!((value, gradient[0], p[0]), (z, 1.0, 1.0));
        assert!(gradient[1] == -1.0 && p[1] < 1e-40);
        let (value, gradient, _) = row(&sparse(false, None), Head::Softmax, Target::Class(0.0), &[z, 0.0]);
        assert!(value < 1e-40 && gradient[0] == 0.0 && gradient[1] < 1e-40);
        let (value, gradient, p) = row(&binary(false, 0.0), Head::Sigmoid, Target::Dense(&[0.0]), &[z]);
        assert_eq!((value, gradient[0], p[0]), (z, 1.0, 1.0));
        let (value, gradient, _) = row(&binary(false, 0.0), Head::Sigmoid, Target::Dense(&[0.0]), &[-z]);
        assert!((0.0..1e-40).contains(&value) && gradient[0] < 1e-40);
    }
    // Even where z − max overflows.
    let (value, gradient, _) = row(&categorical(true, 0.0), Head::Plain, Target::Dense(&[1.0, 0.0]), &[1e308, -1e308]);
    assert_eq!((value, gradient), (0.0, vec![0.0, 0.0]));
    for p in [[0.0, 1.0], [1.0, 0.0], [1e-12, 1e-12], [1e300, 1.0]] {
        for loss in [categorical(false, 0.1), binary(false, 0.1), Loss::MeanAbsoluteError] {
            let (value, gradient, _) = row(&loss, Head::Plain, Target::Dense(&[0.0, 1.0]), &p);
            assert!(value.is_finite() && gradient.iter().all(|g| g.is_finite()), "{loss:?} {p:?}");
        }
    }
}

#[test]
fn ignored_rows_do_not_count() {
    let loss = sparse(false, Some(-1));
    let (value, gradient, p) = row(&loss, Head::Softmax, Target::Class(-1.0), &Z);
    assert_eq!((value, gradient), (0.0, vec![0.0; 3]));
    close("softmax", p.iter().sum(), 1.0, 1e-15);
    assert_eq!((loss.presence(Target::Class(-1.0)), loss.presence(Target::Class(1.0))), (0.0, 1.0));
    let (value, gradient, _) = row(&loss, Head::Plain, Target::Class(-1.0), &[f64::NAN; 3]);
    assert_eq!((value, gradient), (0.0, vec![0.0; 3]));
}

#[test]
fn every_name_parses_and_prints() {
    let parse = |name: &str| match name.to_lowercase().as_str() {
        // Keras's default axis is refused.
        "dice" | "tversky" => LossConfig::parse(&json!({"class_name": name, "config": {"axis": -1}}), "loss"),
        _ => LossConfig::parse(&json!(name), "loss"),
    };
    let mut found = std::collections::HashSet::new();
    for name in Loss::names().into_iter().chain(SPELLINGS) {
        let config = parse(name).unwrap();
        assert_eq!(config.reduction, Reduction::SumOverBatchSize);
        assert_eq!(parse(config.loss.name()), Ok(config.clone()), "{name}");
        found.insert(config.loss.name());
    }
    assert_eq!((found.len(), Loss::names().len()), (20, 20));
    for loss in samples() {
        let written = serde_json::to_value(&loss).unwrap();
        assert_eq!(LossConfig::parse(&written, "loss").unwrap().loss, loss);
    }
    let value = json!({"class_name": "BinaryCrossentropy", "config": {"name": "b", "reduction": "sum",
        "from_logits": true, "label_smoothing": 0.1, "axis": -1}});
    assert_eq!(
        LossConfig::parse(&value, "loss"),
        Ok(LossConfig { loss: binary(true, 0.1), reduction: Reduction::Sum })
    );
    let none = json!({"class_name": "mse", "config": {"reduction": null}});
    assert_eq!(LossConfig::parse(&none, "loss").unwrap().reduction, Reduction::None);
    let spec = LossSpec::parse(&json!("crossentropy"), "loss").unwrap();
    assert_eq!(spec.resolve(1, None).loss, binary(false, 0.0));
    assert_eq!(spec.resolve(3, Some(1)).loss, sparse(false, None));
    assert_eq!(spec.resolve(3, Some(3)).loss, categorical(false, 0.0));
    assert_eq!(spec.resolve(3, Some(3)).loss.target_kind(), TargetKind::Dense);
}

#[test]
fn parse_refuses_what_it_does_not_know() {
    let error = |value| LossConfig::parse(&value, "loss").unwrap_err();
    assert!(error(json!("mean_square_error")).to_string().contains("did you mean 'mean_squared_error'"));
    assert!(error(json!({"class_name": "mse", "config": {"reduction": "avg"}})).to_string().contains("'reduction'"));
    assert!(matches!(error(json!({"class_name": "mse", "config": {"reduction": 3}})), Error::Type { .. }));
    let smoothing = json!({"class_name": "bce", "config": {"label_smoothing": 1.5}});
    assert!(error(smoothing).to_string().contains("a number from 0 to 1"));
    assert!(error(json!({"class_name": "bce", "config": {"axis": 1}})).to_string().contains("'axis'"));
    assert!(error(json!({"class_name": "mse", "config": {"from_logits": true}})).to_string().contains("argument"));
    for whole in [json!("dice"), json!("Tversky"), json!({"class_name": "Dice", "config": {"axis": 1}})] {
        assert!(error(whole).to_string().contains("no mean over rows"));
    }
    assert!(
        error(json!({"class_name": "categorical_generalized_cross_entropy", "config": {"q": 1}}))
            .to_string()
            .contains("'q'")
    );
    let alpha = |alpha| error(json!({"class_name": "CategoricalFocalCrossentropy", "config": {"alpha": alpha}}));
    for wrong in [json!([]), json!(["a"]), json!("a")] {
        assert!(alpha(wrong).to_string().contains("'alpha'"));
    }
}

#[test]
fn class_weights_must_suit_the_columns() {
    let loss = categorical_focal(Alpha::Each(vec![0.3, 0.5, 0.2]), 2.0, false, 0.0);
    assert_eq!(loss.check(3), Ok(()));
    assert!(loss.check(2).unwrap_err().to_string().contains("alpha"));
    for loss in [categorical_focal(Alpha::One(0.25), 2.0, false, 0.0), Loss::Hinge] {
        assert_eq!(loss.check(7), Ok(()));
    }
}

#[test]
fn powers() {
    for x in [0.3, 1.7, 4.0] {
        for exponent in [-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 2.5, 7.0, 64.0, 65.0] {
            close("power", power::power(x, exponent), f64::powf(x, exponent), 1e-13);
            let slope = exponent * f64::powf(x, exponent - 1.0);
            close("slope", power::power_slope(x, exponent), slope, 1e-13);
        }
    }
    assert_eq!((power::power(0.0, 1.5), power::power(-2.0, 3.0)), (0.0, -8.0));
    assert!(power::power(-2.0, 1.5).is_nan());
}
