//! Unix: mappings, signals, threads and their timers, and making fresh machine code visible.

pub mod machcode;
pub mod mapping;
pub mod signal;
pub mod thread;
#[cfg(target_os = "linux")]
pub mod timer;
#[cfg(not(target_os = "linux"))]
#[path = "no_timer.rs"]
pub mod timer;
pub mod wake;
