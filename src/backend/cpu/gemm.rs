//! Products of matrices in panels.
//!
//! Everything is in panels of [`PANEL`] columns (see `params.rs`), activations too: row r of panel p is one cache
//! line. That makes the operands of all three products of a dense layer contiguous without packing:
//!
//! - forward, Y (m × n) = X (m × k) · W (k × n): a tile takes 16-element runs of X's rows against rows of W's panels;
//! - gradient of the kernel, dW (k × n) = Xᵀ (k × m) · dY (m × n): the same with X read down its columns;
//! - gradient of the input, dX (m × k) = dY (m × n) · Wᵀ (n × k): [`transpose_block`] turns a block of W around first
//!   (n·16 elements, against m·n·16 products), then it is the forward product.
//!
//! A tile keeps `ROWS` × `WIDTH` registers of sums. Each sum runs over the depth in order, whatever the tile, so
//! neither tile shapes nor the division of the work among threads change a bit of the result.

use super::simd::{PANEL, Vector};
use std::ops::Range;

/// One register tile: C (rows × panels) = start + Σₜ A(·, t) · B(t, ·).
pub struct Tile {
    /// The first element of A; see `TRANSPOSED` of [`tile`].
    pub a: *const f32,
    /// Floats from one panel of A to the next.
    pub a_panel: usize,
    /// Row 0 of B's first panel.
    pub b: *const f32,
    /// Floats from one panel of B to the next.
    pub b_panel: usize,
    /// Row 0 of C's first panel.
    pub c: *mut f32,
    /// Floats from one panel of C to the next.
    pub c_panel: usize,
    /// The number of terms in each sum.
    pub depth: usize,
    /// Where the sums start.
    pub start: Start,
}

/// What a product is added to.
#[derive(Clone, Copy)]
pub enum Start {
    /// Nothing.
    Zero,
    /// What C holds.
    Accumulate,
    /// One row for all rows, in panels of one line each: a bias.
    Row(*const f32),
}

impl Start {
    /// The start of the sums from panel `p` on.
    #[inline(always)]
    pub fn at_panel(self, p: usize) -> Self {
        match self {
            // SAFETY: panels are within the bias, whose layout has as many as C.
            Start::Row(row) => Start::Row(unsafe { row.add(p * PANEL) }),
            other => other,
        }
    }
}

/// Computes a tile of `ROWS` rows and `WIDTH` registers across.
///
/// Not transposed, A(i, t) is element t of row i: `a[(t / 16) * a_panel + i * 16 + t % 16]`. Transposed, it is element i
/// of row t: `a[t * 16 + i]`, all within one panel.
///
/// # Safety
/// The pointers and strides must describe `ROWS` rows, `WIDTH · LANES / 16` panels and `depth` terms of memory that is
/// readable (C: writable) and that nobody else writes.
#[inline(always)]
pub unsafe fn tile<V: Vector, const ROWS: usize, const WIDTH: usize, const TRANSPOSED: bool>(t: &Tile) {
    let per_panel = PANEL / V::LANES;
    let across = |w: usize, stride: usize| (w / per_panel) * stride + (w % per_panel) * V::LANES;
    let mut sums = [[V::zero(); WIDTH]; ROWS];
    // SAFETY: every offset is below the rows, panels and depth of the caller's contract.
    unsafe {
        match t.start {
            Start::Zero => {}
            Start::Accumulate => {
                for (i, row) in sums.iter_mut().enumerate() {
                    for (w, sum) in row.iter_mut().enumerate() {
                        *sum = V::load(t.c.add(across(w, t.c_panel) + i * PANEL));
                    }
                }
            }
            Start::Row(row) => {
                for w in 0..WIDTH {
                    let value = V::load(row.add(across(w, PANEL)));
                    for sum in &mut sums {
                        sum[w] = value;
                    }
                }
            }
        }
        let (row_stride, term_stride) = if TRANSPOSED { (1, PANEL) } else { (PANEL, 1) };
        macro_rules! term {
            ($a:expr, $b:expr) => {
                let mut right = [V::zero(); WIDTH];
                for w in 0..WIDTH {
                    right[w] = V::load($b.add(across(w, t.b_panel)));
                }
                for i in 0..ROWS {
                    let left = V::broadcast($a.add(i * row_stride));
                    for w in 0..WIDTH {
                        sums[i][w] = left.mul_add(right[w], sums[i][w]);
                    }
                }
            };
        }
        if TRANSPOSED {
            for term in 0..t.depth {
                term!(t.a.add(term * term_stride), t.b.add(term * PANEL));
            }
        } else {
            for panel in 0..t.depth / PANEL {
                let (a, b) = (t.a.add(panel * t.a_panel), t.b.add(panel * PANEL * PANEL));
                for term in 0..PANEL {
                    term!(a.add(term), b.add(term * PANEL));
                }
            }
            let done = t.depth / PANEL;
            let (a, b) = (t.a.add(done * t.a_panel), t.b.add(done * PANEL * PANEL));
            for term in 0..t.depth % PANEL {
                term!(a.add(term), b.add(term * PANEL));
            }
        }
        for (i, row) in sums.iter().enumerate() {
            for (w, sum) in row.iter().enumerate() {
                sum.store(t.c.add(across(w, t.c_panel) + i * PANEL));
            }
        }
    }
}

