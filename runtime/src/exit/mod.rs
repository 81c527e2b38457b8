//! Out of wasm, but not by a return: traps, exceptions, and the frames that were there.

pub mod backtrace;
pub mod describe;
pub mod signal;
pub mod throw;
pub mod trap;
