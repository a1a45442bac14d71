//! Whole steps over arrays, on registers, against the same rules in double precision one element after the other, with
//! accumulation, clipping and averages written out.

use super::oracle_tests::cases;
use super::*;
use serde_json::{Value, json};

/// An update on one element in double precision.
struct One<'a> {
    w: &'a mut f64,
    g: f64,
    slots: &'a mut [f64; MAX_SLOTS],
}
impl UpdateVisitor for One<'_> {
    type Output = ();
    fn visit<U: Update>(self, u: U) {
        *self.w = u.update(*self.w, self.g, self.slots);
    }
}

const LENGTHS: [usize; 4] = [37, 16, 3, 1];

/// The gradient of an element at a step.
fn gradient(step: u64, array: usize, i: usize) -> f32 {
    ((step as f32 + 1.3) * (i as f32 + 0.7) + array as f32).sin() * if i % 5 == 4 { 0.0 } else { 1.0 }
}

#[test]
fn steps_over_arrays_are_the_rules_over_elements() {
    let options = [
        json!({}),
        json!({"weight_decay": 0.1, "clipvalue": 0.4}),
        json!({"clipnorm": 0.7}),
        json!({"global_clipnorm": 0.9, "loss_scale_factor": 4.0}),
        json!({"use_ema": true, "ema_momentum": 0.8, "ema_overwrite_frequency": 2}),
        json!({"gradient_accumulation_steps": 3, "clipnorm": 0.7, "use_ema": true, "ema_overwrite_frequency": 3}),
    ];
    let rules = cases().into_iter().chain([("Lamb", json!({}))]);
    for ((name, arguments), options) in rules.flat_map(|rule| options.iter().map(move |o| (rule.clone(), o))) {
        let mut config = arguments.clone();
        config.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        config["learning_rate"] = json!(0.02);
        let config = OptimizerConfig::parse(&json!({"class_name": name, "config": config})).unwrap();
        let start = |array: usize| (0..LENGTHS[array]).map(move |i| (i as f32 * 0.37 + array as f32).cos());
        let mut weights: Vec<Vec<f32>> = (0..4).map(|a| start(a).collect()).collect();
        let mut state = OptimizerState::new(config.clone());
        let mut naive = Naive::new(&config, &weights);
        for step in 0..12 {
            let gradients: Vec<Vec<f32>> =
                (0..4).map(|a| (0..LENGTHS[a]).map(|i| gradient(step, a, i)).collect()).collect();
            let given = |a: usize| (a != 2 || step % 4 != 1).then_some(&gradients[a][..]);
            let pair = |(key, weights)| Pair { key, weights, gradient: given(key), decays: key != 1 };
            let mut pairs: Vec<Pair> = weights.iter_mut().map(Vec::as_mut_slice).enumerate().map(pair).collect();
            state.apply(&mut pairs).unwrap();
            naive.step(&config, step, &(0..4).map(given).collect::<Vec<_>>());
        }
        assert_eq!(state.iterations(), 12);
        for (a, (weights, expected)) in weights.iter().zip(&naive.weights).enumerate() {
            let norm = expected.iter().map(|w| w * w).sum::<f64>().sqrt();
            let off: f64 = weights.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
            assert!(off.sqrt() <= 2e-5 * norm, "{name} {arguments} {options}, array {a}: {weights:?} {expected:?}");
            assert_eq!(state.standalone_slots(a).len(), config.slots());
        }
    }
}

/// The oracle: everything in double precision and in Keras's order.
struct Naive {
    weights: Vec<Vec<f64>>,
    slots: Vec<Vec<[f64; MAX_SLOTS]>>,
    sums: Vec<Vec<f64>>,
}

impl Naive {
    fn new(config: &OptimizerConfig, weights: &[Vec<f32>]) -> Self {
        let mut fresh = [0.0; MAX_SLOTS];
        fresh.iter_mut().zip(config.slot_initial_values()).for_each(|(slot, value)| *slot = value);
        Naive {
            weights: weights.iter().map(|w| w.iter().map(|&x| f64::from(x)).collect()).collect(),
            slots: weights.iter().map(|w| vec![fresh; w.len()]).collect(),
            sums: weights.iter().map(|w| vec![0.0; w.len()]).collect(),
        }
    }

