//! How a guest that waits inside a call is told to stop waiting.
//!
//! A thread that wants to end a guest raises the flag and then sends the guest's thread a signal. Calls wait in `poll`,
//! which every signal ends, even one whose handler asks for calls to be restarted; then they look at the flag. Without the
//! flag a signal changes nothing: the call goes on waiting. A flag raised just before the wait began is seen a moment later.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a wait lasts at most before the flag is looked at again.
const LOOK_SECS: i64 = 1;

/// How long to wait before looking again.
const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

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

    /// Waits a moment, for what no descriptor tells of.
    pub(crate) fn wait_a_moment(&self) -> io::Result<()> {
        if !self.is_set() {
            match poll(&mut [], Some(&MOMENT)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.is_set() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    }

    /// Waits until a descriptor is ready, or has nothing more to wait for.
    pub(crate) fn wait_for(&self, fd: BorrowedFd<'_>, flags: PollFlags) -> io::Result<()> {
        let timeout = Timespec { tv_sec: LOOK_SECS as _, tv_nsec: 0 };
        loop {
            match poll(&mut [PollFd::from_borrowed_fd(fd, flags)], Some(&timeout)) {
                Ok(0) | Err(rustix::io::Errno::INTR) if !self.is_set() => {}
                Ok(0) => return Err(io::ErrorKind::Interrupted.into()),
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
