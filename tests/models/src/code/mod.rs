//! The runtime's own file.

#[path = "../../../../runtime/src/code/registry.rs"]
pub mod registry;
