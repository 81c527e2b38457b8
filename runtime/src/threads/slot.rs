//! What a store's thread waits for: its place among the words of the store.

use crate::threads::fork;
use crate::threads::sync::{Mutex, PoisonError};
use crate::threads::waiting::{WaitList, Waiter};
use std::sync::Arc;

/// What a store's thread waits for, so that an interruption finds it. One assignment changes it, which no panic leaves
/// half-done.
#[derive(Default)]
pub struct WaitSlot(Mutex<Option<(Arc<WaitList>, Arc<Waiter>)>>);

impl WaitSlot {
    /// Wakes the thread that waits, after the pending flag has been set.
    pub fn interrupt(&self) {
        let waiting = {
            let _held_off = fork::hold_off();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
        };
        if let Some((list, waiter)) = waiting {
            let _queues = list.queues();
            waiter.wake();
        }
    }

    /// Notes what the thread waits for, or that it does not.
    pub fn set(&self, waiting: Option<(Arc<WaitList>, Arc<Waiter>)>) {
        let _held_off = fork::hold_off();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
    }
}
