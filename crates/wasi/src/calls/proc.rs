//! `proc_exit`, `proc_raise`, `sched_yield`.

use crate::wire::errno::{Errno, I32Exit, Outcome, Stop};
use crate::wire::memory::GuestMemory;
use crate::world::ctx::WasiCtx;

/// witx: "Terminate the process normally." Held-back output is written first.
pub(crate) fn proc_exit(ctx: &mut WasiCtx, _memory: GuestMemory<'_>, code: u32) -> Outcome {
    // The guest is past hearing of an error; an embedder that wants it calls `flush` again for its own.
    ctx.before_waiting();
    Err(Stop::Exit(I32Exit(code as i32)))
}

/// witx: "Send a signal to the process of the caller."
///
/// A signal does to the guest what it does to a process without handlers: most end it, with the exit code that a
/// shell would show (128 and the number), some are ignored. Stopping and continuing is not supported.
pub(crate) fn proc_raise(ctx: &mut WasiCtx, memory: GuestMemory<'_>, signal: u32) -> Outcome {
    match signal {
        // none, chld, cont, urg, winch
        0 | 16 | 17 | 22 | 27 => Ok(()),
        // stop, tstp, ttin, ttou
        18..=21 => Err(Errno::NotSup.into()),
        1..=30 => proc_exit(ctx, memory, 128 + signal),
        _ => Err(Errno::Inval.into()),
    }
}

/// witx: "Temporarily yield execution of the calling thread."
pub(crate) fn sched_yield(_ctx: &mut WasiCtx, _memory: GuestMemory<'_>) -> Outcome {
    std::thread::yield_now();
    Ok(())
}
