//! Dispatches and submissions that a training step takes on a GPU, and its time. `cargo bench --features gpu --bench gpu`

use ironhorn::backend::Device;
use ironhorn::backend::gpu::GpuBackend;
use ironhorn::model::Samples;
use ironhorn::rng::Stream;
use ironhorn::train::{Fit, Schedule};
use ironhorn::{Array, Sequential};
use std::time::{Duration, Instant};

fn job(gpu: &GpuBackend, name: &str, inputs: usize, units: &[usize], dropout: f64, batch: usize, steps: usize) {
    let rows = batch * steps;
    let mut draws = Stream::new(0, "bench").sequence(0);
    let x: Vec<f32> = (0..rows * inputs).map(|_| draws.uniform() as f32 - 0.5).collect();
    let x = Array::new(x, &[rows, inputs]).expect("inputs");
    let y = Array::new((0..rows).map(|i| (i % 10) as i64).collect(), &[rows]).expect("targets");
    let mut net = Sequential::new(&[inputs], 1);
    for &n in units {
        net = net.dense(n, "relu").expect("a layer");
        if dropout > 0.0 {
            net = net.dropout(dropout).expect("a layer");
        }
    }
    let model = net.dense(10, "softmax").and_then(Sequential::build).expect("a model");
    model.compile_with("adam", 1e-3, "sparse_categorical_crossentropy", &["accuracy"]).expect("compile");
    let schedule = Schedule { batch, steps: None, shuffle: true };
    let mut fit = Fit::new(&model, Samples::of(x, y), schedule, Some(Device::Gpu(0))).expect("data");
    // The first epoch compiles.
    for timed in [false, true] {
        fit.begin_epoch();
        let (before, start) = (gpu.counters(), Instant::now());
        while fit.step() < fit.steps() {
            fit.run(None, Duration::from_millis(50)).expect("steps");
        }
        let (took, after) = (start.elapsed(), gpu.counters());
        if timed {
            let each = |n: u64| n as f64 / steps as f64;
            println!(
                "{name:6} {:5.2} dispatches, {:6.4} submissions, {:9.1} µs a step",
                each(after.dispatches - before.dispatches),
                each(after.submissions - before.submissions),
                took.as_secs_f64() / steps as f64 * 1e6
            );
        }
    }
}

fn main() {
    match GpuBackend::open(0) {
        Err(error) => println!("{error}"),
        Ok(gpu) => {
            println!("{}", gpu.name());
            job(&gpu, "digits", 64, &[128], 0.2, 32, 200);
            job(&gpu, "mnist", 784, &[128], 0.2, 32, 100);
            job(&gpu, "deep", 32, &[64, 64, 64], 0.0, 32, 100);
        }
    }
}
