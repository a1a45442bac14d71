//! A data set larger than what a kernel can see of a buffer: the same bits as with a resident one, whatever the run.
//!
//! Without an adapter these tests say why they do nothing; with `IRONHORN_REQUIRE_GPU=1` they fail then.
#![cfg(feature = "gpu")]

mod common;

use common::gpu::{FOREVER, gpu};
use common::*;
use ironhorn::backend::gpu::GpuBackend;
use ironhorn::backend::{Backend, Executor, Part, Purpose, Usage, UsageOf};
use ironhorn::config::normalise;
use ironhorn::infer::{Evaluation, Prediction};
use ironhorn::layers::Layer;
use ironhorn::model::{Graph, Model, Samples};
use ironhorn::optimizers::{OptimizerConfig, OptimizerState};
use ironhorn::plan::Plan;
use ironhorn::train::{Fit, Schedule};
use ironhorn::{Array, Error};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Bytes of a binding.
const LIMIT: u64 = 1 << 15;
/// Samples: their inputs, their targets and their order take several bindings each.
const ROWS: usize = 9001;

fn layer(class: &str, name: &str, mut config: Value) -> Arc<Layer> {
    config["name"] = json!(name);
    let value = normalise(json!({"class_name": class, "config": config}), "test").unwrap();
    Arc::new(Layer::from_value(&value).unwrap())
}

/// Two inputs, one of them ids; outputs of three rows of class probabilities and of one row of numbers; dropout.
fn model(backend: impl Backend + 'static) -> Arc<Model> {
    let nodes = vec![
        (layer("Dense", "first", json!({"units": 6, "activation": "tanh"})), vec![0]),
        (layer("Dropout", "drop", json!({"rate": 0.3})), vec![2]),
        (layer("Dense", "classes", json!({"units": 4, "activation": "softmax"})), vec![3]),
        (layer("Flatten", "flat", json!({})), vec![3]),
        (layer("Embedding", "table", json!({"input_dim": 11, "output_dim": 3})), vec![1]),
        (layer("Flatten", "row", json!({})), vec![6]),
        (layer("Concatenate", "both", json!({})), vec![5, 7]),
        (layer("Dense", "numbers", json!({"units": 2})), vec![8]),
    ];
    let graph = Graph { nodes, input_shapes: vec![vec![3, 5], vec![2]], outputs: vec![4, 9] };
    graph.build(11).unwrap();
    let model = Arc::new(Model::on(graph, 11, Box::new(backend)).unwrap());
    let optimizer = OptimizerState::new(OptimizerConfig::parse(&json!("adam")).unwrap());
    let outputs = json!({"outputs": [
        {"loss": {"class_name": "SparseCategoricalCrossentropy", "config": {"ignore_class": 2}},
            "metrics": [{"metric": "accuracy", "name": "accuracy", "weighted": true}]},
        {"loss": "mse", "loss_weight": 0.5, "metrics": ["mae", "r2_score"]}]});
    model.compile(Arc::new(Mutex::new(optimizer)), &outputs).unwrap();
    model
}

/// Inputs of other dtypes than the device's, classes, numbers, and weights for the second output.
fn data() -> Samples {
    let x: Vec<u8> = uniform(ROWS * 15, 1).into_iter().map(|v| (v * 100.0 + 100.0) as u8).collect();
    let ids: Vec<i64> = (0..ROWS as i64 * 2).map(|i| i * 7 % 11).collect();
    let classes: Vec<i32> = (0..ROWS as i32 * 3).map(|i| i * 5 % 4).collect();
    let numbers: Vec<f64> = uniform(ROWS * 2, 2).into_iter().map(f64::from).collect();
    let weights: Vec<f32> = (0..ROWS).map(|i| (i % 5) as f32 * 0.25).collect();
    Samples {
        x: vec![Array::new(x, &[ROWS, 3, 5]).unwrap(), Array::new(ids, &[ROWS, 2]).unwrap()],
        y: vec![Some(Array::new(classes, &[ROWS, 3]).unwrap()), Some(Array::new(numbers, &[ROWS, 2]).unwrap())],
        weights: vec![None, Some(Array::new(weights, &[ROWS]).unwrap())],
    }
}

/// The bits of the weights and of the logs of two epochs, evaluations in between and predictions after them.
fn bits(backend: GpuBackend, batch: usize, pieces: Option<usize>) -> Vec<u64> {
    let model = model(backend);
    let mut bits = Vec::new();
    let mut fit = Fit::new(&model, data(), Schedule { batch, steps: None, shuffle: true }, None).unwrap();
    for _ in 0..2 {
        fit.begin_epoch();
        while fit.step() < fit.steps() {
            fit.run(pieces, FOREVER).unwrap();
        }
        bits.extend(fit.logs().iter().map(|(_, log)| log.to_bits()));
        bits.extend(weights(&model).concat().iter().map(|w| u64::from(w.to_bits())));
        let schedule = Schedule { batch: batch / 2 + 1, steps: None, shuffle: false };
        let mut run = Evaluation::new(&model, data(), schedule, None).unwrap();
        run.begin().unwrap();
        while run.step() < run.steps() {
            run.run(pieces, FOREVER).unwrap();
        }
        bits.extend(run.logs().iter().map(|(_, log)| log.to_bits()));
    }
    let mut prediction = Prediction::new(&model, data().x, None).unwrap();
    let mut out = prediction.results().unwrap();
    while prediction.done() < prediction.rows() {
        prediction.run(&mut out, pieces.unwrap_or(usize::MAX), FOREVER).unwrap();
    }
    bits.extend(out.concat().iter().map(|p| u64::from(p.to_bits())));
    bits
}

