//! Stacks that wasm runs on: mapped with a guard, committed as they are used, handed from call to call.
//!
//! ```text
//! mapping ├──── guard, no access ────┤├────────── usable ──────────┤ top
//!          last part    first part      grows downwards
//! ```
//! Each part of the guard is as large as the largest frame without probes. The first is opened for handlers of the
//! host's signals that run on this stack, because they were installed without `SA_ONSTACK`, and that find too little
//! room on it. The guest ends behind that, and such a stack is not used a second time.

use crate::base::error::{Error, Result};
use crate::sys::mapping::{Access, Mapping, protect, round_to_pages};
use crate::sys::thread;
use std::cell::Cell;
use std::io;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Frames up to this size are not probed, so each part of the guard must be at least as large.
const PART_BYTES: usize = 64 << 10;

/// The whole guard.
pub const GUARD_BYTES: usize = 2 * PART_BYTES;

/// A larger stack is asked of the system at this size, and refused by it: no address space for users is larger.
pub const MAX_BYTES: usize = 1 << 47;

/// A stack for wasm code.
#[derive(Debug)]
pub struct WasmStack {
    mapping: Mapping,
    /// By [`thread::marker`].
    taken_by: usize,
}

thread_local! {
    /// The stack that this thread used last, so that most calls need none from the system. It has no destructor: every
    /// call into wasm looks here, and would have to look first whether there still is one.
    static SPARE: Cell<Spare> = const { Cell::new(Spare::Unused) };
    /// Frees the spare stack when the thread ends.
    static AT_END: FreeSpare = const { FreeSpare };
    /// The stack that this thread took last, for signal handlers.
    static LATEST: Cell<Latest> = const { Cell::new(Latest::NONE) };
    /// How many stacks this thread has taken and not given back: guests call the host, which calls guests. Those that another
    /// thread gave back count on.
    static TAKEN: Cell<usize> = const { Cell::new(0) };
    /// The base of the one stack of this thread whose guard is open in part; 0 if there is none.
    static OPEN: Cell<usize> = const { Cell::new(0) };
}

#[derive(Clone, Copy)]
struct Latest {
    base: usize,
    top: usize,
    /// What `MOVES` was.
    moves: usize,
}

/// How often a stack was given back on another thread than the one that took it: it may be gone, and the thread that took
/// it does not know.
static MOVES: AtomicUsize = AtomicUsize::new(0);

impl Latest {
    const NONE: Self = Self { base: 0, top: 0, moves: 0 };

    /// The stack that an address is on, if it is the one that this thread took last.
    fn containing(address: usize) -> Option<Self> {
        let latest = LATEST.get();
        let is_there = latest.moves == MOVES.load(Ordering::Relaxed);
        (is_there && (latest.base..latest.top).contains(&address)).then_some(latest)
    }

    fn open_first_part(&self) -> io::Result<()> {
        // SAFETY: it is a part of the mapping of a stack: `containing` has just found that the stack is still there. It is made
        // accessible, which no reference minds (invariant 16).
        unsafe { protect((self.base + PART_BYTES) as *mut u8, PART_BYTES, Access::ReadWrite) }
    }
}

/// How near to its end a stack is, for the handler of a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// There was too little room, and now there is more.
    Opened,
    /// All room is used up.
    Reached,
    /// It is not the end of a stack.
    Elsewhere,
}

/// Called in the handler of a fault in the host's code at `address`: makes room if a stack for wasm ends there that `sp`
/// is on as well.
pub fn make_room_at(address: usize, sp: usize) -> End {
    match Latest::containing(address) {
        Some(latest) if address < latest.base + GUARD_BYTES && (latest.base..latest.top).contains(&sp) => {
            if address >= latest.base + PART_BYTES { open(&latest) } else { End::Reached }
        }
        _ => End::Elsewhere,
    }
}

