//! The CPU: fused stages on SIMD registers, several threads in lockstep.
//!
//! From the outside in: `executor` runs regions of steps, `program` is the schedule of operations and barriers that a
//! plan becomes, `memory` holds every buffer, `ops` carries out one operation on a worker's share, and `gemm`,
//! `dense`,
//! `elementwise`, `rows` and `update` are the kernels. `pool`, `pace` and `simd` know nothing of networks.

mod dense;
mod elementwise;
mod executor;
pub mod gemm;
mod kinds;
mod memory;
mod ops;
mod pace;
pub mod pool;
mod program;
mod rows;
pub mod simd;
mod tally;
mod threads;
mod update;
mod update_ops;

#[cfg(test)]
mod tests;

pub use executor::CpuBackend;
pub(crate) use executor::{CpuExecutor, Pass};
pub use threads::{num_threads, set_num_threads};
pub(crate) use update::apply_to_slices;
