//! The configurations that modules are run in. A new switch of the compiler is one row in [`SWITCHES`].

use crate::case::Rng;
use epsilon::{CacheConfig, Compilation, CompileLimits, Config, Engine, MemoryStrategy, Module, OptLevel, Tier};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A configuration by its name, with an engine of it.
pub struct Setup {
    /// For messages.
    pub name: String,
    /// The engine.
    pub engine: Engine,
    /// Whether modules are to be loaded a second time, from the cache.
    cached: bool,
}

impl Setup {
    /// A module in this configuration.
    ///
    /// # Errors
    /// If it is refused.
    pub fn module(&self, wasm: &[u8]) -> epsilon::Result<Module> {
        let module = Module::new(&self.engine, wasm)?;
        if !self.cached {
            return Ok(module);
        }
        module.compile_all(|_| ())?;
        module.save_to_cache();
        drop(module);
        Module::new(&self.engine, wasm)
    }
}

/// The memory plans.
pub const MEMORIES: [(&str, MemoryStrategy, Option<bool>); 3] = [
    ("guarded", MemoryStrategy::Guarded, Some(false)),
    ("anchored", MemoryStrategy::Guarded, Some(true)),
    ("checked", MemoryStrategy::Checked, None),
];

/// When code is made: at once, as it is called, or in an earlier run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Time {
    Eager,
    Lazy,
    Cached,
}

/// A setting that is on or off: its name, whether it is on unless configured, and how it is set.
pub struct Switch {
    /// For messages.
    pub name: &'static str,
    on: bool,
    set: fn(&mut Config, bool),
}

/// All settings of the compiler that are on or off, passes among them. Everything else draws from this list.
pub const SWITCHES: &[Switch] = &[
    Switch {
        name: "in one pass",
        on: false,
        set: |config, on| drop_it(config.tier(if on { Tier::Quick } else { Tier::Optimised })),
    },
    Switch {
        name: "optimised while it runs",
        on: false,
        set: |config, on| {
            if on {
                drop_it(config.tier(Tier::Auto).replace_all_code(true));
            }
        },
    },
    Switch {
        name: "optimised",
        on: true,
        set: |config, on| drop_it(config.cranelift_opt_level(if on { OptLevel::Speed } else { OptLevel::None })),
    },
    Switch { name: "inlining", on: true, set: |config, on| drop_it(config.compiler_inlining(on)) },
    Switch { name: "dropping repeated checks", on: true, set: |config, on| drop_it(config.drop_repeated_checks(on)) },
    Switch { name: "backtraces", on: true, set: |config, on| drop_it(config.wasm_backtrace(on)) },
    Switch { name: "branch hints", on: true, set: |config, on| drop_it(config.wasm_branch_hinting(on)) },
    Switch {
        name: "relaxed vectors deterministic",
        on: false,
        set: |config, on| drop_it(config.relaxed_simd_deterministic(on)),
    },
    Switch {
        name: "everything in the quickest way",
        on: false,
        set: |config, on| {
            let max_optimised_bytes = if on { 0 } else { CompileLimits::default().max_optimised_bytes };
            drop_it(config.compile_limits(CompileLimits { max_optimised_bytes, ..CompileLimits::default() }))
        },
    },
];

fn drop_it(_: &mut Config) {}

/// A configuration, before it has an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which of [`MEMORIES`].
    pub memory: usize,
    /// When code is made.
    pub time: Time,
    /// One for each of [`SWITCHES`].
    pub switches: Vec<bool>,
}

impl Choice {
    /// Every switch as it is unless configured.
    pub fn new(memory: usize, time: Time) -> Self {
        Self { memory, time, switches: SWITCHES.iter().map(|switch| switch.on).collect() }
    }

    /// With one switch set.
    pub fn with(mut self, name: &str, on: bool) -> Self {
        let at = SWITCHES.iter().position(|switch| switch.name == name).expect("the name of a switch");
        self.switches[at] = on;
        self
    }

