//! What this backend cannot do yet: each is refused by name when a plan is compiled, before anything is allocated.

use crate::backend::Purpose;
use crate::error::{Error, Result};
use crate::optimizers::OptimizerState;
use crate::plan::Plan;

/// Refuses what only the CPU can do.
pub fn check(plan: &Plan, purpose: &Purpose) -> Result<()> {
    if let Some(stage) = plan.stages.iter().find(|s| !s.kind.runs_on_gpu()) {
        return Err(refusal(&format!("{} (layer '{}')", stage.kind.name(), stage.layer)));
    }
    if plan.outputs.len() != 1 {
        return Err(refusal("a model of several outputs"));
    }
    for variable in &plan.variables {
        if !purpose.objectives().is_empty() && variable.regularizer().is_some() {
            return Err(refusal(&format!("a regularizer ({})", variable.path())));
        }
        if purpose.is_training() && variable.constraint().is_some() {
            return Err(refusal(&format!("a constraint ({})", variable.path())));
        }
    }
    for objective in purpose.objectives() {
        match &objective.loss {
            None => return Err(refusal("an output without a loss")),
            Some(loss) if !loss.loss.has_wgsl() => return Err(refusal(&format!("the loss {}", loss.loss.name()))),
            Some(_) => {}
        }
        if objective.weight != 1.0 {
            return Err(refusal("loss_weights"));
        }
        for measure in &objective.metrics {
            if measure.weighted || !measure.metric.has_wgsl() {
                let what = if measure.weighted { "a weighted metric" } else { "the metric" };
                return Err(refusal(&format!("{what} {}", measure.metric.name())));
            }
        }
    }
    Ok(())
}

/// Refuses options of an optimizer.
pub fn check_optimizer(optimizer: &OptimizerState) -> Result<()> {
    let config = optimizer.config();
    let overwrites = config.use_ema.is_some_and(|ema| ema.overwrite_frequency.is_some());
    match optimizer.refused_by_shaders().or(overwrites.then_some("ema_overwrite_frequency")) {
        Some(what) => Err(refusal(&format!("{what} (optimizer '{}')", config.name))),
        None => Ok(()),
    }
}

fn refusal(what: &str) -> Error {
    Error::Device(format!("GPU: {what} is not available there yet; use the device \"cpu\""))
}
