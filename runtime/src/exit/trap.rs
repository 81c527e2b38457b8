//! From an ended activation to an error: what a fault means, and what a host function or libcall left behind.

use crate::base::error::Error;
use crate::exit::backtrace::WasmBacktrace;
use crate::store::exit::Unwind;
use crate::store::inner::StoreInner;
use crate::threads::words::FaultRecord;
use std::any::Any;
use std::sync::atomic::Ordering;

pub use epsilon_abi::TrapCode as Trap;

/// How a landed activation ended: an error for its caller, or a panic to resume.
#[cold]
pub fn outcome(store: &mut StoreInner) -> Result<Error, Box<dyn Any + Send>> {
    let fault = store.vm.fault.take();
    let unwind = store.unwind.take();
    if fault.signal != 0 && unwind.is_none() {
        let code = classify(store, &fault);
        store.interrupted |= code == Trap::Interrupt;
        return Ok(Error::from(code).with_backtrace(|| wanted(store, |store| WasmBacktrace::of_fault(store, &fault))));
    }
    // What the host left behind goes first: an interruption that came right behind it is still pending, and ends what
    // the host does next with the store.
    let error = match unwind {
        Some(Unwind::Trap(code)) => {
            // A wait for code has ended early.
            store.interrupted |= code == Trap::Interrupt && store.vm.pending.load(Ordering::Relaxed) != 0;
            Error::from(code)
        }
        Some(Unwind::Exception(number)) => Error::from(store.uncaught_exception(number)),
        Some(Unwind::Host(error)) => error,
        Some(Unwind::Panic(payload)) => return Err(payload),
        None => {
            store.interrupted = true;
            Trap::Interrupt.into()
        }
    };
    Ok(error.with_backtrace(|| wanted(store, WasmBacktrace::of_exit)))
}

/// The guest's frames, if the engine wants them with errors.
fn wanted(store: &StoreInner, walk: impl FnOnce(&StoreInner) -> WasmBacktrace) -> Option<WasmBacktrace> {
    let frames = store.runtime.settings().backtrace_frames;
    (frames > 0).then(|| walk(store).up_to(frames))
}

/// What a fault means. A fault that no trap site explains is a bug of ours; going on would be worse than ending.
fn classify(store: &StoreInner, fault: &FaultRecord) -> Trap {
    if fault.signal == crate::sys::signal::interrupt_signal() {
        return Trap::Interrupt;
    }
    let is_access = crate::sys::signal::is_access_fault(fault.signal);
    if is_access && store.vm.is_stack_guard(fault.address) {
        return Trap::StackOverflow;
    }
    match store.trap_at(fault.pc) {
        Some(Trap::MemoryOutOfBounds) if is_access && !store.is_guest_memory(fault.address) => die(fault),
        Some(code) if is_access && is_null(code) && !store.is_heap(fault.address) => die(fault),
        Some(code) => code,
        None => die(fault),
    }
}

/// Whether the trap is that of an access to an object through null.
fn is_null(code: Trap) -> bool {
    matches!(code, Trap::NullStruct | Trap::NullArray)
}

#[cold]
fn die(fault: &FaultRecord) -> ! {
    eprintln!("epsilon: machine code faulted where it cannot; this is a bug of Epsilon: {fault:x?}");
    std::process::abort()
}
