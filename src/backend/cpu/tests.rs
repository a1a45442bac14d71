//! Kernels of every level against naive loops, on odd shapes.

use super::dense::{InputGradient, Product};
use super::elementwise::{Dropout, Share};
use super::gemm::{Panels, Start};
use super::simd::{Level, PANEL, Task, Vector};
use super::skip::{columns_floats, product_floats};
use super::update::{ListColumns, UNIT_FLOATS, UNIT_PANELS, UNIT_ROWS, UnitGradient, unit, units};
use crate::params::{Layout, Line, Lines, panels};
use crate::rng::{Stream, dropout_scale, dropout_threshold, threefry};
use strum::IntoEnumIterator;

/// A matrix in panels with its plain twin.
struct Matrix {
    layout: Layout,
    plain: Vec<f32>,
    lines: Lines,
}

impl Matrix {
    fn new(rows: usize, columns: usize, seed: u64) -> Self {
        let layout = Layout { rows, columns };
        let mut draws = Stream::new(seed, "matrix").sequence(0);
        let plain: Vec<f32> = (0..layout.len()).map(|_| draws.uniform() as f32 - 0.5).collect();
        let mut lines = vec![Line([0.0; PANEL]); layout.lines()];
        layout.pack(&plain, &mut lines);
        Matrix { layout, plain, lines }
    }
    fn zeros(rows: usize, columns: usize) -> Self {
        let mut matrix = Matrix::new(rows, columns, 0);
        matrix.plain.fill(0.0);
        matrix.lines.fill(Line([0.0; PANEL]));
        matrix
    }
    /// The same with two of three numbers zero.
    fn thinned(mut self) -> Self {
        self.plain.iter_mut().enumerate().filter(|(i, _)| (i * i + i / 7) % 3 > 0).for_each(|(_, x)| *x = 0.0);
        self.layout.pack(&self.plain, &mut self.lines);
        self
    }
    fn panels(&mut self) -> Panels {
        Panels { start: self.lines.as_mut_ptr().cast(), stride: self.layout.rows * PANEL }
    }
    fn values(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.layout.len()];
        self.layout.unpack(&self.lines, &mut values);
        values
    }
    fn at(&self, row: usize, column: usize) -> f64 {
        f64::from(self.plain[row * self.layout.columns + column])
    }
}

fn levels() -> impl Iterator<Item = Level> {
    Level::iter().filter(|l| l.is_available())
}

fn assert_close(what: &str, got: &[f32], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (&g, &e)) in got.iter().zip(expected).enumerate() {
        assert!((f64::from(g) - e).abs() < 1e-5 * (1.0 + e.abs()), "{what}: element {i} is {g}, not {e}");
    }
}

/// Room for a worker's lists.
fn room(floats: usize) -> Lines {
    vec![Line([f32::NAN; PANEL]); floats.div_ceil(PANEL)]
}

const SIZES: [usize; 9] = [1, 2, 7, 13, 16, 17, 33, 61, 300];

#[test]
fn forward_products_are_the_naive_ones() {
    for level in levels() {
        for m in [0, 1, 5, 8, 13, 31] {
            for (k, thin) in SIZES.into_iter().flat_map(|k| [(k, false), (k, true)]) {
                for n in SIZES {
                    let (mut a, mut b) = (Matrix::new(m, k, 1), Matrix::new(k, n, 2));
                    a = if thin { a.thinned() } else { a };
                    let mut lists = room(product_floats(m));
                    let (mut c, mut bias) = (Matrix::zeros(m, n), Matrix::new(1, n, 3));
                    level.run(Product {
                        share: Share { rows: 0..m, panels: 0..panels(n) },
                        depth: k,
                        columns: n,
                        a: a.panels(),
                        b: b.panels(),
                        c: c.panels(),
                        start: Start::Row(bias.panels().start),
                        lists: lists.as_mut_ptr().cast(),
                    });
                    let sum = |i: usize, j: usize| bias.at(0, j) + (0..k).map(|t| a.at(i, t) * b.at(t, j)).sum::<f64>();
                    let expected: Vec<f64> = (0..m * n).map(|e| sum(e / n, e % n)).collect();
                    assert_close(&format!("{level} {m}×{k}×{n}"), &c.values(), &expected);
                }
            }
        }
    }
}

