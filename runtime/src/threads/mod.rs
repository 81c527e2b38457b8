//! What threads do to each other: locks that a fork finds free, claims on work, waiting, interruptions, epochs,
//! and the words of a store that they look at.

pub mod claims;
pub mod epoch;
pub mod fork;
pub mod interrupt;
pub mod sampling;
pub mod slot;
pub mod sync;
pub mod waiting;
pub mod words;
