//! A data set on the device: converted once, then read by the kernels in whatever order an epoch has.

use super::dataset::Column;
use super::device::Gpu;
use super::dispatch::Place;
use super::known::Known;
use super::memory::{buffer, name_of};
use crate::error::Result;

/// Numbers converted and handed over at a time.
const CHUNK: usize = 1 << 20;

/// The buffers of a data set.
pub struct Resident {
    /// With their places.
    pub buffers: Vec<(Place, wgpu::Buffer)>,
    order: Vec<u32>,
}

/// Copies an array, converted to `f32`.
fn upload(gpu: &Gpu, column: &Column, outputs: &[Known], rows: usize) -> Result<wgpu::Buffer> {
    let target = buffer(gpu, rows.saturating_mul(column.row_len), name_of(column.place))?;
    let at_once = (CHUNK / column.row_len.max(1)).max(1);
    let mut numbers = Vec::with_capacity(at_once.min(rows) * column.row_len);
    for from in (0..rows).step_by(at_once) {
        numbers.clear();
        (from..(from + at_once).min(rows)).for_each(|row| column.append(outputs, row as u32, &mut numbers));
        gpu.queue.write_buffer(&target, (from * column.row_len * 4) as u64, bytemuck::cast_slice(&numbers));
        // Without this the copies would pile up in the driver.
        gpu.queue.submit([]);
    }
    Ok(target)
}

impl Resident {
    /// Puts the arrays of a data set on the device.
    pub fn new(gpu: &Gpu, columns: &[Column], outputs: &[Known], rows: usize) -> Result<Self> {
        let mut buffers = vec![(Place::Order, buffer(gpu, rows, name_of(Place::Order))?)];
        for column in columns {
            buffers.push((column.place, upload(gpu, column, outputs, rows)?));
        }
        Ok(Resident { buffers, order: Vec::new() })
    }

    /// Makes the kernels go through the samples in this order.
    pub fn set_order(&mut self, gpu: &Gpu, order: &[u32]) {
        if self.order == order {
            return;
        }
        if let Some((_, buffer)) = self.buffers.iter().find(|(place, _)| *place == Place::Order) {
            gpu.queue.write_buffer(buffer, 0, bytemuck::cast_slice(order));
            self.order.clear();
            self.order.extend_from_slice(order);
        }
    }
}
