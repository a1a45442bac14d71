//! A data set that the device has no buffers for, a window at a time.
//!
//! A window holds the samples at some positions of the epoch's order, one after the other, so that the kernels' own order is
//! 0, 1, 2, … and the rest is as with a resident data set: the same rows in the same order, to the bit. There are two buffers
//! an array that the host can write. While the device works on what one of them brought, the host gathers and converts the
//! next samples into the other; the next submission begins by copying them over.

use super::dataset::Column;
use super::device::Gpu;
use super::dispatch::Place;
use super::known::Known;
use super::memory::{buffer, largest, name_of, upload_staging};
use crate::error::{Error, Result};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of a window, one batch aside: some milliseconds of a host's work, many times what a submission costs.
const WINDOW: usize = 16 << 20;
/// Numbers gathered before they are copied into memory that the host may only write.
const CHUNK: usize = 1 << 14;

/// A data set in windows.
pub struct Windows {
    columns: Vec<Column>,
    /// What kernels read.
    pub buffers: Vec<(Place, wgpu::Buffer)>,
    /// Samples in a window.
    room: usize,
    order: Vec<u32>,
    /// The positions that the device's buffers hold.
    here: Range<usize>,
    /// The positions that are gathered and not copied yet; empty if there are none.
    staged: Range<usize>,
    /// What the next samples are gathered into, and what the last were.
    staging: [Staging; 2],
}

/// Samples in a window of a data set: what [`WINDOW`] allows, at least a batch, at most what a buffer takes.
pub fn room(limit: u64, rows: usize, batch: usize, row_lens: &[usize]) -> usize {
    let all: usize = row_lens.iter().map(|n| n * 4).sum();
    let largest = row_lens.iter().copied().max().unwrap_or(1).max(1) * 4;
    (WINDOW / all.max(4)).min(limit as usize / largest).max(batch).min(rows).max(1)
}

/// Buffers that the host writes, one an array.
struct Staging {
    buffers: Vec<wgpu::Buffer>,
    state: State,
}

#[derive(Clone)]
enum State {
    /// The host can write.
    Mapped,
    /// The host has given them away.
    Given,
    /// The host wants them back. Counts those that are still to come; a failure never counts as one.
    Awaited(Arc<AtomicUsize>),
}

impl Staging {
    fn new(gpu: &Gpu, columns: &[Column], room: usize) -> Self {
        let buffers = columns.iter().map(|column| upload_staging(gpu, room * column.row_len)).collect();
        Staging { buffers, state: State::Mapped }
    }

    /// Makes the buffers the device's.
    fn give(&mut self) {
        self.buffers.iter().for_each(wgpu::Buffer::unmap);
        self.state = State::Given;
    }

    /// Asks for the buffers, which come back when the device has copied them.
    fn ask(&mut self) {
        if !matches!(self.state, State::Given) {
            return;
        }
        let missing = Arc::new(AtomicUsize::new(self.buffers.len()));
        for buffer in &self.buffers {
            let missing = missing.clone();
            buffer.map_async(wgpu::MapMode::Write, .., move |outcome| {
                if outcome.is_ok() {
                    missing.fetch_sub(1, Ordering::AcqRel);
                }
            });
        }
        self.state = State::Awaited(missing);
    }

    /// Waits until the host can write.
    fn take(&mut self, gpu: &Gpu) -> Result<()> {
        self.ask();
        if let State::Awaited(missing) = &self.state {
            // Once for the device, and again if another thread waited for it too and is just about to call back.
            for _ in 0..1000 {
                if missing.load(Ordering::Acquire) == 0 {
                    break;
                }
                gpu.wait()?;
                std::thread::yield_now();
            }
            if missing.load(Ordering::Acquire) > 0 {
                let advice = "handing data over failed; use the device \"cpu\"";
                return Err(Error::Device(format!("{}: {advice}", gpu.name())));
            }
            self.state = State::Mapped;
        }
        Ok(())
    }
}

