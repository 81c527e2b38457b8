//! A context that the threads of one guest share.
//!
//! A call holds the context while it runs, but not while it waits: for input and for clocks, threads wait without it
//! and then make their call. What waits all the same, with the context held: output to a reader that does not read, a
//! reader of the embedder's, and the second of two threads that wait for the same input.

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::interrupt::Interrupt;
use crate::poll::{Event, Look, Poll};
use crate::types::FdFlags;
use rustix::event::PollFlags;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long descriptors are left alone between two looks at them.
const LOOK_NS: u64 = 1_000_000;

/// A [`WasiCtx`] for several threads. Clones are the same context.
#[derive(Debug, Clone)]
pub struct SharedCtx(Arc<Mutex<WasiCtx>>);

/// What a store has that calls get their context from.
pub trait LendCtx {
    /// Runs with the context.
    fn with<R>(&mut self, run: impl FnOnce(&mut WasiCtx) -> R) -> R;
    /// The context, if others use it too.
    fn shared(&self) -> Option<SharedCtx>;
}

impl LendCtx for WasiCtx {
    fn with<R>(&mut self, run: impl FnOnce(&mut WasiCtx) -> R) -> R {
        run(self)
    }

    fn shared(&self) -> Option<SharedCtx> {
        None
    }
}

impl LendCtx for SharedCtx {
    fn with<R>(&mut self, run: impl FnOnce(&mut WasiCtx) -> R) -> R {
        run(&mut self.lock())
    }

    fn shared(&self) -> Option<SharedCtx> {
        Some(self.clone())
    }
}

impl SharedCtx {
    /// Lets a context be shared.
    pub fn new(ctx: WasiCtx) -> SharedCtx {
        SharedCtx(Arc::new(Mutex::new(ctx)))
    }

    /// The context; calls of all threads wait until it is given back.
    pub fn lock(&self) -> MutexGuard<'_, WasiCtx> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before a call that reads from a descriptor: waits until there is something to read.
    pub(crate) fn await_input(&self, fd: u32) {
        // Whatever is wrong with the descriptor, the call itself will say.
        if let Some((host, interrupt)) = self.waits_for(fd) {
            let _ = interrupt.wait_for(host.as_fd(), PollFlags::IN);
        }
    }

    fn waits_for(&self, fd: u32) -> Option<(OwnedFd, Interrupt)> {
        let ctx = self.lock();
        let descriptor = ctx.table.get(fd).ok()?;
        if descriptor.flags.contains(FdFlags::NONBLOCK) {
            return None;
        }
        let host = descriptor.host()?;
        ctx.before_waiting(Some(host));
        Some((host.try_clone_to_owned().ok()?, ctx.interrupt.clone()))
    }

    /// The waiting of `poll_oneoff`.
    pub(crate) fn await_events(&self, poll: &Poll) -> Result<Vec<Option<Event>>, Errno> {
        loop {
            let look = poll.look(&mut self.lock())?;
            match look {
                Look::Happened(events) => return Ok(events),
                Look::Wait(ns) => {
                    let ns = if poll.only_clocks() { ns } else { ns.min(LOOK_NS) };
                    std::thread::sleep(Duration::from_nanos(ns));
                }
            }
        }
    }
}