/// Whether the guard of the stack that `sp` is on is open: a handler of the host has run there, and the guest must not
/// use what was made for that. Safe to ask in a signal handler.
pub fn is_open(sp: usize) -> bool {
    Latest::containing(sp).is_some_and(|latest| OPEN.get() == latest.base)
}

/// Whether guests may be running on this thread. Safe to ask in a signal handler.
pub fn is_taken() -> bool {
    TAKEN.get() != 0
}

fn open(latest: &Latest) -> End {
    if OPEN.get() != 0 || latest.open_first_part().is_err() {
        return End::Reached;
    }
    OPEN.set(latest.base);
    End::Opened
}

#[derive(Clone, Copy)]
enum Spare {
    /// Nobody frees a stack that is kept here yet.
    Unused,
    /// There is none.
    Nothing,
    /// The base and the size in bytes of a stack's mapping, which belongs to this place.
    Stack(*mut u8, usize),
    /// The thread ends: none is kept.
    Closed,
}

struct FreeSpare;

impl Drop for FreeSpare {
    fn drop(&mut self) {
        drop(replace_spare(Spare::Closed));
    }
}

/// What was there before.
fn replace_spare(spare: Spare) -> Option<WasmStack> {
    match SPARE.replace(spare) {
        // SAFETY: `keep` has put the mapping there, which has no other owner, and it has just been taken out (invariant 16).
        Spare::Stack(base, len_bytes) => Some(unsafe { WasmStack::from_raw(base, len_bytes) }),
        _ => None,
    }
}

impl WasmStack {
    /// A stack of at least `usable_bytes`.
    pub fn new(usable_bytes: usize) -> Result<Self> {
        let map = || {
            let mapping = Mapping::anonymous(round_to_pages(usable_bytes) + GUARD_BYTES, Access::ReadWrite)?;
            // SAFETY: the mapping is our own and fresh, so that nothing refers into it (invariant 16).
            unsafe { mapping.protect(0, GUARD_BYTES, Access::None)? };
            Ok(mapping)
        };
        let mapping = map().map_err(|error| Error::system("map a stack for wasm", error))?;
        Ok(Self { mapping, taken_by: thread::marker() })
    }

    /// # Safety
    /// The values must be what `keep` noted, once.
    unsafe fn from_raw(base: *mut u8, len_bytes: usize) -> Self {
        // SAFETY: `keep` noted them of a mapping that it has forgotten, as the caller promises (invariant 16).
        Self { mapping: unsafe { Mapping::from_raw(base, len_bytes) }, taken_by: thread::marker() }
    }

    /// This thread's spare stack if it has the right size, else a new one. The size is in whole pages of the host.
    #[inline]
    pub fn take(usable_bytes: usize) -> Result<Self> {
        let stack = match SPARE.get() {
            Spare::Stack(base, len_bytes) if len_bytes == usable_bytes + GUARD_BYTES => {
                SPARE.set(Spare::Nothing);
                // SAFETY: `keep` has put the mapping there, which has no other owner, and it has just been taken out
                // (invariant 16).
                let stack = unsafe { Self::from_raw(base, len_bytes) };
                if LATEST.get().base != base as usize {
                    stack.note();
                }
                stack
            }
            _ => Self::new(usable_bytes).inspect(Self::note)?,
        };
        TAKEN.set(TAKEN.get() + 1);
        Ok(stack)
    }

    /// Tells this thread's signal handlers of the stack.
    #[cold]
    fn note(&self) {
        LATEST.set(Latest { base: self.guard_low(), top: self.top(), moves: MOVES.load(Ordering::Relaxed) });
    }

    /// Keeps the stack for this thread's next call.
    #[inline]
    pub fn give_back(self) {
        if self.taken_by == thread::marker() {
            // A thread that has ended may have had the same mark.
            TAKEN.set(TAKEN.get().saturating_sub(1));
        }
        if OPEN.get() != 0 || self.taken_by != thread::marker() {
            return self.give_back_changed();
        }
        self.give_back_whole();
    }

