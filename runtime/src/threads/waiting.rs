//! Waiting and waking on addresses of a shared memory: `memory.atomic.wait32`, `wait64` and `notify`.
//!
//! ```text
//! wait:      lock list ─ value differs? ─ enter queue ─┬─ woken: `notify` took it from the queue
//!                                                      ├─ time up: leaves the queue
//!                                                      └─ store interrupted: leaves the queue
//! interrupt: set the store's pending flag ─ find in the store what its thread waits for ─ lock list ─ wake the thread
//! ```
//! A waiter looks at the pending flag only while it holds the list, so no interruption falls between look and sleep.

use crate::threads::sync::{AtomicBool, Condvar, Mutex, MutexGuard, PoisonError};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Why a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum WaitResult {
    /// Woken by a notification.
    Ok = 0,
    /// The value was another one: there was no wait.
    Mismatch = 1,
    /// The time was up.
    TimedOut = 2,
}

/// The value that is to be found where a wait begins.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// Of `wait32`.
    I32(u32),
    /// Of `wait64`.
    I64(u64),
}

impl Expected {
    /// Size of the value.
    pub const fn width_bytes(self) -> usize {
        match self {
            Self::I32(_) => 4,
            Self::I64(_) => 8,
        }
    }
}

/// For each address a queue, the longest waiting first.
pub type Queues = HashMap<u64, VecDeque<Arc<Waiter>>>;

/// The threads that wait on a memory. No queue is empty. Between the calls of the map and its queues that make a change nothing can
/// panic, so that the lock is taken whether poisoned or not.
#[derive(Default)]
pub struct WaitList(Mutex<Queues>);

/// A thread that waits.
#[derive(Default)]
pub struct Waiter {
    woken: AtomicBool,
    wake: Condvar,
}

impl Waiter {
    /// Has the thread look again. The caller holds the list's lock.
    pub fn wake(&self) {
        self.wake.notify_all();
    }
}

/// What can be interrupted while its thread waits.
pub trait Sleeper {
    /// What its thread waits for from now on, so that an interruption finds it.
    fn sleeps(&self, on: Option<(Arc<WaitList>, Arc<Waiter>)>);
    /// Whether it is interrupted.
    fn is_interrupted(&self) -> bool;
}

impl WaitList {
    /// The queues, which stay as they are as long as this is held. Nobody asks for another lock meanwhile.
    pub fn queues(&self) -> MutexGuard<'_, Queues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes up to `count` of those that wait at `address`; returns how many.
    pub fn notify(&self, address: u64, count: u32) -> u32 {
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(&address) else { return 0 };
        let woken = queue.len().min(count as usize);
        for waiter in queue.drain(..woken) {
            waiter.woken.store(true, Ordering::Relaxed);
            waiter.wake.notify_all();
        }
        if queue.is_empty() {
            queues.remove(&address);
        }
        woken as u32
    }

    /// Waits at `address` unless the value there `differs`. A wait that an interruption ends gives
    /// [`WaitResult::TimedOut`]; the way back into wasm ends the store's run.
    pub fn wait(
        self: &Arc<Self>,
        address: u64,
        differs: impl FnOnce() -> bool,
        timeout: Option<Duration>,
        store: Option<&dyn Sleeper>,
    ) -> WaitResult {
        // A deadline that no clock reaches is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let waiter = Arc::new(Waiter::default());
        if let Some(store) = store {
            store.sleeps(Some((self.clone(), waiter.clone())));
        }
        let result = self.wait_in_queue(address, &waiter, differs, deadline, store);
        if let Some(store) = store {
            store.sleeps(None);
        }
        result
    }

    fn wait_in_queue(
        &self,
        address: u64,
        waiter: &Arc<Waiter>,
        differs: impl FnOnce() -> bool,
        deadline: Option<Instant>,
        store: Option<&dyn Sleeper>,
    ) -> WaitResult {
        // Under the lock: a thread that changes the value and then notifies finds this one in the queue, or changed it before.
        let mut queues = self.queues();
        if differs() {
            return WaitResult::Mismatch;
        }
        queues.entry(address).or_default().push_back(waiter.clone());
        loop {
            if waiter.woken.load(Ordering::Relaxed) {
                return WaitResult::Ok;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let interrupted = store.is_some_and(|store| store.is_interrupted());
            if interrupted || left.is_some_and(|left| left.is_zero()) {
                leave(&mut queues, address, waiter);
                return WaitResult::TimedOut;
            }
            queues = match left {
                Some(left) => waiter.wake.wait_timeout(queues, left).unwrap_or_else(PoisonError::into_inner).0,
                None => waiter.wake.wait(queues).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

fn leave(queues: &mut Queues, address: u64, waiter: &Arc<Waiter>) {
    let queue = queues.get_mut(&address).expect("a waiter that is not woken is in its queue");
    queue.retain(|other| !Arc::ptr_eq(other, waiter));
    if queue.is_empty() {
        queues.remove(&address);
    }
}
