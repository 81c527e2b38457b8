//! Signals: faults of wasm code become traps, the interrupt signal ends activations, everything else goes where it
//! went before.
//!
//! The handler takes no lock, allocates nothing and cannot panic (invariant 5). It reads atomics, the saved registers
//! and the store that the pinned register leads to, writes the fault record, and moves the pc to the landing pad. What
//! the fault means is worked out afterwards, by ordinary code on the host's stack.

use super::mapping::{Access, Mapping, page_size};
use crate::code;
use crate::sys::arch::{self, Stopped, store_of_anchor};
use crate::trap::FaultRecord;
use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};

/// The signals that faults of machine code arrive as.
const FAULTS: [i32; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];

/// Alternate stacks smaller than this are replaced: a saved context with wide vectors takes several KiB, and a handler
/// that we chain to needs room as well.
const ALTERNATE_STACK_BYTES: usize = 64 << 10;

static mut PREVIOUS: [MaybeUninit<libc::sigaction>; 65] = [const { MaybeUninit::uninit() }; 65];
static INTERRUPT_SIGNAL: AtomicI32 = AtomicI32::new(libc::SIGURG);

/// The signal that interrupts a thread that runs wasm.
pub fn interrupt_signal() -> i32 {
    INTERRUPT_SIGNAL.load(Ordering::Relaxed)
}

/// Whether a signal reports an access to memory.
pub fn is_access_fault(signal: i32) -> bool {
    signal == libc::SIGSEGV || signal == libc::SIGBUS
}

/// Makes this process and this thread ready to run wasm; false if the thread is ending and no longer can.
#[inline]
pub fn prepare() -> bool {
    READY.get() || prepare_slowly()
}

#[cold]
fn prepare_slowly() -> bool {
    static INSTALL: Once = Once::new();
    {
        // A child of a fork in between would wait for the thread that installs.
        let _held_off = crate::fork::hold_off();
        INSTALL.call_once(install);
    }
    // Fails only while the thread ends: then nothing is left that would free another stack.
    READY.set(ALTERNATE.try_with(prepare_thread).is_ok());
    READY.get()
}

fn install() {
    for signal in FAULTS {
        // SAFETY: the handler obeys invariant 5; the previous action is stored before the new one can run for it,
        // because this runs once and no wasm has been entered yet.
        unsafe { install_one(signal, handle_fault as *const () as usize, libc::SA_NODEFER) };
    }
    // SAFETY: as above.
    unsafe { install_one(interrupt_signal(), handle_interrupt as *const () as usize, libc::SA_RESTART) };
}

unsafe fn install_one(signal: i32, handler: usize, flags: i32) {
    // SAFETY: sigaction gets valid pointers; PREVIOUS has a place for every signal number.
    unsafe {
        let previous = (&raw mut PREVIOUS).cast::<libc::sigaction>().add(signal as usize);
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | flags;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal, std::ptr::null(), previous);
        let result = libc::sigaction(signal, &action, std::ptr::null_mut());
        assert_eq!(result, 0, "signal {signal} takes a handler");
    }
}

unsafe extern "C" fn handle_fault(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes valid pointers.
    unsafe {
        let mut stopped = Stopped::new(context);
        let sent_by_kernel = (*info).si_code > 0;
        if sent_by_kernel && land_fault(signal, (*info).si_addr() as usize, &mut stopped) {
            return;
        }
        chain(signal, info, context);
    }
}

/// Lands a fault of ours; false if it is not ours.
///
/// # Safety
/// Called in a handler with the registers of the stopped thread.
unsafe fn land_fault(signal: i32, address: usize, stopped: &mut Stopped<'_>) -> bool {
    let pc = stopped.pc();
    let in_wasm = code::is_wasm_text(pc);
    if !in_wasm && !code::is_thunk(pc) && !arch::runs_on_wasm_stack(pc) {
        return false;
    }
    // SAFETY: at every pc accepted above the pinned register holds a live anchor.
    let store = unsafe { &*store_of_anchor(stopped.anchor()) };
    if !in_wasm && !store.is_stack_guard(address) {
        return false;
    }
    store.fault.set(FaultRecord::new(signal, address, stopped));
    stopped.resume_at(arch::landing_pad());
    true
}

