//! Loom's locks and atomics, where the runtime has the standard library's.

pub use loom::sync::atomic::{AtomicBool, AtomicUsize};
pub use loom::sync::{Condvar, Mutex, MutexGuard};
pub use std::sync::PoisonError;
