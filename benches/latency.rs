//! Nanoseconds that one row takes from Rust: the networks of `benches/jobs.py`, `mnist` and `small`.
//! `cargo bench --bench latency`. Prints a table, and writes JSON to the path in `IRONHORN_BENCH_JSON`.

use ironhorn::predictor::Options;
use ironhorn::{Array, Model, Sequential};
use serde_json::{Map, Value, json};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

fn build(inputs: usize, units: &[usize], last: &str) -> Arc<Model> {
    let mut net = Sequential::new(&[inputs], 1);
    for (i, &n) in units.iter().enumerate() {
        net = net.dense(n, if i + 1 == units.len() { last } else { "relu" }).expect("a layer");
    }
    net.build().expect("a model")
}

/// Median and 99th percentile of single calls, and the mean of a run of calls, which the clock does not disturb.
fn measure(mut call: impl FnMut(usize), calls: usize) -> Value {
    (0..calls / 10).for_each(&mut call);
    let mut each: Vec<f64> = (0..calls)
        .map(|i| {
            let start = Instant::now();
            call(i);
            start.elapsed().as_nanos() as f64
        })
        .collect();
    each.sort_by(f64::total_cmp);
    let runs = (0..9).map(|_| {
        let start = Instant::now();
        (0..calls).for_each(&mut call);
        start.elapsed().as_nanos() as f64 / calls as f64
    });
    let mut runs: Vec<f64> = runs.collect();
    runs.sort_by(f64::total_cmp);
    json!({"p50_ns": each[calls / 2], "p99_ns": each[calls * 99 / 100], "mean_ns": runs[4]})
}

fn main() {
    let mut report = Map::new();
    for (name, inputs, units, last) in
        [("mnist", 784, &[128, 10][..], "softmax"), ("small", 8, &[64, 64, 1][..], "linear")]
    {
        let model = build(inputs, units, last);
        let rows: Vec<Array> = (0..16)
            .map(|r| (0..inputs).map(|i| ((i * 37 + r) % 101) as f32 / 101.0).collect())
            .map(|row: Vec<f32>| Array::new(row, &[1, inputs]).expect("a row"))
            .collect();
        let predict = |i: usize| {
            black_box(model.predict(vec![rows[i % rows.len()].clone()]).expect("a prediction"));
        };
        report.insert(format!("{name}: predict"), measure(predict, 5_000));
        let predictor = model.predictor(&Options::default()).expect("a predictor");
        let rows: Vec<f32> = (0..16 * inputs).map(|i| (i * 37 % 101) as f32 / 101.0).collect();
        let mut out = vec![0.0; *units.last().expect("a layer")];
        let ask = |i: usize| {
            let row = &rows[i % 16 * inputs..(i % 16 + 1) * inputs];
            predictor.predict_into(black_box(row), black_box(&mut out)).expect("a prediction");
        };
        report.insert(format!("{name}: predictor"), measure(ask, 50_000));
    }
    for (name, figures) in &report {
        println!("{name:28} {figures}");
    }
    if let Some(path) = std::env::var_os("IRONHORN_BENCH_JSON") {
        std::fs::write(path, Value::from(report).to_string()).expect("a writable path");
    }
}
