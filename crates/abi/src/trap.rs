//! The one list of trap codes. The numbers are part of compiled artifacts: append, never renumber.

use std::cell::Cell;
use std::error::Error;
use std::fmt;

macro_rules! traps {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $message:literal;)*) => {
        /// Why a guest was stopped (specification section 4.4, "trap").
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum TrapCode {
            $($(#[$doc])* $name = $number,)*
        }

        impl TrapCode {
            /// Every trap code there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The trap code with this number.
            pub const fn from_u8(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The message, in the words of the specification's test suite where that names one.
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$name => $message,)*
                }
            }
        }
    };
}

traps! {
    /// A linear memory access or bulk operation outside its bounds.
    MemoryOutOfBounds = 1, "out of bounds memory access";
    /// A table access outside its bounds.
    TableOutOfBounds = 2, "out of bounds table access";
    /// `call_indirect` with an index outside its table.
    UndefinedElement = 3, "undefined element";
    /// `call_indirect` through a null element.
    IndirectCallToNull = 4, "uninitialized element";
    /// `call_indirect` to a function of another type.
    BadSignature = 5, "indirect call type mismatch";
    /// Signed division overflow: the least integer divided by -1.
    IntegerOverflow = 6, "integer overflow";
    /// Division by zero.
    IntegerDivisionByZero = 7, "integer divide by zero";
    /// A number that is not a number, converted to an integer.
    BadConversionToInteger = 8, "invalid conversion to integer";
    /// `unreachable`.
    UnreachableCodeReached = 9, "unreachable";
    /// The wasm stack is full.
    StackOverflow = 10, "call stack exhausted";
    /// Interrupted by the host: a timeout, Ctrl-C, or an interrupt handle.
    Interrupt = 11, "interrupted";
    /// A null reference where a non-null one is needed.
    NullReference = 12, "null reference";
    /// An atomic access that is not naturally aligned.
    HeapMisaligned = 13, "unaligned atomic";
    /// `memory.atomic.wait` on a memory that is not shared.
    AtomicWaitNonSharedMemory = 14, "expected shared memory";
    /// Deterministic fuel is used up.
    OutOfFuel = 15, "all fuel consumed";
    /// A call to an import that was left undefined and set to trap.
    UnknownImport = 16, "call to an unknown import";
    /// The garbage-collected heap is full, and nothing in it can be freed.
    OutOfHeap = 17, "the garbage-collected heap is full";
    /// An array of more bytes than any object has.
    AllocationTooLarge = 18, "allocation size too large";
    /// `ref.cast` to a type that the reference is not of.
    CastFailure = 19, "cast failure";
    /// An array access or bulk operation outside the array.
    ArrayOutOfBounds = 20, "out of bounds array access";
    /// An access to a structure through a null reference.
    NullStruct = 21, "null structure reference";
    /// An access to an array through a null reference.
    NullArray = 22, "null array reference";
    /// `i31.get` of a null reference.
    NullI31 = 23, "null i31 reference";
}

impl fmt::Display for TrapCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SHOWN.set(Some(*self));
        write!(f, "{}{}", Self::PREFIX, self.message())
    }
}

impl Error for TrapCode {}

thread_local! {
    /// The trap that this thread has formatted last.
    static SHOWN: Cell<Option<TrapCode>> = const { Cell::new(None) };
}

impl TrapCode {
    /// The trap that an error is, in its chain of sources or behind a wrapper.
    ///
    /// Some wrappers hide the type of what is inside: an `anyhow::Error` that became a boxed error, or `thiserror`'s
    /// `transparent`. What shows itself as a trap, in the trap's own words and through its own `Display`, is taken for
    /// one; text that merely reads the same is not.
    pub fn of_error(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut last = error;
        loop {
            if let Some(code) = last.downcast_ref() {
                return Some(*code);
            }
            match last.source() {
                Some(source) => last = source,
                None => break,
            }
        }
        SHOWN.set(None);
        let text = last.to_string();
        SHOWN.take().filter(|code| text.strip_prefix(Self::PREFIX) == Some(code.message()))
    }

    /// What a trap says before its message.
    pub const PREFIX: &'static str = "wasm trap: ";
}

#[cfg(test)]
mod tests {
    use super::TrapCode;

    #[test]
    fn numbers_round_trip_and_start_at_one() {
        for code in TrapCode::ALL {
            assert_eq!(TrapCode::from_u8(*code as u8), Some(*code));
        }
        assert_eq!(TrapCode::from_u8(0), None);
        assert_eq!(TrapCode::from_u8(TrapCode::ALL.len() as u8 + 1), None);
    }
}
