//! Every loss in double precision: against Keras, against finite differences, and in saturation.
//!
//! The expected numbers are from Keras 3.15.1 on JAX in float64: `keras.losses.<function>` and `jax.grad` of it.

use super::*;
use crate::error::Error;
use serde_json::json;

const Y: [f64; 3] = [0.0, 1.0, 0.0];
const P: [f64; 3] = [0.2, 0.5, 0.4];
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

/// (loss, gradient, p on exit); the loss is checked to be the same without a gradient.
fn row(loss: Loss, head: Head, target: Target<f64>, p: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
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
fn values_and_gradients_are_keras_s() {
    let (y, class) = (Target::Dense(&Y[..]), Target::Class(2.0));
    let third = 1.0 / 3.0;
    type Case<'a> = (Loss, Target<'a, f64>, [f64; 3], f64, [f64; 3]);
    let cases: [Case; 13] = [
        (Loss::MeanSquaredError, y, P, 0.15, [0.4 * third, -third, 0.8 * third]),
        (Loss::MeanAbsoluteError, y, P, 1.1 * third, [third, -third, third]),
        (binary(false, 0.0), y, P, 0.47570547461509705, [0.416666679084301, -0.6666666865348816, 0.5555555721124014]),
        (binary(false, 0.1), y, P, 0.5055681467056274, [0.3125000093132257, -0.6000000178813936, 0.4861111255983511]),
        (binary(true, 0.0), y, Z, 1.1671433448791504, [0.27252483351975, -0.20748644991752, 0.18739217254665]),
        (binary(false, 0.0), y, [0.0, 0.0, 1.0], 10.745397567749023, [0.0; 3]),
        (
            categorical(false, 0.0),
            y,
            P,
            0.7884573603642702,
            [0.9090909090909091, -1.0909090909090908, 0.9090909090909091],
        ),
        (
            categorical(false, 0.1),
            y,
            P,
            0.8264385031372157,
            [0.7424242424242423, -0.9575757575757575, 0.8257575757575756],
        ),
        (
            categorical(true, 0.1),
            y,
            Z,
            2.2602851971361355,
            [0.6699806426884406, -0.8381501371841583, 0.1681694944957176],
        ),
        (categorical(false, 0.0), y, [1.0, 0.0, 1.0], 16.11809565095832, [0.0; 3]),
        (
            sparse(false, None),
            class,
            P,
            1.0116009116784799,
            [0.9090909090909091, 0.9090909090909091, -1.5909090909090908],
        ),
        (
            sparse(true, None),
            class,
            Z,
            1.6019518638028019,
            [0.7033139760217739, 0.095183196149175, -0.7984971721709491],
        ),
        (sparse(false, Some(2)), class, P, 0.0, [0.0; 3]),
    ];
    for (loss, target, p, value, gradient) in cases {
        let (got, slopes, _) = row(loss, Head::Plain, target, &p);
        // Keras takes the mean with a single-precision 1/n even in float64, and JAX's softplus is good to 1e-7.
        close(&format!("{loss:?}"), got, value, 3e-7);
        for j in 0..3 {
            close(&format!("{loss:?} gradient {j}"), slopes[j], gradient[j], 3e-7);
        }
    }
}

