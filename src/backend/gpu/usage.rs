//! The bytes of every buffer that a run makes, by part, from the same sizes that they are made from.

use super::BLOCK;
use super::dataset::fits;
use super::device::Gpu;
use super::dispatch::Place;
use super::executor::{at_once, widths};
use super::memory::{buffer_bytes, capacity, largest, record_bytes, sizes, staging_bytes};
use super::program::Course;
use super::transfer::coming_back;
use super::{room, support, windows};
use crate::backend::{Part, Purpose, Usage, UsageOf};
use crate::error::Result;
use crate::losses::TargetKind;

/// Samples that a prediction takes at a time, of which `batch` are asked for at least: it has no batch of its own, so as many
/// as there is room for.
pub fn block(gpu: &Gpu, plan: &crate::plan::Plan, batch: usize) -> usize {
    if batch > BLOCK {
        return batch;
    }
    let fits = |batch: &usize| room::program(gpu, plan, &Purpose::Predict, *batch, None).is_ok();
    std::iter::successors(Some(BLOCK), |block| Some(block / 2)).take_while(|&b| b > 1).find(fits).unwrap_or(1)
}

/// What a run takes, see [`crate::backend::Backend::usage`].
pub fn usage(gpu: &Gpu, run: &UsageOf) -> Result<Usage> {
    let UsageOf { plan, purpose, samples, optimizer, .. } = *run;
    support::check(plan, purpose)?;
    let batch = if matches!(purpose, Purpose::Predict) { block(gpu, plan, run.batch) } else { run.batch };
    let course = optimizer.map(|optimizer| Course::of(optimizer, plan));
    let program = room::program(gpu, plan, purpose, batch, course.as_ref())?;
    let slots = course.as_ref().map_or(0, |course| course.config.seen_slots());
    let mut usage = Usage::default();
    for (place, _, numbers) in sizes(gpu, plan, &program, batch, slots) {
        usage.add(part_of(place), buffer_bytes(numbers));
    }
    let capacity = capacity(&program, largest(gpu).0);
    record_bytes(&program, capacity).into_iter().for_each(|bytes| usage.add(Part::Scratch, bytes));
    usage.add(Part::Staging, staging_bytes(capacity * program.results));
    if let Some(course) = &course {
        let numbers =
            coming_back(plan, &course.config).map(|(v, slots)| plan.variables[v].layout().len() * (1 + slots));
        usage.add(Part::Staging, staging_bytes(numbers.sum()));
    }
    if matches!(purpose, Purpose::Predict) {
        let width = widths(plan).iter().sum();
        usage.add(Part::Staging, staging_bytes(at_once(batch, width, capacity).min(samples) * width));
    }
    add_data(&mut usage, gpu, run, batch);
    Ok(usage)
}

/// Adds the data set: as a whole, or a window of it and two on their way.
fn add_data(usage: &mut Usage, gpu: &Gpu, run: &UsageOf, batch: usize) {
    let inputs = run.plan.tensors.iter().filter(|t| t.source.is_some());
    let mut row_lens: Vec<usize> = inputs.map(|t| t.rows() * t.columns()).collect();
    for (objective, &output) in run.purpose.objectives().iter().zip(&run.plan.outputs) {
        let (rows, columns) = (run.plan.tensors[output].rows(), run.plan.tensors[output].columns());
        match objective.target_kind() {
            Some(TargetKind::Class) => row_lens.extend([rows, 1]),
            Some(TargetKind::Dense) => row_lens.extend([rows * columns, 1]),
            None => {}
        }
    }
    let limit = largest(gpu).0;
    let whole = fits(limit, run.samples, row_lens.iter().copied());
    let rows = if whole { run.samples } else { windows::room(limit, run.samples, batch, &row_lens) };
    usage.add(Part::Data, buffer_bytes(rows));
    for row_len in row_lens {
        usage.add(Part::Data, buffer_bytes(rows * row_len));
        if !whole {
            usage.add(Part::Staging, 2 * staging_bytes(rows * row_len));
        }
    }
}

fn part_of(place: Place) -> Part {
    match place {
        Place::Variable(_) => Part::Weights,
        Place::Slots(_) | Place::Accumulator(_) => Part::Optimizer,
        Place::Gradient(_) | Place::VariableGradient(_) | Place::Slope(_) => Part::Gradients,
        Place::Value(_) | Place::Kept(..) => Part::Activations,
        Place::Input(_) | Place::Target(_) | Place::Weights(_) | Place::Order => Part::Data,
        Place::Results | Place::Norms | Place::Given(..) | Place::Nothing | Place::Void(_) => Part::Scratch,
    }
}
