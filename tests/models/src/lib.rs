//! Models of what threads do to each other without locks, or with few: loom runs every order in which their steps can
//! come, and every value that a weakly ordered processor may show them.
//!
//! What is checked is the runtime's own source, compiled here with loom's atomics and locks as `crate::threads::sync`. The
//! neighbours that the files name are stand-ins of the same shape: the words of a store, and the system calls.
#![cfg(test)]
#![forbid(unsafe_code)]

mod checks;
mod code;
mod sys;
mod threads;
