//! What a guest has been given, and what is behind it on the host. Knows nothing of calls.

pub mod channel;
pub mod clock;
pub mod ctx;
pub mod directory;
#[cfg(target_os = "linux")]
pub mod fifo;
pub mod input;
pub mod interrupt;
pub mod output;
pub mod random;
pub mod reserve;
pub mod table;
pub mod terminal;