    /// A memory plan and a time, with all switches as they are by default, one of them turned, all off but one, or
    /// each by chance.
    pub fn random(rng: &mut Rng) -> Self {
        let time = *rng.pick(&[Time::Eager, Time::Lazy, Time::Cached]);
        let mut choice = Self::new(rng.below(MEMORIES.len()), time);
        let one = rng.below(SWITCHES.len());
        match rng.below(4) {
            0 => {}
            1 => choice.switches[one] = !choice.switches[one],
            2 => choice.switches.iter_mut().enumerate().for_each(|(n, on)| *on = n == one),
            _ => choice.switches.iter_mut().for_each(|on| *on = rng.one_in(2)),
        }
        choice
    }

    /// What is said about it: the switches that are not as by default.
    pub fn name(&self) -> String {
        let mut name = format!("{} {:?}", MEMORIES[self.memory].0, self.time).to_lowercase();
        for (switch, on) in SWITCHES.iter().zip(&self.switches) {
            if *on != switch.on {
                name += &format!(", {} {}", switch.name, if *on { "on" } else { "off" });
            }
        }
        name
    }

    /// An engine of it; `folder` is for the cache.
    pub fn setup(&self, folder: &Path) -> Setup {
        let mut config = Config::new();
        let (_, strategy, anchored) = MEMORIES[self.memory];
        config.memory_strategy(strategy).cache(None).cranelift_debug_verifier(true).wasm_wide_arithmetic(true);
        if let Some(anchored) = anchored {
            config.memory_at_anchor(anchored);
        }
        config.compilation(if self.time == Time::Eager { Compilation::Eager } else { Compilation::Lazy });
        if self.time == Time::Cached {
            config.cache(Some(CacheConfig::new().directory(folder.join("cache"))));
        }
        for (switch, on) in SWITCHES.iter().zip(&self.switches) {
            (switch.set)(&mut config, *on);
        }
        let engine = Engine::new(&config).expect("an engine");
        Setup { name: self.name(), engine, cached: self.time == Time::Cached }
    }
}

/// Guarded memory, everything compiled first, all as by default.
pub fn baseline(folder: &Path) -> Setup {
    Choice::new(0, Time::Eager).setup(folder)
}

/// Engines are kept, up to so many.
const MAX_ENGINES: usize = 48;
/// Entries pile up in the cache; after so many modules it is emptied.
const DRAWS_PER_CACHE: u64 = 500;

/// Draws configurations, and keeps their engines.
pub struct Setups {
    folder: PathBuf,
    made: BTreeMap<String, Rc<Setup>>,
    draws: u64,
}

impl Setups {
    /// None yet; `folder` is for the cache.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), made: BTreeMap::new(), draws: 0 }
    }

    /// One of all configurations.
    pub fn draw(&mut self, rng: &mut Rng) -> Rc<Setup> {
        self.get(&Choice::random(rng))
    }

    /// One of those that do not load from the cache.
    pub fn draw_uncached(&mut self, rng: &mut Rng) -> Rc<Setup> {
        let mut choice = Choice::random(rng);
        if choice.time == Time::Cached {
            choice.time = Time::Lazy;
        }
        self.get(&choice)
    }

    fn get(&mut self, choice: &Choice) -> Rc<Setup> {
        self.draws += 1;
        if self.draws.is_multiple_of(DRAWS_PER_CACHE) {
            let caches = self.made.values().filter_map(|setup| setup.engine.cache().ok());
            // What cannot be removed now is removed with the folder.
            caches.for_each(|cache| drop(cache.clear()));
        }
        if self.made.len() >= MAX_ENGINES {
            self.made.clear();
        }
        let folder = &self.folder;
        self.made.entry(choice.name()).or_insert_with(|| Rc::new(choice.setup(folder))).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_switch_is_drawn_alone_off_and_on() {
        let mut rng = Rng::new(1);
        let drawn: BTreeSet<String> = (0..4000).map(|_| Choice::random(&mut rng).name()).collect();
        for switch in SWITCHES {
            let turned = format!("guarded eager, {} {}", switch.name, if switch.on { "off" } else { "on" });
            assert!(drawn.contains(&turned), "{turned}");
        }
        assert!(drawn.contains("guarded eager"));
    }
}
