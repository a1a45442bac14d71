//! The steady state of training allocates nothing: a run of many steps makes as many allocations as one of few.

mod common;

use common::*;
use ironhorn::Array;
use ironhorn::backend::cpu::set_num_threads;
use ironhorn::train::{Fit, Schedule};
use serde_json::json;
use std::alloc::{GlobalAlloc, Layout, System};
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

#[test]
fn steps_allocate_nothing() {
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
}
