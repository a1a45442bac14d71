//! Products that skip zeros.
//!
//! Behind a ReLU, and behind dropout, half the numbers of a matrix and more are zeros, on the way back too, and their terms add
//! nothing. C = start + A · B therefore becomes, for each row of A, a list of its numbers that are not zero, and
//! C(i, ·) = start + Σ over the list of A(i, t) · B(t, ·), in the order of t: the bits of the product that takes all terms,
//! as long as B is finite. [`Lists`] are made for a block of terms, so that the part of B they meet stays in the first-level cache:
//!
//! - forward: A is the layer's input, B its kernel;
//! - gradient of the input: A is dY, B the kernel turned around, a block at a time;
//! - gradient of the kernel: dWᵀ = dYᵀ · X, with lists down the columns of dY. The result is turned around at the end.
//!
//! A product with many zeros takes a third of the time; one with few is better off in `gemm.rs`. [`share_of_nonzeros`] looks
//! first, and since both give the same bits, each worker may decide for itself.

use super::ahead::Ahead;
use super::gemm::{Panels, Start, transpose_block};
use super::simd::{PANEL, Vector};
use std::ops::Range;

/// Terms in a block where B is a kernel: with [`KERNEL_PANELS`] 24 KiB of it. With fewer terms a list is too short, with more
/// the block leaves no room for the lists: measured on Zen 4 and its cache of 32 KiB.
const KERNEL_TERMS: usize = 64;
/// Panels of C that such a block is taken for at a time.
const KERNEL_PANELS: usize = 6;
/// Rows of C that share a block's lists.
const ROWS: usize = 256;
/// Terms in a block where B is a layer's input, of which up to eight panels are taken: 24 KiB too.
const BATCH_TERMS: usize = 48;
/// The longest batch whose lists are kept.
const BATCH_ROWS: usize = 1024;

/// Where the numbers of a block of A that are not zero stand: `rows` lists for each of `blocks` blocks.
#[derive(Clone, Copy)]
pub struct Lists {
    values: *mut f32,
    /// Of the term's line in B, in floats from the block's first.
    offsets: *mut u32,
    counts: *mut u32,
    rows: usize,
    room: usize,
}

impl Lists {
    /// Floats of memory for lists of up to `terms` terms.
    pub const fn floats(blocks: usize, rows: usize, terms: usize) -> usize {
        blocks * rows * (2 * (terms + PANEL) + 1)
    }

    /// # Safety
    /// `memory` must have room for [`Lists::floats`] that nobody else uses.
    unsafe fn at(memory: *mut f32, blocks: usize, rows: usize, terms: usize) -> Self {
        let (room, lists) = (terms + PANEL, blocks * rows);
        // SAFETY: within the caller's room.
        let (offsets, counts) = unsafe { (memory.add(lists * room).cast(), memory.add(2 * lists * room).cast()) };
        Lists { values: memory, offsets, counts, rows, room }
    }

    /// Appends a line of 16 numbers to a list that has `count` already; gives the new count. `first` is the number's of the
    /// first one's term.
    #[inline(always)]
    unsafe fn append<V: Vector>(self, list: usize, count: usize, line: *const f32, first: usize) -> usize {
        let mut count = count;
        for lane in (0..PANEL).step_by(V::LANES) {
            // SAFETY: a list has room for its block's terms and a line more.
            unsafe {
                let at = list * self.room + count;
                let offset = ((first + lane) * PANEL) as u32;
                count += V::load(line.add(lane)).compress(offset, self.values.add(at), self.offsets.add(at));
            }
        }
        count
    }

    /// Lists `terms` of each of `rows` of A as block 0.
    #[inline(always)]
    unsafe fn fill_rows<V: Vector>(self, a: Panels, rows: Range<usize>, terms: Range<usize>) {
        for (list, row) in rows.enumerate() {
            let mut count = 0;
            for term in terms.clone().step_by(PANEL) {
                // SAFETY: the rows and terms are A's; blocks begin where panels do.
                unsafe {
                    let line = a.at(term / PANEL, row);
                    let lanes = (terms.end - term).min(PANEL);
                    if lanes == PANEL {
                        count = self.append::<V>(list, count, line, term - terms.start);
                    } else {
                        // What follows the last column is none of A's.
                        let mut part = [0.0_f32; PANEL];
                        std::ptr::copy_nonoverlapping(line, part.as_mut_ptr(), lanes);
                        count = self.append::<V>(list, count, part.as_ptr(), term - terms.start);
                    }
                }
            }
            // SAFETY: as above.
            unsafe { *self.counts.add(list) = count as u32 };
        }
    }

