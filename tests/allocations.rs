//! The steady state of training and of predictors allocates nothing: many steps make as many allocations as few.

mod common;

use common::*;
use ironhorn::backend::cpu::set_num_threads;
use ironhorn::predictor::{Options, Precision};
use ironhorn::train::{Fit, Schedule};
use ironhorn::{Array, Sequential};
use serde_json::json;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

struct Counting;
static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(p, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The count and the number of threads are the process's.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn predictors_allocate_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    set_num_threads(Some(1));
    let model = Sequential::new(&[300], 1).dense(100, "relu").unwrap();
    let model = model.layer("BatchNormalization", json!({})).unwrap().dense(10, "softmax").unwrap().build().unwrap();
    let x = uniform(100 * 300, 1);
    let mut out = vec![0.0; 100 * 10];
    for precision in [Precision::F32, Precision::F16, Precision::Bf16, Precision::Int8] {
        let calibration = (precision == Precision::Int8).then(|| inputs(100, &[300], 1));
        let predictor = model.predictor(&Options { precision, calibration, ..Options::default() }).unwrap();
        predictor.predict_into(&x, &mut out).unwrap();
        let mut count = || {
            let before = COUNT.load(Ordering::Relaxed);
            for rows in [1, 5, 100, 1, 5, 100, 2, 64] {
                predictor.predict_into(&x[..rows * 300], &mut out[..rows * 10]).unwrap();
            }
            COUNT.load(Ordering::Relaxed) - before
        };
        // The harness's own thread may allocate meanwhile: it does not do so three times.
        assert!((0..3).any(|_| count() == 0), "{precision}: predictions allocate");
    }
    set_num_threads(None);
}

#[test]
fn steps_allocate_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let layers = vec![
        ("Dense", json!({"units": 100, "activation": "relu"})),
        ("BatchNormalization", json!({})),
        ("Dropout", json!({"rate": 0.2})),
        ("PReLU", json!({})),
        ("GaussianNoise", json!({"stddev": 0.1})),
        ("LayerNormalization", json!({"activity_regularizer": "l2"})),
        ("UnitNormalization", json!({})),
        ("Dense", json!({"units": 10, "activation": "softmax"})),
    ];
    let mut setup = Setup::new(&[300], layers, json!("sparse_categorical_crossentropy"), json!("adam"));
    setup.metrics = json!(["accuracy"]);
    let model = setup.model(every_thread());
    let x = inputs(640, &[300], 1);
    let y = Array::new((0..640).map(|i| i % 10).collect::<Vec<i64>>(), &[640]).unwrap();
    let mut fit =
        Fit::new(&model, samples(x, y, None), Schedule { batch: 4, steps: None, shuffle: true }, None).unwrap();
    for threads in [1, 2] {
        set_num_threads(Some(threads));
        fit.begin_epoch();
        fit.run(Some(2), Duration::from_secs(60)).unwrap();
        let mut count = |steps: usize| {
            let before = COUNT.load(Ordering::Relaxed);
            fit.run(Some(steps), Duration::from_secs(60)).unwrap();
            COUNT.load(Ordering::Relaxed) - before
        };
        // The harness's own thread may allocate meanwhile: it does not do so three times.
        let mut counts = (0..3).map(|_| (count(2), count(50)));
        assert!(counts.any(|(few, many)| many <= few + 2), "{threads} threads: steps allocate");
    }
    set_num_threads(None);
}
