//! Every shader that can be made, validated by naga, which needs no GPU; and what happens when a device is lost, which does.

use super::device::Gpu;
use super::pipelines::storage_bindings;
use super::wgsl::{self, ColumnForm, Pass, Product, TailVariant, WeightVariant};
use crate::activations::Activation;
use crate::backend::{Device, Measure, Objective};
use crate::constraints::Constraint;
use crate::losses::{Head, Loss, LossConfig, Reduction, TargetKind};
use crate::metrics::Metric;
use crate::model::Samples;
use crate::optimizers::{MAX_PARAMETERS, OptimizerConfig};
use crate::plan::RowMoments;
use crate::train::{Fit, Schedule};
use crate::{Array, Error, Result, Sequential};
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

/// Parses and validates a shader, and compares its bindings with those that the pipeline will be made for.
fn validate(shader: &str) {
    let module = naga::front::wgsl::parse_str(shader).unwrap_or_else(|e| panic!("{}", e.emit_to_string(shader)));
    let mut validator =
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
    validator.validate(&module).unwrap_or_else(|e| panic!("{}", e.emit_to_string(shader)));
    let mut bound: Vec<(u32, bool)> = Vec::new();
    for (_, variable) in module.global_variables.iter() {
        if let (Some(binding), naga::AddressSpace::Storage { access }) = (&variable.binding, variable.space) {
            bound.push((binding.binding, !access.contains(naga::StorageAccess::STORE)));
        }
    }
    bound.sort_unstable();
    let expected: Vec<(u32, bool)> =
        storage_bindings(shader).into_iter().enumerate().map(|(i, r)| (i as u32 + 2, r)).collect();
    assert_eq!(bound, expected);
    // What every device with WebGPU's default limits can bind.
    assert!(bound.len() <= 8);
}

fn activations() -> Vec<Activation> {
    let parse = |value: Value| Activation::parse(&value, "test").unwrap();
    let mut all: Vec<Activation> = Activation::names()
        .into_iter()
        .map(|name| match name {
            "threshold" => json!({"class_name": name, "config": {"threshold": 0.5, "default_value": -1.0}}),
            _ => json!(name),
        })
        .map(parse)
        .collect();
    all.extend([
        parse(json!({"class_name": "gelu", "config": {"approximate": true}})),
        parse(json!({"class_name": "elu", "config": {"alpha": -0.5}})),
        parse(json!({"class_name": "leaky_relu", "config": {"negative_slope": -0.5}})),
        parse(json!({"class_name": "relu", "config": {"negative_slope": 0.1, "max_value": 3.0, "threshold": 0.5}})),
        parse(json!({"class_name": "relu", "config": {"negative_slope": 0.1, "threshold": 0.5}})),
    ]);
    all
}

/// Lines of four and others.
fn products() -> impl Iterator<Item = Product> {
    [Product::of(64, 8), Product::of(4096, 4095)].into_iter()
}

#[test]
fn every_activation() {
    for activation in activations() {
        if activation.is_rowwise() {
            for long in [false, true] {
                validate(&wgsl::rows_forward(&activation, long));
                validate(&wgsl::rows_backward(&activation, true, long));
            }
            continue;
        }
        let tail = TailVariant {
            activation: Some(&activation),
            keep_input: activation.needs_input(),
            dropout: activation == Activation::Tanh,
        };
        products().for_each(|p| validate(&wgsl::dense(tail, true, true, p)));
        products().for_each(|p| validate(&wgsl::input_gradient(Some(tail), false, p)));
        validate(&wgsl::tail_forward(tail));
        validate(&wgsl::tail_backward(tail, true));
    }
    for dropout in [false, true] {
        let tail = TailVariant { dropout, ..TailVariant::default() };
        validate(&wgsl::dense(tail, false, false, Product::of(256, 64)));
        validate(&wgsl::tail_forward(tail));
        validate(&wgsl::tail_backward(tail, false));
    }
    validate(&wgsl::input_gradient(None, true, Product::of(33, 33)));
    validate(&wgsl::gather());
}

fn losses() -> Vec<Loss> {
    crate::losses::tests::samples()
}

