//! Epsilon's side: its engines, and the shared work in terms of it.

pub use epsilon as vm;
#[path = "program.rs"]
pub mod program;
#[path = "work.rs"]
pub mod work;

use crate::phases::Times;
use anyhow::Result;
use epsilon::{Compilation, Config, Engine, Module, Store};
use std::time::Instant;

/// An engine without a cache.
pub fn engine(backtrace: bool, compilation: Compilation) -> Result<Engine> {
    let mut config = Config::new();
    config.cache(None).wasm_backtrace(backtrace).compilation(compilation);
    Ok(Engine::new(&config)?)
}

/// A store; there is nothing to set.
pub fn store(engine: &Engine) -> Store<()> {
    Store::new(engine, ())
}

/// Runs a program, taking the times.
pub fn phases(wasm: &[u8], args: &[String]) -> Result<Times> {
    let lazy = engine(true, Compilation::Lazy)?;
    let started = Instant::now();
    let module = Module::new(&lazy, wasm)?;
    let ready_s = started.elapsed().as_secs_f64();
    drop((module, lazy));
    let times = program::phases(&engine(true, Compilation::Eager)?, wasm, args, Module::code_size)?;
    Ok(Times { ready_s, ..times })
}

/// How many instances can live, and how it ends.
pub fn live() -> Result<(usize, String)> {
    Ok(work::live(&engine(true, Compilation::Eager)?)?)
}

/// A guest that runs for ever, in a store of its own, with what ends it.
pub fn endless() -> Result<work::Endless> {
    let engine = engine(false, Compilation::Eager)?;
    let store = store(&engine);
    let handle = store.interrupt_handle();
    Ok(work::endless(&engine, store, |_| {}, move || handle.interrupt())?)
}
