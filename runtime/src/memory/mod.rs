//! What guests store in: linear memories, alone and shared, with their address space and first contents; tables.

pub mod image;
pub mod linear;
pub mod shared;
pub mod space;
pub mod table;