unsafe extern "C" fn handle_interrupt(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes valid pointers; at the pcs accepted here the pinned register holds a live anchor.
    unsafe {
        let mut stopped = Stopped::new(context);
        let pc = stopped.pc();
        if code::is_wasm_text(pc) || code::is_thunk(pc) || arch::is_past_pending_check(pc) {
            let store = &*store_of_anchor(stopped.anchor());
            if store.pending.load(Ordering::Acquire) != 0 {
                store.fault.set(FaultRecord::new(signal, 0, &stopped));
                stopped.resume_at(arch::landing_pad());
            }
            return;
        }
        // Not running wasm: the flag is looked at on the way back. A foreign use of the signal goes on to its handler.
        let previous = (*(&raw const PREVIOUS).cast::<libc::sigaction>().add(signal as usize)).sa_sigaction;
        if previous != libc::SIG_DFL && previous != libc::SIG_IGN {
            chain(signal, info, context);
        }
    }
}

/// Does what would have happened without us.
unsafe fn chain(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: PREVIOUS was filled for this signal before our handler was installed; the arguments are the kernel's.
    unsafe {
        let previous = &*(&raw const PREVIOUS).cast::<libc::sigaction>().add(signal as usize);
        match previous.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => {
                // Let the instruction run again with the previous action, which then ends the process.
                libc::sigaction(signal, previous, std::ptr::null_mut());
                if (*info).si_code <= 0 {
                    libc::raise(signal);
                }
            }
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: unsafe extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                    std::mem::transmute(handler);
                handler(signal, info, context);
            }
            handler => {
                let handler: unsafe extern "C" fn(i32) = std::mem::transmute(handler);
                handler(signal);
            }
        }
    }
}

/// An alternate signal stack of our own, and what was there before.
struct AlternateStack {
    mapping: Option<Mapping>,
    previous: libc::stack_t,
}

thread_local! {
    static READY: Cell<bool> = const { Cell::new(false) };
    static ALTERNATE: RefCell<Option<AlternateStack>> = const { RefCell::new(None) };
}

fn prepare_thread(slot: &RefCell<Option<AlternateStack>>) {
    // SAFETY: sigaltstack reads and writes valid structs; the new stack is a mapping that lives until it is disabled.
    unsafe {
        let mut previous = std::mem::zeroed::<libc::stack_t>();
        libc::sigaltstack(std::ptr::null(), &mut previous);
        let enough = previous.ss_flags & libc::SS_DISABLE == 0 && previous.ss_size >= ALTERNATE_STACK_BYTES;
        let mapping = if enough { None } else { Some(install_alternate_stack()) };
        *slot.borrow_mut() = Some(AlternateStack { mapping, previous });
    }
}

unsafe fn install_alternate_stack() -> Mapping {
    let guard = page_size();
    let mapping = Mapping::anonymous(ALTERNATE_STACK_BYTES + guard, Access::ReadWrite)
        .expect("a thread that runs wasm gets memory for its signal stack");
    // SAFETY: nobody uses the mapping yet; afterwards only signal handlers of this thread do.
    unsafe {
        mapping.protect(0, guard, Access::None).expect("the guard of a signal stack");
        let stack =
            libc::stack_t { ss_sp: mapping.base().add(guard).cast(), ss_flags: 0, ss_size: ALTERNATE_STACK_BYTES };
        let result = libc::sigaltstack(&stack, std::ptr::null_mut());
        assert_eq!(result, 0, "a thread takes a signal stack");
    }
    mapping
}

impl Drop for AlternateStack {
    fn drop(&mut self) {
        READY.set(false);
        let Some(mapping) = &self.mapping else { return };
        // SAFETY: as in `prepare_thread`. Ours is disabled before the mapping is freed, unless someone replaced it.
        unsafe {
            let mut current = std::mem::zeroed::<libc::stack_t>();
            libc::sigaltstack(std::ptr::null(), &mut current);
            if current.ss_sp as usize == mapping.base() as usize + page_size() {
                libc::sigaltstack(&self.previous, std::ptr::null_mut());
            }
        }
    }
}
