//! Programs that were written for Wasmtime, as its documentation says they are written, with nothing changed but the
//! name of the crate.

mod config;
mod errors;
mod funcs;
mod items;
mod modules;
mod settings;
mod table;
mod types;
mod wasi;
