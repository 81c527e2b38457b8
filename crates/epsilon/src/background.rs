//! Workers that compile ahead of the guests: what was called last calls its callees next. They begin with the first
//! call of a function that was not there; a guest that calls only what was linked at its start needs none of them.

use crate::source::ModuleSource;
use epsilon_abi::DefinedFuncIndex;
use epsilon_runtime::{Demand, LinkedModule};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, Weak};

/// Functions of a module in the order in which they are likely to be called. The last one added is the likeliest.
#[derive(Debug, Default)]
pub struct Likely(Mutex<Vec<DefinedFuncIndex>>);

impl Likely {
    /// Adds functions; the first of them is the likeliest.
    pub fn add(&self, functions: impl DoubleEndedIterator<Item = DefinedFuncIndex>) {
        self.lock().extend(functions.rev());
    }

    fn take(&self) -> Option<DefinedFuncIndex> {
        self.lock().pop()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<DefinedFuncIndex>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A module that still has functions without code.
struct Job {
    module: Weak<LinkedModule>,
    source: Arc<ModuleSource>,
    next: AtomicUsize,
}

impl Job {
    /// The next function to compile; `None` when all have code.
    fn next(&self, module: &LinkedModule) -> Option<DefinedFuncIndex> {
        while let Some(index) = self.source.likely.take() {
            if !module.is_linked(index) {
                return Some(index);
            }
        }
        loop {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            if n >= module.info().defined_functions() {
                return None;
            }
            let index = DefinedFuncIndex::new(n);
            if !module.is_linked(index) {
                return Some(index);
            }
        }
    }
}

/// What worker threads share with those who give them work.
#[derive(Default)]
pub struct Shared {
    started: OnceLock<()>,
    jobs: Mutex<VecDeque<Arc<Job>>>,
    wake: Condvar,
    ended: AtomicBool,
}

impl Shared {
    fn jobs(&self) -> MutexGuard<'_, VecDeque<Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits for a module with work left; `None` when the engine is gone. All workers share the first one.
    fn first_job(&self) -> Option<Arc<Job>> {
        let mut jobs = self.jobs();
        loop {
            if self.ended.load(Ordering::Acquire) {
                return None;
            }
            if let Some(job) = jobs.front() {
                return Some(job.clone());
            }
            jobs = self.wake.wait(jobs).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    fn work(&self) {
        while let Some(job) = self.first_job() {
            let module = job.module.upgrade();
            let next = module.as_ref().and_then(|module| job.next(module));
            match (module, next) {
                // A function that cannot be compiled is an error for whoever calls it.
                (Some(module), Some(index)) => drop(module.materialise(index, Demand::Background)),
                _ => self.jobs().retain(|other| !Arc::ptr_eq(other, &job)),
            }
        }
    }
}

/// An engine's worker threads. They start with the first module, and end with the engine.
#[derive(Default)]
pub struct Workers {
    shared: Arc<Shared>,
}

/// Below this many functions, calling them compiles them soon enough.
const MIN_FUNCTIONS: usize = 8;

impl Workers {
    /// What gives them work.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Shared {
    /// Lets the workers compile a module's functions.
    pub fn add(self: &Arc<Self>, module: &Arc<LinkedModule>, source: Arc<ModuleSource>) {
        if module.info().defined_functions() < MIN_FUNCTIONS {
            return;
        }
        self.started.get_or_init(|| self.start());
        let job = Job { module: Arc::downgrade(module), source, next: AtomicUsize::new(0) };
        self.jobs().push_back(Arc::new(job));
        self.wake.notify_all();
    }

    fn start(self: &Arc<Self>) {
        let processors = std::thread::available_parallelism().map_or(1, |n| n.get());
        for n in 1..processors {
            let shared = self.clone();
            let thread = std::thread::Builder::new().name(format!("epsilon-compile-{n}"));
            // Without workers, functions are compiled when they are called.
            drop(thread.spawn(move || shared.work()));
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        // Under the lock, so that no worker is between looking and waiting.
        let _jobs = self.shared.jobs();
        self.shared.wake.notify_all();
    }
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workers").field("jobs", &self.shared.jobs().len()).finish()
    }
}
