//! The kernels one by one, for `benches/kernels.rs`. Behind the feature `bench-internals`; no part of the crate's promises.
//!
//! This file is the only place where the benchmarks meet the kernels' signatures.

use super::dense::{InputGradient, Product};
use super::elementwise::{Map, Share};
use super::gemm::{Panels, Start};
use super::pool::{Worker, region};
use super::simd::{Level, PANEL};
use super::skip::product_floats;
use super::update::{UNIT_FLOATS, UnitGradient, unit, units};
use crate::activations::Activation;
use crate::params::{Layout, Line, Lines, lines, panels};
use std::ops::Range;

/// A matrix in panels.
struct Matrix {
    lines: Lines,
    layout: Layout,
}

impl Matrix {
    /// Filled with numbers around zero.
    fn new(rows: usize, columns: usize) -> Self {
        let layout = Layout { rows, columns };
        let mut lines = lines(layout.lines(), "a benchmark").expect("memory");
        let values: Vec<f32> = (0..layout.len()).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
        layout.pack(&values, &mut lines);
        Matrix { lines, layout }
    }

    fn panels(&mut self) -> Panels {
        Panels { start: self.lines.as_mut_ptr().cast(), stride: self.layout.rows * PANEL }
    }

    fn count(&self) -> usize {
        panels(self.layout.columns)
    }
}

/// Panels and scratch, as seen by every worker.
struct Shared<T>(T);
// SAFETY: each worker writes its own panels and its own scratch.
unsafe impl<T> Sync for Shared<T> {}

/// A worker's part of `count` things.
fn part(count: usize, worker: &Worker) -> Range<usize> {
    count * worker.index / worker.threads..count * (worker.index + 1) / worker.threads
}

/// The three products of a dense layer: Y (m × n) = X (m × k) · W (k × n), dX = dY · Wᵀ, dW = Xᵀ · dY.
pub struct DenseProducts {
    x: Matrix,
    w: Matrix,
    y: Matrix,
    scratch: Vec<Lines>,
    lists: Vec<Lines>,
}

/// One a thread.
fn rooms(threads: usize, floats: usize) -> Vec<Lines> {
    (0..threads).map(|_| vec![Line([0.0; PANEL]); floats.div_ceil(PANEL)]).collect()
}

impl DenseProducts {
    /// For m rows, k inputs, n units and up to `threads` workers.
    pub fn new(m: usize, k: usize, n: usize, threads: usize) -> Self {
        let floats = UNIT_FLOATS.max(2 * n.next_multiple_of(PANEL) * PANEL);
        let (scratch, lists) = (rooms(threads, floats), rooms(threads, product_floats(m)));
        DenseProducts { x: Matrix::new(m, k), w: Matrix::new(k, n), y: Matrix::new(m, n), scratch, lists }
    }

    /// Runs a body with each worker's scratch and its room for lists.
    fn each(&mut self, body: impl Fn(&Worker, [*mut f32; 2])) {
        let pairs = self.scratch.iter_mut().zip(&mut self.lists);
        let pointers: Vec<_> = pairs.map(|(s, l)| [s.as_mut_ptr().cast(), l.as_mut_ptr().cast()]).collect();
        let threads = pointers.len();
        let shared = Shared((pointers, body));
        let shared = &shared;
        region(threads, move |worker| {
            let Shared((pointers, body)) = shared;
            body(worker, pointers[worker.index]);
        })
        .expect("no panic");
    }

    /// Y = X · W.
    pub fn forward(&mut self) {
        let (m, k, columns) = (self.x.layout.rows, self.x.layout.columns, self.w.layout.columns);
        let (count, a, b, c) = (self.y.count(), self.x.panels(), self.w.panels(), self.y.panels());
        self.each(|worker, [_, lists]| {
            let share = Share { rows: 0..m, panels: part(count, worker) };
            Level::current().run(Product { share, depth: k, columns, a, b, c, start: Start::Zero, lists });
        });
    }

    /// dX = dY · Wᵀ, into X.
    pub fn input_gradient(&mut self) {
        let (m, Layout { rows, columns }) = (self.x.layout.rows, self.w.layout);
        let (count, dx, kernel, dy) = (self.x.count(), self.x.panels(), self.w.panels(), self.y.panels());
        self.each(|worker, [scratch, lists]| {
            let share = Share { rows: 0..m, panels: part(count, worker) };
            let accumulate = false;
            Level::current().run(InputGradient { share, rows, columns, kernel, dy, dx, accumulate, scratch, lists });
        });
    }

    /// dW = Xᵀ · dY, unit by unit into a scratch, where the optimizer's rule would take it up.
    pub fn kernel_gradient(&mut self) {
        let (m, layout, x, dy) = (self.x.layout.rows, self.w.layout, self.x.panels(), self.y.panels());
        self.each(|worker, [scratch, _]| {
            for index in part(units(layout), worker) {
                let (unit, single) = (&unit(layout, index), layout.columns == 1);
                Level::current().run(UnitGradient { unit, x, dy, depth: m, single, columns: None, scratch });
            }
        });
    }
}

/// y = f(x) over a matrix of one panel.
pub struct Elementwise {
    activation: Activation,
    x: Matrix,
    y: Matrix,
}

impl Elementwise {
    /// An activation by Keras's name, over `rows` lines.
    pub fn new(name: &str, rows: usize) -> Self {
        let activation = Activation::parse(&serde_json::Value::from(name), "a benchmark").expect("an activation");
        Elementwise { activation, x: Matrix::new(rows, PANEL), y: Matrix::new(rows, PANEL) }
    }

    /// Once over all of it.
    pub fn run(&mut self) {
        let (share, x, y) = (Share { rows: 0..self.x.layout.rows, panels: 0..1 }, self.x.panels(), self.y.panels());
        Level::current().run(Map { activation: &self.activation, share, x, y });
    }
}
