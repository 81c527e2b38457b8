//! Epochs: a counter of the engine, and deadlines of stores in it. Code has no checks for them: when the counter moves on,
//! the stores whose deadline is reached are interrupted, as an [`InterruptHandle`](crate::InterruptHandle) does it.

use crate::threads::fork::Mutex;
use crate::threads::interrupt::InterruptHandle;
use crate::threads::words::VmStore;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// The bit of a store's pending flag that a reached deadline sets.
pub const DEADLINE: u32 = 2;

/// The epoch of an engine, and the stores that have had a deadline.
#[derive(Debug, Default)]
pub struct Epochs {
    now: AtomicU64,
    /// Every change is one call of a collection: a panic leaves it whole.
    watched: Mutex<Vec<Weak<VmStore>>>,
}

impl Epochs {
    /// The epoch.
    pub fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    /// The next epoch begins: stores whose deadline that is are interrupted.
    pub fn increment(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        let mut watched = self.watched.lock_sound();
        watched.retain(|store| store.strong_count() > 0);
        for store in watched.iter().filter_map(Weak::upgrade) {
            let is_due = store.deadline.load(Ordering::SeqCst) <= now;
            if is_due && store.pending.load(Ordering::SeqCst) & DEADLINE == 0 {
                InterruptHandle::new(&store).interrupt_with(DEADLINE);
            }
        }
    }

    /// Watches a store that has a deadline from now on.
    pub fn watch(&self, store: &Arc<VmStore>) {
        let mut watched = self.watched.lock_sound();
        watched.retain(|store| store.strong_count() > 0);
        watched.push(Arc::downgrade(store));
    }
}