#[test]
fn input_gradients_are_the_naive_ones() {
    for level in levels() {
        for m in [1, 6, 17] {
            for k in SIZES {
                for (n, thin) in [1, 10, 16, 37, 290].into_iter().flat_map(|n| [(n, false), (n, true)]) {
                    let (mut dy, mut w) = (Matrix::new(m, n, 1), Matrix::new(k, n, 2));
                    dy = if thin { dy.thinned() } else { dy };
                    let mut lists = room(product_floats(m));
                    let mut dx = Matrix::new(m, k, 3);
                    let mut scratch = vec![Line([0.0; PANEL]); 2 * n.next_multiple_of(PANEL)];
                    level.run(InputGradient {
                        share: Share { rows: 0..m, panels: 0..panels(k) },
                        rows: k,
                        columns: n,
                        kernel: w.panels(),
                        dy: dy.panels(),
                        dx: dx.panels(),
                        accumulate: true,
                        scratch: scratch.as_mut_ptr().cast(),
                        lists: lists.as_mut_ptr().cast(),
                    });
                    let sum = |i: usize, j: usize| dx.at(i, j) + (0..n).map(|t| dy.at(i, t) * w.at(j, t)).sum::<f64>();
                    let expected: Vec<f64> = (0..m * k).map(|e| sum(e / k, e % k)).collect();
                    assert_close(&format!("{level} {m}×{n}×{k}"), &dx.values(), &expected);
                }
            }
        }
    }
}

#[test]
fn kernel_and_bias_gradients_are_the_naive_ones() {
    for level in levels() {
        for (m, thin) in [0, 1, 5, 32, 600, 1100].into_iter().flat_map(|m| [(m, false), (m, true)]) {
            for (k, n) in [(1, 1), (40, 1), (7, 16), (16, 17), (65, 33), (129, 10), (300, 50), (340, 130)] {
                let (mut x, mut dy) = (Matrix::new(m, k, 1), Matrix::new(m, n, 2));
                dy = if thin { dy.thinned() } else { dy };
                let mut lists = room(columns_floats(UNIT_PANELS, m, UNIT_ROWS));
                let kernel = Layout { rows: k, columns: n };
                let mut scratch = vec![Line([f32::NAN; PANEL]); UNIT_FLOATS / PANEL];
                let (mut dw, mut db) = (vec![f32::NAN; k * n], vec![f32::NAN; n]);
                for index in 0..units(kernel) {
                    let unit = unit(kernel, index);
                    let start: *mut f32 = scratch.as_mut_ptr().cast();
                    let (x, dy, lists) = (x.panels(), dy.panels(), lists.as_mut_ptr().cast());
                    let columns = level.run(ListColumns { unit: &unit, rows: k, dy, depth: m, lists });
                    let (few, many) = (m < 32 || k < 65, m > 1024);
                    assert!(!thin || few || columns.is_some() != many, "{level} {m}×{k}×{n}");
                    level.run(UnitGradient { unit: &unit, x, dy, depth: m, single: n == 1, columns, scratch: start });
                    for p in 0..unit.across {
                        for j in 0..PANEL.min(n - (unit.panel + p) * PANEL) {
                            let column = (unit.panel + p) * PANEL + j;
                            for (i, row) in unit.rows.clone().enumerate() {
                                dw[row * n + column] = scratch[p * unit.rows.len() + i].0[j];
                            }
                            if unit.rows.start == 0 {
                                db[column] = scratch[unit.across * unit.rows.len() + p].0[j];
                            }
                        }
                    }
                }
                let sum = |i: usize, j: usize| (0..m).map(|t| x.at(t, i) * dy.at(t, j)).sum::<f64>();
                let expected: Vec<f64> = (0..k * n).map(|e| sum(e / n, e % n)).collect();
                assert_close(&format!("{level} dW {m}×{k}×{n}"), &dw, &expected);
                let expected: Vec<f64> = (0..n).map(|j| (0..m).map(|t| dy.at(t, j)).sum()).collect();
                assert_close(&format!("{level} db {m}×{n}"), &db, &expected);
            }
        }
    }
}

