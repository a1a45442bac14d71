//! Variables and slots between the store and the device; and numbers from the device.

use super::device::Gpu;
use super::dispatch::Place;
use super::memory::{Memory, staging};
use crate::error::{Error, Result};
use crate::optimizers::{OptimizerConfig, OptimizerState};
use crate::params::{Exclusive, Snapshot};
use crate::plan::{Kind, Plan};
use std::sync::mpsc::{TryRecvError, channel};

/// Submits `encoder` and reads the first `numbers` of `from`, which it fills, when all is done; does `meanwhile` while the
/// device works.
pub fn read_back(
    gpu: &Gpu,
    encoder: wgpu::CommandEncoder,
    dispatches: u64,
    from: &wgpu::Buffer,
    numbers: usize,
    meanwhile: impl FnOnce() -> Result<()>,
    mut take: impl FnMut(&[f32]),
) -> Result<()> {
    gpu.submit(encoder.finish(), dispatches);
    let aside = meanwhile();
    if numbers == 0 {
        gpu.wait()?;
        return aside;
    }
    let slice = from.slice(..numbers as u64 * 4);
    let (send, receive) = channel();
    slice.map_async(wgpu::MapMode::Read, move |outcome| {
        let _ = send.send(outcome);
    });
    let failed =
        |why: String| Error::Device(format!("{}: reading back failed: {why}; use the device \"cpu\"", gpu.name()));
    loop {
        gpu.wait()?;
        match receive.try_recv() {
            Ok(outcome) => break outcome.map_err(|e| failed(e.to_string()))?,
            Err(TryRecvError::Disconnected) => return Err(failed("the device gave it up".into())),
            // Another thread waited for the device too, and is just about to call back.
            Err(TryRecvError::Empty) => std::thread::yield_now(),
        }
    }
    let view = slice.get_mapped_range().map_err(|e| failed(e.to_string()))?;
    take(bytemuck::cast_slice(&view));
    drop(view);
    from.unmap();
    aside
}

/// The variables that training changes, with the slots of each: what comes back to the store.
pub fn coming_back(plan: &Plan, config: &OptimizerConfig) -> impl Iterator<Item = (usize, usize)> {
    let changed = (0..plan.variables.len()).filter(|&v| plan.trained[v] || moves(plan, v));
    changed.map(|v| (v, if plan.trained[v] { config.slots() } else { 0 }))
}

/// Where a slot of a variable is, and which of those there.
fn slot_place(config: &OptimizerConfig, v: usize, slot: usize) -> (Place, usize) {
    if config.accumulator_slot() == Some(slot) { (Place::Accumulator(v), 0) } else { (Place::Slots(v), slot) }
}

/// Whether training moves a variable that it does not train: a moving statistic.
fn moves(plan: &Plan, variable: usize) -> bool {
    plan.stages.iter().any(|stage| {
        let moved = |mean, variance| [mean, variance].contains(&variable);
        matches!(stage.kind, Kind::BatchNorm { mean, variance, training: true, .. } if moved(mean, variance))
    })
}

/// What of the store is on the device.
#[derive(Default)]
pub struct Mirror {
    /// The version of each variable that was last the same here and there.
    variables: Vec<Option<u64>>,
    /// The version of the optimizer's slots.
    slots: Option<u64>,
    /// The snapshot that the variables are.
    snapshot: u64,
    /// Whether the device is ahead.
    pub ahead: bool,
    staging: Option<wgpu::Buffer>,
}

impl Mirror {
    /// Nothing on the device is to be relied on.
    pub fn forget(&mut self) {
        *self = Mirror::default();
    }

