//! Every rule × option against a second writing of Keras's formulas, one array operation after the other, in double
//! precision; and what stands around the rules.

use super::tests::Apply;
use super::*;
use serde_json::{Value, json};

/// Keras's `update_step`, straight from its source (keras/src/optimizers/*.py of Keras 3.15), one weight.
fn keras_step(name: &str, c: &dyn Fn(&str) -> f64, lr: f64, t: i32, w: &mut f64, g: f64, s: &mut [f64]) {
    let (b1, b2, eps) = (c("beta_1"), c("beta_2"), c("epsilon"));
    match name {
        "SGD" if c("momentum") != 0.0 => {
            let m = s[0] * c("momentum") - g * lr;
            s[0] = m;
            *w += if c("nesterov") != 0.0 { m * c("momentum") - g * lr } else { m };
        }
        "SGD" => *w -= g * lr,
        "Adam" | "AdamW" => {
            s[0] += (g - s[0]) * (1.0 - b1);
            s[1] += (g.powi(2) - s[1]) * (1.0 - b2);
            let mut v = s[1];
            if c("amsgrad") != 0.0 {
                s[2] = s[2].max(v);
                v = s[2];
            }
            let alpha = lr * (1.0 - b2.powi(t)).sqrt() / (1.0 - b1.powi(t));
            *w -= s[0] * alpha / (v.sqrt() + eps);
        }
        "RMSprop" => {
            let rho = c("rho");
            s[0] = rho * s[0] + (1.0 - rho) * g.powi(2);
            let mut denominator = s[0] + eps;
            let momentum = c("momentum");
            if c("centered") != 0.0 {
                let a = if momentum > 0.0 { 2 } else { 1 };
                s[a] = rho * s[a] + (1.0 - rho) * g;
                denominator = s[0] - s[a].powi(2) + eps;
            }
            let increment = lr * g / denominator.sqrt();
            if momentum > 0.0 {
                s[1] = momentum * s[1] + increment;
                *w -= s[1];
            } else {
                *w -= increment;
            }
        }
        "Adagrad" => {
            s[0] += g.powi(2);
            *w -= lr * g / (s[0] + eps).sqrt();
        }
        "Adadelta" => {
            let (rho, rms) = (c("rho"), |x: f64| (x + eps).sqrt());
            s[0] = rho * s[0] + (1.0 - rho) * g.powi(2);
            let delta = -rms(s[1]) * g / rms(s[0]);
            s[1] = rho * s[1] + (1.0 - rho) * delta.powi(2);
            *w += lr * delta;
        }
        "Adamax" => {
            s[0] += (g - s[0]) * (1.0 - b1);
            s[1] = (b2 * s[1]).max(g.abs());
            *w -= lr * s[0] / ((1.0 - b1.powi(t)) * (s[1] + eps));
        }
        "Nadam" => {
            let u = |t: i32| b1 * (1.0 - 0.5 * 0.96_f64.powi(t));
            let product: f64 = (1..=t).map(u).product();
            s[0] += (g - s[0]) * (1.0 - b1);
            s[1] += (g.powi(2) - s[1]) * (1.0 - b2);
            let m_hat = u(t + 1) * s[0] / (1.0 - product * u(t + 1)) + (1.0 - u(t)) * g / (1.0 - product);
            *w -= m_hat * lr / ((s[1] / (1.0 - b2.powi(t))).sqrt() + eps);
        }
        "Ftrl" => {
            let (p, l1) = (-c("learning_rate_power"), c("l1_regularization_strength"));
            let l2 = c("l2_regularization_strength") + c("beta") / (2.0 * lr);
            let used = g + 2.0 * c("l2_shrinkage_regularization_strength") * *w;
            let new = s[0] + g.powi(2);
            s[1] += used - (new.powf(p) - s[0].powf(p)) / lr * *w;
            *w = (s[1].clamp(-l1, l1) - s[1]) / (new.powf(p) / lr + 2.0 * l2);
            s[0] = new;
        }
        "Lion" => {
            let mixed: f64 = s[0] * b1 + g * (1.0 - b1);
            *w -= lr * if mixed == 0.0 { 0.0 } else { mixed.signum() };
            s[0] = s[0] * b2 + g * (1.0 - b2);
        }
        _ => unreachable!("{name}"),
    }
}

