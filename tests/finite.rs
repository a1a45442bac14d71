//! A loss that is NaN or infinite: the step that has it changes nothing, whatever the optimizer, the number of threads and
//! the size of the pieces a run is cut into; and the fault is found where it is.

mod common;

use common::*;
use ironhorn::backend::cpu::{CpuBackend, set_num_threads};
use ironhorn::train::{Fit, Schedule};
use ironhorn::{Array, Error};
use serde_json::json;
use std::time::Duration;

const ROWS: usize = 60;

/// A net that is large enough for several threads, whose third batch of 16 holds `bad`; and what ran before the error.
fn run(bad: f32, threads: usize, general: bool, max_steps: Option<usize>) -> (Fit, Result<(), Error>, Vec<Vec<u32>>) {
    let layers = vec![
        ("Dense", json!({"units": 300, "activation": "relu", "name": "first"})),
        ("BatchNormalization", json!({})),
        ("Dense", json!({"units": 40, "name": "second"})),
    ];
    let setup = Setup::new(&[90], layers, json!("mean_squared_error"), json!({"class_name": "Adam", "config": {}}));
    let model = setup.model(CpuBackend { force_general: general, adaptive: false, ..CpuBackend::default() });
    let mut x = vec![0.25_f32; ROWS * 90];
    x[37 * 90 + 4] = bad;
    let x = Array::new(x, &[ROWS, 90]).unwrap();
    let y = Array::new(vec![0.5_f32; ROWS * 40], &[ROWS, 40]).unwrap();
    let schedule = Schedule { batch: 16, steps: None, shuffle: false };
    let mut fit = Fit::new(&model, samples(x, y, None), schedule, None).unwrap();
    set_num_threads(Some(threads));
    fit.begin_epoch();
    let mut outcome = Ok(());
    while outcome.is_ok() && fit.step() < fit.steps() {
        outcome = fit.run(max_steps, Duration::from_secs(60));
    }
    let bits = weights(&model).iter().map(|v| v.iter().map(|w| w.to_bits()).collect()).collect();
    (fit, outcome, bits)
}

#[test]
fn the_step_changes_nothing_and_the_fault_is_found() {
    // Two good steps, as the unspoilt data make them.
    let (_, outcome, two_good_steps) = run(f32::NAN, 1, true, Some(1));
    assert!(outcome.is_err());
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (threads, general, max_steps) in [(1, false, None), (2, true, None), (2, false, Some(1)), (3, false, None)]
        {
            let (fit, outcome, bits) = run(bad, threads, general, max_steps);
            let Err(Error::NonFinite { step, loss }) = outcome else { panic!("{bad}: {outcome:?}") };
            assert!(step == 2 && fit.step() == 2 && !loss.is_finite(), "{bad}: step {step}, loss {loss}");
            assert!(fit.logs()[0].1.is_finite(), "the logs are those of the good steps");
            assert_eq!(bits, two_good_steps, "{bad}, {threads} threads");
            let fault = fit.find_fault().unwrap();
            assert_eq!(fault.input, Some((0, 37)));
            // Some unit is positive, and so infinite, whatever the sign.
            assert_eq!(fault.layer, Some(("dense_0".to_string(), "output")));
            assert!(fault.target.is_none() && fault.weight.is_none());
        }
    }
    set_num_threads(None);
}

#[test]
fn without_the_check_training_goes_on() {
    let (mut fit, outcome, _) = run(f32::NAN, 1, false, None);
    assert!(outcome.is_err());
    fit.set_check_finite(false);
    fit.run(None, Duration::from_secs(60)).unwrap();
    assert!(fit.step() == fit.steps() && fit.logs()[0].1.is_nan());
}
