//! Adapters and opened devices: found when first asked for, one device an adapter for the whole process.
//!
//! Nothing is opened at import, nothing is written to stderr. After a fork the child has to open its own: the parent's
//! handles are left alone there, for their threads are not.

use super::pipelines::{Pipeline, build};
use crate::backend::device::Adapter;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Runs a future that is ready at once, as wgpu's are outside of browsers.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
        std::thread::yield_now();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a process has found.
struct Found {
    process: u32,
    adapters: Vec<wgpu::Adapter>,
    opened: HashMap<usize, Arc<Gpu>>,
    _instance: wgpu::Instance,
}

static FOUND: Mutex<Option<Found>> = Mutex::new(None);

/// Calls `work` with what there is, looking for it the first time.
fn with_found<T>(work: impl FnOnce(&mut Found) -> T) -> T {
    let mut found = lock(&FOUND);
    let process = std::process::id();
    if found.as_ref().is_some_and(|f| f.process != process) {
        std::mem::forget(found.take());
    }
    work(found.get_or_insert_with(|| {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
        descriptor.flags = wgpu::InstanceFlags::empty();
        let instance = wgpu::Instance::new(descriptor);
        Found { process, adapters: adapters_of(&instance), opened: HashMap::new(), _instance: instance }
    }))
}

/// The usable adapters, real ones first; of the interfaces that show the same ones, the first.
fn adapters_of(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    use wgpu::{Backends, DeviceType};
    let mut adapters = [Backends::METAL, Backends::VULKAN, Backends::DX12]
        .into_iter()
        .map(|backends| ready(instance.enumerate_adapters(backends)))
        .find(|adapters| !adapters.is_empty())
        .unwrap_or_default();
    adapters.retain(|a| a.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS));
    adapters.sort_by_key(|adapter| match adapter.get_info().device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    });
    adapters
}

/// What is known of the adapters, in the order of their numbers.
pub fn adapters() -> Vec<Adapter> {
    with_found(|found| found.adapters.iter().map(describe).collect())
}

fn describe(adapter: &wgpu::Adapter) -> Adapter {
    use wgpu::{DeviceType, Features};
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let kind = match info.device_type {
        DeviceType::DiscreteGpu => "discrete",
        DeviceType::IntegratedGpu => "integrated",
        DeviceType::VirtualGpu => "virtual",
        DeviceType::Cpu => "software",
        DeviceType::Other => "other",
    };
    Adapter {
        name: info.name,
        kind,
        interface: info.backend.to_str().to_string(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        limits: vec![
            ("buffer_bytes", limits.max_buffer_size),
            ("binding_bytes", limits.max_storage_buffer_binding_size),
            ("bindings", limits.max_storage_buffers_per_shader_stage.into()),
            ("workgroup_invocations", limits.max_compute_invocations_per_workgroup.into()),
            ("workgroup_bytes", limits.max_compute_workgroup_storage_size.into()),
            ("workgroups", limits.max_compute_workgroups_per_dimension.into()),
        ],
        features: vec![
            ("subgroups", features.contains(Features::SUBGROUP)),
            ("shader-f16", features.contains(Features::SHADER_F16)),
        ],
    }
}

/// An opened device.
pub struct Gpu {
    /// For buffers and pipelines.
    pub device: wgpu::Device,
    /// For work.
    pub queue: wgpu::Queue,
    /// What the device can do.
    pub limits: wgpu::Limits,
    name: String,
    trouble: Arc<Mutex<Option<Error>>>,
    pipelines: Mutex<HashMap<String, Arc<Pipeline>>>,
    dispatches: AtomicU64,
    submissions: AtomicU64,
    bytes: AtomicU64,
}

/// Work done so far on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Kernels run.
    pub dispatches: u64,
    /// Batches of kernels handed to the driver.
    pub submissions: u64,
    /// Bytes of the buffers that were made.
    pub bytes: u64,
}

impl Gpu {
    /// Adapter number `index`, opened now or before.
    pub fn open(index: usize) -> Result<Arc<Self>> {
        with_found(|found| {
            if let Some(gpu) = found.opened.get(&index).filter(|gpu| gpu.check().is_ok()) {
                return Ok(gpu.clone());
            }
            let adapter = found.adapters.get(index).ok_or_else(|| missing(index, found.adapters.len()))?;
            let gpu = Arc::new(Self::new(adapter, super::limits::binding_limit()?)?);
            found.opened.insert(index, gpu.clone());
            Ok(gpu)
        })
    }

    /// Adapter number `index` opened for the caller alone, with bindings of at most so many bytes.
    pub fn open_limited(index: usize, binding_limit: u64) -> Result<Arc<Self>> {
        with_found(|found| {
            let adapter = found.adapters.get(index).ok_or_else(|| missing(index, found.adapters.len()))?;
            Ok(Arc::new(Self::new(adapter, Some(binding_limit))?))
        })
    }

