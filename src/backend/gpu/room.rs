//! Whether a device has room for batches of a size, asked before anything is allocated; and the largest that it has room for.

use super::device::Gpu;
use super::memory;
use super::program::{Course, Program};
use crate::backend::Purpose;
use crate::error::{Error, Result};
use crate::optimizers::OptimizerConfig;
use crate::plan::Plan;
use serde_json::json;

/// The program for batches of up to `batch` samples, if the device has buffers for it; else an error that names the largest
/// batch that it has them for. Training whose optimizer is not known yet is tried with a plain one: what a rule keeps
/// does not depend on the batch.
pub fn program(gpu: &Gpu, plan: &Plan, purpose: &Purpose, batch: usize, course: Option<&Course>) -> Result<Program> {
    let plain = match (purpose, course) {
        (Purpose::Train(_), None) => {
            Some(Course { config: OptimizerConfig::parse(&json!("sgd"))?, decays: vec![false; plan.variables.len()] })
        }
        _ => None,
    };
    let course = course.or(plain.as_ref());
    attempt(gpu, plan, purpose, batch, course).map_err(|error| match error {
        Error::Device(text) => {
            let largest = match largest_batch(batch, |batch| attempt(gpu, plan, purpose, batch, course).is_ok()) {
                Some(largest) => format!("the largest batch that fits is {largest}"),
                None => "not even a batch of one sample fits".to_string(),
            };
            Error::Device(format!("{text}; {largest}"))
        }
        other => other,
    })
}

fn attempt(gpu: &Gpu, plan: &Plan, purpose: &Purpose, batch: usize, course: Option<&Course>) -> Result<Program> {
    let program = Program::new(plan, purpose, batch, course)?;
    let slots = course.map_or(0, |course| course.config.seen_slots());
    memory::check(gpu, plan, &program, batch, slots)?;
    Ok(program)
}

/// The largest batch below `beyond` that `fits`, where one that fits makes all smaller ones fit.
pub fn largest_batch(beyond: usize, fits: impl Fn(usize) -> bool) -> Option<usize> {
    // No batch has as many samples as a data set may not have.
    let (mut fitting, mut beyond) = (0, beyond.min(u32::MAX as usize));
    while beyond - fitting > 1 {
        let middle = fitting + (beyond - fitting) / 2;
        if fits(middle) {
            fitting = middle;
        } else {
            beyond = middle;
        }
    }
    (fitting > 0).then_some(fitting)
}
