//! Which device a run takes place on.

use super::Backend;
use super::cpu::CpuBackend;
use crate::error::{Error, Result};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A device: written `cpu`, `gpu:0`, `gpu:1`, …; `gpu` is `gpu:0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// An adapter by its number.
    Gpu(usize),
}

/// The device that was set.
static CURRENT: Mutex<Option<Device>> = Mutex::new(None);

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Device::Cpu => write!(f, "cpu"),
            Device::Gpu(index) => write!(f, "gpu:{index}"),
        }
    }
}

impl Device {
    /// Reads a name; `place` is what the error calls it.
    pub fn parse(name: &str, place: &str) -> Result<Self> {
        let number = |rest: &str| rest.strip_prefix(':').and_then(|n| n.parse().ok());
        match name.strip_prefix("gpu") {
            Some("") => Ok(Device::Gpu(0)),
            Some(rest) if number(rest).is_some() => Ok(Device::Gpu(number(rest).unwrap_or(0))),
            _ if name == "cpu" => Ok(Device::Cpu),
            _ => Err(Error::invalid(place, "\"cpu\", \"gpu\" or \"gpu:N\"", format!("{name:?}"))),
        }
    }

    /// The device of runs that name none: the one that was set, else what `IRONHORN_DEVICE` says, else the CPU.
    pub fn current() -> Result<Self> {
        if let Some(device) = *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(device);
        }
        match std::env::var("IRONHORN_DEVICE") {
            Ok(name) if !name.is_empty() => Self::parse(&name, "IRONHORN_DEVICE"),
            _ => Ok(Device::Cpu),
        }
    }

    /// Sets it, if it is there; `None` goes back to the environment's.
    pub fn set_current(device: Option<Self>) -> Result<()> {
        if let Some(device) = device {
            device.backend()?;
        }
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = device;
        Ok(())
    }

    /// Every device with its name.
    pub fn all() -> Vec<(Self, String)> {
        let gpus = names().into_iter().enumerate().map(|(i, name)| (Device::Gpu(i), name));
        std::iter::once((Device::Cpu, format!("CPU, {}", super::cpu::simd::Level::current()))).chain(gpus).collect()
    }

    /// The driver and the limits of each GPU, as text; its number is its place.
    pub fn gpu_limits() -> Vec<String> {
        gpu_limits()
    }

    /// The backend; opens the device.
    pub fn backend(self) -> Result<Arc<dyn Backend>> {
        match self {
            Device::Cpu => Ok(Arc::new(CpuBackend::default())),
            Device::Gpu(index) => gpu(index),
        }
    }
}

#[cfg(feature = "gpu")]
fn names() -> Vec<String> {
    super::gpu::GpuBackend::names()
}

#[cfg(not(feature = "gpu"))]
fn names() -> Vec<String> {
    Vec::new()
}

#[cfg(feature = "gpu")]
fn gpu_limits() -> Vec<String> {
    super::gpu::GpuBackend::limits()
}

#[cfg(not(feature = "gpu"))]
fn gpu_limits() -> Vec<String> {
    Vec::new()
}

#[cfg(feature = "gpu")]
fn gpu(index: usize) -> Result<Arc<dyn Backend>> {
    Ok(Arc::new(super::gpu::GpuBackend::open(index)?))
}

#[cfg(not(feature = "gpu"))]
fn gpu(index: usize) -> Result<Arc<dyn Backend>> {
    let advice = "this build cannot use GPUs, since it was made without the feature `gpu`; use the device \"cpu\"";
    Err(Error::Device(format!("gpu:{index}: {advice}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices() {
        let parse = |name| Device::parse(name, "device");
        assert_eq!(
            (parse("cpu"), parse("gpu"), parse("gpu:3")),
            (Ok(Device::Cpu), Ok(Device::Gpu(0)), Ok(Device::Gpu(3)))
        );
        assert_eq!(Device::Gpu(1).to_string(), "gpu:1");
        for bad in ["", "CPU", "gpu:", "gpu:x", "gpu1", "cuda", "gpu:-1"] {
            assert!(matches!(parse(bad), Err(Error::Invalid { .. })), "{bad}");
        }
    }
}
