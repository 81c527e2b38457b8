//! What threads share, where tests/models checks every order of their steps: the files that use this are compiled there
//! with a model's locks and atomics in its place.

pub use std::sync::atomic::{AtomicBool, AtomicUsize};
pub use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Whether this is a model's build.
#[cfg(test)]
pub const IS_MODEL: bool = false;
