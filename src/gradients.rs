//! One batch without an update: its outputs as training computes them, and its gradients.
//!
//! Both run on the CPU, on the caller's thread, on the variables themselves.

use crate::backend::cpu::{CpuBackend, Pass};
use crate::backend::{Purpose, Totals};
use crate::data::{Array, Feed};
use crate::error::Result;
use crate::model::{Model, Samples, lock};
use crate::params::{Variable, zeros};
use crate::train::identity;
use std::sync::Arc;

/// Numbers and the shape of their array.
pub type Numbers = (Vec<f32>, Vec<usize>);

/// The gradients of the loss of one batch.
pub struct Gradients {
    /// Loss and metrics.
    pub logs: Vec<(String, f64)>,
    /// By each variable of the model in the order of the layers; `None` for one that is not trained.
    pub variables: Vec<Option<Numbers>>,
    /// By each input; `None` for one that only indices are read from.
    pub inputs: Vec<Option<Numbers>>,
}

impl Model {
    /// Every variable once, in the order of the layers.
    pub fn variables(&self) -> &[Arc<Variable>] {
        &self.plan().variables
    }

    /// Room for the outputs of so many samples.
    pub(crate) fn room_for(&self, rows: usize) -> Result<Vec<Vec<f32>>> {
        let widths = self.output_shapes().into_iter().map(|shape| shape.iter().product::<usize>());
        widths.map(|width| zeros(rows.saturating_mul(width), "outputs")).collect()
    }

    /// Outputs for `x` as one batch of training computes them: with noise, and with the batch's statistics, which move
    /// the moving ones.
    pub fn call_in_training(&self, x: Vec<Array>) -> Result<Vec<Vec<f32>>> {
        self.check_inputs(&x)?;
        let feed = Feed { inputs: x, ..Feed::default() };
        let rows = feed.rows();
        let plan = Arc::new(self.graph().lower(self.seed())?);
        let mut out = self.room_for(rows)?;
        let number = self.next_call();
        let mut executor = CpuBackend::default().executor(&plan, &Purpose::Call, rows)?;
        executor.call(&feed, &identity(&feed)?, Pass::moving(number), &mut out)?;
        self.forget_snapshot();
        Ok(out)
    }

    /// The gradients of the loss of one batch, as the next training step would compute them.
    pub fn gradients(&self, data: Samples) -> Result<Gradients> {
        let compiled = self.compiled()?;
        let (feed, objectives) = self.check_data(&compiled, data)?;
        let rows = feed.rows();
        let plan = Arc::new(self.graph().lower_with_input_gradients(self.seed())?);
        let mut totals = Totals::new(&objectives, &self.output_columns());
        let number = lock(&compiled.optimizer).iterations();
        let mut executor = CpuBackend::default().executor(&plan, &Purpose::Differentiate(objectives.clone()), rows)?;
        let [variables, inputs] = executor.differentiate(feed, &*self.snapshot()?, number, &mut totals)?;
        Ok(Gradients { logs: compiled.logs(&objectives, &totals), variables, inputs })
    }
}