    /// Brings the device up to date with the store.
    pub fn upload(&mut self, gpu: &Gpu, plan: &Plan, memory: &Memory, optimizer: &OptimizerState) -> Result<()> {
        self.variables.resize(plan.variables.len(), None);
        for (v, variable) in plan.variables.iter().enumerate() {
            // The version first: what is written in between is seen the next time.
            let version = variable.version();
            if self.variables[v] != Some(version) {
                let values = variable.values()?;
                if let Some(buffer) = memory.get(Place::Variable(v)) {
                    gpu.queue.write_buffer(buffer, 0, bytemuck::cast_slice(&values));
                }
                self.variables[v] = Some(version);
            }
        }
        if self.slots == Some(optimizer.version()) {
            return Ok(());
        }
        for (v, variable) in plan.variables.iter().enumerate() {
            let layout = variable.layout();
            for (i, slot) in optimizer.slots(variable.id()).iter().enumerate() {
                let (place, at) = slot_place(optimizer.config(), v, i);
                if let Some(buffer) = memory.get(place) {
                    let mut values = vec![0.0; layout.len()];
                    layout.unpack(slot, &mut values);
                    gpu.queue.write_buffer(buffer, (at * layout.len() * 4) as u64, bytemuck::cast_slice(&values));
                }
            }
        }
        self.slots = Some(optimizer.version());
        Ok(())
    }

    /// Brings the device to a snapshot.
    pub fn upload_snapshot(&mut self, gpu: &Gpu, plan: &Plan, memory: &Memory, snapshot: &Snapshot) {
        if self.snapshot == snapshot.id() {
            return;
        }
        for (v, variable) in plan.variables.iter().enumerate() {
            if let Some(buffer) = memory.get(Place::Variable(v)) {
                let values = snapshot.values(v, variable.layout());
                gpu.queue.write_buffer(buffer, 0, bytemuck::cast_slice(&values));
            }
        }
        self.snapshot = snapshot.id();
    }

    /// Brings the store up to date with the device. A variable that somebody assigned meanwhile keeps what it was given, as if
    /// that had been after the last step.
    pub fn download(&mut self, gpu: &Gpu, plan: &Plan, memory: &Memory, optimizer: &mut OptimizerState) -> Result<()> {
        if !self.ahead {
            return Ok(());
        }
        let config = optimizer.config().clone();
        let changed: Vec<(usize, usize)> = coming_back(plan, &config).collect();
        let size = |v: usize| plan.variables[v].layout().len();
        let total: usize = changed.iter().map(|&(v, slots)| size(v) * (1 + slots)).sum();
        let staging = self.staging.get_or_insert_with(|| staging(gpu, total));
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut at = 0;
        for &(v, slots) in &changed {
            let places = (0..slots).map(|i| slot_place(&config, v, i));
            for (place, number) in std::iter::once((Place::Variable(v), 0)).chain(places) {
                if let Some(buffer) = memory.get(place).filter(|_| size(v) > 0) {
                    let (from, bytes) = ((number * size(v)) as u64 * 4, size(v) as u64 * 4);
                    encoder.copy_buffer_to_buffer(buffer, from, staging, at as u64 * 4, bytes);
                }
                at += size(v);
            }
        }
        let versions = &mut self.variables;
        read_back(
            gpu,
            encoder,
            0,
            staging,
            total,
            || Ok(()),
            |numbers| {
                let mut rest = numbers;
                let mut take = |count: usize| {
                    let (part, after) = rest.split_at(count);
                    rest = after;
                    part
                };
                let mut locks = Exclusive::lock(&plan.variables);
                let mut lines = locks.lines();
                for &(v, slots) in &changed {
                    let (variable, layout) = (&plan.variables[v], plan.variables[v].layout());
                    let values = take(layout.len());
                    if versions[v] == Some(variable.version()) {
                        layout.pack(values, lines[v]);
                        variable.touch();
                        versions[v] = Some(variable.version());
                    }
                    for slot in optimizer.slots_mut(variable.id()).iter_mut().take(slots) {
                        layout.pack(take(layout.len()), slot);
                    }
                }
            },
        )?;
        self.slots = Some(optimizer.version());
        self.ahead = false;
        Ok(())
    }
}
