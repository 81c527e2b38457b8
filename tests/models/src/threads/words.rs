//! The words of a store that other threads use.

use crate::threads::slot::WaitSlot;
use crate::threads::waiting::{Sleeper, WaitList, Waiter};
use loom::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::Arc;

#[derive(Default)]
pub struct VmStore {
    pub pending: AtomicU32,
    pub running_thread: AtomicI32,
    pub waiting: WaitSlot,
}

impl Sleeper for VmStore {
    fn sleeps(&self, on: Option<(Arc<WaitList>, Arc<Waiter>)>) {
        self.waiting.set(on);
    }

    fn is_interrupted(&self) -> bool {
        self.pending.load(Ordering::SeqCst) != 0
    }
}
