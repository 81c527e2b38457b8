//! Unix: mappings, signals, threads and their timers, and making fresh machine code visible.

pub mod machcode;
pub mod mapping;
pub mod signal;
mod stopped;
pub mod thread;
#[cfg(target_os = "linux")]
pub mod timer;
#[cfg(not(target_os = "linux"))]
#[path = "no_timer.rs"]
pub mod timer;
pub mod wake;

/// How much processor time of a thread lies between two notes: more where the system's clock is coarser.
pub const SAMPLE_PERIOD: std::time::Duration = std::time::Duration::from_millis(4);
