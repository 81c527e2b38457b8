//! The border to the operating system and the processor. Nothing outside this folder names a system call, a signal
//! or a register.
//!
//! `arch/` holds the fixed machine code: entering wasm, leaving it for the host, switching instances, landing.
//! `unix/` holds mappings, signals, threads, their timers and alternate signal stacks.

pub mod arch;
pub mod unix;

pub use unix::{machcode, mapping, signal, thread, wake};
