//! The border to the operating system. Nothing outside this folder makes a system call, except that `space` changes
//! access rights through the crate `region`.
//!
//! `unix/` holds mappings, signals, threads, their timers and alternate signal stacks.

pub mod unix;

pub use unix::{SAMPLE_PERIOD, machcode, mapping, signal, thread, wake};
