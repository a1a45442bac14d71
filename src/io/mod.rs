//! The model file `net.ironhorn`: one safetensors file, which this crate writes and reads by itself.
//!
//! | in it | what it is |
//! |---|---|
//! | text `format`, `version`, `kind`, `writer` | `ironhorn`, the version of this layout, what the file is for, who wrote it |
//! | text `model` | the graph: layers, nodes, shapes of the inputs, outputs ([`Model::load`](crate::Model::load) reads it) |
//! | text `training` | optimizer, losses and metrics as the engine takes them |
//! | text `python` | the same as the Python package has it, in Keras's form |
//! | text `devices` | what the device `auto` has chosen, `[["train", 256, "gpu:0"], …]`; left out where that is nothing |
//! | text `extra` | what a caller added |
//! | tensor `weights/<i>/<path>` | the variables, row-major float32, in the order that `model` counts them in |
//! | tensor `optimizer/<i>/<slot>` | the optimizer's slots of variable i; none before the first step |
//! | tensor `optimizer/own/<key>/<slot>` | slots of arrays that a caller's own loop trains |
//! | tensor `optimizer/iterations`, `optimizer/learning_rate` | raw steps; the rate, where it is a number |
//! | tensor `random` | the model's seed, epochs begun, calls as in training: with the steps, all that randomness depends on |
//!
//! Texts are JSON. A reader trusts nothing: whatever the bytes are, they become a model or an
//! [`Error::Load`](crate::Error::Load) that names file and field. Nothing in a file is run or looked up outside of
//! closed lists.

mod container;
mod contents;
mod durable;
mod model;
pub(crate) mod ration;
#[cfg(test)]
mod tests;

pub use contents::{Loaded, Random, Saving};
#[cfg(feature = "python")]
pub(crate) use model::describe;

/// The version that is written, and the newest that is read.
pub const VERSION: u64 = 1;
/// The longest header, in bytes.
pub const MAX_HEADER: usize = 1 << 20;
/// The most tensors in a file.
pub const MAX_TENSORS: usize = 10_000;