    /// Of a stack whose guard may be open, or that another thread took.
    #[cold]
    fn give_back_changed(self) {
        if self.taken_by != thread::marker() {
            MOVES.fetch_add(1, Ordering::Relaxed);
        } else if OPEN.get() != self.guard_low() {
            self.give_back_whole();
        }
        // A guard that was open goes with its stack.
    }

    #[inline]
    fn give_back_whole(self) {
        match SPARE.get() {
            Spare::Nothing => self.keep(),
            _ => self.give_back_slowly(),
        }
    }

    #[cold]
    fn give_back_slowly(self) {
        match SPARE.get() {
            Spare::Unused if AT_END.try_with(|_| ()).is_ok() => self.keep(),
            // Calls of several engines by turns: the last one may be followed by one of its kind.
            Spare::Nothing | Spare::Stack(..) => {
                drop(replace_spare(Spare::Nothing));
                self.keep();
            }
            Spare::Unused | Spare::Closed => drop(self),
        }
    }

    #[inline]
    fn keep(self) {
        let this = ManuallyDrop::new(self);
        SPARE.set(Spare::Stack(this.mapping.base(), this.mapping.len_bytes()));
    }

    /// The end that the stack starts from: its highest address.
    pub fn top(&self) -> usize {
        self.mapping.base() as usize + self.mapping.len_bytes()
    }

    /// The lowest address that may be used.
    pub fn low(&self) -> usize {
        self.mapping.base() as usize + GUARD_BYTES
    }

    /// The lowest address that may ever have been used, by guests whose signal handlers needed room.
    pub fn lowest(&self) -> usize {
        self.mapping.base() as usize + PART_BYTES
    }

    /// The lowest address of the guard.
    pub fn guard_low(&self) -> usize {
        self.mapping.base() as usize
    }
}

impl Drop for WasmStack {
    fn drop(&mut self) {
        if LATEST.get().base == self.guard_low() {
            LATEST.set(Latest::NONE);
        }
        if OPEN.get() == self.guard_low() {
            OPEN.set(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_one_stack_of_the_right_size() {
        let first = WasmStack::take(1 << 20).expect("a stack");
        let top = first.top();
        first.give_back();
        let again = WasmStack::take(1 << 20).expect("a stack");
        assert_eq!(again.top(), top);
        let other = WasmStack::take(1 << 16).expect("a stack");
        assert_eq!(other.top() - other.low(), 1 << 16);
        assert_eq!(other.low() - other.guard_low(), GUARD_BYTES);
        // Of two that are given back, the last one is kept.
        again.give_back();
        let top = other.top();
        other.give_back();
        assert_eq!(WasmStack::take(1 << 16).expect("a stack").top(), top);
    }

    /// A guest goes on when another one, which the host called for it, has given back its stack.
    #[test]
    fn stacks_are_taken_inside_each_other() {
        assert!(!is_taken());
        let outer = WasmStack::take(1 << 16).expect("a stack");
        WasmStack::take(1 << 16).expect("a stack").give_back();
        assert!(is_taken());
        outer.give_back();
        assert!(!is_taken());
    }

    #[test]
    fn a_thread_that_ends_still_gets_stacks_and_keeps_none() {
        struct LateCall;
        impl Drop for LateCall {
            fn drop(&mut self) {
                for _ in 0..3 {
                    WasmStack::take(1 << 16).expect("a stack").give_back();
                }
                assert!(!matches!(SPARE.get(), Spare::Stack(..)), "nobody would free it");
            }
        }
        thread_local!(static LATE: LateCall = const { LateCall });
        let thread = std::thread::spawn(|| {
            // Destructors run in the reverse order of first uses.
            LATE.with(|_| ());
            WasmStack::take(1 << 16).expect("a stack").give_back();
            assert!(matches!(SPARE.get(), Spare::Stack(..)));
        });
        thread.join().expect("the late call succeeds");
    }
}
