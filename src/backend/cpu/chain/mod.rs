//! Prediction through a chain of layers, for many callers at once.
//!
//! Where each stage of a plan reads the one before it and a sample is one row, nothing of the training engine is needed
//! but its kernels: a [`Chain`] is a list of links with the weights they read, all immutable, and a call takes its rows
//! through them in two buffers of its thread. It allocates nothing once the buffers are there, and takes no lock.
//!
//! A block of rows is in panels like everything here; one row alone is contiguous. Every sum runs in the order of the
//! general kernels, so the results have the same bits whatever the number of rows and threads.

mod bytes;
mod compile;
mod dense;
mod link;
mod narrow;
mod room;
mod row;
mod softmax;
mod tiles;

use super::gemm::Panels;
use super::pool;
use super::simd::{Level, PANEL, Task, Vector};
use super::threads::num_threads;
use crate::data::Array;
use crate::error::Result;
use crate::params::Snapshot;
pub(crate) use bytes::Range;
pub(crate) use compile::Storage;
use link::Link;
use room::with_room;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Rows that go through the chain together: enough to use each panel of weights again from the first-level cache, few
/// enough that activations stay in the second.
const BLOCK: usize = 64;
/// Floating-point operations of a call below which one thread is quicker than several.
const SERIAL_WORK: f64 = 400_000.0;

/// Links, and the weights they read.
pub(crate) struct Chain {
    level: Level,
    links: Vec<Link>,
    /// Columns of the input and of the output.
    columns: (usize, usize),
    /// Panels of the widest row in between.
    widest: usize,
    /// Floats that the links need beside the rows, for a block of so many.
    scratch: [usize; 2],
    /// Floating-point operations a row.
    work: f64,
    _weights: Arc<Snapshot>,
}

// SAFETY: the links point into the snapshot, which the chain keeps and nobody writes.
unsafe impl Send for Chain {}
// SAFETY: as above.
unsafe impl Sync for Chain {}

/// Where samples come from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// Contiguous rows.
    Rows(*const f32),
    /// Any array; a sample has as many elements as the input has columns.
    Array(&'a Array),
}

/// Floats from one panel of so many rows to the next. One line more than there are rows: the lines of a row then fall into
/// different sets of the cache. A row alone is contiguous.
fn stride(rows: usize) -> usize {
    if rows == 1 { PANEL } else { (rows + 1) * PANEL }
}

/// Lets workers share pointers into memory of which each uses another part.
struct Parts<'a>(Source<'a>, *mut f32);

// SAFETY: the input is only read; each worker writes the rows of the output that it took.
unsafe impl Sync for Parts<'_> {}

impl Chain {
    /// Floating-point operations a row.
    #[cfg(feature = "python")]
    pub fn work(&self) -> f64 {
        self.work
    }

    /// The outputs of `rows` samples, one row after the other.
    ///
    /// # Safety
    /// The source must hold the samples, `out` must be writable for their outputs, and nobody else may touch it.
    pub unsafe fn predict(&self, x: Source, rows: usize, out: *mut f32) -> Result<()> {
        let threads = if self.work * rows as f64 <= SERIAL_WORK { 1 } else { num_threads().min(rows.div_ceil(8)) };
        if threads == 1 {
            // SAFETY: the caller's contract.
            return unsafe { self.walk(x, 0..rows, out) };
        }
        let block = rows.div_ceil(threads).next_multiple_of(8).min(BLOCK);
        let (next, failure, parts) = (AtomicUsize::new(0), Mutex::new(None), Parts(x, out));
        pool::region(threads, |_| {
            let Parts(x, out) = &parts;
            loop {
                let from = next.fetch_add(block, Ordering::Relaxed);
                if from >= rows {
                    break;
                }
                // SAFETY: the caller's contract; no other worker takes these rows.
                if let Err(error) = unsafe { self.walk(*x, from..(from + block).min(rows), *out) } {
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            }
        })?;
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// The same for some of the samples, on this thread.
    ///
    /// # Safety
    /// As [`Chain::predict`].
    unsafe fn walk(&self, x: Source, rows: std::ops::Range<usize>, out: *mut f32) -> Result<()> {
        let block = rows.len().min(BLOCK);
        let values = self.widest * stride(block);
        with_room(2 * values + self.scratch[0] + self.scratch[1] * block, |room| {
            for from in rows.clone().step_by(BLOCK) {
                let count = (rows.end - from).min(BLOCK);
                let stride = stride(count);
                // SAFETY: the room has two blocks of values and the links' scratch.
                let (a, b, scratch) = unsafe { (room, room.add(values), room.add(2 * values)) };
                let (a, b) = (Panels { start: a, stride }, Panels { start: b, stride });
                self.level.run(Walk { chain: self, x, from, count, a, b, scratch, out });
            }
        })
    }
}

impl Chain {
    /// What each dense layer's input ranges over, for these samples, 0 included.
    pub fn ranges(&self, x: &Array) -> Result<Vec<Range>> {
        let mut ranges = vec![Range::ZERO; self.links.iter().filter(|link| matches!(link, Link::Dense(_))).count()];
        let values = self.widest * PANEL;
        with_room(2 * values + self.scratch[0] + self.scratch[1], |room| {
            // SAFETY: the room has two rows of values and the links' scratch.
            let (a, b, scratch) = unsafe { (room, room.add(values), room.add(2 * values)) };
            let [a, b] = [a, b].map(|start| Panels { start, stride: PANEL });
            for sample in 0..x.rows() {
                let (mut x_at, mut y_at, mut seen) = (a, b, ranges.iter_mut());
                // SAFETY: one row of as many columns.
                unsafe { gather(x, sample, 1, self.columns.0, x_at) };
                for link in &self.links {
                    if let Link::Dense(dense) = link
                        && let Some(range) = seen.next()
                    {
                        // SAFETY: the row was written by the link before.
                        (0..dense.depth).for_each(|c| range.see(unsafe { *x_at.start.add(c) }));
                    }
                    if self.level.run(Single { link, x: x_at, y: y_at, scratch }) {
                        (x_at, y_at) = (y_at, x_at);
                    }
                }
            }
        })?;
        Ok(ranges)
    }
}

/// One row through one link.
struct Single<'a> {
    link: &'a Link,
    x: Panels,
    y: Panels,
    scratch: *mut f32,
}

impl Task for Single<'_> {
    type Output = bool;
    #[inline(always)]
    fn run<V: Vector>(self) -> bool {
        // SAFETY: both rows have room for the widest link, the scratch for what links need.
        unsafe { self.link.run::<V>(1, self.x, self.y, self.scratch) }
    }
}

