//! Which device a run takes place on.

use super::Backend;
use super::cpu::CpuBackend;
use crate::error::{Error, Result};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A device: written `cpu`, `gpu:0`, `gpu:1`, …; `gpu` is `gpu:0`. Or the wish for the quickest, `auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// An adapter by its number.
    Gpu(usize),
    /// Whichever is measured to be quicker, see `model/choice.rs`.
    Auto,
}

/// What a driver says of an adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    /// The adapter's name.
    pub name: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: &'static str,
    /// The interface: `vulkan`, `metal` or `dx12`.
    pub interface: String,
    /// The driver's name and version.
    pub driver: String,
    /// How large things may be: a buffer, what of it is bound to a kernel, a workgroup, and so on.
    pub limits: Vec<(&'static str, u64)>,
    /// Features that variants of the kernels could use, and whether the adapter has them.
    pub features: Vec<(&'static str, bool)>,
}

impl Adapter {
    /// Whether the processor does the work of a GPU.
    pub fn is_software(&self) -> bool {
        self.kind == "software"
    }
}

/// The version of wgpu, which drives the adapters; `None` without the feature `gpu`.
pub const WGPU: Option<&str> = if cfg!(feature = "gpu") { Some("30.0.1") } else { None };

/// The device that was set.
static CURRENT: Mutex<Option<Device>> = Mutex::new(None);

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Device::Cpu => write!(f, "cpu"),
            Device::Gpu(index) => write!(f, "gpu:{index}"),
            Device::Auto => write!(f, "auto"),
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
            _ if name == "auto" => Ok(Device::Auto),
            _ => Err(Error::invalid(place, "\"cpu\", \"gpu\", \"gpu:N\" or \"auto\"", format!("{name:?}"))),
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
        if let Some(device) = device.filter(|device| *device != Device::Auto) {
            device.backend()?;
        }
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = device;
        Ok(())
    }

    /// Every device with its name.
    pub fn all() -> Vec<(Self, String)> {
        let gpus = adapters().into_iter().enumerate().map(|(i, adapter)| (Device::Gpu(i), adapter.name));
        std::iter::once((Device::Cpu, format!("CPU, {}", super::cpu::simd::Level::current()))).chain(gpus).collect()
    }

    /// What is known of each adapter without opening it; its number is its place.
    pub fn adapters() -> Vec<Adapter> {
        adapters()
    }

    /// The backend; opens the device.
    pub fn backend(self) -> Result<Arc<dyn Backend>> {
        match self {
            Device::Cpu => Ok(Arc::new(CpuBackend::default())),
            Device::Gpu(index) => gpu(index),
            Device::Auto => {
                Err(Error::State("device \"auto\": expected a model, for which the quickest is measured".into()))
            }
        }
    }
}

#[cfg(feature = "gpu")]
fn adapters() -> Vec<Adapter> {
    super::gpu::GpuBackend::adapters()
}

#[cfg(not(feature = "gpu"))]
fn adapters() -> Vec<Adapter> {
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
        assert_eq!(parse("auto"), Ok(Device::Auto));
        assert_eq!(Device::Gpu(1).to_string(), "gpu:1");
        for bad in ["", "CPU", "gpu:", "gpu:x", "gpu1", "cuda", "gpu:-1", "Auto"] {
            assert!(matches!(parse(bad), Err(Error::Invalid { .. })), "{bad}");
        }
    }

    #[test]
    fn the_version_of_wgpu_is_the_one_that_is_built() {
        let lock = include_str!("../../Cargo.lock");
        let entry = lock.split("[[package]]").find(|entry| entry.contains("name = \"wgpu\"\n")).unwrap();
        assert!(WGPU.is_none_or(|version| entry.contains(&format!("version = \"{version}\""))), "{entry}");
    }
}
