//! How many threads to use.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What `set_num_threads` asked for; 0 for the default.
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// Threads in a region: what was asked for, or the cores this process may use (affinity, cgroup), bounded by
/// `IRONHORN_NUM_THREADS`, else by `OMP_NUM_THREADS`.
pub fn num_threads() -> usize {
    match ASKED.load(Ordering::Relaxed) {
        0 => default_threads(),
        asked => asked,
    }
}

/// Sets the number of threads from the next call into the engine on; `None` is the default.
pub fn set_num_threads(count: Option<usize>) {
    ASKED.store(count.unwrap_or(0), Ordering::Relaxed);
}

fn default_threads() -> usize {
    static DEFAULT: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *DEFAULT.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let named = |name| std::env::var(name).ok().and_then(|text| text.trim().parse::<usize>().ok());
        let bound = named("IRONHORN_NUM_THREADS").or_else(|| named("OMP_NUM_THREADS")).filter(|&n| n > 0);
        cores.min(bound.unwrap_or(cores))
    })
}
