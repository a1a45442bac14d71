//! Several threads and several models on the same variables.

mod common;

use common::*;
use ironhorn::Array;
use ironhorn::backend::cpu::{pool::fault, set_num_threads};
use ironhorn::error::Error;
use ironhorn::train::{Fit, Schedule};
use serde_json::json;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// The injected panic and the number of threads are the process's.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn readers_see_whole_steps_while_another_thread_trains() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    // All columns start alike and have the same targets, so after each whole step they are equal to the bit. The kernel
    // is written panel by panel: a reader who finds two columns different has read a mixture of two steps.
    let columns = 3_000;
    let layer = ("Dense", json!({"units": columns, "use_bias": false, "kernel_initializer": "ones"}));
    let optimizer = json!({"class_name": "SGD", "config": {"learning_rate": 1e-4}});
    let model = Setup::new(&[1], vec![layer], json!("mse"), optimizer).model(every_thread());
    let x = Array::new(uniform(64, 1), &[64, 1]).unwrap();
    let y = Array::new(vec![40.0_f32; 64 * columns], &[64, columns]).unwrap();
    let (done, seen, changes) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut last = f32::NAN;
                while !done.load(Ordering::Relaxed) {
                    let out = model.predict(vec![Array::new(vec![1.0_f32], &[1, 1]).unwrap()]).unwrap();
                    assert!(out.iter().all(|o| *o == out[0]), "a mixture of two steps");
                    changes.fetch_add(usize::from(out[0] != last), Ordering::Relaxed);
                    last = out[0];
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let before = weights(&model);
        model.fit(x.clone(), y.clone(), 8, 60).unwrap();
        done.store(true, Ordering::Relaxed);
        assert_ne!(before, weights(&model));
    });
    let (seen, changes) = (seen.into_inner(), changes.into_inner());
    assert!(seen >= 16 && changes >= 16, "{seen} predictions were made, of {changes} states");
}

#[test]
fn one_encoder_in_two_models() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let optimizer = json!("adam");
    let encoder =
        Setup::new(&[6], vec![("Dense", json!({"units": 20, "activation": "tanh"}))], json!("mse"), optimizer.clone());
    let layers = encoder.layers();
    let with = |units: usize| {
        let head = Setup::new(&[20], vec![("Dense", json!({"units": units}))], json!("mse"), optimizer.clone());
        let setup = Setup::new(&[6], vec![], json!("mse"), optimizer.clone());
        setup.model_of(&[layers.clone(), head.layers()].concat(), every_thread())
    };
    let (first, second) = (with(3), with(2));
    let x = inputs(40, &[6], 1);
    let (y3, y2) = (inputs(40, &[3], 2), inputs(40, &[2], 3));
    let before = second.predict(vec![x.clone()]).unwrap();
    let mut losses = Vec::new();
    for _ in 0..30 {
        let a = first.fit(x.clone(), y3.clone(), 8, 1).unwrap()[0];
        let b = second.fit(x.clone(), y2.clone(), 8, 1).unwrap()[0];
        assert_eq!(weights(&first)[0], weights(&second)[0], "both see the same encoder");
        losses.push((a, b));
    }
    assert!(losses[29].0 < losses[0].0 && losses[29].1 < losses[0].1, "both learn: {losses:?}");
    assert_ne!(before, second.predict(vec![x]).unwrap());
}

#[test]
fn two_models_train_shared_variables_at_the_same_time() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let setup = Setup::new(&[6], vec![("Dense", json!({"units": 300}))], json!("mse"), json!("sgd"));
    let layers = setup.layers();
    let models = [setup.model_of(&layers, every_thread()), setup.model_of(&layers, every_thread())];
    std::thread::scope(|scope| {
        for model in &models {
            scope.spawn(|| model.fit(inputs(64, &[6], 1), inputs(64, &[300], 2), 16, 20).unwrap());
        }
    });
    assert!(weights(&models[0])[0].iter().all(|w| w.is_finite()));
}

#[test]
fn one_thread_trains_a_model_at_a_time() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let setup = Setup::new(&[50], vec![("Dense", json!({"units": 50}))], json!("mse"), json!("sgd"));
    let model = setup.model(every_thread());
    let refused = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| match model.fit(inputs(500, &[50], 1), inputs(500, &[50], 2), 5, 20) {
                Ok(_) => {}
                Err(Error::State(text)) => {
                    assert!(text.contains("another thread trains it"));
                    refused.fetch_add(1, Ordering::Relaxed);
                }
                Err(other) => panic!("{other}"),
            });
        }
    });
    assert!(refused.into_inner() <= 2);
}

#[test]
fn a_panic_in_a_worker_is_an_error_and_the_model_goes_on() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    set_num_threads(Some(3));
    let setup = Setup::new(&[200], vec![("Dense", json!({"units": 300}))], json!("mse"), json!("adam"));
    let model = setup.model(every_thread());
    let (x, y) = (inputs(64, &[200], 1), inputs(64, &[300], 2));
    model.fit(x.clone(), y.clone(), 32, 1).unwrap();
    for site in [fault::CALLER, fault::WORKER] {
        let before = weights(&model);
        fault::inject(site);
        let error = model.fit(x.clone(), y.clone(), 32, 1).unwrap_err();
        assert!(matches!(&error, Error::Internal(text) if text.contains("injected")), "{error}");
        assert_eq!(weights(&model), before, "the weights are those of the last whole step");
        model.fit(x.clone(), y.clone(), 32, 1).unwrap();
        assert_ne!(weights(&model), before);
        model.predict(vec![x.clone()]).unwrap();
    }
    set_num_threads(None);
}

#[test]
fn a_target_that_changes_during_the_run_stops_it_before_the_weights_change() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let layers = vec![("Dense", json!({"units": 3, "activation": "softmax"}))];
    let setup = Setup::new(&[4], layers, json!("sparse_categorical_crossentropy"), json!("sgd"));
    let model = setup.model(every_thread());
    let labels = std::sync::Arc::new((0..32).map(|i| AtomicUsize::new(i % 3)).collect::<Vec<_>>());
    // SAFETY: the labels live in the owner; they are read as 64-bit integers, which they are on this platform.
    let y = unsafe {
        let start = labels.as_ptr().cast();
        Array::borrow(start, ironhorn::data::DType::UInt64, &[32], &[8], labels.clone())
    };
    let schedule = Schedule { batch: 8, steps: None, shuffle: false };
    let mut fit = Fit::new(&model, samples(inputs(32, &[4], 1), y, None), schedule, None).unwrap();
    fit.begin_epoch();
    fit.run(Some(2), Duration::from_secs(60)).unwrap();
    let before = weights(&model);
    labels[20].store(7, Ordering::Relaxed);
    let error = fit.run(None, Duration::from_secs(60)).unwrap_err().to_string();
    assert!(error.contains("y: expected class ids") && error.contains("row 20"), "{error}");
    assert_eq!(weights(&model), before);
}