#[test]
fn every_loss_and_metric() {
    for loss in losses() {
        let class = loss.target_kind() == TargetKind::Class;
        let mut metrics = vec![Metric::Accuracy, Metric::BinaryAccuracy { threshold: 0.5 }];
        metrics.push(if class { Metric::SparseCategoricalAccuracy } else { Metric::CategoricalAccuracy });
        metrics.push(Metric::Loss(loss.clone()));
        let more = [false, true].map(|ids| Metric::SparseTopKCategoricalAccuracy { k: 2, from_sorted_ids: ids });
        metrics.extend(if class { more.to_vec() } else { vec![Metric::TopKCategoricalAccuracy { k: 2 }] });
        metrics.extend([Metric::CosineSimilarity, Metric::PearsonCorrelation, Metric::ConcordanceCorrelation]);
        let config = LossConfig { loss: loss.clone(), reduction: Reduction::SumOverBatchSize };
        for head in [Head::Plain, loss.head(&Activation::Softmax), loss.head(&Activation::Sigmoid)] {
            let (with, without) = (objective(&config, &metrics), objective(&config, &[]));
            validate(&wgsl::loss(&with, head, true, with.joins_columns()));
            validate(&wgsl::loss(&without, head, true, without.joins_columns()));
            validate(&wgsl::loss(&without, head, false, false));
        }
    }
}

#[test]
fn every_rule() {
    let rules = [
        json!({"class_name": "SGD", "config": {}}),
        json!({"class_name": "SGD", "config": {"momentum": 0.9, "weight_decay": 0.1}}),
        json!({"class_name": "SGD", "config": {"momentum": 0.9, "nesterov": true, "clipvalue": 0.5}}),
        json!({"class_name": "Adam", "config": {"weight_decay": 0.01}}),
        json!({"class_name": "Adam", "config": {"amsgrad": true, "clipvalue": 0.5, "weight_decay": 0.01}}),
        json!({"class_name": "Adam", "config": {"clipnorm": 1.0}}),
        json!({"class_name": "SGD", "config": {"global_clipnorm": 1.0}}),
        json!({"class_name": "AdamW", "config": {"use_ema": true, "clipvalue": 0.5}}),
        json!({"class_name": "RMSprop", "config": {"centered": true, "momentum": 0.5, "weight_decay": 0.1}}),
        json!({"class_name": "Adagrad", "config": {"use_ema": true}}),
        json!({"class_name": "Adadelta", "config": {"use_ema": true, "weight_decay": 0.1}}),
        json!({"class_name": "Adamax", "config": {"use_ema": true, "weight_decay": 0.1}}),
        json!({"class_name": "Nadam", "config": {"use_ema": true, "weight_decay": 0.1}}),
        json!({"class_name": "Ftrl", "config": {"use_ema": true, "weight_decay": 0.1}}),
        json!({"class_name": "Ftrl", "config": {"learning_rate_power": -0.2, "use_ema": true, "weight_decay": 0.1}}),
        json!({"class_name": "Lion", "config": {"use_ema": true, "weight_decay": 0.1}}),
        json!({"class_name": "Lamb", "config": {"use_ema": true, "weight_decay": 0.1, "clipvalue": 0.5}}),
        json!({"class_name": "Lamb", "config": {"clipnorm": 1.0, "gradient_accumulation_steps": 2}}),
        json!({"class_name": "Adam", "config": {"amsgrad": true, "use_ema": true, "ema_overwrite_frequency": 3}}),
        json!({"class_name": "RMSprop", "config": {"centered": true, "momentum": 0.5, "use_ema": true,
            "gradient_accumulation_steps": 3}}),
    ];
    for rule in rules {
        let rule = OptimizerConfig::parse(&rule).unwrap();
        for decays in [true, false] {
            assert!(rule.parameters(3, 0.1, decays).len() <= MAX_PARAMETERS);
            assert_eq!(rule.parameters(1, 0.1, decays).len(), rule.parameters(3, 0.2, true).len());
        }
        let variant = WeightVariant { kernel: true, bias: true, gather: true, adds: 0 };
        products().for_each(|p| validate(&wgsl::weight_gradient(variant, Some(&rule), p.with_features(8))));
        validate(&wgsl::embedding_gradient(Some(&rule)));
        let passes = if rule.has_trust_ratio() { &[Pass::Direction, Pass::Along][..] } else { &[Pass::Whole] };
        passes.iter().for_each(|&pass| validate(&wgsl::apply(&rule, pass)));
    }
    for adds in [0, 1, 2] {
        let variant = WeightVariant { kernel: true, bias: false, gather: false, adds };
        validate(&wgsl::weight_gradient(variant, None, Product::of(64, 64)));
        validate(&wgsl::prelu_gradient(adds));
        [wgsl::copy(adds), wgsl::clear(adds), wgsl::slope(adds)].iter().for_each(|s| validate(s));
    }
    [wgsl::norm(), wgsl::penalty(), wgsl::activity(), wgsl::report()].iter().for_each(|s| validate(s));
    for constraint in ["max_norm", "non_neg", "unit_norm", "min_max_norm"] {
        validate(&wgsl::constraint(&Constraint::parse(&json!(constraint), "test").unwrap().unwrap()));
    }
}