#[test]
fn gradients_are_finite_differences() {
    let heads = [Head::Plain, Head::Softmax, Head::Sigmoid];
    let (soft, mut checked) = ([0.2, 0.7, 0.1], 0);
    let losses = [Loss::MeanSquaredError, Loss::MeanAbsoluteError, binary(false, 0.0), binary(false, 0.2)];
    let more = [binary(true, 0.0), binary(true, 0.2), categorical(false, 0.0), categorical(false, 0.2)];
    let others = [categorical(true, 0.0), categorical(true, 0.2), sparse(false, None), sparse(true, Some(0))];
    for loss in losses.into_iter().chain(more).chain(others) {
        for head in heads {
            for target in [Target::Dense(&Y[..]), Target::Dense(&soft), Target::Class(1.0), Target::Class(0.0)] {
                let x = if head == Head::Plain { P } else { Z };
                let (_, gradient, _) = row(loss, head, target, &x);
                for j in 0..3 {
                    let at = |d: f64| {
                        let mut x = x;
                        x[j] += d;
                        row(loss, head, target, &x).0
                    };
                    let want = (at(1e-6) - at(-1e-6)) / 2e-6;
                    close(&format!("{loss:?} {head:?} {target:?} {j}"), gradient[j], want, 1e-8);
                    checked += 1;
                }
            }
        }
    }
    assert_eq!(checked, 12 * 3 * 4 * 3);
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
        let (value, gradient, out) = row(loss, head, target, &z);
        let (want, by_p, _) = row(loss, Head::Plain, target, &probabilities);
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
        let (value, gradient, out) = row(loss, Head::Sigmoid, Target::Dense(&Y), &z);
        let p = z.map(|z| z.sigmoid());
        let (want, by_p, _) = row(loss, Head::Plain, Target::Dense(&Y), &p);
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
        let (value, gradient, p) = row(sparse(false, None), Head::Softmax, Target::Class(1.0), &[z, 0.0]);
        assert_eq!((value, gradient[0], p[0]), (z, 1.0, 1.0));
        assert!(gradient[1] == -1.0 && p[1] < 1e-40);
        let (value, gradient, _) = row(sparse(false, None), Head::Softmax, Target::Class(0.0), &[z, 0.0]);
        assert!(value < 1e-40 && gradient[0] == 0.0 && gradient[1] < 1e-40);
        let (value, gradient, p) = row(binary(false, 0.0), Head::Sigmoid, Target::Dense(&[0.0]), &[z]);
        assert_eq!((value, gradient[0], p[0]), (z, 1.0, 1.0));
        let (value, gradient, _) = row(binary(false, 0.0), Head::Sigmoid, Target::Dense(&[0.0]), &[-z]);
        assert!((0.0..1e-40).contains(&value) && gradient[0] < 1e-40);
    }
    // Even where z − max overflows.
    let (value, gradient, _) = row(categorical(true, 0.0), Head::Plain, Target::Dense(&[1.0, 0.0]), &[1e308, -1e308]);
    assert_eq!((value, gradient), (0.0, vec![0.0, 0.0]));
    for p in [[0.0, 1.0], [1.0, 0.0], [1e-12, 1e-12], [1e300, 1.0]] {
        for loss in [categorical(false, 0.1), binary(false, 0.1), Loss::MeanAbsoluteError] {
            let (value, gradient, _) = row(loss, Head::Plain, Target::Dense(&[0.0, 1.0]), &p);
            assert!(value.is_finite() && gradient.iter().all(|g| g.is_finite()), "{loss:?} {p:?}");
        }
    }
}

#[test]
fn ignored_rows_do_not_count() {
    let loss = sparse(false, Some(-1));
    let (value, gradient, p) = row(loss, Head::Softmax, Target::Class(-1.0), &Z);
    assert_eq!((value, gradient), (0.0, vec![0.0; 3]));
    close("softmax", p.iter().sum(), 1.0, 1e-15);
    assert_eq!((loss.presence(Target::Class(-1.0)), loss.presence(Target::Class(1.0))), (0.0, 1.0));
    let (value, gradient, _) = row(loss, Head::Plain, Target::Class(-1.0), &[f64::NAN; 3]);
    assert_eq!((value, gradient), (0.0, vec![0.0; 3]));
}

#[test]
fn every_name_parses_and_prints() {
    for name in Loss::names().into_iter().chain(SPELLINGS) {
        let config = LossConfig::parse(&json!(name), "loss").unwrap();
        let reduction = Reduction::SumOverBatchSize;
        assert_eq!((config, config.loss.name()), (LossConfig { reduction, ..config }, config.loss.name()));
        let written = serde_json::to_value(config.loss).unwrap();
        assert_eq!(LossConfig::parse(&written, "loss"), Ok(config));
        assert_eq!(
            Loss::of(&crate::spec::Spec::parse(&json!(config.loss.name()), "l").unwrap()).unwrap().unwrap().0,
            config.loss
        );
    }
    assert_eq!(Loss::names().len(), 5);
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
}
