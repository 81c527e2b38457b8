//! Interrupting a store from any thread, at no cost to the code that runs.
//!
//! The sender sets the store's pending flag, makes that visible to every thread, and signals the thread that runs the
//! store, if one does. The signal handler lands the activation if it finds the thread in wasm; elsewhere the flag is
//! looked at on the way back into wasm; a thread that waits on a shared memory is woken for that. The flag is sticky: activations further out end as well, up to the outermost,
//! where it is cleared.

use crate::sys::{signal, thread};
use crate::threads::words::VmStore;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Ends what runs in a store, from any thread: loops, recursion, host calls once they return.
///
/// An interruption of a store that runs nothing ends its next call. The error is a trap, `Trap::Interrupt`.
#[derive(Clone)]
pub struct InterruptHandle(Arc<VmStore>);

impl InterruptHandle {
    pub(crate) fn new(vm: &Arc<VmStore>) -> Self {
        Self(vm.clone())
    }

    /// Interrupts the store. Does nothing if it has been dropped.
    pub fn interrupt(&self) {
        self.interrupt_with(1);
    }

    /// Interrupts the store, with a bit that says why.
    pub(crate) fn interrupt_with(&self, why: u32) {
        self.0.pending.fetch_or(why, Ordering::SeqCst);
        self.0.waiting.interrupt();
        // The runner publishes its thread with a plain store before it looks at the flag; the barrier stands in for
        // the fence that it saves.
        let fenced = thread::fence_all_threads();
        match self.0.running_thread.load(Ordering::SeqCst) {
            0 if fenced => {}
            0 => self.interrupt_without_fence(),
            // An error means that the thread has ended, and with it the run.
            id => drop(thread::interrupt(id, signal::interrupt_signal())),
        }
    }

    /// Where the system has no barrier over threads: waits as long as a store may take to become visible.
    #[cold]
    fn interrupt_without_fence(&self) {
        std::thread::sleep(std::time::Duration::from_millis(1));
        let id = self.0.running_thread.load(Ordering::SeqCst);
        if id != 0 {
            drop(thread::interrupt(id, signal::interrupt_signal()));
        }
    }
}

impl std::fmt::Debug for InterruptHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pending = self.0.pending.load(Ordering::Relaxed) != 0;
        f.debug_struct("InterruptHandle").field("pending", &pending).finish_non_exhaustive()
    }
}
