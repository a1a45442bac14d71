//! Microseconds a training step of the standard jobs takes in the engine alone, for 1 and 2 threads: best and median of
//! several short epochs. `cargo bench --bench step`

use ironhorn::backend::cpu::{set_num_threads, simd::Level};
use ironhorn::model::Samples;
use ironhorn::rng::Stream;
use ironhorn::train::{Fit, Schedule};
use ironhorn::{Array, Sequential};
use std::time::{Duration, Instant};

fn job(name: &str, inputs: usize, units: &[usize], dropout: f64, classes: bool, batch: usize, rows: usize) {
    let only: Vec<_> = std::env::args().filter(|a| ["mnist", "small", "line", "wide"].contains(&a.as_str())).collect();
    if !(only.is_empty() && name != "wide" || only.iter().any(|a| a == name)) {
        return;
    }
    let optimizer = if name == "line" { ("sgd", 0.01) } else { ("adam", 1e-3) };
    let mut draws = Stream::new(0, "bench").sequence(0);
    let x: Vec<f32> = (0..rows * inputs).map(|_| draws.uniform() as f32 - 0.5).collect();
    let x = Array::new(x, &[rows, inputs]).unwrap();
    let mut net = Sequential::new(&[inputs], 1);
    for (i, &n) in units.iter().enumerate() {
        let last = i + 1 == units.len();
        let activation = if !last {
            "relu"
        } else if classes {
            "softmax"
        } else {
            "linear"
        };
        net = net.dense(n, activation).unwrap();
        if !last && dropout > 0.0 {
            net = net.dropout(dropout).unwrap();
        }
    }
    let model = net.build().unwrap();
    let loss = if classes { "sparse_categorical_crossentropy" } else { "mse" };
    model.compile_with(optimizer.0, optimizer.1, loss, &[]).unwrap();
    let y = if classes {
        Array::new((0..rows).map(|i| (i % 10) as i64).collect(), &[rows]).unwrap()
    } else {
        Array::new((0..rows).map(|i| (i % 7) as f32).collect(), &[rows, 1]).unwrap()
    };
    for threads in [1, 2] {
        set_num_threads(Some(threads));
        let schedule = Schedule { batch, steps: None, shuffle: true };
        let mut fit = Fit::new(&model, Samples::of(x.clone(), y.clone()), schedule, None).unwrap();
        let mut times: Vec<f64> = (0..9)
            .map(|_| {
                fit.begin_epoch();
                let start = Instant::now();
                while fit.step() < fit.steps() {
                    fit.run(None, Duration::from_millis(50)).unwrap();
                }
                start.elapsed().as_secs_f64() / fit.steps() as f64 * 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("{name:6} {threads} threads: best {:8.2} µs, median {:8.2} µs", times[0], times[4]);
    }
}

fn main() {
    println!("{}", Level::current());
    job("mnist", 784, &[128, 10], 0.2, true, 32, 20_000);
    job("small", 8, &[64, 64, 1], 0.0, false, 32, 20_000);
    job("line", 1, &[1], 0.0, false, 1, 5_000);
    job("wide", 1024, &[2048, 2048, 10], 0.0, true, 256, 2_560);
}
