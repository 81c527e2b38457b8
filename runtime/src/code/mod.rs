//! Machine code in memory: where it lies, how it gets there, what is known of it, and how much of it is run. Knows nothing of
//! instances.

pub mod link;
pub mod placed;
pub mod region;
pub mod registry;
pub mod sampling;
pub mod thunk;
