//! The kernels of the CPU one by one, by criterion: the three products of a dense layer against the crates `gemm` and
//! `matrixmultiply`, activations, optimizers' updates, barriers.
//! `cargo bench --features bench-internals --bench kernels`, with `IRONHORN_CPU=avx2` for another level.
//!
//! Names are `<level>/<group>/<what>`; `benches/targets.py` reads the estimates under `target/criterion`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ironhorn::backend::cpu::bench::{DenseProducts, Elementwise};
use ironhorn::backend::cpu::{pool::region, simd::Level};
use ironhorn::optimizers::{OptimizerConfig, OptimizerState, Pair};
use std::time::{Duration, Instant};

/// m × k × n: rows of the batch, inputs, units.
const SHAPES: [(&str, usize, usize, usize); 6] = [
    ("mnist", 32, 784, 128),
    ("small", 32, 64, 64),
    ("wide", 256, 1024, 2048),
    ("wide2", 256, 2048, 2048),
    ("row", 1, 784, 128),
    ("square", 512, 512, 512),
];

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// C = A · B of row-major matrices, either of A and B read transposed: (rows, terms, columns), (row, column) strides.
struct RowMajor {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
    size: (usize, usize, usize),
    strides: [(isize, isize); 2],
}

impl RowMajor {
    fn new(product: &str, m: usize, k: usize, n: usize) -> Self {
        let by_rows = |columns: usize| (columns as isize, 1);
        let turned = |columns: usize| (1, columns as isize);
        let (size, strides) = match product {
            "forward" => ((m, k, n), [by_rows(k), by_rows(n)]),
            "input_gradient" => ((m, n, k), [by_rows(n), turned(n)]),
            _ => ((k, m, n), [turned(k), by_rows(n)]),
        };
        let filled = |count: usize| (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect::<Vec<f32>>();
        let (rows, terms, columns) = size;
        RowMajor { a: filled(rows * terms), b: filled(terms * columns), c: filled(rows * columns), size, strides }
    }

    fn gemm(&mut self, parallelism: gemm::Parallelism) {
        let ((m, k, n), [a, b]) = (self.size, self.strides);
        let c = self.c.as_mut_ptr();
        let (lhs, rhs) = (self.a.as_ptr(), self.b.as_ptr());
        // SAFETY: sizes and strides are those of the three vectors.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                c,
                1,
                n as isize,
                false,
                lhs,
                a.1,
                a.0,
                rhs,
                b.1,
                b.0,
                0.0,
                1.0,
                false,
                false,
                false,
                parallelism,
            )
        }
    }

    fn matrixmultiply(&mut self) {
        let ((m, k, n), [a, b]) = (self.size, self.strides);
        let c = self.c.as_mut_ptr();
        // SAFETY: as above.
        unsafe {
            matrixmultiply::sgemm(
                m,
                k,
                n,
                1.0,
                self.a.as_ptr(),
                a.0,
                a.1,
                self.b.as_ptr(),
                b.0,
                b.1,
                0.0,
                c,
                n as isize,
                1,
            )
        }
    }
}

fn products(criterion: &mut Criterion) {
    let level = Level::current();
    for (name, m, k, n) in SHAPES {
        for product in ["forward", "input_gradient", "kernel_gradient"] {
            let mut group = criterion.benchmark_group(format!("{level}/{product}"));
            group.throughput(Throughput::Elements((2 * m * k * n) as u64)); // floating-point operations
            for threads in if cores() > 1 { vec![1, cores()] } else { vec![1] } {
                let mut ours = DenseProducts::new(m, k, n, threads);
                group.bench_function(BenchmarkId::new(format!("ironhorn-{threads}"), name), |bench| {
                    bench.iter(|| match product {
                        "forward" => ours.forward(),
                        "input_gradient" => ours.input_gradient(),
                        _ => ours.kernel_gradient(),
                    })
                });
            }
            // The others choose their instructions themselves, so they run beside the best level only.
            if std::env::var_os("IRONHORN_CPU").is_none() {
                let mut theirs = RowMajor::new(product, m, k, n);
                group.bench_function(BenchmarkId::new("gemm-1", name), |bench| {
                    bench.iter(|| theirs.gemm(gemm::Parallelism::None))
                });
                if cores() > 1 {
                    group.bench_function(BenchmarkId::new(format!("gemm-{}", cores()), name), |bench| {
                        bench.iter(|| theirs.gemm(gemm::Parallelism::Rayon(cores())))
                    });
                }
                group.bench_function(BenchmarkId::new("matrixmultiply-1", name), |bench| {
                    bench.iter(|| theirs.matrixmultiply())
                });
            }
        }
    }
}

fn activations(criterion: &mut Criterion) {
    let rows = 256; // 16 KiB each way: in the first-level cache
    let mut group = criterion.benchmark_group(format!("{}/activation", Level::current()));
    group.throughput(Throughput::Elements(rows as u64 * 16));
    for name in ["relu", "sigmoid", "tanh", "gelu", "silu", "elu", "softplus"] {
        let mut map = Elementwise::new(name, rows);
        group.bench_function(name, |bench| bench.iter(|| map.run()));
    }
}

fn updates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("{}/update", Level::current()));
    for (size, count) in [("cache", 100_000), ("memory", 4_000_000)] {
        group.throughput(Throughput::Elements(count as u64));
        for rule in ["sgd", "rmsprop", "adam", "nadam", "lion", "adadelta"] {
            let config = OptimizerConfig::parse(&serde_json::Value::from(rule)).expect("an optimizer");
            let mut state = OptimizerState::new(config);
            let (mut weights, gradient) = (vec![0.1_f32; count], vec![0.01_f32; count]);
            group.bench_function(BenchmarkId::new(rule, size), |bench| {
                bench.iter(|| {
                    let (weights, gradient) = (weights.as_mut_slice(), Some(gradient.as_slice()));
                    state.apply(&mut [Pair { key: 0, weights, gradient, decays: true }]).expect("a step")
                })
            });
        }
    }
}

fn barriers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pool");
    group.bench_function("barrier", |bench| {
        bench.iter_custom(|rounds| {
            let start = Instant::now();
            region(cores(), |worker| (0..rounds).for_each(|_| worker.wait())).expect("no panic");
            start.elapsed()
        })
    });
    group.bench_function("region", |bench| bench.iter(|| region(cores(), |_| ()).expect("no panic")));
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300));
    targets = products, activations, updates, barriers
}
criterion_main!(benches);