    /// Lists `terms`, rows of A, down the columns of panels of A, as block `block`.
    #[inline(always)]
    unsafe fn fill_columns<V: Vector>(self, block: usize, a: Panels, panels: Range<usize>, terms: Range<usize>) {
        for (p, panel) in panels.enumerate() {
            let lists = block * self.rows + p * PANEL;
            let mut counts = [0; PANEL];
            for term in terms.clone().step_by(PANEL) {
                // SAFETY: the panels and rows are A's; what is beyond the last row is zero.
                unsafe {
                    let (mut lines, mut columns) = ([0.0_f32; PANEL * PANEL], [0.0_f32; PANEL * PANEL]);
                    let count = (terms.end - term).min(PANEL);
                    std::ptr::copy_nonoverlapping(a.at(panel, term), lines.as_mut_ptr(), count * PANEL);
                    V::transpose(lines.as_ptr(), columns.as_mut_ptr());
                    for (column, count) in counts.iter_mut().enumerate() {
                        let line = columns.as_ptr().add(column * PANEL);
                        *count = self.append::<V>(lists + column, *count, line, term - terms.start);
                    }
                }
            }
            for (column, count) in counts.into_iter().enumerate() {
                // SAFETY: as above.
                unsafe { *self.counts.add(lists + column) = count as u32 };
            }
        }
    }
}

/// Whether it pays to skip zeros where so large a share is none, and C has so many panels: the more, the more a list is used.
/// Measured on Zen 4; fewer than three panels are too few sums to hide an addition's latency.
fn pays(share: f64, panels: usize) -> bool {
    panels > 2 && share <= 0.75 - 1.2 / panels as f64
}

/// The share of numbers that are not zero among `terms` columns of A, in a few of its rows.
///
/// # Safety
/// The matrix must hold the rows and terms, which nobody may write meanwhile.
#[inline(always)]
unsafe fn share_of_nonzeros(a: Panels, rows: Range<usize>, terms: usize) -> f64 {
    const SAMPLED: usize = 4;
    let (mut count, mut all) = (0_u32, 0_usize);
    for row in rows.clone().step_by(rows.len().div_ceil(SAMPLED).max(1)) {
        for panel in 0..terms.div_ceil(PANEL) {
            let lanes = (terms - panel * PANEL).min(PANEL);
            // SAFETY: within the caller's matrix.
            let line = unsafe { std::slice::from_raw_parts(a.at(panel, row), lanes) };
            count += line.iter().map(|&x| u32::from(x != 0.0)).sum::<u32>();
            all += lanes;
        }
    }
    f64::from(count) / all.max(1) as f64
}

/// Rows `rows` of one group of panels of C, from block `block` of the lists. `b` is the block's first line in the group's first
/// panel, `c` row `rows.start` of its first.
#[inline(always)]
unsafe fn group<V: Vector>(
    (lists, first): (Lists, usize),
    rows: usize,
    across: usize,
    b: Panels,
    c: Panels,
    start: Start,
    ahead: Ahead,
) {
    macro_rules! widths {
        ($($width:literal)*) => {
            match across {
                // SAFETY: the caller's contract.
                $($width if $width <= V::LIST_PANELS => unsafe { lines::<V, $width>(lists, first, rows, b, c, start, ahead) },)*
                _ => unreachable!("{across} panels at once"),
            }
        };
    }
    widths!(1 2 3 4 5 6 7 8);
}

