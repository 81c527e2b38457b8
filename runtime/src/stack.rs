//! Stacks that wasm runs on: mapped with a guard, committed as they are used, handed from call to call.
//!
//! ```text
//! mapping ├─ guard, no access ─┤├────────── usable ──────────┤ top
//!          64 KiB, the largest    grows downwards
//!          frame without probes
//! ```

use crate::error::{Error, Result};
use crate::sys::mapping::{Access, Mapping, round_to_pages};
use std::cell::RefCell;

/// Frames up to this size are not probed, so the guard must be at least as large.
pub const GUARD_BYTES: usize = 64 << 10;

/// A larger stack is asked of the system at this size, and refused by it: no address space for users is larger.
const MAX_BYTES: usize = 1 << 47;

/// A stack for wasm code.
#[derive(Debug)]
pub struct WasmStack {
    mapping: Mapping,
}

thread_local! {
    /// The stack that this thread used last, so that most calls need none from the system.
    static SPARE: RefCell<Option<WasmStack>> = const { RefCell::new(None) };
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

    /// This thread's spare stack if it has the right size, else a new one.
    #[inline]
    pub fn take(usable_bytes: usize) -> Result<Self> {
        let usable_bytes = usable_bytes.min(MAX_BYTES);
        let spare = SPARE.try_with(|spare| spare.borrow_mut().take()).ok().flatten();
        match spare {
            Some(stack) if stack.usable_bytes() == round_to_pages(usable_bytes) => Ok(stack),
            _ => Self::new(usable_bytes),
        }
    }

    /// Keeps the stack for this thread's next call.
    #[inline]
    pub fn give_back(self) {
        // During the thread's end the slot is gone, and the stack is unmapped instead.
        let _ = SPARE.try_with(|spare| spare.borrow_mut().replace(self));
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

    fn usable_bytes(&self) -> usize {
        self.mapping.len_bytes() - GUARD_BYTES
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
    }
}
