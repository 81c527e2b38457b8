//! Unix: mappings, signals, threads, and making fresh machine code visible.

pub mod machcode;
pub mod mapping;
pub mod signal;
pub mod thread;
