//! Misuse of the public API: items of another store or engine, wrong types, the wrong moment, the wrong thread, panics
//! where none are expected. Whatever safe Rust can say gives an error, or the panic that the documentation promises.

mod foreign;
mod panics;
mod raw;
mod roots;
#[path = "../support.rs"]
mod support;
mod surface;
mod threads;
mod types;
mod wasi;
mod watched;
mod when;
