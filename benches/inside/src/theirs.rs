//! Wasmtime's side: its engines, and the shared work in terms of it.

pub use wasmtime as vm;
// The same sources as Epsilon's, so that both do the same.
#[allow(clippy::duplicate_mod)]
#[path = "program.rs"]
pub mod program;
#[allow(clippy::duplicate_mod)]
#[path = "work.rs"]
pub mod work;

use crate::phases::Times;
use anyhow::Result;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

/// How an engine differs from the default one.
#[derive(Clone, Copy, Default)]
pub struct Settings {
    /// Instances come from a pool.
    pub pooling: bool,
    /// Traps have no backtrace.
    pub no_backtrace: bool,
    /// Code looks at the epoch.
    pub epochs: bool,
}

/// An engine without a cache.
pub fn engine(settings: Settings) -> Result<Engine> {
    let mut config = Config::new();
    if settings.no_backtrace {
        config.wasm_backtrace_max_frames(None);
    }
    config.epoch_interruption(settings.epochs).wasm_exceptions(true);
    if settings.pooling {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(PoolingAllocationConfig::default()));
    }
    Ok(Engine::new(&config)?)
}

/// A store; with epochs, code may run in it for ever.
pub fn store(engine: &Engine) -> Store<()> {
    let mut store = Store::new(engine, ());
    store.set_epoch_deadline(u64::MAX / 2);
    store
}

/// Runs a program, taking the times.
pub fn phases(wasm: &[u8], args: &[String]) -> Result<Times> {
    let times = program::phases(&engine(Settings::default())?, wasm, args, |module| module.text().len())?;
    // Functions can be called when all are compiled.
    Ok(Times { ready_s: times.compile_s, ..times })
}

/// How many instances can live, and how it ends.
pub fn live() -> Result<(usize, String)> {
    Ok(work::live(&engine(Settings::default())?)?)
}

/// A guest that runs for ever, in a store of its own, with what ends it.
pub fn endless() -> Result<work::Endless> {
    let engine = engine(Settings { no_backtrace: true, epochs: true, ..Settings::default() })?;
    let (store, clock) = (store(&engine), engine.clone());
    Ok(work::endless(&engine, store, |store| store.set_epoch_deadline(1), move || clock.increment_epoch())?)
}
