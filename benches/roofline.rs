//! What the machine can do, measured: fused multiply-adds a second at each SIMD level, and bytes a second read from each
//! level of memory, on one core and on all at once. `cargo bench --features bench-internals --bench roofline`
//!
//! Prints a table, and writes JSON to the path in `IRONHORN_BENCH_JSON`.

use ironhorn::backend::cpu::simd::{Level, Task, Vector};
use serde_json::{Map, Value, json};
use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

/// Twelve chains of multiply-adds, none of which waits for another.
struct Multiply {
    rounds: usize,
}

impl Task for Multiply {
    /// Floating-point operations.
    type Output = f64;
    #[inline(always)]
    fn run<V: Vector>(self) -> f64 {
        const CHAINS: usize = 12;
        let (x, y) = (V::splat(black_box(0.999)), V::splat(black_box(0.001)));
        let mut sums = [V::zero(); CHAINS];
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = sum.mul_add(x, y);
            }
        }
        let mut out = [0.0_f32; 16];
        for sum in sums {
            // SAFETY: a register has at most sixteen lanes.
            unsafe { sum.store(out.as_mut_ptr()) };
            black_box(&mut out);
        }
        (2 * V::LANES * CHAINS * self.rounds) as f64
    }
}

/// Sums floats, eight registers at a time.
struct Read<'a> {
    data: &'a [f32],
    rounds: usize,
}

impl Task for Read<'_> {
    /// Bytes.
    type Output = f64;
    #[inline(always)]
    fn run<V: Vector>(self) -> f64 {
        let mut sums = [V::zero(); 8];
        let step = 8 * V::LANES;
        for _ in 0..self.rounds {
            for at in (0..self.data.len() / step * step).step_by(step) {
                for (i, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: `at` is a whole step before the end.
                    *sum = *sum + unsafe { V::load(self.data.as_ptr().add(at + i * V::LANES)) };
                }
            }
            black_box(self.data);
        }
        let mut out = [0.0_f32; 16];
        for sum in sums {
            // SAFETY: a register has at most sixteen lanes.
            unsafe { sum.store(out.as_mut_ptr()) };
            black_box(&mut out);
        }
        (size_of_val(self.data) * self.rounds) as f64
    }
}

/// The best of several rounds, in units a second, of all threads together, which start at once.
fn rate(threads: usize, body: impl Fn(usize) -> f64 + Sync) -> f64 {
    let measure = |_| {
        let barrier = Barrier::new(threads);
        let one = |index: usize| {
            barrier.wait();
            let start = Instant::now();
            let work = body(index);
            work / start.elapsed().as_secs_f64()
        };
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads).map(|i| scope.spawn(move || one(i))).collect();
            handles.into_iter().map(|h| h.join().expect("no panic")).sum::<f64>()
        })
    };
    (0..25).map(measure).fold(0.0, f64::max)
}

fn main() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut report = Map::new();
    report.insert("cores".into(), json!(cores));
    let mut counts = vec![1, cores];
    counts.dedup();
    for level in [Level::Portable, Level::Avx2, Level::Avx512] {
        if !level.is_available() {
            continue;
        }
        let rounds = if level == Level::Portable { 50_000 } else { 500_000 };
        let rates: Vec<f64> = counts.iter().map(|&n| rate(n, |_| level.run(Multiply { rounds })) / 1e9).collect();
        println!("{level:9} multiply-add {rates:8.1?} GFLOP/s on {counts:?} cores");
        report.insert(format!("fma_gflops_{level}"), json!(rates));
    }
    let best = Level::current();
    for (place, kib) in [("l1", 16), ("l2", 512), ("l3", 6 * 1024), ("dram", 256 * 1024)] {
        let rates: Vec<f64> = counts
            .iter()
            .map(|&n| {
                let data: Vec<Vec<f32>> = (0..n).map(|_| vec![1.0; kib * 256]).collect();
                let rounds = (128 * 1024 / kib).clamp(1, 4096);
                rate(n, |index| best.run(Read { data: &data[index], rounds })) / 1e9
            })
            .collect();
        println!("{place:9} read         {rates:8.1?} GB/s on {counts:?} cores ({kib} KiB each)");
        report.insert(format!("read_gbs_{place}"), json!(rates));
    }
    if let Some(path) = std::env::var_os("IRONHORN_BENCH_JSON") {
        std::fs::write(path, Value::from(report).to_string()).expect("a writable path");
    }
}
