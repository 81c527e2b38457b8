//! The border to the operating system and the processor. Nothing outside this folder names a signal or a register, or
//! makes a system call, except that `space` changes access rights through the crate `region`.
//!
//! `arch/` holds the fixed machine code: entering wasm, leaving it for the host, switching instances, landing.
//! `unix/` holds mappings, signals, threads, their timers and alternate signal stacks.

pub mod arch;
pub mod unix;

pub use unix::{machcode, mapping, signal, thread, wake};
