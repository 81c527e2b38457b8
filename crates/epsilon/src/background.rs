//! Workers that compile ahead of the guests. They begin with the module where nothing of it was kept, else with the
//! first call of a function that was not there; a guest that calls only what was linked at its start needs none of them.
//!
//! What they take first, is what a guest will call after what it is about to call: the first callee of the function
//! that was called last is compiled by the guest's thread itself, and both would wait for each other over it.

use crate::source::ModuleSource;
use epsilon_abi::DefinedFuncIndex;
use epsilon_runtime::{ErrorKind, ForkGuard, ForkMutex, LinkedModule, panic_message};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, Weak};

/// Functions of a module in the order in which they are likely to be called. A hint: whatever a panic left of it serves, so
/// that the lock is taken whether poisoned or not.
#[derive(Debug, Default)]
pub struct Likely(ForkMutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    /// Callees of functions that were called. The last one is the likeliest.
    soon: Vec<DefinedFuncIndex>,
    /// Callees of functions that were compiled ahead. The first one is the likeliest.
    later: VecDeque<DefinedFuncIndex>,
}

impl Likely {
    /// Adds the callees of a function that is called now, in the order of their calls.
    pub fn add_soon(&self, callees: impl DoubleEndedIterator<Item = DefinedFuncIndex>) {
        let mut queue = self.lock();
        let before = queue.soon.len();
        queue.soon.extend(callees.rev());
        // The first callee goes behind its siblings: the caller's thread is on its way to it.
        let added = &mut queue.soon[before..];
        added.rotate_right(1.min(added.len()));
    }

    /// Adds the callees of a function that was compiled ahead.
    pub fn add_later(&self, callees: impl Iterator<Item = DefinedFuncIndex>) {
        self.lock().later.extend(callees);
    }

    pub fn take(&self) -> Option<DefinedFuncIndex> {
        let mut queue = self.lock();
        queue.soon.pop().or_else(|| queue.later.pop_front())
    }

    fn lock(&self) -> ForkGuard<MutexGuard<'_, Queue>> {
        self.0.lock_sound()
    }
}

/// A module that still has functions without code. Holds nothing of it: the source, which the module owns, leads back to
/// those who have the job.
struct Job {
    module: Weak<LinkedModule>,
    source: Weak<ModuleSource>,
    next: AtomicUsize,
}

impl Job {
    /// Compiles one function. Whether there may be more to do.
    fn go_on(&self) -> bool {
        let Some(module) = self.module.upgrade() else { return false };
        self.next(&module).is_some_and(|index| compile_ahead(&module, index))
    }

    /// The next function to compile; `None` when all have code.
    fn next(&self, module: &LinkedModule) -> Option<DefinedFuncIndex> {
        let source = self.source.upgrade()?;
        while let Some(index) = source.likely.take() {
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

/// The process that something was made in.
pub struct Process(u32);

impl Default for Process {
    fn default() -> Self {
        Self(std::process::id())
    }
}

impl Process {
    /// Whether this is it, rather than a child made by `fork`.
    pub fn is_this(&self) -> bool {
        self.0 == std::process::id()
    }
}

/// What worker threads share with the threads that give them work.
#[derive(Default)]
pub struct Shared {
    started: OnceLock<()>,
    /// Changes are single calls of the queue, which no panic leaves half-done: the lock is taken whether poisoned or not.
    jobs: Mutex<VecDeque<Arc<Job>>>,
    wake: Condvar,
    ended: AtomicBool,
    /// The process that the workers are in. A child made by `fork` has none of them, and may find the lock taken by one.
    process: Process,
    /// How many of them there are to be, if that was said.
    workers: Option<usize>,
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
            let goes_on = guarded(|| job.module.upgrade(), "compiled ahead", || job.go_on());
            if goes_on != Some(true) {
                self.jobs().retain(|other| !Arc::ptr_eq(other, &job));
            }
        }
    }
}

/// Does a worker's `work` on a module. A panic ends neither the worker, which others need, nor goes by unnoticed: the module
/// says so from then on.
pub fn guarded<R>(
    module: impl FnOnce() -> Option<Arc<LinkedModule>>,
    what: &str,
    work: impl FnOnce() -> R,
) -> Option<R> {
    let panic = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => return Some(result),
        Err(panic) => panic,
    };
    if let Some(module) = module() {
        module.fail(&format!("a thread that {what} panicked ({})", panic_message(&*panic)));
    }
    None
}

