//! What guests may make the host hold: limits in bytes, what becomes of a guest that reaches one, and that the same
//! engine, module and store go on afterwards.

mod failed;
#[path = "../compile_bombs/functions.rs"]
#[allow(dead_code)]
mod functions;
#[cfg(target_os = "linux")]
mod guests;
#[cfg(target_os = "linux")]
mod hostile;
mod limits;
#[path = "../compile_bombs/modules.rs"]
#[allow(dead_code)]
mod modules;
mod process;
#[path = "../support.rs"]
mod support;
#[cfg(target_os = "linux")]
mod wasi;
#[path = "../compile_bombs/wasm.rs"]
#[allow(dead_code)]
mod wasm;
