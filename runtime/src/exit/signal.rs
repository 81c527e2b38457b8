//! What signals mean: faults of wasm code become traps, the interrupt signal ends activations, ticks of timers are noted.
//!
//! What is here runs in the handlers of `sys::signal`: it takes no lock, allocates nothing and cannot panic (invariant 5). It
//! reads atomics, the saved registers and the store that the pinned register leads to, writes the fault record, and moves the pc
//! to the landing pad. What the fault means is worked out afterwards, by ordinary code on the host's stack.

use crate::base::error::{Error, Result};
use crate::code::region;
use crate::code::stack::{self, End};
use crate::fixed::{self, store_of_anchor};
use crate::sys::signal::{self, Answer, Fault, Handlers, Stopped, Unready, is_access_fault};
use crate::threads::fork;
use crate::threads::words::{FaultRecord, VmStore};
use std::sync::atomic::Ordering;

/// What signals mean to us.
static HANDLERS: Handlers = Handlers { fault, interrupt, runs_guests: stack::is_taken };

/// Makes this process and this thread ready to run wasm of a store, whose engine may want notes of where it spends its
/// time: that is what its `key` tells.
///
/// # Errors
/// If the system refuses, or the thread is ending and no longer can. The next call tries again.
#[inline]
pub fn prepare(key: usize) -> Result<()> {
    if signal::is_ready(key) { Ok(()) } else { prepare_slowly(key) }
}

#[cold]
fn prepare_slowly(key: usize) -> Result<()> {
    let _no_fork = fork::hold_off();
    signal::prepare(key, &HANDLERS).map_err(|unready| match unready {
        Unready::Handlers(error) => {
            Error::system("install the signal handlers that turn faults of guests into traps", error)
        }
        // Nothing is left that would free another stack.
        Unready::ThreadEnds => Error::misuse(
            "the thread is ending and cannot run a guest: its signal stack was freed; run the guest on another thread",
        ),
        Unready::Stack(error) => Error::system("allocate the signal stack that a thread needs to run guests", error),
    })
}

/// Whether a fault is of ours: then the thread goes on elsewhere.
///
/// # Safety
/// Called in a handler with the registers of the stopped thread.
unsafe fn fault(fault: &Fault, stopped: &mut Stopped<'_>) -> bool {
    // SAFETY: as the caller promises (invariant 5).
    let landed = unsafe { land_fault(fault, stopped) };
    landed || end_probe(fault, stopped) || make_room_for_handler(fault, stopped)
}

/// Lands a fault of ours; false if it is not ours.
///
/// # Safety
/// Called in a handler with the registers of the stopped thread.
unsafe fn land_fault(fault: &Fault, stopped: &mut Stopped<'_>) -> bool {
    let pc = stopped.pc();
    let in_wasm = region::is_wasm_text(pc);
    let is_landing = fault.is_refused_frame() && fixed::is_landing(pc);
    if !in_wasm && !region::is_thunk(pc) && !fixed::runs_on_wasm_stack(pc) && !is_landing {
        return false;
    }
    // SAFETY: at every pc accepted above the pinned register holds a live anchor (invariant 4), whose words lead to those of its
    // store (invariant 13), which this thread runs (invariant 15).
    let store = unsafe { &*store_of_anchor(stopped.anchor()) };
    if is_landing {
        stopped.set_sp(store.host_sp.get());
        return true;
    }
    let mut address = fault.address;
    // A handler without SA_ONSTACK was to run for some other signal, which is lost: there is no room for its frame. The
    // guest is at the end of its stack as well then.
    if fault.is_refused_frame() && store.is_near_stack_guard(stopped.sp(), signal::frame_bytes()) {
        address = store.guard_low.get();
    }
    if !in_wasm && !store.is_stack_guard(address) {
        return false;
    }
    store.fault.set(FaultRecord::new(fault.signal, address, stopped));
    land(store, stopped);
    true
}

/// Ends the activation. The landing pad leaves the wasm stack, but a signal that waits comes before it has.
fn land(store: &VmStore, stopped: &mut Stopped<'_>) {
    stopped.resume_at(fixed::landing_pad());
    stopped.set_sp(store.host_sp.get());
}

/// Whether the fault was a look at a stack, which then ends.
fn end_probe(fault: &Fault, stopped: &mut Stopped<'_>) -> bool {
    let is_probe = is_access_fault(fault.signal) && fixed::is_probe(stopped.pc());
    if is_probe {
        stopped.resume_at(fixed::probe_end());
    }
    is_probe
}

/// Whether the fault was that of a signal handler of the host which runs on a guest's stack, without SA_ONSTACK, and has
/// more room on it now. Its work cannot be given up half-way, and what registers hold is its own. The guest ends when it
/// is back: by the interrupt signal, which waits until then.
fn make_room_for_handler(fault: &Fault, stopped: &mut Stopped<'_>) -> bool {
    if !is_access_fault(fault.signal) {
        return false;
    }
    match stack::make_room_at(fault.address, stopped.sp()) {
        End::Opened => {
            signal::wait_for_handler(stopped);
            true
        }
        End::Elsewhere => false,
        End::Reached => {
            signal::say(
                b"epsilon: a signal handler of the host has overflowed the stack of the guest that it interrupted; install it with \
                  SA_ONSTACK\n",
            );
            false
        }
    }
}

/// An interruption, or the tick of a timer, or both.
///
/// # Safety
/// Called in a handler with the registers of the stopped thread.
unsafe fn interrupt(signal: i32, is_tick: bool, stopped: &mut Stopped<'_>) -> Answer {
    let pc = stopped.pc();
    let in_wasm = region::is_wasm_text(pc) || region::is_thunk(pc) || fixed::is_past_pending_check(pc);
    // One signal may stand for several that came at once: all that it can mean is looked at.
    if in_wasm {
        // SAFETY: at the pcs accepted here the pinned register holds a live anchor (invariant 4), whose words lead to those of
        // its store (invariant 13), which this thread runs (invariant 15).
        let store = unsafe { &*store_of_anchor(stopped.anchor()) };
        if is_tick {
            tick_in_wasm(store, pc);
        }
        if store.pending.load(Ordering::Acquire) != 0 {
            store.fault.set(FaultRecord::new(signal, 0, stopped));
            land(store, stopped);
            return Answer::Taken;
        } else if stack::is_open(stopped.sp()) {
            store.fault.set(FaultRecord::new(signal::ACCESS_FAULT, store.guard_low.get(), stopped));
            land(store, stopped);
            return Answer::Taken;
        }
    } else {
        if is_tick {
            signal::missed_tick(true);
        }
        if stack::is_open(stopped.sp()) && !fixed::runs_on_wasm_stack(pc) && !fixed::is_landing(pc) {
            signal::wait_for_handler(stopped);
        }
    }
    Answer::Left
}

/// Notes where the thread is, for the engine that wants to know. Called in a handler, while wasm of the store runs.
fn tick_in_wasm(store: &VmStore, pc: usize) {
    // SAFETY: the notes are null or belong to the runtime of the store, which is there as long as wasm of it runs (invariant 14).
    match unsafe { store.samples.as_ref() } {
        Some(samples) if samples.are_wanted() => {
            signal::hit_tick();
            samples.note(pc);
        }
        // Wasm of an engine that does want to know may be further out.
        _ => signal::missed_tick(false),
    }
}
