//! Into wasm: the stacks that it runs on, entering, and how Rust's types travel.

pub mod enter;
pub mod host_stack;
pub mod typed;
