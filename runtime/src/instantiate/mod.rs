//! From a linked module to an instance: imports, constant expressions, segments, and undoing what fails.

pub mod constexpr;
pub mod imports;
pub mod segments;
pub mod undo;
