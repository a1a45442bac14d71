//! Runs on a device, and comparisons of them.

use ironhorn::Array;
use ironhorn::backend::Device;
use ironhorn::backend::gpu::GpuBackend;
use ironhorn::infer::Prediction;
use ironhorn::model::{Model, Samples};
use ironhorn::train::{Fit, Schedule};
use std::sync::Arc;
use std::time::Duration;

pub const GPU: Device = Device::Gpu(0);
pub const FOREVER: Duration = Duration::from_secs(3600);

/// Whether there is an adapter.
pub fn gpu() -> bool {
    match GpuBackend::open(0) {
        Ok(_) => true,
        Err(error) if std::env::var("IRONHORN_REQUIRE_GPU").is_ok_and(|v| v == "1") => panic!("{error}"),
        Err(error) => {
            eprintln!("skipped: {error}");
            false
        }
    }
}

/// Epochs in order; the logs of each.
pub fn fit_on(model: &Arc<Model>, samples: Samples, batch: usize, epochs: usize, device: Device) -> Vec<f64> {
    let schedule = Schedule { batch, steps: None, shuffle: false };
    let mut fit = Fit::new(model, samples, schedule, Some(device)).unwrap();
    let mut logs = Vec::new();
    for _ in 0..epochs {
        fit.begin_epoch();
        while fit.step() < fit.steps() {
            fit.run(None, FOREVER).unwrap();
        }
        logs.extend(fit.logs().into_iter().map(|(_, value)| value));
    }
    logs
}

/// The same for `epochs` epochs with targets of uniform numbers for every output.
pub fn train_on(model: &Arc<Model>, x: Vec<Array>, batch: usize, epochs: usize, device: Device) -> Vec<f64> {
    let rows = x[0].rows();
    let targets = model.output_shapes().into_iter().enumerate().map(|(o, shape)| {
        let shape = [&[rows], &shape[..]].concat();
        Some(Array::new(super::uniform(shape.iter().product(), 9 + o as u64), &shape).unwrap())
    });
    let y = targets.collect();
    fit_on(model, Samples { x, y, weights: Vec::new() }, batch, epochs, device)
}

pub fn predict(model: &Arc<Model>, x: Vec<Array>, device: Device) -> Vec<Vec<f32>> {
    let mut prediction = Prediction::new(model, x, Some(device)).unwrap();
    let mut out = prediction.results().unwrap();
    while prediction.done() < prediction.rows() {
        prediction.run(&mut out, usize::MAX, FOREVER).unwrap();
    }
    out
}

#[track_caller]
pub fn close(name: &str, a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len(), "{name}");
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        let same = (a - b).abs() <= tolerance * b.abs().max(1.0) || (a.is_nan() && b.is_nan());
        assert!(same, "{name}: number {i}: {a} on one, {b} on the other");
    }
}

#[track_caller]
pub fn compare_all(name: &str, a: &[(String, Vec<f32>)], b: &[(String, Vec<f32>)], tolerance: f32) {
    assert_eq!(a.len(), b.len(), "{name}");
    for ((what, a), (_, b)) in a.iter().zip(b) {
        close(&format!("{name}: {what}"), a, b, tolerance);
    }
}

/// The activation whose outputs a loss takes; `loss` is its name in lower case.
pub fn activation_for(loss: &str) -> &'static str {
    match () {
        () if loss.contains("binary") => "sigmoid",
        () if ["crossentropy", "cross_entropy", "dice", "tversky", "kl"].iter().any(|p| loss.contains(p)) => "softmax",
        () if loss.contains("hinge") || loss.contains("cosine") => "linear",
        () => "softplus",
    }
}
