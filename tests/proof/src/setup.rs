//! The configurations that modules are run in.

use crate::case::Rng;
use epsilon::{CacheConfig, Compilation, Config, Engine, MemoryStrategy, OptLevel};
use std::path::Path;

/// A configuration by its name, with an engine of it.
pub struct Setup {
    /// For messages.
    pub name: String,
    /// The engine.
    pub engine: Engine,
    /// Whether modules are to be loaded a second time, from the cache.
    pub cached: bool,
}

fn config(optimised: bool, memory: (MemoryStrategy, Option<bool>), compilation: Compilation) -> Config {
    let mut config = Config::new();
    config.memory_strategy(memory.0).compilation(compilation).cache(None);
    if let Some(anchored) = memory.1 {
        config.memory_at_anchor(anchored);
    }
    config.cranelift_opt_level(if optimised { OptLevel::Speed } else { OptLevel::None });
    config.cranelift_debug_verifier(true);
    config
}

/// The memory plans.
pub const MEMORIES: [(&str, MemoryStrategy, Option<bool>); 3] = [
    ("guarded", MemoryStrategy::Guarded, Some(false)),
    ("anchored", MemoryStrategy::Guarded, Some(true)),
    ("checked", MemoryStrategy::Checked, None),
];

/// Guarded memory, everything compiled first, optimised.
pub fn baseline() -> Setup {
    let config = config(true, (MemoryStrategy::Guarded, Some(false)), Compilation::Eager);
    Setup { name: "baseline".into(), engine: Engine::new(&config).expect("an engine"), cached: false }
}

/// All others.
pub fn variants(folder: &Path) -> Vec<Setup> {
    let mut setups = Vec::new();
    for (memory_name, strategy, anchored) in MEMORIES {
        for (opt_name, optimised) in [("speed", true), ("none", false)] {
            for (time_name, compilation, cached) in [
                ("eager", Compilation::Eager, false),
                ("lazy", Compilation::Lazy, false),
                ("cached", Compilation::Lazy, true),
            ] {
                let mut config = config(optimised, (strategy, anchored), compilation);
                // Half of them without the passes that can be switched off.
                config.drop_repeated_checks(compilation == Compilation::Eager);
                if cached {
                    config.cache(Some(CacheConfig::new().directory(folder.join("cache"))));
                }
                let engine = Engine::new(&config).expect("an engine");
                setups.push(Setup { name: format!("{memory_name} {opt_name} {time_name}"), engine, cached });
            }
        }
    }
    setups
}

/// One of several setups.
pub fn draw<'a>(setups: &'a [Setup], rng: &mut Rng) -> &'a Setup {
    rng.pick(setups)
}
