//! The module `ironhorn._core`: data in, numbers out. Every line of the crate that knows Python is in this folder.

mod arrays;
mod error;
mod file;
mod functions;
mod layer;
mod metric;
mod model;
mod optimizer;
mod predictor;
mod rules;
mod session;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    use super::error::{DeviceError, InternalError, LoadError, NonFiniteError};
    #[pymodule_export]
    use super::file::{File, write_file};
    #[pymodule_export]
    use super::functions::{
        activation, adapters, cpu_level, device, devices, gpu_counters, initialize, inject_panic, loss_gradient,
        loss_values, metric_values, names, next_seed, num_threads, runs_on_gpu, set_device, set_num_threads,
        set_random_seed, wgpu_version,
    };
    #[pymodule_export]
    use super::layer::{Layer, Variable};
    #[pymodule_export]
    use super::metric::{metric_add, metric_result, metric_variables};
    #[pymodule_export]
    use super::model::Model;
    #[pymodule_export]
    use super::optimizer::{Optimizer, schedule_value};
    #[pymodule_export]
    use super::predictor::Predictor;
    #[pymodule_export]
    use super::rules::{compute_fans, constrain, regularizer_gradient, regularizer_value};
    #[pymodule_export]
    use super::session::Session;
    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
