//! Entering wasm from the host.

use crate::base::error::{Error, Result};
use crate::call::host_stack;
use crate::code::stack::WasmStack;
use crate::exit::signal;
use crate::exit::trap::{self, Trap};
use crate::fixed::{self, EntryFrame};
use crate::store::activation::{Activation, Looked};
use crate::store::inner::StoreInner;
use crate::sys::thread;
use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

/// Wasm stack that must be left for an activation to begin, beside its stack arguments.
const MIN_WASM_STACK_BYTES: usize = 1 << 10;

/// Calls machine code with the arguments in `frame`, and leaves its results there.
///
/// # Safety
/// `frame` must name code of this store that lives (invariant 14) and an anchor that the code may run under (invariant 4),
/// and hold arguments of the code's type in the places of its layout (invariant 17), with room for its results.
#[inline]
pub unsafe fn invoke(store: &mut StoreInner, frame: &mut EntryFrame) -> Result<()> {
    signal::prepare(store.prepared_key())?;
    let mut activation = Activation {
        previous: store.activation,
        exit_fp: store.vm.exit_fp.get(),
        exit_sp: store.vm.exit_sp.get(),
        owner: store.vm.owner.get(),
        looked: Looked::NOTHING,
    };
    let here = &raw const activation as usize;
    if !host_stack::is_enough_of_own(here) {
        // SAFETY: the store's activation is null or the record of a call that has not returned (invariant 15).
        activation.looked = host_stack::check(here, unsafe { activation.previous.as_ref() })?;
    }
    if activation.previous.is_null() {
        begin_outermost(store)?;
    } else if store.runs_elsewhere() {
        return Err(Error::misuse("the store is running wasm on another thread; call it from that thread"));
    }
    frame.stack_top = match &store.stack {
        Some(stack) if activation.previous.is_null() => stack.top(),
        _ => activation.exit_sp & !15,
    };
    if frame.stack_top < store.vm.stack_low.get() + frame.stack_args_bytes + MIN_WASM_STACK_BYTES {
        end(store, &activation);
        return Err(Trap::StackOverflow.into());
    }
    store.settle();
    store.activation = &activation;
    // SAFETY: the caller answers for code, anchor and arguments. The store is borrowed exclusively until wasm is back, and its
    // words know where host functions find it (invariant 12). `stack_top` is the top of a stack that was just taken, or lies
    // below the exit record's stack pointer, and so below all frames of activations further out (invariant 15). Rust's frames
    // are on the host's stack (invariant 4).
    let landed = unsafe { fixed::enter(frame, std::sync::Arc::as_ptr(&store.vm).cast_mut()) } != 0;
    if !landed {
        end(store, &activation);
        return Ok(());
    }
    finish_landed(store, &activation)
}

#[inline]
fn begin_outermost(store: &mut StoreInner) -> Result<()> {
    let stack = WasmStack::take(store.runtime.settings().max_wasm_stack_bytes)?;
    store.vm.guard_low.set(stack.guard_low());
    store.vm.stack_low.set(stack.low());
    store.stack = Some(stack);
    // A relaxed store is enough: the interrupting thread issues the memory barrier.
    store.vm.running_thread.store(thread::current_id(), Ordering::Relaxed);
    store.running_on = thread::marker();
    store.look_at_deadline();
    Ok(())
}

#[inline]
fn end(store: &mut StoreInner, activation: &Activation) {
    store.activation = activation.previous;
    store.vm.exit_fp.set(activation.exit_fp);
    store.vm.exit_sp.set(activation.exit_sp);
    store.vm.owner.set(activation.owner);
    if activation.previous.is_null() {
        store.vm.running_thread.store(0, Ordering::Relaxed);
        if let Some(stack) = store.stack.take() {
            stack.give_back();
        }
    }
}

/// Calls `found` with every four bytes that wasm frames of the store may hold: what lies on the wasm stack, and what
/// wasm kept in registers when it left for the host, which Rust's frames since then have saved on the host's stack. False
/// if they cannot be found: the host has switched stacks meanwhile, or this is another thread than wasm runs on.
pub fn for_each_stack_word(store: &StoreInner, found: &mut dyn FnMut(u32)) -> bool {
    // SAFETY: the store's activation is null or the record of a call that has not returned (invariant 15).
    let (Some(stack), Some(innermost)) = (&store.stack, unsafe { store.activation.as_ref() }) else { return true };
    let registers = fixed::kept_registers();
    let here = &raw const registers as usize;
    if store.runs_elsewhere() || !host_stack::are_on_one_stack(here, innermost) {
        return false;
    }
    let outermost = innermost.outwards().last().map_or(here, |outermost| std::ptr::from_ref(outermost) as usize);
    let host = here..outermost;
    let wasm = store.vm.exit_sp.get().max(stack.lowest())..stack.top();
    for range in [host, wasm] {
        for address in range.step_by(size_of::<u32>()) {
            // SAFETY: the wasm stack is mapped between its ends as long as an activation runs (invariant 16), and nothing runs on
            // it now. The host's stack is one, in use from this frame to the outermost activation's record, as was just asked
            // (invariant 15). What is read is an integer, and may be anything (invariant 17).
            found(unsafe { (address as *const u32).read_volatile() });
        }
    }
    true
}

#[cold]
fn finish_landed(store: &mut StoreInner, activation: &Activation) -> Result<()> {
    // First, while the frames are still there to be walked. Whatever goes wrong there, no activation is left behind.
    let outcome = catch_unwind(AssertUnwindSafe(|| trap::outcome(store))).flatten();
    if let Some(heap) = &mut store.heap {
        heap.clear_rest();
    }
    end(store, activation);
    // Whatever host functions further out made of the interruption: here it ends.
    if !store.is_running() && std::mem::take(&mut store.interrupted) {
        store.vm.pending.store(0, Ordering::Release);
    }
    match outcome {
        Ok(error) => Err(error),
        Err(payload) => std::panic::resume_unwind(payload),
    }
}
