//! The bytes that a run on the CPU takes, by part: its buffers, laid out without being made.

use super::executor::CpuBackend;
use super::memory::{Memory, bytes_of};
use super::program::Program;
use super::threads::num_threads;
use crate::backend::{Part, Purpose, Usage, UsageOf};
use crate::error::Result;
use crate::optimizers::{OptimizerConfig, OptimizerState};

/// Floating-point operations of a step, or of a whole prediction, below which one thread is quicker than several:
/// about five microseconds of one core, against the barriers and the waking of the others.
const SERIAL_WORK: f64 = 400_000.0;

/// Workers for a job of so many floating-point operations that divides into so many parts.
pub fn workers(work: f64, parts: usize) -> usize {
    if work <= SERIAL_WORK { 1 } else { num_threads().min(parts) }
}

/// What a run takes, see [`crate::backend::Backend::usage`].
pub fn usage(backend: &CpuBackend, run: &UsageOf) -> Result<Usage> {
    let UsageOf { plan, purpose, batch, samples, optimizer } = *run;
    let config = optimizer.map(OptimizerState::config);
    let program = Program::new(plan, purpose, batch, config, backend.force_general);
    let mut usage = Usage::default();
    for (v, variable) in plan.variables.iter().enumerate() {
        let bytes = bytes_of(variable.layout().lines());
        // Training works on the variables themselves; whoever only reads them has a copy.
        let copies = if purpose.has_gradients() { 1 } else { 2 };
        usage.add(Part::Weights, copies * bytes);
        let slots = config.filter(|_| plan.trained[v]).map_or(0, OptimizerConfig::slots);
        usage.add(Part::Optimizer, slots as u64 * bytes);
    }
    if matches!(purpose, Purpose::Train(_)) {
        // At most: fewer threads may prove quicker.
        let threads = workers(program.work * batch as f64, num_threads());
        usage.add_all(&Memory::usage(plan, purpose, batch, &program, threads)?);
        return Ok(usage);
    }
    // One worker a memory, each with batches of its own.
    let threads = workers(program.work * samples as f64, samples.div_ceil(batch.max(1)));
    let each = Memory::usage(plan, purpose, batch, &program, 1)?;
    (0..threads).for_each(|_| usage.add_all(&each));
    Ok(usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Executor, Steps, Totals};
    use crate::model::{Samples, lock};
    use crate::params::Exclusive;
    use crate::{Array, Sequential};
    use std::time::{Duration, Instant};

    /// What is said to be taken is what an executor holds afterwards, with the variables and the optimizer's slots.
    #[test]
    fn the_bytes_of_the_executors() {
        let model = Sequential::new(&[70], 1).dense(130, "relu").unwrap().dropout(0.2).unwrap();
        let model = model.dense(3, "softmax").unwrap().build().unwrap();
        model.compile_with("adam", 0.01, "sparse_categorical_crossentropy", &["accuracy"]).unwrap();
        let compiled = model.compiled().unwrap();
        let samples = 300;
        let x = Array::new((0..samples * 70).map(|i| (i % 13) as f32).collect(), &[samples, 70]).unwrap();
        let y = Array::new((0..samples).map(|i| (i % 3) as u8).collect(), &[samples]).unwrap();
        let (feed, objectives) = model.check_data(&compiled, Samples::of(x, y)).unwrap();
        let backend = CpuBackend { adaptive: false, ..CpuBackend::default() };
        let plan = &compiled.plan;
        let held = |memory: &[Memory]| memory.iter().map(Memory::allocated).sum::<u64>();
        let stored = Exclusive::lock(&plan.variables).lines().iter().map(|l| bytes_of(l.len())).sum::<u64>();
        for batch in [7, 128] {
            let mut optimizer = lock(&compiled.optimizer);
            let purpose = Purpose::Train(objectives.clone());
            let said =
                usage(&backend, &UsageOf { plan, purpose: &purpose, batch, samples, optimizer: Some(&optimizer) })
                    .unwrap();
            let mut executor = backend.executor(plan, &purpose, batch).unwrap();
            executor.bind_data(feed.clone()).unwrap();
            let order: Vec<u32> = (0..samples as u32).collect();
            let deadline = Instant::now() + Duration::from_secs(600);
            let steps = Steps { order: &order, batch, from: 0, until: 2, deadline, check_finite: false };
            let mut totals = Totals::new(&objectives, &model.output_columns());
            executor.run_steps(&steps, &mut optimizer, &mut totals).unwrap();
            let slots =
                plan.variables.iter().flat_map(|v| optimizer.slots(v.id())).map(|s| bytes_of(s.len())).sum::<u64>();
            assert_eq!((said.of(Part::Weights), said.of(Part::Optimizer)), (stored, slots));
            assert_eq!(said.total(), held(&executor.memory) + stored + slots, "batches of {batch}");
            assert!(said.of(Part::Activations) > (batch * 130 * 4) as u64);

            let said = usage(&backend, &UsageOf { plan, purpose: &Purpose::Predict, batch, samples, optimizer: None })
                .unwrap();
            let mut executor = backend.executor(plan, &Purpose::Predict, batch).unwrap();
            executor.bind_data(feed.clone()).unwrap();
            let mut out = vec![0.0; samples * 3];
            executor.forward(&model.snapshot().unwrap(), 0..samples, &mut [&mut out]).unwrap();
            assert_eq!(said.total(), held(&executor.memory) + 2 * stored, "blocks of {batch}");
        }
    }
}
