//! Threads of WASI (`wasi-threads`): `wasi.thread-spawn`, which starts an instance of the same module, with the same
//! memory, in a store and on a thread of its own.
//!
//! ```text
//! running ── the main thread returns or fails ──┐
//!    └────── any thread exits or traps ─────────┴─► ended ── all others interrupted ── none left ──► `finish` returns
//! ```
//! However the guest ends first is how it ends: what interrupted threads say afterwards does not count.

use crate::world::interrupt::Interrupt;
use epsilon::{Caller, Error, ErrorKind, InstancePre, InterruptHandle, Linker, Result, Store};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What a module exports for its threads to begin in.
const START: &str = "wasi_thread_start";

/// The module and name of the import.
const SPAWN: (&str, &str) = ("wasi", "thread-spawn");

/// The largest thread id, by the proposal: the bits above are for the guest's own use.
const MAX_ID: i32 = 0x1fff_ffff;

/// The host's stack of a thread.
const HOST_STACK_BYTES: usize = 2 << 20;

/// More threads than this at once are refused, unless configured.
const DEFAULT_LIMIT: usize = 1024;

/// The threads of one guest. Clones are the same threads; `T` is the data of their stores, which each gets a clone of.
pub struct Threads<T: 'static>(Arc<Shared<T>>);

/// What is done to the store of each thread before it runs.
type Configure<T> = Box<dyn Fn(&mut Store<T>) + Send + Sync>;

struct Shared<T: 'static> {
    configure: Configure<T>,
    interrupt: Interrupt,
    limit: usize,
    state: Mutex<State<T>>,
    thread_ended: Condvar,
}

struct State<T: 'static> {
    /// What threads run; there is none before `begin` and after `finish`.
    module: Option<InstancePre<T>>,
    /// Stores of threads that run; the main thread's is 0.
    running: HashMap<i32, InterruptHandle>,
    next_id: i32,
    /// How the guest has ended, once it has.
    end: Option<Result<()>>,
}

impl<T: 'static> Clone for Threads<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: 'static> std::fmt::Debug for Threads<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Threads").field("running", &self.0.state().running.keys()).finish_non_exhaustive()
    }
}

/// Defines `wasi.thread-spawn`. `get` finds the guest's threads in a store's data.
///
/// # Errors
/// If the name is defined already.
pub fn add_threads_to_linker<T: Clone + Send + 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&T) -> &Threads<T> + Send + Sync + 'static,
) -> Result<()> {
    let spawn = move |caller: Caller<'_, T>, argument: i32| get(caller.data()).clone().spawn(caller.data(), argument);
    linker.func_wrap(SPAWN.0, SPAWN.1, spawn).map(drop)
}

impl<T: 'static> Threads<T> {
    /// No threads yet. `configure` is called on each thread's store, for limits; `interrupt` is the flag of the guest's
    /// context, which ends calls that wait.
    pub fn new(interrupt: Interrupt, configure: impl Fn(&mut Store<T>) + Send + Sync + 'static) -> Self {
        let state = State { module: None, running: HashMap::new(), next_id: 1, end: None };
        Self(Arc::new(Shared {
            configure: Box::new(configure),
            interrupt,
            limit: DEFAULT_LIMIT,
            state: Mutex::new(state),
            thread_ended: Condvar::new(),
        }))
    }

    /// Lets threads be started: instances of `module`, with its memory already looked up. `main` is the store of the
    /// main thread.
    pub fn begin(&self, module: InstancePre<T>, main: &Store<T>) {
        let mut state = self.0.state();
        state.module = Some(module);
        state.running.insert(0, main.interrupt_handle());
    }

    /// Ends the guest as the main thread has ended, unless another thread ended it before; waits until all threads are
    /// gone; and returns how the guest ended.
    ///
    /// # Errors
    /// The error of the thread that ended the guest.
    pub fn finish(&self, main: Result<()>) -> Result<()> {
        self.0.end_guest(0, main);
        self.0.forget(0);
        let mut state = self.0.state();
        while !state.running.is_empty() {
            state = self.0.thread_ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.module = None;
        self.0.interrupt.clear();
        state.end.take().unwrap_or(Ok(()))
    }
}

impl<T: Clone + Send + 'static> Threads<T> {
    /// Starts a thread; returns its id, or a negative number if there can be none. Its stacks count in full against what
    /// the engine may take: the guest can use them up.
    fn spawn(self, data: &T, argument: i32) -> i32 {
        let mut state = self.0.state();
        let Some(module) = state.module.clone().filter(|_| state.end.is_none()) else { return -1 };
        if state.running.len() >= self.0.limit {
            return -1;
        }
        let engine = module.module().engine();
        let stacks = engine.reserve_memory(HOST_STACK_BYTES + engine.max_wasm_stack(), "stacks of threads");
        let Ok(stacks) = stacks else { return -1 };
        let id = state.free_id();
        let mut store = Store::new(engine, data.clone());
        (self.0.configure)(&mut store);
        state.running.insert(id, store.interrupt_handle());
        drop(state);
        let threads = self.clone();
        let run = move || {
            let end = run_thread(&module, &mut store, id, argument);
            // The store first, so that nothing of a thread is left when it counts as gone; which it does even if the
            // embedder's data panics on its way, because others wait for that.
            let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(store)));
            let panicked = |_| panicked("dropping its store's data");
            if let Err(error) = end.and(dropped.map_err(panicked)) {
                threads.0.end_guest(id, Err(error));
            }
            drop(stacks);
            threads.0.forget(id);
        };
        let thread = std::thread::Builder::new().name(format!("guest {id}")).stack_size(HOST_STACK_BYTES);
        match thread.spawn(run) {
            Ok(_) => id,
            Err(_) => {
                self.0.forget(id);
                -1
            }
        }
    }
}

/// Runs a thread to its end.
fn run_thread<T: 'static>(module: &InstancePre<T>, store: &mut Store<T>, id: i32, argument: i32) -> Result<()> {
    let run = || {
        let instance = module.instantiate(&mut *store)?;
        instance.get_typed_func::<(i32, i32), ()>(&mut *store, START)?.call(&mut *store, (id, argument))
    };
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    caught.unwrap_or_else(|_| Err(panicked("a host function")))
}

/// What a panic on a thread of the guest's ends the guest with. What it said is on the error stream.
fn panicked(what: &str) -> Error {
    Error::new(ErrorKind::Misuse(format!("{what} panicked on a thread of the guest")))
}

impl<T> Shared<T> {
    /// Changes are single calls of the map or assignments, and no embedder's code runs between them but `configure`, before
    /// any: no panic leaves anything half-done.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the guest as thread `by` has ended, unless it has ended: all other threads are interrupted.
    fn end_guest(&self, by: i32, end: Result<()>) {
        let mut state = self.state();
        if state.end.is_none() {
            state.end = Some(end);
            if state.running.len() > 1 {
                self.interrupt.set();
                let others = state.running.iter().filter(|(id, _)| **id != by);
                others.for_each(|(_, handle)| handle.interrupt());
            }
        }
    }

    fn forget(&self, id: i32) {
        self.state().running.remove(&id);
        self.thread_ended.notify_all();
    }
}

impl<T> State<T> {
    /// An id that no running thread has.
    fn free_id(&mut self) -> i32 {
        loop {
            let id = self.next_id;
            self.next_id = if id == MAX_ID { 1 } else { id + 1 };
            if !self.running.contains_key(&id) {
                return id;
            }
        }
    }
}
