//! What this backend cannot do yet: each is refused by name when a plan is compiled, before anything is allocated.

use super::step::MAX_OUTPUTS;
use crate::backend::Purpose;
use crate::error::{Error, Result};
use crate::plan::Plan;

/// Refuses what only the CPU can do.
pub fn check(plan: &Plan, purpose: &Purpose) -> Result<()> {
    if matches!(purpose, Purpose::Differentiate(_) | Purpose::Call) {
        return Err(refusal("a single batch without an update"));
    }
    if let Some(what) = plan.refused_on_gpu() {
        return Err(refusal(&what));
    }
    if purpose.objectives().len() > MAX_OUTPUTS {
        return Err(refusal(&format!("a model of more than {MAX_OUTPUTS} outputs")));
    }
    for variable in &plan.variables {
        let penalty = variable.regularizer().filter(|r| !purpose.objectives().is_empty() && r.elementwise().is_none());
        if let Some(penalty) = penalty {
            return Err(refusal(&format!("the regularizer {} ({})", penalty.name(), variable.path())));
        }
        let apart = |c: &&crate::constraints::Constraint| !c.is_elementwise() && c.runs(variable.shape()).is_none();
        if let Some(constraint) = variable.constraint().filter(|c| purpose.is_training() && apart(c)) {
            let what = format!("the constraint {} over axes that are no neighbours", constraint.name());
            return Err(refusal(&format!("{what} ({})", variable.path())));
        }
    }
    Ok(())
}

fn refusal(what: &str) -> Error {
    Error::Device(format!("GPU: {what} is not available there yet; use the device \"cpu\""))
}