/// [`group`] for a fixed number of panels, whose sums stay in registers.
#[allow(clippy::needless_range_loop, reason = "one index into sums, memory and registers alike")]
#[inline(always)]
unsafe fn lines<V: Vector, const ACROSS: usize>(
    lists: Lists,
    first: usize,
    rows: usize,
    b: Panels,
    c: Panels,
    start: Start,
    mut ahead: Ahead,
) {
    /// Registers in a panel, at most.
    const MOST: usize = 4;
    let per_panel = PANEL / V::LANES;
    // SAFETY: rows, panels and terms are within the caller's matrices; offsets are those of terms.
    unsafe {
        let (mut left, mut into) = ([b.start.cast_const(); ACROSS], [c.start; ACROSS]);
        for p in 0..ACROSS {
            left[p] = b.at(p, 0);
            into[p] = c.at(p, 0);
        }
        for row in 0..rows {
            ahead.ask();
            let mut sums = [[V::zero(); MOST]; ACROSS];
            for p in 0..ACROSS {
                for r in 0..per_panel {
                    sums[p][r] = match start {
                        Start::Zero => V::zero(),
                        Start::Accumulate => V::load(into[p].add(row * PANEL + r * V::LANES)),
                        Start::Row(bias) => V::load(bias.add(p * PANEL + r * V::LANES)),
                    };
                }
            }
            let list = first + row;
            let (values, offsets) = (lists.values.add(list * lists.room), lists.offsets.add(list * lists.room));
            for t in 0..*lists.counts.add(list) as usize {
                let value = V::broadcast(values.add(t));
                let offset = *offsets.add(t) as usize;
                for p in 0..ACROSS {
                    for r in 0..per_panel {
                        sums[p][r] = value.mul_add(V::load(left[p].add(offset + r * V::LANES)), sums[p][r]);
                    }
                }
            }
            for p in 0..ACROSS {
                for r in 0..per_panel {
                    sums[p][r].store(into[p].add(row * PANEL + r * V::LANES));
                }
            }
        }
    }
}

/// The right side of a product with a kernel W.
#[derive(Clone, Copy)]
pub enum Right {
    /// W.
    Kernel(Panels),
    /// Wᵀ; W has so many rows.
    Transposed(Panels, usize),
}

impl Right {
    /// What a block of `terms` reads of some panels.
    fn part(self, panel: usize, across: usize, terms: &Range<usize>) -> Ahead {
        let (w, (panels, first), run) = match self {
            Right::Kernel(w) => (w, (across, panel), (terms.start, terms.len())),
            Right::Transposed(w, _) => {
                (w, (terms.len().div_ceil(PANEL), terms.start / PANEL), (panel * PANEL, across * PANEL))
            }
        };
        Ahead::new(w.start.wrapping_add(first * w.stride + run.0 * PANEL), run.1, w.stride, panels)
    }
}

/// Floats of memory that [`product`] takes for `rows` rows.
pub fn product_floats(rows: usize) -> usize {
    Lists::floats(1, rows.min(ROWS), KERNEL_TERMS) + KERNEL_TERMS * KERNEL_PANELS * PANEL
}

/// C = start + A · B on `rows` and `panels` of C, if A has zeros enough; says whether. `depth` is the columns of A.
///
/// # Safety
/// As [`super::gemm::product`]; `memory` must have room for [`product_floats`] that nobody else uses.
#[inline(always)]
pub unsafe fn product<V: Vector>(
    rows: Range<usize>,
    panels: Range<usize>,
    depth: usize,
    a: Panels,
    right: Right,
    c: Panels,
    start: Start,
    memory: *mut f32,
) -> bool {
    // SAFETY: the caller's contract.
    if !pays(unsafe { share_of_nonzeros(a, rows.clone(), depth) }, panels.len()) {
        return false;
    }
    let most = KERNEL_PANELS.min(V::LIST_PANELS);
    let some = rows.len().min(ROWS);
    for row in rows.clone().step_by(ROWS) {
        let block = row..(row + ROWS).min(rows.end);
        for from in (0..depth).step_by(KERNEL_TERMS) {
            let terms = from..(from + KERNEL_TERMS).min(depth);
            // SAFETY: rows, panels and terms are the caller's; the memory holds lists, then a block of B.
            unsafe {
                let lists = Lists::at(memory, 1, some, KERNEL_TERMS);
                let turned = memory.add(Lists::floats(1, some, KERNEL_TERMS));
                lists.fill_rows::<V>(a, block.clone(), terms.clone());
                let mut panel = panels.start;
                while panel < panels.end {
                    // Groups of equal width: a narrow last one would wait for its additions.
                    let across = (panels.end - panel).div_ceil((panels.end - panel).div_ceil(most));
                    let b = match right {
                        Right::Kernel(w) => Panels { start: w.at(panel, from), stride: w.stride },
                        Right::Transposed(w, w_rows) => {
                            for p in 0..across {
                                for term in terms.clone().step_by(PANEL) {
                                    let into = turned.add((p * KERNEL_TERMS + term - from) * PANEL);
                                    transpose_block::<V>(w, w_rows, panel + p, term / PANEL, into);
                                }
                            }
                            Panels { start: turned, stride: KERNEL_TERMS * PANEL }
                        }
                    };
                    let start = if from == 0 { start.at_panel(panel) } else { Start::Accumulate };
                    let c = Panels { start: c.at(panel, row), stride: c.stride };
                    let next = panel + across;
                    let ahead = if next < panels.end {
                        right.part(next, across, &terms).over(block.len())
                    } else {
                        Ahead::nothing()
                    };
                    group::<V>((lists, 0), block.len(), across, b, c, start, ahead);
                    panel = next;
                }
            }
        }
    }
    true
}