fn limited() -> GpuBackend {
    GpuBackend::open_limited(0, LIMIT).unwrap()
}

#[test]
fn windows_give_the_bits_of_a_resident_data_set() {
    if !gpu() {
        return;
    }
    let resident = |batch| bits(GpuBackend::open(0).unwrap(), batch, None);
    for (batch, pieces) in [(100, None), (100, Some(7)), (257, None)] {
        let (windows, resident) = (bits(limited(), batch, pieces), resident(batch));
        assert_eq!(windows.len(), resident.len());
        let differing = windows.iter().zip(&resident).filter(|(a, b)| a != b).count();
        assert_eq!(differing, 0, "of {} numbers, batches of {batch} in pieces of {pieces:?}", windows.len());
    }
}

/// A class id out of range is found before anything is trained; a loss that is no number ends a run where it does on a
/// resident data set, and training goes on from there.
#[test]
fn errors_leave_whole_steps() {
    if !gpu() {
        return;
    }
    let schedule = Schedule { batch: 100, steps: None, shuffle: false };
    let limited_model = model(limited());
    let start = weights(&limited_model);
    let mut bad = data();
    let mut classes: Vec<i32> = (0..ROWS as i32 * 3).map(|i| i * 5 % 4).collect();
    classes[8000 * 3 + 1] = 4;
    bad.y[0] = Some(Array::new(classes, &[ROWS, 3]).unwrap());
    let error = Fit::new(&limited_model, bad, schedule, None).err().unwrap();
    assert!(error.to_string().contains("4 in row 8000"), "{error}");
    assert_eq!(weights(&limited_model), start);

    let ends = |model: Arc<Model>| {
        let mut wrong = data();
        // So large that its square is infinite.
        let mut numbers: Vec<f64> = uniform(ROWS * 2, 2).into_iter().map(f64::from).collect();
        numbers[4321 * 2] = 1e30;
        wrong.y[1] = Some(Array::new(numbers, &[ROWS, 2]).unwrap());
        let mut fit = Fit::new(&model, wrong, schedule, None).unwrap();
        fit.begin_epoch();
        let error = loop {
            if let Err(error) = fit.run(None, FOREVER) {
                break error;
            }
        };
        assert!(matches!(error, Error::NonFinite { step: 43, .. }), "{error}");
        assert_eq!(fit.step(), 43);
        let stopped = weights(&model).concat();
        drop(fit);
        let mut fit = Fit::new(&model, data(), schedule, None).unwrap();
        fit.begin_epoch();
        fit.run(Some(3), FOREVER).unwrap();
        (stopped, weights(&model).concat())
    };
    assert_eq!(ends(limited_model), ends(model(GpuBackend::open(0).unwrap())));
}

