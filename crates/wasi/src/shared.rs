//! A context that the threads of one guest share.
//!
//! A call holds the context while it runs, but not while it waits: for input and for clocks, threads wait without it
//! and then make their call again. What waits all the same, with the context held: output to a reader that does not
//! read, a reader of the embedder's, and `sock_recv` that is to fill its buffers.

use crate::calls::poll::{Event, Look, Poll};
use crate::wire::errno::Errno;
use crate::world::ctx::WasiCtx;
use crate::world::reserve::is_exhaustion;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long to wait without a descriptor to wait for.
const LOOK_AGAIN_NS: u64 = 5_000_000;

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
    pub fn new(mut ctx: WasiCtx) -> SharedCtx {
        ctx.is_shared = true;
        SharedCtx(Arc::new(Mutex::new(ctx)))
    }

    /// The context; calls of all threads wait until it is given back. What can panic while it is held are an embedder's
    /// streams, which are called while the context is whole: so it is given out after that as after an error of theirs.
    pub fn lock(&self) -> MutexGuard<'_, WasiCtx> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there may be something to read from a descriptor, for a call that has found nothing.
    pub(crate) fn await_input(&self, fd: u32) -> Result<(), Errno> {
        let (host, interrupt) = {
            let ctx = self.lock();
            // Should another thread have closed it meanwhile, the call will say so.
            let Some(host) = ctx.table.get(fd)?.host() else { return Ok(()) };
            (host.try_clone_to_owned(), ctx.interrupt.clone())
        };
        match host {
            Ok(host) => Ok(interrupt.wait_for(host.as_fd(), PollFlags::IN)?),
            // No descriptor is left to wait with: look again.
            Err(error) if is_exhaustion(&error) => Ok(interrupt.wait_a_moment()?),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits a moment, for a call that is to be made again.
    pub(crate) fn await_moment(&self) -> Result<(), Errno> {
        let interrupt = self.lock().interrupt.clone();
        Ok(interrupt.wait_a_moment()?)
    }

    /// The waiting of `poll_oneoff`.
    pub(crate) fn await_events(&self, poll: &Poll) -> Result<Vec<Option<Event>>, Errno> {
        loop {
            let look = poll.look(&mut self.lock())?;
            match look {
                Look::Happened(events) => return Ok(events),
                Look::Wait(ns) => {
                    let descriptors = poll.descriptors(&self.lock());
                    match descriptors {
                        Ok(descriptors) => wait_for_any(&descriptors, ns)?,
                        Err(error) if is_exhaustion(&error) => wait_for_any(&[], ns.min(LOOK_AGAIN_NS))?,
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        }
    }
}

/// Waits until one of the descriptors is ready, so long at most, or until a signal comes.
fn wait_for_any(descriptors: &[(OwnedFd, PollFlags)], ns: u64) -> Result<(), Errno> {
    let mut fds: Vec<_> = descriptors.iter().map(|(fd, flags)| PollFd::new(fd, *flags)).collect();
    let timeout = Timespec { tv_sec: (ns / 1_000_000_000) as _, tv_nsec: (ns % 1_000_000_000) as _ };
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
