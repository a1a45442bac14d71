//! The update rules in double precision against Keras, and how they are asked for.

use super::*;
use crate::error::Error;
use serde_json::{Value, json};

/// Five gradients of three weights.
const GRADIENTS: [[f64; 3]; 5] =
    [[0.5, -1.0, 0.0], [0.25, 2.0, 1e-3], [-3.0, 0.1, 0.0], [1.0, 1.0, -1.0], [0.0, -0.5, 0.2]];

pub(super) struct Apply<'a> {
    pub w: &'a mut [f64; 3],
    pub g: &'a [f64; 3],
    pub slots: &'a mut [[f64; MAX_SLOTS]; 3],
}
impl UpdateVisitor for Apply<'_> {
    type Output = usize;
    fn visit<U: Update>(self, u: U) -> usize {
        for i in 0..3 {
            self.w[i] = u.update(self.w[i], self.g[i], &mut self.slots[i]);
        }
        U::SLOTS
    }
}

#[test]
fn five_steps_are_keras_s() {
    // keras.optimizers.<class>.apply on a float64 variable [1, -2, 0.5], Keras 3.15.1 on JAX.
    let cases: [(Value, [f64; 3]); 8] = [
        (json!({"class_name": "SGD", "config": {"learning_rate": 0.1}}), [1.125, -2.16, 0.5799]),
        (
            json!({"class_name": "SGD", "config": {"learning_rate": 0.1, "momentum": 0.9}}),
            [1.33227, -2.44539, 0.6696561],
        ),
        (
            json!({"class_name": "SGD", "config": {"learning_rate": 0.1, "momentum": 0.9, "nesterov": true}}),
            [1.424043, -2.560851, 0.73259049],
        ),
        (
            json!({"class_name": "Adam", "config": {"learning_rate": 0.01}}),
            [0.9894247965864265, -2.0042747928964713, 0.49639674729937977],
        ),
        (
            json!({"class_name": "Adam", "config": {"learning_rate": 0.01, "amsgrad": true, "beta_2": 0.5}}),
            [0.9874573397933314, -2.0016247394982365, 0.4955175159927485],
        ),
        (
            json!({"class_name": "Adam", "config": {"learning_rate": 0.01, "clipvalue": 0.3}}),
            [0.9695113064029198, -1.9975967708563802, 0.4936918928022783],
        ),
        (
            json!({"class_name": "Adam", "config": {"learning_rate": 0.01, "weight_decay": 0.1}}),
            [0.9844906945735374, -1.9943128181600605, 0.49392962961342873],
        ),
        (
            json!({"class_name": "SGD", "config":
                {"learning_rate": 0.1, "momentum": 0.9, "clipvalue": 0.3, "weight_decay": 0.1}}),
            [0.7699741415999998, -1.9368230864999996, 0.5118566960500001],
        ),
    ];
    for (value, want) in cases {
        let optimizer = OptimizerConfig::parse(&value).unwrap();
        let (mut w, mut slots) = ([1.0, -2.0, 0.5], [[0.0; MAX_SLOTS]; 3]);
        for (t, g) in GRADIENTS.iter().enumerate() {
            let visitor = Apply { w: &mut w, g, slots: &mut slots };
            let used = optimizer.at_step(t as u64 + 1, optimizer.learning_rate.at(t as u64), true, visitor);
            assert_eq!(used, optimizer.slots());
        }
        for i in 0..3 {
            assert!((w[i] - want[i]).abs() < 1e-9, "{value} {i}: {} is not {}", w[i], want[i]);
        }
    }
}

#[test]
fn moments_do_not_become_denormals() {
    for config in [json!({"momentum": 0.5}), json!({"momentum": 0.5, "nesterov": true})] {
        let sgd = OptimizerConfig::parse(&json!({"class_name": "SGD", "config": config})).unwrap();
        assert_eq!(after_silence(&sgd), [0.0; MAX_SLOTS]);
    }
    let adam =
        OptimizerConfig::parse(&json!({"class_name": "adam", "config": {"beta_1": 0.5, "beta_2": 0.5}})).unwrap();
    assert_eq!(after_silence(&adam), [0.0; MAX_SLOTS]);
    assert_eq!((flush(-2e-38), flush(1e-38), flush(-1e-39)), (-2e-38, 0.0, 0.0));
    assert!(flush(f64::NAN).is_nan());
}

/// The slots after one gradient of 1 and 200 of 0: 2⁻²⁰⁰ is far below single precision's range.
fn after_silence(optimizer: &OptimizerConfig) -> [f64; MAX_SLOTS] {
    let (mut w, mut slots) = ([0.0; 3], [[0.0; MAX_SLOTS]; 3]);
    for t in 1..=200 {
        let g = if t == 1 { [1.0; 3] } else { [0.0; 3] };
        optimizer.at_step(t, 0.1, true, Apply { w: &mut w, g: &g, slots: &mut slots });
        assert!(t > 20 || slots[0][0] != 0.0);
    }
    slots[0]
}

