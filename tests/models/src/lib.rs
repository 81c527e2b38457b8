//! Models of what threads do to each other without locks, or with few: loom runs every order in which their steps can
//! come, and every value that a weakly ordered processor may show them.
//!
//! What is checked is the runtime's own source, compiled here with loom's atomics and locks as `crate::sync`. The
//! neighbours that the files name are stand-ins of the same shape: the words of a store, and the system calls.
#![cfg(test)]
#![forbid(unsafe_code)]

mod checks;
#[allow(dead_code)] // nobody forks in a model
#[path = "../../../runtime/src/claims.rs"]
mod claims;
mod fork;
#[allow(dead_code)] // what is written out for people is not used here
#[path = "../../../runtime/src/interrupt.rs"]
mod interrupt;
#[path = "../../../runtime/src/registry.rs"]
mod registry;
mod store;
mod sync;
mod sys;
#[allow(dead_code)] // timeouts are no part of the models
#[path = "../../../runtime/src/waiting.rs"]
mod waiting;
