//! Stacks that wasm runs on: mapped with a guard, committed as they are used, handed from call to call.
//!
//! ```text
//! mapping ├─ guard, no access ─┤├────────── usable ──────────┤ top
//!          64 KiB, the largest    grows downwards
//!          frame without probes
//! ```

use crate::error::{Error, Result};
use crate::sys::mapping::{Access, Mapping, round_to_pages};
use std::cell::Cell;

/// Frames up to this size are not probed, so the guard must be at least as large.
pub const GUARD_BYTES: usize = 64 << 10;

/// A larger stack is asked of the system at this size, and refused by it: no address space for users is larger.
pub const MAX_BYTES: usize = 1 << 47;

/// A stack for wasm code.
#[derive(Debug)]
pub struct WasmStack {
    mapping: Mapping,
}

thread_local! {
    /// The stack that this thread used last, so that most calls need none from the system. It has no destructor: every
    /// call into wasm looks here, and would have to look first whether there still is one.
    static SPARE: Cell<Spare> = const { Cell::new(Spare::Unused) };
    /// Frees the spare stack when the thread ends.
    static AT_END: FreeSpare = const { FreeSpare };
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
        // SAFETY: the mapping was put there by `keep`, belongs to nobody else, and is there no more.
        Spare::Stack(base, len_bytes) => Some(WasmStack { mapping: unsafe { Mapping::from_raw(base, len_bytes) } }),
        _ => None,
    }
}

impl WasmStack {
    /// A stack of at least `usable_bytes`.
    pub fn new(usable_bytes: usize) -> Result<Self> {
        let map = || {
            let mapping = Mapping::anonymous(round_to_pages(usable_bytes) + GUARD_BYTES, Access::ReadWrite)?;
            // SAFETY: the mapping is fresh.
            unsafe { mapping.protect(0, GUARD_BYTES, Access::None)? };
            Ok(mapping)
        };
        let mapping = map().map_err(|error| Error::system("map a stack for wasm", error))?;
        Ok(Self { mapping })
    }

    /// This thread's spare stack if it has the right size, else a new one. The size is in whole pages of the host.
    #[inline]
    pub fn take(usable_bytes: usize) -> Result<Self> {
        match SPARE.get() {
            Spare::Stack(base, len_bytes) if len_bytes == usable_bytes + GUARD_BYTES => {
                SPARE.set(Spare::Nothing);
                // SAFETY: as in `replace_spare`.
                Ok(Self { mapping: unsafe { Mapping::from_raw(base, len_bytes) } })
            }
            _ => Self::new(usable_bytes),
        }
    }

    /// Keeps the stack for this thread's next call.
    #[inline]
    pub fn give_back(self) {
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
        let (base, len_bytes) = self.mapping.into_raw();
        SPARE.set(Spare::Stack(base, len_bytes));
    }

    /// The end that the stack starts from: its highest address.
    pub fn top(&self) -> usize {
        self.mapping.base() as usize + self.mapping.len_bytes()
    }

    /// The lowest address that may be used.
    pub fn low(&self) -> usize {
        self.mapping.base() as usize + GUARD_BYTES
    }

    /// The lowest address of the guard.
    pub fn guard_low(&self) -> usize {
        self.mapping.base() as usize
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