/// One block of samples through all links.
struct Walk<'a> {
    chain: &'a Chain,
    x: Source<'a>,
    from: usize,
    count: usize,
    a: Panels,
    b: Panels,
    scratch: *mut f32,
    out: *mut f32,
}

impl Task for Walk<'_> {
    type Output = ();
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Walk { chain, x, from, count, a, b, scratch, out } = self;
        let (columns, outputs) = chain.columns;
        // SAFETY: the values have room for `count` rows of the widest link, the scratch for what links need; the source
        // has the samples and `out` their outputs, by the contract of `predict`.
        unsafe {
            match x {
                Source::Rows(rows) => copy_in::<V>(rows.add(from * columns), count, columns, a),
                Source::Array(array) => gather(array, from, count, columns, a),
            }
            let (mut x, mut y) = (a, b);
            for link in &chain.links {
                if link.run::<V>(count, x, y, scratch) {
                    (x, y) = (y, x);
                }
            }
            copy_out(x, count, outputs, out.add(from * outputs));
        }
    }
}

/// Contiguous rows into panels; what is beyond the last column is left as it is.
///
/// # Safety
/// The rows must be readable and the panels have room for them.
#[inline(always)]
unsafe fn copy_in<V: Vector>(rows: *const f32, count: usize, columns: usize, into: Panels) {
    // Row by row, as they follow each other in memory.
    for row in 0..count {
        // SAFETY: whole lines within the caller's rows and panels, then the rest of the row.
        unsafe {
            let from = rows.add(row * columns);
            for panel in 0..columns / PANEL {
                for lane in (0..PANEL).step_by(V::LANES) {
                    V::load(from.add(panel * PANEL + lane)).store(into.at(panel, row).add(lane));
                }
            }
            let panel = columns / PANEL;
            for c in 0..columns % PANEL {
                *into.at(panel, row).add(c) = from.add(panel * PANEL + c).read_unaligned();
            }
        }
    }
}

/// The same from any array.
///
/// # Safety
/// The panels must have room for the rows.
unsafe fn gather(array: &Array, from: usize, count: usize, columns: usize, into: Panels) {
    let samples: [u32; BLOCK] = std::array::from_fn(|i| (from + i) as u32);
    // SAFETY: the caller's contract.
    unsafe { array.gather(&samples[..count], into, 0, columns) };
}

/// Panels into contiguous rows.
///
/// # Safety
/// The panels must hold the rows, `out` must have room for them.
#[inline(always)]
unsafe fn copy_out(from: Panels, count: usize, columns: usize, out: *mut f32) {
    for row in 0..count {
        for panel in 0..columns.div_ceil(PANEL) {
            let used = (columns - panel * PANEL).min(PANEL);
            // SAFETY: the caller's contract.
            unsafe { std::ptr::copy_nonoverlapping(from.at(panel, row), out.add(row * columns + panel * PANEL), used) };
        }
    }
}