/// The digits as `float32` would take 188 MB, more than the 128 MiB that Mesa's CPU driver binds.
#[test]
fn a_data_set_of_the_size_of_mnist() {
    if !gpu() {
        return;
    }
    let pixels: Vec<u8> = (0..60_000 * 784u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let x = Array::new(pixels, &[60_000, 784]).unwrap();
    let y = Array::new((0..60_000).map(|i| (i % 10) as u8).collect(), &[60_000]).unwrap();
    let train = |backend: Box<dyn Backend>| {
        let layers = vec![
            ("Rescaling", json!({"scale": 1.0 / 255.0})),
            ("Dense", json!({"units": 32, "activation": "relu"})),
            ("Dense", json!({"units": 10, "activation": "softmax"})),
        ];
        let setup = Setup::new(&[784], layers, json!("sparse_categorical_crossentropy"), json!("sgd"));
        let graph = Graph::chain(&setup.layers(), &setup.input_shape, 11).unwrap();
        let model = Arc::new(Model::on(graph, 11, backend).unwrap());
        let optimizer = OptimizerState::new(OptimizerConfig::parse(&setup.optimizer).unwrap());
        model.compile(Arc::new(Mutex::new(optimizer)), &json!({"loss": setup.loss, "metrics": ["accuracy"]})).unwrap();
        let schedule = Schedule { batch: 512, steps: Some(20), shuffle: true };
        let mut fit = Fit::new(&model, Samples::of(x.clone(), y.clone()), schedule, None).unwrap();
        fit.begin_epoch();
        while fit.step() < fit.steps() {
            fit.run(None, Duration::from_millis(50)).unwrap();
        }
        (fit.logs()[0].1, weights(&model).concat())
    };
    let (loss, gpu) = train(Box::new(GpuBackend::open(0).unwrap()));
    let (expected, cpu) = train(Box::<ironhorn::backend::cpu::CpuBackend>::default());
    common::gpu::close("weights", &gpu, &cpu, 1e-5);
    assert!((loss - expected).abs() < 1e-4, "{loss} and {expected}");
}

/// The batch that an error names does compile, and one sample more does not.
#[test]
fn the_largest_batch_is_named() {
    if !gpu() {
        return;
    }
    let backend = limited();
    let model = model(limited());
    let plan = Arc::new(model.graph().lower(1).unwrap());
    for purpose in purposes() {
        let error = backend.compile(&plan, &purpose, 5000).err().unwrap();
        let text = error.to_string();
        assert!(matches!(error, Error::Device(_)) && text.contains("use smaller batches"), "{text}");
        let largest: usize = text.rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{text}"));
        assert!(largest > 100, "{text}");
        assert!(backend.compile(&plan, &purpose, largest).is_ok(), "{text}");
        assert!(backend.compile(&plan, &purpose, largest + 1).is_err(), "{text}");
    }
    // A weight alone is too large: no batch helps.
    let wide = Setup::new(&[100], vec![("Dense", json!({"units": 200}))], json!("mse"), json!("sgd"));
    let graph = Graph::chain(&wide.layers(), &wide.input_shape, 11).unwrap();
    let plan = Arc::new(graph.lower(1).unwrap());
    let error = backend.compile(&plan, &Purpose::Predict, 64).err().unwrap();
    assert!(error.to_string().ends_with("not even a batch of one sample fits"), "{error}");
    // A prediction takes smaller blocks by itself: of 4,096 numbers a sample the device holds two.
    let wide = Setup::new(&[4096], vec![("Dense", json!({"units": 1}))], json!("mse"), json!("sgd"));
    let alike = |backend| {
        let graph = Graph::chain(&wide.layers(), &wide.input_shape, 11).unwrap();
        let model = Arc::new(Model::on(graph, 11, Box::new(backend)).unwrap());
        model.predict(vec![inputs(37, &[4096], 3)]).unwrap()
    };
    common::gpu::close("two at a time", &alike(limited()), &alike(GpuBackend::open(0).unwrap()), 1e-6);
}

/// What is said to be taken is what is made: buffers of kernels, of the data set or its windows, and on the way.
#[test]
fn memory_is_what_is_allocated() {
    if !gpu() {
        return;
    }
    for (limit, batch) in [(u64::MAX, 100), (LIMIT, 100), (LIMIT, 37)] {
        let backend = Arc::new(GpuBackend::open_limited(0, limit).unwrap());
        let model = model(Shared(backend.clone()));
        let said = model.memory(batch, Some(ROWS), None).unwrap();
        let before = backend.counters().bytes;
        let mut fit = Fit::new(&model, data(), Schedule { batch, steps: None, shuffle: true }, None).unwrap();
        fit.begin_epoch();
        while fit.step() < fit.steps() {
            fit.run(None, FOREVER).unwrap();
        }
        let trained = backend.counters().bytes;
        assert_eq!(said.training.total(), trained - before, "training, {said:?}");
        let mut prediction = Prediction::new(&model, data().x, None).unwrap();
        let mut out = prediction.results().unwrap();
        while prediction.done() < prediction.rows() {
            prediction.run(&mut out, usize::MAX, FOREVER).unwrap();
        }
        assert_eq!(said.prediction.total(), backend.counters().bytes - trained, "prediction, {said:?}");
        let data = said.training.of(Part::Data);
        assert_eq!(data < ROWS as u64 * 15 * 4, limit == LIMIT, "{data}");
    }
    let error = model(limited()).memory(5000, None, None).err().unwrap();
    assert!(error.to_string().contains("the largest batch that fits is"), "{error}");
}

/// A backend that a test goes on looking at.
struct Shared(Arc<GpuBackend>);

impl Backend for Shared {
    fn compile(&self, plan: &Arc<Plan>, purpose: &Purpose, batch: usize) -> ironhorn::Result<Box<dyn Executor>> {
        self.0.compile(plan, purpose, batch)
    }
    fn usage(&self, run: &UsageOf) -> ironhorn::Result<Usage> {
        self.0.usage(run)
    }
}

fn purposes() -> [Purpose; 2] {
    use ironhorn::backend::{Measure, Objective};
    use ironhorn::losses::LossConfig;
    let objective = |loss: &str, metrics: &[&str]| Objective {
        loss: Some(LossConfig::parse(&json!(loss), "test").unwrap()),
        weight: 1.0,
        metrics: metrics
            .iter()
            .map(|name| Measure {
                metric: ironhorn::metrics::MetricSpec::parse(&json!(name), "test").unwrap().resolve(2, None),
                weighted: false,
            })
            .collect(),
    };
    let objectives = vec![objective("sparse_categorical_crossentropy", &[]), objective("mse", &["r2_score"])];
    [Purpose::Train(objectives.clone()), Purpose::Evaluate(objectives)]
}
