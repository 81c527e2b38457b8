//! [`Unwind`]: what is left behind by code that could not return to wasm.

use crate::base::error::Error;
use epsilon_abi::TrapCode as Trap;
use std::any::Any;

/// What ended an activation, left by code that could not return to wasm.
pub enum Unwind {
    /// A trap raised by a libcall.
    Trap(Trap),
    /// An exception that nothing in the activation catches.
    Exception(u32),
    /// A host function's error.
    Host(Error),
    /// A host function's panic, to be resumed outside of wasm.
    Panic(Box<dyn Any + Send>),
}
