//! The words of a store that fixed machine code, signal handlers and other threads read and write.

use crate::sys::signal::Stopped;
use crate::threads::sampling::Samples;
use crate::threads::slot::WaitSlot;
use crate::threads::waiting::{Sleeper, WaitList, Waiter};
use epsilon_abi::vm::VmStoreHead;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

/// No deadline.
pub const NO_DEADLINE: u64 = u64::MAX;

/// What owns the words: a store, which is not known here.
pub enum Owner {}

/// The words of a store that fixed machine code reads and writes. They stay where they are while the store moves, and
/// while interrupt handles last. The cells belong to the thread that runs the store; other threads use the atomics.
#[repr(C)]
pub struct VmStore {
    /// What machine code reads: it lies at the beginning.
    pub head: Cell<VmStoreHead>,
    /// Stack pointer of the host at the innermost `enter`.
    pub host_sp: Cell<usize>,
    /// Exit record: frame pointer of the thunk through which wasm last left for the host.
    pub exit_fp: Cell<usize>,
    /// Exit record: stack pointer there; the next activation starts below.
    pub exit_sp: Cell<usize>,
    /// Set to interrupt: sticky until the outermost activation has ended.
    pub pending: AtomicU32,
    /// Thread that runs wasm of this store; 0 if none does.
    pub running_thread: AtomicI32,
    /// Lowest address of the wasm stack's guard.
    pub guard_low: Cell<usize>,
    /// Lowest usable address of the wasm stack.
    pub stack_low: Cell<usize>,
    /// What the signal handler saw last.
    pub fault: Cell<FaultRecord>,
    /// The store itself, as last entered. Only `store::inner` knows what it is.
    pub owner: Cell<*mut Owner>,
    /// Where a thrown exception goes on.
    pub landing: Landing,
    /// The epoch that ends what runs.
    pub deadline: AtomicU64,
    /// What the thread that runs the store waits for on a shared memory.
    pub waiting: WaitSlot,
    /// Where the signal handler notes what the thread runs; null if nobody wants to know. The store's runtime owns it, so
    /// that it is there as long as wasm can run.
    pub samples: *const Samples,
}

const _: () = assert!(std::mem::offset_of!(VmStore, head) == 0);

// SAFETY: nothing in it is bound to a thread: cells, atomics, a lock, and addresses that are followed only while the store runs
// (invariants 12 and 15).
unsafe impl Send for VmStore {}
// SAFETY: other threads hold `VmStore` only behind interrupt handles, which use nothing but the atomics and the wait slot; the
// cells are used under a borrow of the store, and by the signal handler of the thread that runs it (invariants 12 and 15).
unsafe impl Sync for VmStore {}

impl VmStore {
    /// Of a store that has not run. `known_references` is what machine code finds references of functions by.
    pub fn new(head: VmStoreHead, samples: *const Samples) -> Self {
        Self {
            head: Cell::new(head),
            host_sp: Cell::new(0),
            exit_fp: Cell::new(0),
            exit_sp: Cell::new(0),
            pending: AtomicU32::new(0),
            running_thread: AtomicI32::new(0),
            guard_low: Cell::new(0),
            stack_low: Cell::new(0),
            fault: Cell::new(FaultRecord::default()),
            owner: Cell::new(std::ptr::null_mut()),
            landing: Landing::default(),
            deadline: AtomicU64::new(NO_DEADLINE),
            waiting: WaitSlot::default(),
            samples,
        }
    }

    /// Whether less than so many bytes lie between a stack pointer and the guard of the wasm stack. Safe to ask in a
    /// signal handler.
    pub fn is_near_stack_guard(&self, sp: usize, bytes: usize) -> bool {
        (self.guard_low.get()..self.stack_low.get() + bytes).contains(&sp)
    }

    /// Whether an address is in the guard of the wasm stack. Safe to ask in a signal handler.
    pub fn is_stack_guard(&self, address: usize) -> bool {
        (self.guard_low.get()..self.stack_low.get()).contains(&address)
    }
}

impl Sleeper for VmStore {
    fn sleeps(&self, on: Option<(Arc<WaitList>, Arc<Waiter>)>) {
        self.waiting.set(on);
    }

    fn is_interrupted(&self) -> bool {
        self.pending.load(Ordering::SeqCst) != 0
    }
}

/// What a signal handler saw. Written by the handler, read when the activation has ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct FaultRecord {
    /// The signal; 0 if there was none.
    pub signal: i32,
    /// The address that was accessed.
    pub address: usize,
    /// Where the thread was.
    pub pc: usize,
    /// Its frame pointer.
    pub fp: usize,
    /// Its stack pointer.
    pub sp: usize,
    /// On aarch64 the link register, which holds the return address before a frame is made.
    pub link: usize,
}

impl FaultRecord {
    /// What a signal handler sees.
    pub fn new(signal: i32, address: usize, stopped: &Stopped<'_>) -> Self {
        Self { signal, address, pc: stopped.pc(), fp: stopped.fp(), sp: stopped.sp(), link: stopped.link() }
    }
}

/// Where an exception is caught. Fixed code reads it.
#[repr(C)]
#[derive(Default)]
pub struct Landing {
    /// The handler's address.
    pub pc: Cell<usize>,
    /// The stack pointer there.
    pub sp: Cell<usize>,
    /// The frame pointer there.
    pub fp: Cell<usize>,
    /// The anchor of the frame's instance.
    pub anchor: Cell<usize>,
    /// The exception's number.
    pub exception: Cell<usize>,
    /// The address of its fields.
    pub fields: Cell<usize>,
}
