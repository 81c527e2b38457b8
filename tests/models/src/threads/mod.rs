//! The runtime's own files, and what they know of each other.

#[allow(dead_code)] // nobody forks in a model
#[path = "../../../../runtime/src/threads/claims.rs"]
pub mod claims;
pub mod fork;
#[allow(dead_code)] // what is written out for people is not used here
#[path = "../../../../runtime/src/threads/interrupt.rs"]
pub mod interrupt;
#[path = "../../../../runtime/src/threads/slot.rs"]
pub mod slot;
pub mod sync;
#[allow(dead_code)] // timeouts are not part of the models
#[path = "../../../../runtime/src/threads/waiting.rs"]
pub mod waiting;
pub mod words;
