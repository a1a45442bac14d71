//! Every buffer of a program, allocated once, and the numbers that kernels get besides.

use super::device::Gpu;
use super::dispatch::{Dispatch, Place, WORDS};
use super::program::Program;
use super::step::STEP_WORDS;
use crate::error::{Error, Result};
use crate::plan::Plan;
use std::collections::{HashMap, HashSet};

/// Bytes between the records of two steps, or of two dispatches: a multiple of the largest alignment that a device may ask for.
pub const RECORD: u64 = 512;
/// Steps in a submission at most.
pub const MAX_STEPS: usize = 512;
/// Bytes of results in a submission at most, one step aside.
const MAX_RESULTS: usize = 1 << 20;

/// What an error says at its end.
pub const ADVICE: &str = "use smaller batches or the device \"cpu\"";

/// The buffers of one program.
pub struct Memory {
    buffers: HashMap<Place, wgpu::Buffer>,
    /// One record a step of a submission.
    pub steps: wgpu::Buffer,
    /// One record a dispatch.
    shapes: wgpu::Buffer,
    /// Steps that a submission may have.
    pub capacity: usize,
}

/// The most bytes that a kernel can see of one buffer, and what the device calls that limit.
pub fn largest(gpu: &Gpu) -> (u64, &'static str) {
    let (binding, buffer) = (gpu.limits.max_storage_buffer_binding_size, gpu.limits.max_buffer_size);
    if buffer < binding { (buffer, "max_buffer_size") } else { (binding, "max_storage_buffer_binding_size") }
}

/// The bytes of so many numbers; refused by name where the device has no buffer so large.
fn bytes_of(gpu: &Gpu, numbers: usize, place: &str) -> Result<u64> {
    let (limit, name) = largest(gpu);
    let bytes = buffer_bytes(numbers);
    if bytes > limit {
        let device = gpu.name();
        return Err(Error::Device(format!(
            "{place}: {bytes} bytes are more than {device} can use at once ({name} = {limit}); {ADVICE}"
        )));
    }
    Ok(bytes)
}

/// A buffer for so many numbers.
pub fn buffer(gpu: &Gpu, numbers: usize, place: &str) -> Result<wgpu::Buffer> {
    use wgpu::BufferUsages as Usages;
    let bytes = bytes_of(gpu, numbers, place)?;
    Ok(raw(gpu, bytes, Usages::STORAGE | Usages::COPY_DST | Usages::COPY_SRC))
}

/// The bytes of a buffer that kernels see.
pub fn buffer_bytes(numbers: usize) -> u64 {
    numbers.max(4).checked_mul(4).map_or(u64::MAX, |n| n as u64)
}

/// The bytes of a buffer that only the host and copies see.
pub fn staging_bytes(numbers: usize) -> u64 {
    numbers.max(1) as u64 * 4
}

/// A buffer that the host reads.
pub fn staging(gpu: &Gpu, numbers: usize) -> wgpu::Buffer {
    raw(gpu, staging_bytes(numbers), wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST)
}

/// A buffer that the host writes, at once and again whenever it asks for it.
pub fn upload_staging(gpu: &Gpu, numbers: usize) -> wgpu::Buffer {
    raw(gpu, staging_bytes(numbers), wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC)
}

/// What an array of a data set is called.
pub fn name_of(place: Place) -> &'static str {
    match place {
        Place::Input(_) => "x",
        Place::Target(_) => "y",
        Place::Weights(_) => "sample_weight",
        _ => "order of the samples",
    }
}

fn raw(gpu: &Gpu, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    gpu.count_bytes(size);
    let mapped_at_creation = usage.contains(wgpu::BufferUsages::MAP_WRITE);
    gpu.device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation })
}

/// Steps that a submission of this program may have.
pub fn capacity(program: &Program, limit: u64) -> usize {
    let bytes = program.results.saturating_mul(4);
    (MAX_RESULTS.min(limit as usize) / bytes.max(1)).clamp(1, MAX_STEPS)
}

/// Every buffer of a program but the data set's, with the layer that needs it first and its numbers. `slots` is the number of
/// slots that the rule sees.
pub fn sizes<'a>(
    gpu: &Gpu,
    plan: &Plan,
    program: &'a Program,
    batch: usize,
    slots: usize,
) -> Vec<(Place, &'a str, usize)> {
    let mut seen = HashSet::new();
    let all = program.dispatches.iter().flat_map(|d| d.places.iter().map(|place| (*place, d.layer.as_str())));
    let capacity = capacity(program, largest(gpu).0);
    all.filter(|(place, _)| seen.insert(*place))
        .filter_map(|(place, layer)| Some((place, layer, numbers(plan, program, batch, slots, capacity, place)?)))
        .collect()
}

