//! Machine code in memory, where it lies, how it gets there, what is known of it; and the stacks that it runs on. Knows nothing of
//! instances.

pub mod link;
pub mod placed;
pub mod region;
pub mod registry;
pub mod stack;
pub mod thunk;
