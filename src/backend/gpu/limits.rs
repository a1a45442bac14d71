//! A lower limit than the adapter's, to see on any machine what a small device does.

use crate::error::{Error, Result};

/// The variable that lowers the limit of every device of the process.
const VARIABLE: &str = "IRONHORN_GPU_BINDING_LIMIT";

/// Bytes that every device can bind: records of steps and results of a block of rows need as much.
const LEAST: u64 = 1 << 14;

/// What the environment says: bytes that a kernel sees of one buffer at most.
pub fn binding_limit() -> Result<Option<u64>> {
    match std::env::var(VARIABLE) {
        Ok(text) if !text.is_empty() => match text.parse() {
            Ok(limit) if limit >= LEAST => Ok(Some(limit)),
            _ => Err(Error::invalid(VARIABLE, format!("a number of bytes, {LEAST} or more"), format!("{text:?}"))),
        },
        _ => Ok(None),
    }
}

/// Limits with this one for bindings, if it is lower.
pub fn lowered(limits: wgpu::Limits, binding_limit: Option<u64>) -> wgpu::Limits {
    let own = limits.max_storage_buffer_binding_size;
    // A multiple of 4, as WebGPU wants it.
    let max_storage_buffer_binding_size = binding_limit.map_or(own, |limit| own.min(limit.max(LEAST) / 4 * 4));
    wgpu::Limits { max_storage_buffer_binding_size, ..limits }
}
