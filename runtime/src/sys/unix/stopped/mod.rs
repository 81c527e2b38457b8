//! [`Stopped`]: a thread as a signal handler finds it. One file per architecture with the same names in each.

#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod imp;

#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod imp;

pub use imp::Stopped;