#[test]
fn every_other_stage() {
    for back in [None, Some(false), Some(true)] {
        for number in 0..3 {
            validate(&wgsl::noise(number, back));
        }
        for (number, gamma) in (0..5).flat_map(|number| [(number, false), (number, true)]) {
            validate(&wgsl::column_map(ColumnForm { number, gamma, beta: !gamma }, back));
        }
        [wgsl::concatenate(back), wgsl::unit_norm(back, back.is_some()), wgsl::prelu(back)]
            .iter()
            .for_each(|s| validate(s));
    }
    for adds in [false, true] {
        (2..5).for_each(|number| validate(&wgsl::merge_backward(number, adds)));
        validate(&wgsl::rearrange_backward(adds));
        validate(&wgsl::dot_backward(adds, !adds));
        validate(&wgsl::batch_norm_backward(adds, !adds));
        [wgsl::embedding(adds), wgsl::embedding_sort(adds), wgsl::embedding_merge()].iter().for_each(|s| validate(s));
        for moments in [RowMoments::MeanAndVariance, RowMoments::MeanSquare, RowMoments::VarianceAlone] {
            validate(&wgsl::layer_norm(moments, adds, !adds, adds));
            validate(&wgsl::layer_norm_backward(moments, adds, !adds, !adds));
        }
    }
    (0..5).for_each(|number| validate(&wgsl::merge(number)));
    (0..3).for_each(|number| validate(&wgsl::encode(number)));
    (0..3).for_each(|form| validate(&wgsl::column_sums(form, form != 2)));
    let rest = [wgsl::rearrange(), wgsl::dot(), wgsl::moving(), wgsl::embedding_gradient(None), wgsl::discretize()];
    rest.iter().for_each(|s| validate(s));
}

/// One test loses the device that the others use.
static DEVICE: RwLock<()> = RwLock::new(());

/// Holds the device while a test uses it.
pub fn kept() -> RwLockReadGuard<'static, ()> {
    DEVICE.read().unwrap_or_else(PoisonError::into_inner)
}

/// The first adapter. Without one a test says so and does nothing, or fails with `IRONHORN_REQUIRE_GPU=1`.
pub fn adapter() -> Option<Arc<Gpu>> {
    match Gpu::open(0) {
        Ok(gpu) => Some(gpu),
        Err(error) if std::env::var("IRONHORN_REQUIRE_GPU").is_ok_and(|v| v == "1") => panic!("{error}"),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

#[test]
fn a_lost_device_leaves_the_last_good_weights() {
    let _alone = DEVICE.write().unwrap_or_else(PoisonError::into_inner);
    let Some(gpu) = adapter() else { return };
    let model = Sequential::new(&[2], 1).dense(3, "tanh").unwrap().dense(1, "linear").unwrap().build().unwrap();
    model.compile_with("adam", 0.01, "mse", &[]).unwrap();
    let begin = |device| -> Result<Fit> {
        let x = Array::new((0..16).map(|i| i as f32 / 16.0).collect(), &[8, 2])?;
        let y = Array::new(vec![1.0f32; 8], &[8, 1])?;
        let mut fit =
            Fit::new(&model, Samples::of(x, y), Schedule { batch: 4, steps: None, shuffle: false }, Some(device))?;
        fit.begin_epoch();
        Ok(fit)
    };
    let weights = || -> Vec<Vec<f32>> { model.plan().variables.iter().map(|v| v.values().unwrap()).collect() };
    let run = |fit: &mut Fit| fit.run(Some(1), Duration::from_secs(60));
    let start = weights();
    let mut fit = begin(Device::Gpu(0)).unwrap();
    run(&mut fit).unwrap();
    let good = weights();
    assert_ne!(good, start);
    gpu.lose();
    assert!(matches!(run(&mut fit), Err(Error::Device(_))));
    drop(fit);
    assert_eq!(weights(), good);
    // The CPU goes on from there, and so does the device when it is opened anew.
    run(&mut begin(Device::Cpu).unwrap()).unwrap();
    let later = weights();
    assert_ne!(later, good);
    run(&mut begin(Device::Gpu(0)).unwrap()).unwrap();
    assert_ne!(weights(), later);
}

fn objective(loss: &LossConfig, metrics: &[Metric]) -> Objective {
    let metrics = metrics.iter().map(|metric| Measure { metric: metric.clone(), weighted: false });
    Objective { loss: Some(loss.clone()), weight: 1.0, metrics: metrics.collect() }
}
