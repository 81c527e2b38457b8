//! Entering wasm from the host, and what the host's side of an activation keeps.

use crate::error::{Error, Result};
use crate::host_stack::{self, Looked};
use crate::stack::WasmStack;
use crate::store::StoreInner;
use crate::sys::arch::{self, EntryFrame};
use crate::sys::{signal, thread};
use crate::trap::{self, Trap};
use epsilon_abi::seeded;
use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

/// Wasm stack that must be left for an activation to begin, beside its stack arguments.
const MIN_WASM_STACK_BYTES: usize = 1 << 10;

/// An activation's record on the host's stack: what the exit record said before, for frames further out.
#[derive(Debug)]
pub struct Activation {
    pub previous: *const Activation,
    pub exit_fp: usize,
    exit_sp: usize,
    /// The store as its activations further out reach it.
    owner: *mut StoreInner,
    /// What is known of the stack that this record is on.
    pub looked: Looked,
}

impl Activation {
    /// This one and those further out.
    pub fn outwards(&self) -> impl Iterator<Item = &Self> {
        // SAFETY: activations are records on the host's stack of calls that have not returned.
        std::iter::successors(Some(self), |activation| unsafe { activation.previous.as_ref() })
    }
}

/// Calls machine code with the arguments in `frame`, and leaves its results there.
///
/// # Safety
/// `frame` must name code and an anchor of this store, and hold arguments of the code's type in the places of its
/// layout.
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
        // SAFETY: activations are records on the host's stack of calls that have not returned.
        activation.looked = host_stack::check(here, unsafe { activation.previous.as_ref() })?;
    }
    if activation.previous.is_null() {
        begin_outermost(store)?;
    } else if store.runs_elsewhere() {
        return Err(Error::misuse("the store runs wasm on another thread: call it from there"));
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
    // SAFETY: the caller answers for the frame; the stack below `stack_top` is unused: it lies under every frame of
    // the activations further out. No Rust frame is on it (invariant 4).
    let landed = unsafe { arch::enter(frame, std::sync::Arc::as_ptr(&store.vm).cast_mut()) } != 0;
    if seeded::bug("float-environment-lost") {
        // SAFETY: it is that of guests.
        unsafe { arch::set_float_environment(arch::GUEST_FLOATS) };
    }
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
    // A plain store suffices: who interrupts brings the barrier.
    store.vm.running_thread.store(thread::current_id(), Ordering::Relaxed);
    store.running_on = thread::marker();
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
    // SAFETY: the activation is a record on the host's stack of a call that has not returned.
    let (Some(stack), Some(innermost)) = (&store.stack, unsafe { store.activation.as_ref() }) else { return true };
    let registers = arch::kept_registers();
    let here = &raw const registers as usize;
    if store.runs_elsewhere() || !host_stack::are_on_one_stack(here, innermost) {
        return false;
    }
    let outermost = innermost.outwards().last().map_or(here, |outermost| std::ptr::from_ref(outermost) as usize);
    let host = here..outermost;
    let wasm = store.vm.exit_sp.get().max(stack.lowest())..stack.top();
    for range in [host, wasm] {
        for address in range.step_by(size_of::<u32>()) {
            // SAFETY: the wasm stack is mapped between its ends, and nothing else runs on it now; the host's stack
            // is this thread's own, between this frame and the outermost activation's. What is read may be anything.
            found(unsafe { (address as *const u32).read_volatile() });
        }
    }
    true
}

#[cold]
fn finish_landed(store: &mut StoreInner, activation: &Activation) -> Result<()> {
    // First, while the frames are still there to be walked. Whatever goes wrong there, no activation is left behind.
    let outcome = catch_unwind(AssertUnwindSafe(|| trap::outcome(store))).flatten();
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