/// Lists down the columns of some panels of dY, for the gradients of the kernel's blocks.
#[derive(Clone, Copy)]
pub struct Columns {
    lists: Lists,
    panels: usize,
    /// Where the result stands until it is turned around.
    turned: *mut f32,
}

/// Floats of memory for [`Columns`] of `across` panels of a batch of `depth` rows, and blocks of up to `rows` kernel rows.
pub fn columns_floats(across: usize, depth: usize, rows: usize) -> usize {
    if depth > BATCH_ROWS {
        return 0;
    }
    Lists::floats(depth.div_ceil(BATCH_TERMS), across * PANEL, BATCH_TERMS)
        + across * PANEL * rows.next_multiple_of(PANEL)
}

impl Columns {
    /// Lists `panels` of dY, for a layer of so many `inputs`; `None` if that does not pay.
    ///
    /// # Safety
    /// dY must hold those panels and `depth` rows, which nobody may write meanwhile; `memory` must have room for
    /// [`columns_floats`] that nobody else uses while the lists live.
    #[inline(always)]
    pub unsafe fn of<V: Vector>(
        dy: Panels,
        panels: Range<usize>,
        inputs: usize,
        depth: usize,
        memory: *mut f32,
    ) -> Option<Self> {
        if depth == 0 || depth > BATCH_ROWS {
            return None;
        }
        let across = panels.len();
        // SAFETY: the caller's contract.
        let part = Panels { start: unsafe { dy.at(panels.start, 0) }, stride: dy.stride };
        // SAFETY: as above.
        if !pays(unsafe { share_of_nonzeros(part, 0..depth, across * PANEL) }, inputs.div_ceil(PANEL)) {
            return None;
        }
        let blocks = depth.div_ceil(BATCH_TERMS);
        // SAFETY: as above.
        unsafe {
            let lists = Lists::at(memory, blocks, across * PANEL, BATCH_TERMS);
            for (block, from) in (0..depth).step_by(BATCH_TERMS).enumerate() {
                lists.fill_columns::<V>(block, dy, panels.clone(), from..(from + BATCH_TERMS).min(depth));
            }
            let turned = memory.add(Lists::floats(blocks, across * PANEL, BATCH_TERMS));
            Some(Columns { lists, panels: across, turned })
        }
    }

    /// C = Xᵀ · dY for the columns `rows` of X, which begin a panel, from the first of dY's panels that were listed on.
    ///
    /// # Safety
    /// X must hold the columns and `depth` rows; C must be writable for as many rows and panels.
    #[inline(always)]
    pub unsafe fn product<V: Vector>(self, x: Panels, rows: Range<usize>, depth: usize, c: Panels) {
        let (first, end) = (rows.start / PANEL, rows.end.div_ceil(PANEL));
        let columns = self.panels * PANEL;
        let mut panel = first;
        // SAFETY: the caller's contract; the memory holds the turned result.
        unsafe {
            while panel < end {
                let across = (end - panel).div_ceil((end - panel).div_ceil(V::LIST_PANELS));
                let into =
                    Panels { start: self.turned.add((panel - first) * columns * PANEL), stride: columns * PANEL };
                for (block, from) in (0..depth).step_by(BATCH_TERMS).enumerate() {
                    let start = if block == 0 { Start::Zero } else { Start::Accumulate };
                    let b = Panels { start: x.at(panel, from), stride: x.stride };
                    group::<V>((self.lists, block * columns), columns, across, b, into, start, Ahead::nothing());
                }
                panel += across;
            }
            let turned = Panels { start: self.turned, stride: columns * PANEL };
            for p in 0..self.panels {
                for row in (0..rows.len()).step_by(PANEL) {
                    let (from, into) = (turned.at(row / PANEL, p * PANEL), c.at(p, row));
                    let count = (rows.len() - row).min(PANEL);
                    if count == PANEL {
                        V::transpose(from, into);
                    } else {
                        let mut block = [0.0; PANEL * PANEL];
                        V::transpose(from, block.as_mut_ptr());
                        std::ptr::copy_nonoverlapping(block.as_ptr(), into, count * PANEL);
                    }
                }
            }
        }
    }
}