    fn new(adapter: &wgpu::Adapter, binding_limit: Option<u64>) -> Result<Self> {
        let name = adapter.get_info().name;
        let limits = super::limits::lowered(adapter.limits(), binding_limit);
        let descriptor = wgpu::DeviceDescriptor { required_limits: limits.clone(), ..Default::default() };
        let (device, queue) = ready(adapter.request_device(&descriptor)).map_err(|e| {
            Error::Device(format!("{name}: the device could not be opened: {e}; use the device \"cpu\""))
        })?;
        let trouble: Arc<Mutex<Option<Error>>> = Arc::default();
        let (uncaptured, lost, called) = (trouble.clone(), trouble.clone(), name.clone());
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&uncaptured).get_or_insert(Error::Internal(format!("GPU: {error}")));
        }));
        device.set_device_lost_callback(move |reason, text| {
            // Dropping a device is no loss.
            if reason != wgpu::DeviceLostReason::Destroyed {
                let advice = "the weights of the last update are kept; use the device \"cpu\" or try again";
                *lock(&lost) = Some(Error::Device(format!("{called}: the device was lost ({text}); {advice}")));
            }
        });
        Ok(Gpu {
            device,
            queue,
            limits,
            name,
            trouble,
            pipelines: Mutex::default(),
            dispatches: AtomicU64::new(0),
            submissions: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        })
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An error if the device is lost or in disorder.
    pub fn check(&self) -> Result<()> {
        lock(&self.trouble).clone().map_or(Ok(()), Err)
    }

    /// Loses the device, for a test.
    #[cfg(test)]
    pub fn lose(&self) {
        *lock(&self.trouble) = Some(Error::Device(format!("{}: the device was lost (a test)", self.name)));
    }

    /// Runs `work`; what wgpu reports meanwhile is an error that begins with `place`.
    pub fn guarded<T>(&self, place: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
        self.check()?;
        let scopes = [Validation, OutOfMemory, Internal].map(|filter| self.device.push_error_scope(filter));
        let outcome = work();
        // In the reverse order; the first error is the cause.
        let errors: Vec<_> = scopes.into_iter().rev().filter_map(|scope| ready(scope.pop())).collect();
        self.check()?;
        match errors.into_iter().next() {
            None => outcome,
            Some(wgpu::Error::OutOfMemory { .. }) => Err(Error::Device(format!(
                "{place}: {} is out of memory; use smaller batches, less data or the device \"cpu\"",
                self.name
            ))),
            Some(wgpu::Error::Validation { description, .. }) => Err(Error::Internal(format!("GPU: {description}"))),
            Some(error) => Err(Error::Device(format!("{place}: {}: {error}; use the device \"cpu\"", self.name))),
        }
    }

    /// The pipeline of a shader; the same text is compiled once.
    pub fn pipeline(&self, shader: &str) -> Arc<Pipeline> {
        if let Some(pipeline) = lock(&self.pipelines).get(shader) {
            return pipeline.clone();
        }
        let pipeline = Arc::new(build(&self.device, shader));
        lock(&self.pipelines).entry(shader.to_string()).or_insert(pipeline).clone()
    }

    /// Counts a buffer that is made.
    pub fn count_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Hands commands over, counted.
    pub fn submit(&self, commands: wgpu::CommandBuffer, dispatches: u64) {
        self.dispatches.fetch_add(dispatches, Ordering::Relaxed);
        self.submissions.fetch_add(1, Ordering::Relaxed);
        self.queue.submit([commands]);
    }

    /// Waits until everything that was submitted is done.
    pub fn wait(&self) -> Result<()> {
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| {
            Error::Device(format!("{}: waiting for the device failed: {e}; use the device \"cpu\"", self.name))
        })?;
        self.check()
    }

    /// What has been done so far.
    pub fn counters(&self) -> Counters {
        let [dispatches, submissions, bytes] =
            [&self.dispatches, &self.submissions, &self.bytes].map(|count| count.load(Ordering::Relaxed));
        Counters { dispatches, submissions, bytes }
    }
}

fn missing(index: usize, count: usize) -> Error {
    let received = match count {
        0 => "no adapter was found: install a Vulkan, Metal or DX12 driver (on Debian without a GPU: mesa-vulkan-drivers \
              and libvulkan1)"
            .to_string(),
        1 => "there is one adapter, \"gpu:0\"".to_string(),
        _ => format!("there are {count} adapters, \"gpu:0\" to \"gpu:{}\"", count - 1),
    };
    Error::Device(format!("gpu:{index}: {received}; or use the device \"cpu\""))
}