impl Windows {
    /// Makes the buffers for windows of these arrays.
    pub fn new(gpu: &Gpu, columns: Vec<Column>, rows: usize, batch: usize) -> Result<Self> {
        let row_lens: Vec<usize> = columns.iter().map(|c| c.row_len).collect();
        let room = room(largest(gpu).0, rows, batch, &row_lens);
        let order = buffer(gpu, room, name_of(Place::Order))?;
        let numbers: Vec<u32> = (0..room as u32).collect();
        gpu.queue.write_buffer(&order, 0, bytemuck::cast_slice(&numbers));
        let mut buffers = vec![(Place::Order, order)];
        for column in &columns {
            buffers.push((column.place, buffer(gpu, room * column.row_len, name_of(column.place))?));
        }
        let staging = [Staging::new(gpu, &columns, room), Staging::new(gpu, &columns, room)];
        Ok(Windows { columns, buffers, room, order: Vec::new(), here: 0..0, staged: 0..0, staging })
    }

    /// See [`super::dataset::Store::set_order`].
    pub fn set_order(&mut self, order: &[u32]) {
        if self.order != order {
            self.order.clear();
            self.order.extend_from_slice(order);
            self.forget();
        }
    }

    /// See [`super::dataset::Store::forget`].
    pub fn forget(&mut self) {
        (self.here, self.staged) = (0..0, 0..0);
    }

    /// See [`super::dataset::Store::reach`].
    pub fn reach(
        &mut self,
        gpu: &Gpu,
        outputs: &[Known],
        encoder: &mut wgpu::CommandEncoder,
        wanted: Range<usize>,
        least: usize,
    ) -> Result<Range<usize>> {
        let has = |part: &Range<usize>| part.start <= wanted.start && least <= part.end && !part.is_empty();
        if !has(&self.here) {
            if !has(&self.staged) {
                self.gather(gpu, outputs, wanted)?;
            }
            self.copy(encoder);
        }
        Ok(self.here.clone())
    }

    /// See [`super::dataset::Store::prefetch`].
    pub fn prefetch(&mut self, gpu: &Gpu, outputs: &[Known], count: usize) -> Result<()> {
        self.staging[1].ask();
        let next = self.here.end..(self.here.end + count).min(self.order.len());
        if self.staged.is_empty() && !next.is_empty() {
            self.gather(gpu, outputs, next)?;
        }
        Ok(())
    }

    /// Gathers the samples at these positions, or as many of them as a window takes, in the order of the positions.
    fn gather(&mut self, gpu: &Gpu, outputs: &[Known], wanted: Range<usize>) -> Result<()> {
        self.staged = 0..0;
        let staging = &mut self.staging[0];
        staging.take(gpu)?;
        let positions = wanted.start..wanted.end.min(wanted.start + self.room);
        let samples = &self.order[positions.clone()];
        let mut numbers = Vec::new();
        for (column, buffer) in self.columns.iter().zip(&staging.buffers) {
            let row_len = column.row_len;
            if samples.is_empty() || row_len == 0 {
                continue;
            }
            let failed = |e| Error::Device(format!("{}: handing data over failed: {e}", gpu.name()));
            let mut view = buffer.get_mapped_range_mut(..(samples.len() * row_len * 4) as u64).map_err(failed)?;
            let mut at = 0;
            for some in samples.chunks((CHUNK / row_len).max(1)) {
                numbers.clear();
                some.iter().for_each(|&sample| column.append(outputs, sample, &mut numbers));
                let bytes: &[u8] = bytemuck::cast_slice(&numbers);
                view.slice(at..at + bytes.len()).copy_from_slice(bytes);
                at += bytes.len();
            }
        }
        self.staged = positions;
        Ok(())
    }

    /// Makes what is gathered the device's window, ahead of the commands that follow.
    fn copy(&mut self, encoder: &mut wgpu::CommandEncoder) {
        self.staging[0].give();
        let arrays = self.columns.iter().zip(&self.staging[0].buffers).zip(&self.buffers[1..]);
        for ((column, from), (_, to)) in arrays {
            let bytes = (self.staged.len() * column.row_len * 4) as u64;
            if bytes > 0 {
                encoder.copy_buffer_to_buffer(from, 0, to, 0, bytes);
            }
        }
        self.here = std::mem::replace(&mut self.staged, 0..0);
        self.staging.swap(0, 1);
    }
}
