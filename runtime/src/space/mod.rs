//! Address space of linear memories, and what they hold at first. Knows nothing of stores.

pub mod image;
pub mod pool;
