//! Who owns what instances consist of.

pub mod activation;
pub mod deadline;
pub mod global;
pub mod hooks;
pub mod inner;
