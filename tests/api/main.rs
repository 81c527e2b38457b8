//! The embedding API: what it does, and which errors say what. On the public API alone.

mod calls;
mod concrete;
mod exceptions;
mod hooks;
mod known;
mod linker;
mod linking;
mod memories;
mod modules;
mod pool;
mod references;
mod reset;
mod reuse;
mod stores;
#[path = "../support.rs"]
mod support;
mod tables;
mod tail_calls;
mod types;
