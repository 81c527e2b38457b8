//! What guests may make the host hold: limits in bytes, what becomes of a guest that reaches one, and that the same
//! engine, module and store go on afterwards.

mod failed;
#[path = "../bombs/functions.rs"]
#[allow(dead_code)]
mod functions;
#[cfg(target_os = "linux")]
mod guests;
#[cfg(target_os = "linux")]
mod hostile;
mod limits;
#[path = "../bombs/modules.rs"]
#[allow(dead_code)]
mod modules;
mod process;
#[path = "../support.rs"]
mod support;
#[cfg(target_os = "linux")]
mod wasi;
#[path = "../bombs/wasm.rs"]
#[allow(dead_code)]
mod wasm;
