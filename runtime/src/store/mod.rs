//! Who owns what instances consist of.

pub mod global;
pub mod inner;