/// Compiles a function that may be called. Whether to go on with the module.
fn compile_ahead(module: &Arc<LinkedModule>, index: DefinedFuncIndex) -> bool {
    match module.materialise_ahead(index) {
        Ok(()) => true,
        // There is no room for more code: what is left of it belongs to functions that are called.
        Err(error) if matches!(error.kind(), ErrorKind::Limit(_)) => false,
        // A function that cannot be compiled is an error for the thread that calls it. If the compiler panicked, the module
        // is broken, and says so to all that use it; there is nothing left to do for it here.
        Err(_) => module.check().is_ok(),
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
    /// So many; as many as there are processors to spare, if that is not said.
    pub fn new(workers: Option<usize>) -> Self {
        Self { shared: Arc::new(Shared { workers, ..Shared::default() }) }
    }

    /// What gives them work.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Shared {
    /// Lets the workers compile a module's functions.
    pub fn add(self: &Arc<Self>, module: &Arc<LinkedModule>, source: &Arc<ModuleSource>) {
        if module.info().defined_functions() < MIN_FUNCTIONS || !self.process.is_this() {
            return;
        }
        if self.workers == Some(0) {
            return;
        }
        self.started.get_or_init(|| {
            let workers = self.clone();
            spawn(self.workers, 0, Arc::new(move || workers.work()));
        });
        let job = Job { module: Arc::downgrade(module), source: Arc::downgrade(source), next: AtomicUsize::new(0) };
        self.jobs().push_back(Arc::new(job));
        self.wake.notify_all();
    }
}

/// Starts so many workers, or one for each processor but the one that the guest runs on, and `at_least` so many. The first
/// worker starts the others: asking how many processors there are takes longer than starting a thread.
pub fn spawn(workers: Option<usize>, at_least: usize, work: Arc<dyn Fn() + Send + Sync>) {
    let start = |n: usize, work: Box<dyn FnOnce() + Send>| {
        let thread = std::thread::Builder::new().name(format!("epsilon-compile-{n}"));
        // Without workers, functions are compiled when they are called, and stay as they are.
        drop(thread.spawn(work));
    };
    let first = move || {
        let spare = || epsilon_compiler::thread_count() - 1;
        let count = workers.unwrap_or_else(|| spare().max(at_least));
        for n in 1..count {
            let work = work.clone();
            start(n + 1, Box::new(move || work()));
        }
        if count > 0 {
            work();
        }
    };
    start(1, Box::new(first));
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        if !self.shared.process.is_this() {
            return;
        }
        // Under the lock, so that no worker is between looking and waiting.
        let _jobs = self.shared.jobs();
        self.shared.wake.notify_all();
    }
}

impl std::fmt::Debug for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let jobs = self.shared.jobs.try_lock().map(|jobs| jobs.len());
        f.debug_struct("Workers").field("jobs", &jobs.ok()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_after_the_next_call_comes_first() {
        let likely = Likely::default();
        let add = |callees: &[u32]| likely.add_soon(callees.iter().copied().map(DefinedFuncIndex));
        add(&[1, 2, 3]);
        likely.add_later([8, 9].into_iter().map(DefinedFuncIndex));
        add(&[4]);
        add(&[5, 6]);
        let order: Vec<u32> = std::iter::from_fn(|| likely.take()).map(|index| index.0).collect();
        assert_eq!(order, [6, 5, 4, 2, 3, 1, 8, 9]);
    }
}