#[test]
fn products_that_go_another_way_have_the_bits_of_those_that_do_not() {
    struct Plain(usize, usize, usize, Panels, Panels, Panels);
    impl Task for Plain {
        type Output = ();
        #[inline(always)]
        fn run<V: Vector>(self) {
            let Plain(m, k, n, a, b, c) = self;
            // SAFETY: the matrices are whole and nobody else's.
            unsafe { super::gemm::product::<V>(0..m, 0..panels(n), k, a, b, c, Start::Zero) }
        }
    }
    for level in levels() {
        for (m, k, n) in [(300, 100, 70), (7, 500, 48), (33, 33, 200), (35, 40, 1)] {
            let (mut a, mut b) = (Matrix::new(m, k, 1).thinned(), Matrix::new(k, n, 2));
            let (mut c, mut plain, mut lists) = (Matrix::zeros(m, n), Matrix::zeros(m, n), room(product_floats(m)));
            level.run(Plain(m, k, n, a.panels(), b.panels(), plain.panels()));
            let (share, start) = (Share { rows: 0..m, panels: 0..panels(n) }, Start::Zero);
            let (a, b, c_, lists) = (a.panels(), b.panels(), c.panels(), lists.as_mut_ptr().cast());
            level.run(Product { share, depth: k, columns: n, a, b, c: c_, start, lists });
            let bits = |matrix: &Matrix| matrix.values().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&c), bits(&plain), "{level} {m}×{k}×{n}");
        }
    }
}

#[test]
fn every_unit_of_a_kernel_is_visited_once() {
    for (rows, columns) in [(1, 1), (64, 32), (65, 33), (784, 128), (3, 100)] {
        let layout = Layout { rows, columns };
        let mut visits = vec![0; layout.lines()];
        for u in (0..units(layout)).map(|i| unit(layout, i)) {
            for p in u.panel..u.panel + u.across {
                u.rows.clone().for_each(|r| visits[p * rows + r] += 1);
            }
        }
        assert!(visits.iter().all(|&v| v == 1), "{rows}×{columns}: {visits:?}");
    }
}

#[test]
fn dropout_masks_are_the_generator_s_on_every_level_and_share() {
    let (m, n, rate, step) = (24, 37, 0.3, 9);
    let stream = Stream::new(5, "1/mask");
    let (threshold, scale) = (dropout_threshold(rate), dropout_scale(rate) as f32);
    for level in levels() {
        let (mut x, mut y, mut mask) = (Matrix::new(m, n, 1), Matrix::zeros(m, n), Matrix::zeros(m, n));
        for rows in [0..8, 8..24] {
            let share = Share { rows, panels: 0..panels(n) };
            level.run(Dropout { share, stream, step, rate, x: x.panels(), y: y.panels(), mask: mask.panels() });
        }
        for (e, (y, mask)) in y.values().into_iter().zip(mask.values()).enumerate() {
            let (row, column) = ((e / n) as u32, (e % n) as u32);
            let words = threefry(stream.key(), [column, row / 4, step as u32, 0]);
            let expected = if words[row as usize % 4] >= threshold { scale } else { 0.0 };
            assert_eq!((mask, y), (expected, x.plain[e] * expected), "{level} ({row}, {column})");
        }
    }
}