/// Each rule with its options.
pub(super) fn cases() -> Vec<(&'static str, Value)> {
    let ftrl = json!({"learning_rate_power": -0.2, "initial_accumulator_value": 0.4, "beta": 0.3,
        "l1_regularization_strength": 0.05, "l2_regularization_strength": 0.15,
        "l2_shrinkage_regularization_strength": 0.01});
    vec![
        ("SGD", json!({})),
        ("SGD", json!({"momentum": 0.9})),
        ("SGD", json!({"momentum": 0.9, "nesterov": true})),
        ("Adam", json!({"beta_1": 0.8, "beta_2": 0.95})),
        ("Adam", json!({"amsgrad": true, "beta_2": 0.5})),
        ("AdamW", json!({})),
        ("RMSprop", json!({})),
        ("RMSprop", json!({"rho": 0.7, "momentum": 0.5})),
        ("RMSprop", json!({"centered": true, "epsilon": 0.1})),
        ("RMSprop", json!({"centered": true, "momentum": 0.3})),
        ("Adagrad", json!({"initial_accumulator_value": 0.3, "epsilon": 0.01})),
        ("Adadelta", json!({"rho": 0.9, "epsilon": 0.01})),
        ("Adamax", json!({"beta_1": 0.7})),
        ("Nadam", json!({"beta_1": 0.8})),
        ("Ftrl", json!({})),
        ("Ftrl", json!({"learning_rate_power": 0.0})),
        ("Ftrl", ftrl),
        ("Lion", json!({"beta_1": 0.7})),
    ]
}

fn default_of(name: &str, key: &str) -> f64 {
    match (name, key) {
        (_, "beta_1") => 0.9,
        ("Lion", "beta_2") => 0.99,
        (_, "beta_2") => 0.999,
        (_, "epsilon") => 1e-7,
        ("Adadelta", "rho") => 0.95,
        (_, "rho") => 0.9,
        (_, "learning_rate_power") => -0.5,
        ("AdamW", "weight_decay") => 0.004,
        _ => 0.0,
    }
}

#[test]
fn every_rule_and_option_is_keras_s() {
    let around = [
        json!({}),
        json!({"clipvalue": 0.3}),
        json!({"weight_decay": 0.1}),
        json!({"use_ema": true, "ema_momentum": 0.7}),
        json!({"use_ema": true, "clipvalue": 0.3, "weight_decay": 0.1}),
    ];
    for (name, options) in cases() {
        for around in &around {
            let mut config = options.clone();
            config.as_object_mut().unwrap().extend(around.as_object().unwrap().clone());
            let lookup = |key: &str| match &config[key] {
                Value::Bool(b) => f64::from(u8::from(*b)),
                value => value.as_f64().unwrap_or_else(|| default_of(name, key)),
            };
            let optimizer = OptimizerConfig::parse(&json!({"class_name": name, "config": config})).unwrap();
            let initial = optimizer.slot_initial_values();
            let mut slots = [[0.0; MAX_SLOTS]; 3];
            slots.iter_mut().for_each(|s| s[..initial.len()].copy_from_slice(&initial));
            let (mut w, mut expected) = ([1.0, -2.0, 0.5], [1.0, -2.0, 0.5]);
            let mut expected_slots = slots;
            let mut average = [0.0; 3];
            for t in 1..=30 {
                let g = [(t as f64).sin(), if t % 3 == 0 { 0.0 } else { 0.01 * t as f64 }, -2.0 + 0.1 * t as f64];
                let decays = t % 5 != 0;
                let used = optimizer.at_step(t, 0.05, decays, Apply { w: &mut w, g: &g, slots: &mut slots });
                assert_eq!(used, optimizer.slots(), "{name} {config}");
                for i in 0..3 {
                    let limit = config["clipvalue"].as_f64().unwrap_or(f64::INFINITY);
                    let decay = if decays { lookup("weight_decay") * 0.05 } else { 0.0 };
                    expected[i] -= expected[i] * decay;
                    let g = g[i].clamp(-limit, limit);
                    keras_step(name, &lookup, 0.05, t as i32, &mut expected[i], g, &mut expected_slots[i]);
                    let m = if t == 1 { 0.0 } else { config["ema_momentum"].as_f64().unwrap_or(0.99) };
                    average[i] = m * average[i] + (1.0 - m) * expected[i];
                }
            }
            for i in 0..3 {
                let off = (w[i] - expected[i]).abs() / expected[i].abs().max(1e-3);
                assert!(off < 1e-9, "{name} {config} {i}: {} is not {}", w[i], expected[i]);
                if let Some(slot) = optimizer.average_slot() {
                    assert!((slots[i][slot] - average[i]).abs() < 1e-9, "{name} {config}: average");
                }
            }
        }
    }
}

