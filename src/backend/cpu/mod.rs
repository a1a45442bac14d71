//! The CPU: fused stages on SIMD registers, several threads in lockstep.
//!
//! From the outside in: `executor` runs regions of steps, `program` is the schedule of operations and barriers that a
//! plan becomes, `memory` holds every buffer, `ops` carries out one operation on a worker's share, with `kinds`,
//! `normalize` and `embedding` for the stages beyond dense layers. The kernels: `gemm`, `skip` (with `ahead`), `dense`, `elementwise`, `rows`
//! and `update`; `arrange`, `merge`, `dot`, `columns`, `row_norm`, `prelu`, `noise` and `categories`, on the plain `lines`.
//! `chain` and `stock` predict for many callers at once. `pool`, `pace` and `simd` know nothing of networks.

mod ahead;
mod arrange;
mod batch;
#[cfg(feature = "bench-internals")]
#[doc(hidden)]
pub mod bench;
mod categories;
mod chain;
mod columns;
mod dense;
mod dot;
mod elementwise;
mod embedding;
mod executor;
mod fault;
pub mod gemm;
mod kinds;
mod lines;
mod lockstep;
mod memory;
mod merge;
mod noise;
mod normalize;
mod ops;
mod pace;
mod penalties;
pub mod pool;
mod prelu;
mod profile;
mod program;
mod row_norm;
mod rows;
pub mod simd;
mod single;
mod skip;
mod stock;
mod tally;
mod threads;
mod update;
mod update_ops;
mod usage;

#[cfg(test)]
mod tests;

pub(crate) use batch::Pass;
pub(crate) use chain::{Chain, Source, Storage};
pub use executor::CpuBackend;
pub(crate) use executor::CpuExecutor;
pub use fault::Fault;
#[cfg(feature = "python")]
pub(crate) use profile::is_wanted as profile_is_wanted;
pub(crate) use stock::Stock;
pub use threads::{num_threads, set_num_threads};
pub(crate) use update::apply_to_slices;
