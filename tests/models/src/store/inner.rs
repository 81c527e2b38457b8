//! The words of a store that other threads use.

use crate::threads::waiting::WaitSlot;
use loom::sync::atomic::{AtomicI32, AtomicU32};

#[derive(Default)]
pub struct VmStore {
    pub pending: AtomicU32,
    pub running_thread: AtomicI32,
    pub waiting: WaitSlot,
}