#[test]
fn lamb_scales_by_norms() {
    let config = json!({"class_name": "Lamb", "config": {"weight_decay": 0.1, "clipvalue": 0.5, "use_ema": true}});
    let lamb = OptimizerConfig::parse(&config).unwrap();
    assert!(lamb.has_trust_ratio() && !lamb.is_elementwise());
    let norm = |x: &[f64; 3]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (mut w, mut slots) = ([1.0, -2.0, 0.5], [[0.0; MAX_SLOTS]; 3]);
    let (mut expected, mut m, mut v) = (w, [0.0; 3], [0.0; 3]);
    for t in 1..=10 {
        let g = [(t as f64).sin(), 0.1, -2.0 + 0.3 * t as f64];
        let mut d = [0.0; 3];
        lamb.direction_at_step(t, Apply { w: &mut d, g: &g, slots: &mut slots });
        let norms = [norm(&w), norm(&d)];
        lamb.along_direction(t, 0.05, true, norms, Apply { w: &mut w, g: &d, slots: &mut slots });

        let mut update = [0.0; 3];
        for i in 0..3 {
            expected[i] -= expected[i] * 0.1 * 0.05;
            let g = g[i].clamp(-0.5, 0.5);
            m[i] += (g - m[i]) * 0.1;
            v[i] += (g * g - v[i]) * 0.001;
            let root = (v[i] / (1.0 - 0.999_f64.powi(t as i32))).sqrt() + 1e-7;
            update[i] = m[i] / (1.0 - 0.9_f64.powi(t as i32)) / root;
        }
        let ratio = norm(&expected) / norm(&update);
        for i in 0..3 {
            expected[i] -= ratio * 0.05 * update[i];
            assert!((w[i] - expected[i]).abs() < 1e-12);
        }
    }
    assert!(slots.iter().zip(w).all(|(s, w)| s[2] != 0.0 && s[2] != w));
    assert_eq!((lamb.trust_ratio(0.0, 2.0), lamb.trust_ratio(3.0, 0.0), lamb.trust_ratio(3.0, 2.0)), (1.0, 1.0, 1.5));
    assert_eq!(OptimizerConfig::parse(&json!("adam")).unwrap().trust_ratio(3.0, 2.0), 1.0);
}

#[test]
fn where_everything_is_zero_it_stays_zero() {
    let hard = [json!({"epsilon": 0}), json!({"initial_accumulator_value": 0}), json!({})];
    for name in OptimizerConfig::names() {
        for config in &hard {
            // What a rule does not know is left out.
            let Ok(optimizer) = OptimizerConfig::parse(&json!({"class_name": name, "config": config})) else {
                continue;
            };
            for rate in [0.0, 0.1] {
                let initial = optimizer.slot_initial_values();
                let (mut w, mut slots) = ([0.0; 3], [[0.0; MAX_SLOTS]; 3]);
                slots.iter_mut().for_each(|s| s[..initial.len()].copy_from_slice(&initial));
                for t in 1..=3 {
                    optimizer.at_step(t, rate, true, Apply { w: &mut w, g: &[0.0; 3], slots: &mut slots });
                }
                assert_eq!(w, [0.0; 3], "{name} {config} {rate}");
            }
        }
    }
}

