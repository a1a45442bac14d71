//! What `auto` decides by, and that finding out leaves no trace.

use super::choice::*;
use super::{Model, Samples, Trial, lock};
use crate::backend::{Device, Purpose};
use crate::train::{Fit, Schedule};
use crate::{Array, Error, Sequential};
use serde_json::json;
use std::sync::Arc;

const GPU: Device = Device::Gpu(0);

#[test]
fn an_adapter_has_to_be_clearly_quicker() {
    let of =
        |times: &[f64]| better(1.0, times.iter().enumerate().map(|(index, seconds)| (Device::Gpu(index), *seconds)));
    assert_eq!((of(&[]), of(&[1.0]), of(&[0.95])), (Device::Cpu, Device::Cpu, Device::Cpu));
    assert_eq!((of(&[0.8]), of(&[0.8, 0.5]), of(&[2.0, 0.7])), (GPU, Device::Gpu(1), Device::Gpu(1)));
}

#[test]
fn calls_of_about_the_same_size_are_one_kind() {
    assert_eq!([0, 1, 2, 3, 1000, 1 << 30].map(kind_of), [1, 1, 2, 4, 1024, 1 << 16]);
}

#[test]
fn choices_are_kept_and_replaced() {
    let model = Sequential::new(&[3], 1).dense(2, "linear").unwrap().build().unwrap();
    model.set_choices([(Task::Train, 32, GPU), (Task::Predict, 8, Device::Cpu)]).unwrap();
    assert_eq!(model.choices(), [(Task::Train, 32, GPU), (Task::Predict, 8, Device::Cpu)]);
    assert!(model.set_choices([(Task::Train, 32, Device::Auto)]).is_err());
    assert_eq!(model.choices().len(), 2);
    model.set_choices([]).unwrap();
    assert!(model.choices().is_empty());
    assert_eq!(Task::parse(&Task::TrainOnBatch.to_string(), "task"), Ok(Task::TrainOnBatch));
    assert!(Task::parse("fit", "task").is_err());
}

/// A net of every state that training moves, and what it trains on.
fn net() -> (Arc<Model>, Samples) {
    let net = Sequential::new(&[40], 3).dense(200, "relu").unwrap().layer("BatchNormalization", json!({})).unwrap();
    let model = net.dropout(0.3).unwrap().dense(3, "softmax").unwrap().build().unwrap();
    model.compile_with("Adam", 0.01, "sparse_categorical_crossentropy", &["accuracy"]).unwrap();
    let x = Array::new((0..300 * 40).map(|i| (i % 17) as f32 * 0.1).collect(), &[300, 40]).unwrap();
    let y = Array::new((0..300).map(|i| i % 3).collect::<Vec<i32>>(), &[300]).unwrap();
    (model, Samples::of(x, y))
}

#[test]
fn small_work_stays_on_the_cpu_and_is_remembered() {
    let (model, data) = net();
    let schedule = Schedule { batch: 8, steps: None, shuffle: false };
    Fit::new(&model, data, schedule, Some(Device::Auto)).unwrap();
    assert_eq!(model.choices(), [(Task::Train, 8, Device::Cpu)]);
}

#[test]
fn trials_take_time_and_change_nothing() {
    let (model, data) = net();
    let compiled = model.compiled().unwrap();
    let (feed, objectives) = model.check_data(&compiled, data).unwrap();
    let state = || {
        let weights: Vec<_> = model.variables().iter().map(|v| (v.version(), v.values().unwrap())).collect();
        let optimizer = lock(&compiled.optimizer);
        (weights, optimizer.iterations(), optimizer.version(), model.position())
    };
    let before = state();
    let purposes = [
        (Task::Train, Purpose::Train(objectives.clone())),
        (Task::TrainOnBatch, Purpose::Train(objectives.clone())),
        (Task::Evaluate, Purpose::Evaluate(objectives)),
        (Task::Predict, Purpose::Predict),
    ];
    for device in [Device::Cpu, GPU].into_iter().filter(|device| device.backend().is_ok()) {
        for (task, purpose) in &purposes {
            let optimizer = Some(lock(&compiled.optimizer).config().clone());
            let (plan, feed) = (compiled.plan.clone(), feed.clone());
            let trial = Trial { task: *task, plan, purpose: purpose.clone(), batch: 64, feed, optimizer };
            // Another test of this process loses the device on purpose.
            let mut times = (0..3).map(|_| trial.seconds(&*device.backend()?));
            let seconds = times.find(|time| !matches!(time, Err(Error::Device(_)))).unwrap().unwrap();
            assert!(seconds > 1e-9 && seconds < 60.0, "{task}: {seconds} s");
        }
    }
    assert_eq!(state(), before);
}

#[test]
fn whatever_the_adapters_are_there_is_an_answer() {
    let (model, data) = net();
    let x = data.x.clone();
    let schedule = Schedule { batch: 150, steps: None, shuffle: false };
    Fit::new(&model, data, schedule, Some(Device::Auto)).unwrap();
    let [(Task::Train, 150, chosen)] = model.choices()[..] else { panic!("{:?}", model.choices()) };
    assert!(chosen.backend().is_ok());
    // The CPU does a software adapter's work without the detour.
    if Device::adapters().iter().all(crate::backend::Adapter::is_software) {
        assert_eq!(chosen, Device::Cpu);
    }
    crate::infer::Prediction::new(&model, x, Some(Device::Auto)).unwrap();
    assert_eq!(model.choices().len(), 2);
}
