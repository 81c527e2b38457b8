//! What threads do to each other: locks that a fork finds free, claims on work, waiting, interruptions, epochs.

pub mod claims;
pub mod epoch;
pub mod fork;
pub mod interrupt;
pub mod sync;
pub mod waiting;
