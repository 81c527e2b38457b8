//! What wasm calls in the host: host functions, libcalls, and the collector's view of a store.

pub mod collector;
pub mod hostcall;
pub mod libcalls;
pub mod objects;
