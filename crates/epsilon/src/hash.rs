//! Hashes: of modules, by which their code is found, and of compiled code, by which damage and forgery are. With the
//! feature `hash-time` this also counts how long they take, for the benchmarks.

#[cfg(feature = "hash-time")]
use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(feature = "hash-time")]
use std::time::{Duration, Instant};

/// What is hashed.
#[derive(Clone, Copy)]
pub enum Of {
    /// A module and its settings, to find their code.
    Module,
    /// Compiled code and what describes it, to check them.
    Code,
}

/// The hash of a module.
pub fn module(bytes: &[u8]) -> blake3::Hash {
    counted(Of::Module, || blake3::hash(bytes))
}

/// The keyed hash of a part of an entry or an artifact.
pub fn keyed(secret: &[u8; 32], bytes: &[u8]) -> blake3::Hash {
    counted(Of::Code, || blake3::keyed_hash(secret, bytes))
}

/// Does what hashes, and counts its time if that is wanted.
#[cfg(not(feature = "hash-time"))]
pub fn counted<R>(_: Of, hash: impl FnOnce() -> R) -> R {
    hash()
}

#[cfg(feature = "hash-time")]
static NANOSECONDS: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

/// Does what hashes, and counts its time.
#[cfg(feature = "hash-time")]
pub fn counted<R>(of: Of, hash: impl FnOnce() -> R) -> R {
    let started = Instant::now();
    let result = hash();
    NANOSECONDS[of as usize].fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
    result
}

/// How long this process has hashed, in all of its threads.
#[cfg(feature = "hash-time")]
#[derive(Clone, Copy, Debug)]
pub struct HashTime {
    /// Modules, to find their code.
    pub module: Duration,
    /// Compiled code and what describes it, to check them.
    pub code: Duration,
}

/// How long this process has hashed so far.
#[cfg(feature = "hash-time")]
pub fn hash_time() -> HashTime {
    let [module, code] = [Of::Module, Of::Code].map(|of| NANOSECONDS[of as usize].load(Ordering::Relaxed));
    HashTime { module: Duration::from_nanos(module), code: Duration::from_nanos(code) }
}