/// Where a matrix in panels lies.
#[derive(Clone, Copy)]
pub struct Panels {
    /// Row 0 of panel 0.
    pub start: *mut f32,
    /// Floats from one panel to the next: 16 times the rows there is room for.
    pub stride: usize,
}

impl Panels {
    /// Row `row` of panel `panel`.
    ///
    /// # Safety
    /// Both must be within the matrix.
    #[inline(always)]
    pub unsafe fn at(self, panel: usize, row: usize) -> *mut f32 {
        // SAFETY: the caller's contract.
        unsafe { self.start.add(panel * self.stride + row * PANEL) }
    }

    /// One row as doubles.
    ///
    /// # Safety
    /// The matrix must hold the row and as many columns as `out`; nobody may write them meanwhile.
    pub unsafe fn read_row(self, row: usize, out: &mut [f64]) {
        for (column, value) in out.iter_mut().enumerate() {
            // SAFETY: the caller's contract.
            *value = f64::from(unsafe { *self.at(column / PANEL, row).add(column % PANEL) });
        }
    }
}

/// Terms of the sums taken at a time: 256 rows of two panels are 32 KiB, about a first-level cache.
pub const DEPTH_BLOCK: usize = 256;

/// C = start + A · B on `rows` and `panels` of C; `depth` is the columns of A and the rows of B.
///
/// # Safety
/// The matrices must hold those rows, panels and terms; nobody else may write them, nor read C's part.
#[inline(always)]
pub unsafe fn product<V: Vector>(
    rows: Range<usize>,
    panels: Range<usize>,
    depth: usize,
    a: Panels,
    b: Panels,
    c: Panels,
    start: Start,
) {
    let mut from = 0;
    loop {
        let terms = (depth - from).min(DEPTH_BLOCK);
        for panel in panels.clone().step_by(V::TILE_PANELS) {
            let across = (panels.end - panel).min(V::TILE_PANELS);
            for row in rows.clone().step_by(V::TILE_ROWS) {
                let down = (rows.end - row).min(V::TILE_ROWS);
                let start = if from == 0 { start.at_panel(panel) } else { Start::Accumulate };
                // SAFETY: within the rows, panels and terms of the caller's contract.
                unsafe {
                    V::tile::<false>(
                        down,
                        across,
                        &Tile {
                            a: a.at(from / PANEL, row),
                            a_panel: a.stride,
                            b: b.at(panel, from),
                            b_panel: b.stride,
                            c: c.at(panel, row),
                            c_panel: c.stride,
                            depth: terms,
                            start,
                        },
                    );
                }
            }
        }
        from += terms;
        if from >= depth {
            return;
        }
    }
}

/// C = Aᵀ · B: rows `columns` (columns of A) and up to `TILE_PANELS` panels of B from `panel` on; `depth` rows.
/// C's first row is that of `columns.start`, its first panel that of `panel`.
///
/// # Safety
/// As [`product`].
#[inline(always)]
pub unsafe fn product_transposed<V: Vector>(
    columns: Range<usize>,
    panel: usize,
    across: usize,
    depth: usize,
    a: Panels,
    b: Panels,
    c: Panels,
) {
    let mut from = 0;
    loop {
        let terms = (depth - from).min(DEPTH_BLOCK);
        let start = if from > 0 { Start::Accumulate } else { Start::Zero };
        let mut column = columns.start;
        while column < columns.end {
            let down = (columns.end - column).min(PANEL - column % PANEL).min(V::TILE_ROWS);
            // SAFETY: within the columns, panels and rows of the caller's contract.
            unsafe {
                V::tile::<true>(
                    down,
                    across,
                    &Tile {
                        a: a.at(column / PANEL, from).add(column % PANEL),
                        a_panel: 0,
                        b: b.at(panel, from),
                        b_panel: b.stride,
                        c: c.at(0, column - columns.start),
                        c_panel: c.stride,
                        depth: terms,
                        start,
                    },
                );
            }
            column += down;
        }
        from += terms;
        if from >= depth {
            return;
        }
    }
}

/// Writes rows 16 · `panel` … of panel `of` of `w`, which has `rows` rows, as columns: 16 lines into `out`, with zeros for rows
/// beyond `rows`.
///
/// # Safety
/// `w` must hold the rows and panels, `out` must be writable for 16 lines.
#[inline(always)]
pub unsafe fn transpose_block<V: Vector>(w: Panels, rows: usize, panel: usize, of: usize, out: *mut f32) {
    let first = panel * PANEL;
    let count = (rows - first).min(PANEL);
    // SAFETY: within the caller's contract; `block` holds sixteen lines.
    unsafe {
        let from = w.at(of, first);
        if count == PANEL {
            V::transpose(from, out);
        } else {
            let mut block = [0.0; PANEL * PANEL];
            std::ptr::copy_nonoverlapping(from, block.as_mut_ptr(), count * PANEL);
            V::transpose(block.as_ptr(), out);
        }
    }
}