#[test]
fn what_a_zero_gradient_changes() {
    let mut all = cases();
    all.extend([("SGD", json!({"weight_decay": 0.1})), ("SGD", json!({"use_ema": true}))]);
    all.extend([("SGD", json!({"clipvalue": 0.1})), ("Adagrad", json!({"clipvalue": 0.1}))]);
    for (name, config) in all {
        let optimizer = OptimizerConfig::parse(&json!({"class_name": name, "config": config})).unwrap();
        let (mut w, mut slots) = ([1.0, 2.0, 3.0], [[0.0; MAX_SLOTS]; 3]);
        let mut same = Vec::new();
        for (t, g) in [[0.0; 3], [1.0, 2.0, 3.0], [0.0; 3]].iter().enumerate() {
            let before = (w, slots);
            optimizer.at_step(t as u64 + 1, 0.1, true, Apply { w: &mut w, g, slots: &mut slots });
            same.push(before == (w, slots));
        }
        assert_eq!(optimizer.zero_gradient_is_noop(), same[0] && same[2], "{name} {config}");
        assert!(!same[1]);
    }
}

#[test]
fn raw_steps_updates_and_overwriting() {
    let config = json!({"use_ema": true, "ema_overwrite_frequency": 2, "gradient_accumulation_steps": 3});
    let sgd = OptimizerConfig::parse(&json!({"class_name": "SGD", "config": config})).unwrap();
    let all = |f: &dyn Fn(u64) -> bool| (0..12).filter(|&i| f(i)).collect::<Vec<_>>();
    assert_eq!(all(&|i| sgd.updates_at(i)), [2, 5, 8, 11]);
    assert_eq!((0..7).map(|i| sgd.rule_step(i)).collect::<Vec<_>>(), [1, 1, 1, 2, 2, 2, 3]);
    // Keras counts updates done so far plus one, at every raw step.
    assert_eq!(all(&|i| sgd.overwrites_after(i)), [3, 4, 5, 9, 10, 11]);
    assert_eq!((sgd.average_slot(), sgd.accumulator_slot(), sgd.slots()), (Some(0), Some(1), 2));
    assert_eq!(sgd.slot_names(), ["average", "gradient_accumulator"]);
    assert!(!sgd.is_elementwise());
    let plain = OptimizerConfig::parse(&json!("sgd")).unwrap();
    assert!(plain.updates_at(0) && !plain.overwrites_after(0) && plain.rule_step(4) == 5 && plain.is_elementwise());
    assert!(plain.between_updates(1, Apply { w: &mut [0.0; 3], g: &[0.0; 3], slots: &mut [[0.0; 4]; 3] }).is_none());
}

#[test]
fn a_schedule_cannot_be_set() {
    let rate = json!({"class_name": "ExponentialDecay", "config":
        {"initial_learning_rate": 1.0, "decay_steps": 2, "decay_rate": 0.25}});
    let config = OptimizerConfig::parse(&json!({"class_name": "SGD", "config": {"learning_rate": rate}})).unwrap();
    let mut state = OptimizerState::new(config);
    state.advance(2);
    assert_eq!(state.learning_rate(), 0.25);
    assert!(matches!(state.set_learning_rate(0.5), Err(crate::Error::Type { .. })));
    state.replace_learning_rate(LearningRate::Constant(0.5));
    state.set_learning_rate(0.125).unwrap();
    assert_eq!(state.learning_rate(), 0.125);
    state.exclude([4]);
    assert!(state.decays(3) && !state.decays(4));
}