/// Refuses a program that the device has no buffers for, before anything is allocated.
pub fn check(gpu: &Gpu, plan: &Plan, program: &Program, batch: usize, slots: usize) -> Result<()> {
    for (_, layer, numbers) in sizes(gpu, plan, program, batch, slots) {
        bytes_of(gpu, numbers, layer)?;
    }
    // A batch of the data set, whose targets are as large as an output at most.
    for tensor in plan.tensors.iter().filter(|t| t.source.is_some()) {
        bytes_of(gpu, batch.saturating_mul(tensor.rows()).saturating_mul(tensor.columns()), "x")?;
    }
    Ok(())
}

/// Bytes of the records of steps and dispatches.
pub fn record_bytes(program: &Program, capacity: usize) -> [u64; 2] {
    [capacity as u64 * RECORD, program.dispatches.len().max(1) as u64 * RECORD]
}

impl Memory {
    /// Allocates everything but the data set. `slots` is the number of slots that the rule sees.
    pub fn new(gpu: &Gpu, plan: &Plan, program: &Program, batch: usize, slots: usize) -> Result<Self> {
        let mut buffers = HashMap::new();
        for (place, layer, numbers) in sizes(gpu, plan, program, batch, slots) {
            let buffer = buffer(gpu, numbers, layer)?;
            if let Some(words) = program.given.get(&place) {
                gpu.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(words));
            }
            buffers.insert(place, buffer);
        }
        use wgpu::BufferUsages as Usages;
        let uniform = Usages::UNIFORM | Usages::COPY_DST;
        let capacity = capacity(program, largest(gpu).0);
        let [steps, shapes] = record_bytes(program, capacity).map(|bytes| raw(gpu, bytes, uniform));
        for (i, dispatch) in program.dispatches.iter().enumerate() {
            gpu.queue.write_buffer(&shapes, i as u64 * RECORD, bytemuck::cast_slice(&dispatch.shape.words()));
        }
        Ok(Memory { buffers, steps, shapes, capacity })
    }

    /// A buffer of the program, if it has it.
    pub fn get(&self, place: Place) -> Option<&wgpu::Buffer> {
        self.buffers.get(&place)
    }

    /// Puts a buffer of the data set in its place.
    pub fn put(&mut self, place: Place, buffer: wgpu::Buffer) {
        self.buffers.insert(place, buffer);
    }

    /// Takes the data set away.
    pub fn forget_data(&mut self) {
        self.buffers.retain(|place, _| !is_data(*place));
    }

    /// The bindings of each dispatch; `layouts` are those of the pipelines.
    pub fn bind<'a>(
        &self,
        gpu: &Gpu,
        program: &Program,
        layouts: impl Iterator<Item = &'a wgpu::BindGroupLayout>,
    ) -> Result<Vec<wgpu::BindGroup>> {
        let record = |buffer, offset, size| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: std::num::NonZero::new(size) })
        };
        let bind = |(i, (dispatch, layout)): (usize, (&Dispatch, &wgpu::BindGroupLayout))| {
            let mut entries = vec![
                wgpu::BindGroupEntry { binding: 0, resource: record(&self.steps, 0, 4 * STEP_WORDS as u64) },
                wgpu::BindGroupEntry {
                    binding: 1,
                    resource: record(&self.shapes, i as u64 * RECORD, 4 * WORDS as u64),
                },
            ];
            for (number, place) in dispatch.places.iter().enumerate() {
                let buffer = self.get(*place).ok_or_else(|| Error::Internal(format!("no buffer for {place:?}")))?;
                entries.push(wgpu::BindGroupEntry { binding: number as u32 + 2, resource: buffer.as_entire_binding() });
            }
            Ok(gpu.device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries }))
        };
        program.dispatches.iter().zip(layouts).enumerate().map(bind).collect()
    }
}

fn is_data(place: Place) -> bool {
    matches!(place, Place::Input(_) | Place::Target(_) | Place::Weights(_) | Place::Order)
}

/// Numbers in a buffer; `None` for the data set's.
fn numbers(plan: &Plan, program: &Program, batch: usize, slots: usize, capacity: usize, place: Place) -> Option<usize> {
    let tensor = |t: usize| batch.saturating_mul(plan.tensors[t].rows()).saturating_mul(plan.tensors[t].columns());
    let variable = |v: usize| plan.variables[v].layout().len();
    Some(match place {
        Place::Value(t) | Place::Gradient(t) => tensor(t),
        Place::Variable(v) | Place::VariableGradient(v) | Place::Accumulator(v) => variable(v),
        Place::Slots(v) => variable(v).saturating_mul(slots),
        Place::Norms => 3 * plan.variables.len(),
        Place::Results => capacity.saturating_mul(program.results),
        Place::Slope(o) => tensor(program.outputs[o]),
        Place::Kept(..) => program.kept.get(&place).map_or(4, |count| count.of(batch)),
        Place::Given(..) => program.given.get(&place).map_or(4, Vec::len),
        Place::Nothing | Place::Void(_) => 4,
        Place::Input(_) | Place::Target(_) | Place::Weights(_) | Place::Order => return None,
    })
}
