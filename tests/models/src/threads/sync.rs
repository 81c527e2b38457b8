//! Loom's locks and atomics, where the runtime has the standard library's.

pub use loom::sync::atomic::{AtomicBool, AtomicUsize};
pub use loom::sync::{Condvar, Mutex, MutexGuard};
pub use std::sync::PoisonError;

/// Whether this is a model's build.
pub const IS_MODEL: bool = true;
