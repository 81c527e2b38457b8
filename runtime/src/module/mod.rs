//! What all instances of a module share, what all modules of an engine share, and what the API outside holds of both.

pub mod bytes;
pub mod handle;
pub mod linked;
pub mod materialise;
pub mod signature;
