//! Regions: several threads in one piece of work, with the caller as worker 0.
//!
//! One rayon pool a process, built when first needed and built anew after `fork` (its threads do not survive one).
//! A region takes the whole pool or, when another region has it, runs on the caller alone: results do not depend
//! on the number of threads, so nothing ever waits for the pool. Barriers spin a little, then yield; a panic in any
//! worker poisons the barrier, so that nobody waits for ever, and comes out of [`region`] as an error.

use crate::error::{Error, Result};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

/// A worker's place in a region.
pub struct Worker<'a> {
    /// 0 for the caller.
    pub index: usize,
    /// Workers in the region.
    pub threads: usize,
    barrier: &'a Barrier,
}

impl Worker<'_> {
    /// Waits until every worker is here.
    #[inline]
    pub fn wait(&self) {
        if self.threads > 1 {
            self.barrier.wait(self.threads);
        }
    }

    /// The worker of a region of one.
    pub fn alone() -> Worker<'static> {
        static NEVER: Barrier = Barrier::new();
        Worker { index: 0, threads: 1, barrier: &NEVER }
    }
}

/// What a poisoned barrier unwinds with; never reported as the cause.
struct Poisoned;

struct Barrier {
    arrived: AtomicUsize,
    generation: AtomicUsize,
    poisoned: AtomicBool,
}

impl Barrier {
    const fn new() -> Self {
        Barrier { arrived: AtomicUsize::new(0), generation: AtomicUsize::new(0), poisoned: AtomicBool::new(false) }
    }

    #[inline]
    fn wait(&self, threads: usize) {
        /// About ten microseconds: longer than a well balanced stage, shorter than a time slice.
        const SPINS: u32 = 4_000;
        let generation = self.generation.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == threads {
            self.arrived.store(0, Ordering::Relaxed);
            self.generation.store(generation.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut spins = 0;
        while self.generation.load(Ordering::Acquire) == generation {
            if self.poisoned.load(Ordering::Relaxed) {
                resume_unwind(Box::new(Poisoned));
            }
            if spins < SPINS {
                spins += 1;
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

struct Pool {
    process: u32,
    threads: rayon::ThreadPool,
    taken: Mutex<()>,
}

/// The pool of this process. Replaced without a lock: a lock could be held by a thread that `fork` left behind.
static POOL: AtomicPtr<Pool> = AtomicPtr::new(std::ptr::null_mut());

/// The pool, with at least `helpers` threads; `None` when threads cannot be started.
fn pool(helpers: usize) -> Option<&'static Pool> {
    loop {
        let current = POOL.load(Ordering::Acquire);
        // SAFETY: pools are leaked, never freed, so a pointer once stored stays valid.
        let known = unsafe { current.as_ref() };
        if let Some(pool) = known
            && pool.process == std::process::id()
            && pool.threads.current_num_threads() >= helpers
        {
            return Some(pool);
        }
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(helpers)
            .thread_name(|i| format!("ironhorn-{}", i + 1))
            .build()
            .ok()?;
        let fresh = Box::into_raw(Box::new(Pool { process: std::process::id(), threads, taken: Mutex::new(()) }));
        if POOL.compare_exchange(current, fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: `fresh` came from `Box::into_raw` above and nobody else saw it.
            drop(unsafe { Box::from_raw(fresh) });
        }
        // The old pool is leaked: after a fork its threads are gone, and a grown pool is rare and small.
    }
}

/// Runs `body` on up to `threads` workers and waits for all of them.
///
/// Fewer workers take part when another region runs; `body` must therefore divide its work by `Worker::threads`.
pub fn region(threads: usize, body: impl Fn(&Worker) + Sync) -> Result<()> {
    let barrier = Barrier::new();
    let failure: Mutex<Option<Box<dyn Any + Send>>> = Mutex::new(None);
    let work = |index: usize, threads: usize| {
        let worker = Worker { index, threads, barrier: &barrier };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| {
            fault::check(if index == 0 { fault::CALLER } else { fault::WORKER });
            body(&worker);
        })) {
            barrier.poisoned.store(true, Ordering::Relaxed);
            let mut first = failure.lock().unwrap_or_else(PoisonError::into_inner);
            if first.is_none() && !payload.is::<Poisoned>() {
                *first = Some(payload);
            }
        }
    };
    let pool = if threads > 1 { pool(threads - 1) } else { None };
    let taken = pool.and_then(|p| match p.taken.try_lock() {
        Ok(guard) => Some((p, guard)),
        Err(TryLockError::Poisoned(guard)) => Some((p, guard.into_inner())),
        Err(TryLockError::WouldBlock) => None,
    });
    match &taken {
        Some((pool, _)) => pool.threads.in_place_scope(|scope| {
            for index in 1..threads {
                let work = &work;
                scope.spawn(move |_| work(index, threads));
            }
            work(0, threads);
        }),
        None => work(0, 1),
    }
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        None => Ok(()),
        Some(payload) => Err(Error::Internal(message(payload.as_ref()))),
    }
}

/// The text of a panic.
pub fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| s.to_string());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a text".into())
}

/// Panics on demand, so that the tests can see what one does.
pub mod fault {
    use std::sync::atomic::{AtomicU8, Ordering};

    /// The caller of a region.
    pub const CALLER: u8 = 1;
    /// Any other worker of a region.
    pub const WORKER: u8 = 2;
    static NEXT: AtomicU8 = AtomicU8::new(0);

    /// The next visit to `site` panics, once.
    pub fn inject(site: u8) {
        NEXT.store(site, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn check(site: u8) {
        if NEXT.load(Ordering::Relaxed) == site
            && NEXT.compare_exchange(site, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            panic!("a panic injected by a test");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn barriers_order_the_workers() {
        for threads in [1, 2, 3, 5] {
            let count = AtomicUsize::new(0);
            region(threads, |worker| {
                for round in 1..=200 {
                    count.fetch_add(1, Ordering::Relaxed);
                    worker.wait();
                    assert_eq!(count.load(Ordering::Relaxed), round * worker.threads);
                    worker.wait();
                }
            })
            .unwrap();
        }
    }

    #[test]
    fn a_panic_in_any_worker_is_an_error_and_the_next_region_works() {
        for culprit in 0..3 {
            let outcome = region(3, |worker| {
                if worker.index == culprit.min(worker.threads - 1) {
                    panic!("worker {culprit} fell");
                }
                worker.wait();
            });
            assert!(matches!(outcome, Err(Error::Internal(text)) if text.contains("fell")));
            region(3, |worker| worker.wait()).unwrap();
        }
    }

    #[test]
    fn regions_at_the_same_time_do_not_wait_for_each_other() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        region(3, |worker| (0..10).for_each(|_| worker.wait())).unwrap();
                    }
                });
            }
        });
    }
}
