#![doc = include_str!("../README.md")]

pub mod activations;
pub mod backend;
pub mod config;
pub mod constraints;
pub mod data;
pub mod error;
pub mod gradients;
pub mod infer;
pub mod initializers;
pub mod io;
pub mod layers;
pub mod losses;
pub mod metrics;
pub mod model;
pub mod optimizers;
pub mod params;
pub mod plan;
pub mod predictor;
pub mod real;
pub mod regularizers;
pub mod rng;
pub mod sequential;
pub mod spec;
#[cfg(feature = "gpu")]
pub mod symbol;
pub mod train;

#[cfg(feature = "python")]
mod python;

pub use data::Array;
pub use error::{Error, Result};
pub use model::Model;
pub use sequential::Sequential;
