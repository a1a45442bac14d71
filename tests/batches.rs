//! Batches that come one at a time, and orders that keep neighbours together.

mod common;

use common::*;
use ironhorn::Array;
use ironhorn::backend::cpu::CpuBackend;
use ironhorn::infer::{Evaluation, Prediction};
use ironhorn::model::Samples;
use ironhorn::train::{Blocks, Fit, Schedule};
use serde_json::json;
use std::time::Duration;

const ROWS: usize = 61;
const LONG: Duration = Duration::from_secs(60);

fn setup() -> Setup {
    let layers = vec![
        ("Dense", json!({"units": 20, "activation": "relu"})),
        ("Dropout", json!({"rate": 0.3})),
        ("Dense", json!({"units": 3, "activation": "softmax"})),
    ];
    let adam = json!({"class_name": "Adam", "config": {"learning_rate": 0.01}});
    let mut setup = Setup::new(&[7], layers, json!("sparse_categorical_crossentropy"), adam);
    setup.metrics = json!(["accuracy"]);
    setup
}

/// Samples `from` … `until` of the data.
fn part(from: usize, until: usize) -> Samples {
    let (x, rows) = (inputs(ROWS, &[7], 3), until - from);
    let mut values = Vec::new();
    (from..until).for_each(|row| x.append_row(row, &mut values));
    let y = (from..until).map(|i| (i * 7 % 3) as i32).collect();
    Samples::of(Array::new(values, &[rows, 7]).unwrap(), Array::new(y, &[rows]).unwrap())
}

fn plan(batch: usize) -> Schedule {
    Schedule { batch, steps: None, shuffle: false }
}

#[test]
fn a_batch_for_each_step_is_the_whole_in_steps() {
    let (whole, streamed) = (setup().model(CpuBackend::default()), setup().model(CpuBackend::default()));
    let mut fit = Fit::new(&whole, part(0, ROWS), plan(16), None).unwrap();
    let mut stream = Fit::new(&streamed, part(0, 5), plan(5), None).unwrap();
    for _ in 0..2 {
        fit.begin_epoch();
        fit.run(None, LONG).unwrap();
        stream.begin_epoch();
        for from in (0..ROWS).step_by(16) {
            stream.rebind(part(from, (from + 16).min(ROWS))).unwrap();
            stream.run(None, LONG).unwrap();
            assert_eq!((stream.step(), stream.steps()), (1, 1));
        }
        assert_eq!(stream.logs(), fit.logs());
    }
    assert_eq!(weights(&streamed), weights(&whole));

    let mut all = Evaluation::new(&whole, part(0, ROWS), plan(16), None).unwrap();
    all.begin().unwrap();
    while all.step() < all.steps() {
        all.run(None, LONG).unwrap();
    }
    let mut stream = Evaluation::new(&streamed, part(0, 1), plan(1), None).unwrap();
    stream.begin().unwrap();
    let mut prediction = Prediction::new(&streamed, part(0, 1).x, None).unwrap();
    let mut outputs = Vec::new();
    for from in (0..ROWS).step_by(16) {
        let until = (from + 16).min(ROWS);
        stream.rebind(part(from, until)).unwrap();
        stream.run(None, LONG).unwrap();
        prediction.rebind(part(from, until).x).unwrap();
        let mut out = prediction.results().unwrap();
        prediction.run(&mut out, usize::MAX, LONG).unwrap();
        assert_eq!(prediction.done(), until - from);
        outputs.extend(out.swap_remove(0));
    }
    assert_eq!(stream.logs(), all.logs());
    assert_eq!(outputs, whole.predict(part(0, ROWS).x).unwrap());
}

#[test]
fn a_batch_that_does_not_fit_changes_nothing() {
    let model = setup().model(CpuBackend::default());
    let mut fit = Fit::new(&model, part(0, 16), plan(16), None).unwrap();
    fit.begin_epoch();
    fit.run(None, LONG).unwrap();
    let (before, logs) = (weights(&model), fit.logs());
    let narrow = Samples::of(inputs(4, &[6], 3), Array::new(vec![0_i32; 4], &[4]).unwrap());
    let unknown = Samples { y: vec![Some(Array::new(vec![3_i32; 16], &[16]).unwrap())], ..part(0, 16) };
    let one_hot = Samples { y: vec![Some(inputs(16, &[3], 4))], ..part(0, 16) };
    let missing = Samples { y: vec![None], ..part(0, 16) };
    for wrong in [narrow, unknown, one_hot, missing] {
        assert!(fit.rebind(wrong).is_err());
        assert_eq!((weights(&model), fit.logs()), (before.clone(), logs.clone()));
    }
    fit.rebind(part(16, 20)).unwrap();
    fit.run(None, LONG).unwrap();
    assert_ne!(weights(&model), before);
}

#[test]
fn orders_are_drawn_for_any_number_of_things() {
    let model = setup().model(CpuBackend::default());
    let mut fit = Fit::new(&model, part(0, ROWS), plan(16), None).unwrap();
    fit.begin_epoch();
    let first = fit.order_of(1000).unwrap();
    assert_eq!(fit.order_of(1000).unwrap(), first);
    fit.begin_epoch();
    assert_ne!(fit.order_of(1000).unwrap(), first);
    assert!(fit.shuffle_in(Blocks { rows: 0, mixed: 5 }).is_err());
    fit.shuffle_in(Blocks { rows: 30, mixed: 3 }).unwrap();
    let order = fit.order_of(1000).unwrap();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert!(sorted.iter().copied().eq(0..1000), "every sample once");
    assert_ne!(order, sorted);
    // Whole runs of 30, the last of 10, three at a time: but where the short one was, a part has all of three runs.
    let whole = order.chunks(90).filter(|part| {
        let mut runs: Vec<u32> = part.iter().map(|row| row / 30).collect();
        runs.sort_unstable();
        runs.chunk_by(|a, b| a == b).map(<[u32]>::len).eq([30, 30, 30])
    });
    assert!(whole.count() > 0);
    fit.shuffle_in(Blocks { rows: usize::MAX, mixed: usize::MAX }).unwrap();
    assert_eq!(fit.order_of(1000).unwrap().len(), 1000);
}
