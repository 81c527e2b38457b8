//! What guests store in: linear memories, alone and shared, and tables.

pub mod bounds;
pub mod linear;
pub mod shared;
pub mod table;