#[test]
fn a_nan_is_not_clipped_away() {
    let u = Clipped { limit: 1.0, inner: Decayed { rate: 0.0, inner: Last } };
    assert!(u.update(0.0, f64::NAN, &mut [0.0; MAX_SLOTS]).is_nan());
    let open = Clipped { limit: f64::INFINITY, inner: Decayed { rate: 0.0, inner: Last } };
    assert_eq!((u.update(2.0, 5.0, &mut [0.0; MAX_SLOTS]), open.update(2.0, 5.0, &mut [0.0; MAX_SLOTS])), (3.0, 7.0));
    let both = Clipped { limit: 1.0, inner: Decayed { rate: 0.25, inner: Last } };
    assert_eq!(both.update(2.0, -5.0, &mut [0.0; MAX_SLOTS]), 0.5);
}

/// w + g.
#[derive(Clone, Copy)]
struct Last;
impl Update for Last {
    const SLOTS: usize = 0;
    fn update<R: Real>(self, w: R, g: R, _: &mut [R; MAX_SLOTS]) -> R {
        w + g
    }
}

#[test]
fn scales_of_clipped_norms() {
    let scale = |key: &str, norm| {
        OptimizerConfig::parse(&json!({"class_name": "SGD", "config": {key: 2.0}})).unwrap().clip_scale(norm)
    };
    for key in ["clipnorm", "global_clipnorm"] {
        assert_eq!((scale(key, 4.0), scale(key, 1.0), scale(key, 0.0)), (0.5, 1.0, 1.0));
        assert!(scale(key, f64::NAN).is_nan());
    }
    assert!(scale("global_clipnorm", f64::INFINITY).is_nan());
    assert_eq!(scale("clipvalue", 4.0), 1.0);
}

#[test]
fn names_defaults_and_slots() {
    let parse = |value: Value| OptimizerConfig::parse(&value).unwrap();
    for name in OptimizerConfig::names() {
        assert_eq!(parse(json!(name)), parse(json!(name.to_lowercase())));
    }
    let adam = parse(json!("adam"));
    assert_eq!((adam.learning_rate.at(7), adam.name.as_str(), adam.slots()), (0.001, "adam", 2));
    assert_eq!(adam.rule, Rule::Adam(Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, amsgrad: false }));
    let sgd = parse(json!("SGD"));
    assert_eq!((sgd.learning_rate.at(0), sgd.rule), (0.01, Rule::Sgd(Sgd { momentum: 0.0, nesterov: false })));
    assert!(sgd.slot_names().is_empty());
    assert_eq!(parse(json!({"class_name": "sgd", "config": {"momentum": 0.5}})).slot_names(), ["momentum"]);
    // What keras.optimizers.Adam().get_config() returns.
    let full = json!({"class_name": "Adam", "config": {"name": "adam", "learning_rate": 0.001, "weight_decay": null,
        "clipnorm": null, "global_clipnorm": null, "clipvalue": null, "use_ema": false, "ema_momentum": 0.99,
        "ema_overwrite_frequency": null, "loss_scale_factor": null, "gradient_accumulation_steps": null,
        "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-07, "amsgrad": false}});
    assert_eq!(parse(full), adam);
}

#[test]
fn parse_refuses_what_it_cannot_do() {
    let error =
        |name: &str, config: Value| OptimizerConfig::parse(&json!({"class_name": name, "config": config})).unwrap_err();
    let text = |name: &str, config: Value| error(name, config).to_string();
    assert!(text("adamm", json!({})).contains("did you mean 'Adam'"));
    assert!(text("Adam", json!({"beta1": 0.9})).contains("did you mean 'beta_1'"));
    assert!(text("SGD", json!({"momentum": 1.5})).contains("from 0 to 1"));
    assert!(text("SGD", json!({"clipnorm": 1, "clipvalue": 1})).contains("at most one"));
    assert!(text("SGD", json!({"clipvalue": 0})).contains("> 0"));
    assert!(text("SGD", json!({"use_ema": true, "ema_momentum": 1.5})).contains("from 0 to 1"));
    assert!(text("SGD", json!({"use_ema": true, "ema_overwrite_frequency": -1})).contains("≥ 1"));
    assert!(text("SGD", json!({"gradient_accumulation_steps": 1})).contains("≥ 2"));
    assert!(text("Ftrl", json!({"learning_rate_power": 0.5})).contains("≤ 0"));
    assert!(text("Lion", json!({"beta_1": 0})).contains("(0, 1]"));
    let schedule = |name, config: Value| json!({"learning_rate": {"class_name": name, "config": config}});
    assert!(text("SGD", schedule("CosineDekay", json!({}))).contains("did you mean 'CosineDecay'"));
    let bad = json!({"initial_learning_rate": 1, "decay_steps": 0});
    assert!(text("SGD", schedule("CosineDecay", bad)).contains("'decay_steps': expected a number > 0"));
    assert!(text("SGD", schedule("CosineDecay", json!({"decay_steps": 1}))).contains("'initial_learning_rate'"));
    let bad = json!({"boundaries": [1, 2], "values": [1, 2]});
    assert!(text("SGD", schedule("PiecewiseConstantDecay", bad)).contains("2 values and 2 boundaries"));
    assert!(matches!(error("Adam", json!({"learning_rate": "fast"})), Error::Type { .. }));
    assert!(matches!(OptimizerConfig::parse(&json!(null)), Err(Error::Type { .. })));
}
