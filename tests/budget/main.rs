//! What guests may make the host hold: limits in bytes, what becomes of a guest that reaches one, and that the same
//! engine, module and store go on afterwards.

mod failed;
mod limits;
mod process;
#[path = "../support.rs"]
mod support;