    fn step(&mut self, config: &OptimizerConfig, raw: u64, given: &[Option<&[f32]>]) {
        let count = config.gradient_accumulation_steps.unwrap_or(1);
        let (t, updates) = (raw / count + 1, (raw + 1).is_multiple_of(count));
        for (sum, given) in self.sums.iter_mut().zip(given) {
            for (sum, g) in sum.iter_mut().zip(given.unwrap_or_default()) {
                *sum += f64::from(*g) / config.loss_scale_factor.unwrap_or(1.0);
            }
        }
        let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        let mean = |a: usize| self.sums[a].iter().map(|s| s / count as f64).collect::<Vec<f64>>();
        let means: Vec<Option<Vec<f64>>> = (0..given.len()).map(|a| given[a].map(|_| mean(a))).collect();
        let global = norm(&means.iter().flatten().flatten().copied().collect::<Vec<_>>());
        for (a, mean) in means.iter().enumerate() {
            let (weights, slots, decays) = (&mut self.weights[a], &mut self.slots[a], a != 1);
            let before = norm(weights);
            let Some(mean) = mean.as_ref().filter(|_| updates) else {
                for (w, slots) in weights.iter_mut().zip(slots) {
                    config.between_updates(t, One { w, g: 0.0, slots });
                }
                continue;
            };
            let limit = config.clipnorm.or(config.global_clipnorm).unwrap_or(f64::INFINITY);
            let over = if config.global_clipnorm.is_some() { global } else { norm(mean) };
            let scale = if over > limit { limit / over } else { 1.0 };
            let gradients: Vec<f64> = mean.iter().map(|g| g * scale).collect();
            if config.has_trust_ratio() {
                let mut direction = vec![0.0; mean.len()];
                for ((w, g), slots) in direction.iter_mut().zip(&gradients).zip(slots.iter_mut()) {
                    config.direction_at_step(t, One { w, g: *g, slots });
                }
                let norms = [before, norm(&direction)];
                for ((w, g), slots) in weights.iter_mut().zip(direction).zip(slots) {
                    config.along_direction(t, 0.02, decays, norms, One { w, g, slots });
                }
            } else {
                for ((w, g), slots) in weights.iter_mut().zip(gradients).zip(slots) {
                    config.at_step(t, 0.02, decays, One { w, g, slots });
                }
            }
        }
        if updates {
            self.sums.iter_mut().for_each(|sum| sum.fill(0.0));
        }
        let frequency = config.use_ema.and_then(|ema| ema.overwrite_frequency);
        if let Some(slot) = config.average_slot().filter(|_| frequency.is_some_and(|f| t.is_multiple_of(f))) {
            for (weights, slots) in self.weights.iter_mut().zip(&self.slots) {
                weights.iter_mut().zip(slots).for_each(|(w, slots)| *w = slots[slot]);
            }
        }
    }
}

#[test]
fn refused_gradients_change_nothing() {
    let mut state = OptimizerState::new(OptimizerConfig::parse(&json!("adam")).unwrap());
    let (mut first, mut second) = ([1.0; 3], [1.0; 2]);
    let mut pairs = [
        Pair { key: 0, weights: &mut first, gradient: Some(&[1.0; 3]), decays: true },
        Pair { key: 1, weights: &mut second, gradient: Some(&[1.0; 3]), decays: true },
    ];
    let error = state.apply(&mut pairs).unwrap_err().to_string();
    assert_eq!(error, "gradient 1: expected 2 numbers, like the variable, received 3");
    assert_eq!((first, state.iterations()), ([1.0; 3], 0));
    state.ensure_standalone(0, 3).unwrap();
    assert!(state.ensure_standalone(0, 4).unwrap_err().to_string().contains("expected 3 numbers"));
}

#[test]
fn gradients_are_clipped_by_whichever_way_is_set() {
    let clip = |options: Value| {
        let mut gradients = vec![vec![3.0, -4.0], vec![0.0, 12.0]];
        OptimizerConfig::parse(&json!({"class_name": "SGD", "config": options})).unwrap().clip(&mut gradients);
        gradients
    };
    assert_eq!(clip(json!({"clipnorm": 5})), [[3.0, -4.0], [0.0, 5.0]]);
    assert_eq!(clip(json!({"clipvalue": 3.5})), [[3.0, -3.5], [0.0, 3.5]]);
    assert_eq!(clip(json!({"global_clipnorm": 6.5})), [[1.5, -2.0], [0.0, 6.0]]);
    assert_eq!(clip(json!({})), [[3.0, -4.0], [0.0, 12.0]]);
}
