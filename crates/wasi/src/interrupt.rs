//! How a guest that waits inside a call is told to stop waiting.
//!
//! Whoever wants to end a guest raises the flag and then sends its thread a signal: the host call that waits ends
//! with `EINTR`, and the call looks at the flag. Without the flag a signal changes nothing; the call goes on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that ends waiting calls. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// A flag that nobody has raised.
    pub fn new() -> Interrupt {
        Interrupt::default()
    }

    /// Raises the flag. Calls that wait notice when a signal reaches their thread.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Lowers the flag.
    pub fn clear(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    /// Whether the flag is up.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Does a host call again as long as signals end it that are not meant for the guest.
    pub(crate) fn retry<T>(&self, mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
        loop {
            match call() {
                Err(rustix::io::Errno::INTR) if !self.is_set() => {}
                other => return Ok(other?),
            }
        }
    }
}
