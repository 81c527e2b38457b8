//! What several test targets need: an engine in every memory plan, small numbers that repeat, and children.
#![allow(dead_code)] // every target uses a part

use epsilon::{
    AsContextMut, CacheConfig, CacheStatus, Compilation, Config, Engine, FuncType, GlobalType, Instance,
    MemoryStrategy, Module, Mutability, Store, Tag, TagType, Tier, ValType,
};

/// A change of a configuration.
pub type Change = fn(&mut Config) -> &mut Config;

/// Changes of the default configuration for every memory plan, by name.
pub const PLANS: [(&str, Change); 3] = [
    ("guarded", |config| config.memory_strategy(MemoryStrategy::Guarded).memory_at_anchor(false)),
    ("anchored", |config| config.memory_strategy(MemoryStrategy::Guarded).memory_at_anchor(true)),
    ("checked", |config| config.memory_strategy(MemoryStrategy::Checked).gc_heap_reservation(0)),
];

/// Says how modules get their code, so that the same tests can be run in all ways: `lazy` (also if it is not set),
/// `eager`, `quick`, which is lazy with the first tier alone, `optimised`, which is lazy with the other one alone, and `swap`,
/// which has all code of the first tier replaced while it runs, keep nothing; `stored` keeps every module in `EPSILON_CACHE_DIR`, where `loaded` has to find it.
const MODE: &str = "EPSILON_TEST_MODE";

/// The default configuration, but that modules are compiled and kept as `EPSILON_TEST_MODE` says.
pub fn config() -> Config {
    let mut config = Config::new();
    match std::env::var(MODE).as_deref() {
        Err(_) | Ok("lazy") => config.cache(None),
        Ok("quick") => config.cache(None).tier(Tier::Quick),
        Ok("optimised") => config.cache(None).tier(Tier::Optimised),
        Ok("swap") => config.cache(None).tier(Tier::Auto).workers(2).replace_all_code(true),
        Ok("eager") => config.cache(None).compilation(Compilation::Eager),
        Ok("stored" | "loaded") => config.cache(Some(CacheConfig::new().min_code_size(0))),
        Ok(other) => {
            panic!("{MODE} is `{other}`, which is none of lazy, eager, quick, optimised, swap, stored, loaded")
        }
    };
    config
}

/// An engine with [`config`].
pub fn engine() -> Engine {
    Engine::new(&config()).expect("an engine")
}

/// An engine in each memory plan.
pub fn engines() -> Vec<(&'static str, Engine)> {
    engines_with(|config| config)
}

/// As [`engines`], with further changes.
pub fn engines_with(change: impl Fn(&mut Config) -> &mut Config) -> Vec<(&'static str, Engine)> {
    let engine = |(name, plan): &(&'static str, Change)| {
        let mut config = config();
        plan(&mut config);
        change(&mut config);
        (*name, Engine::new(&config).expect("a machine for every plan"))
    };
    PLANS.iter().map(engine).collect()
}

/// A tag whose exceptions carry values of these types.
pub fn tag(
    mut store: impl AsContextMut<Engine = Engine>,
    params: impl IntoIterator<Item = ValType>,
) -> epsilon::Result<Tag> {
    let ty = FuncType::new(store.as_context().engine(), params, []);
    Tag::new(&mut store, &TagType::new(ty))
}

/// The type of a global that can be set.
pub fn variable(content: ValType) -> GlobalType {
    GlobalType::new(content, Mutability::Var)
}

/// The type of a global that cannot be set.
pub fn constant(content: ValType) -> GlobalType {
    GlobalType::new(content, Mutability::Const)
}

/// A module from its text.
pub fn module(engine: &Engine, text: &str) -> Module {
    let module = Module::new(engine, text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    if std::env::var(MODE).is_ok_and(|mode| mode == "loaded") && engine.cache().is_ok() {
        let status = module.cache_status();
        assert!(matches!(status, CacheStatus::Hit { damaged: 0, .. }), "{status:?} in spite of an earlier run: {text}");
    }
    module
}

/// A store with one instance that imports nothing.
pub fn instantiate(engine: &Engine, text: &str) -> (Store<()>, Instance) {
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module(engine, text), &[]).expect("an instance");
    (store, instance)
}

/// Numbers that look random and are the same every time.
pub struct Random(pub u64);

impl Random {
    /// The next number (xorshift64*).
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 32) as usize % limit
    }
}

/// The variable that tells a test that it is the child.
pub const CHILD: &str = "EPSILON_TEST_CHILD";

/// What a test that runs alone in a process of its own was asked to do; `None` in the parent.
pub fn child_task() -> Option<String> {
    std::env::var(CHILD).ok()
}

/// Runs a test of this binary in a child, alone, and returns how it ended and what it wrote.
pub fn run_child(test: &str, task: &str) -> std::process::Output {
    let binary = std::env::current_exe().expect("the path of this binary");
    let mut child = std::process::Command::new(binary);
    child.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, task);
    child.output().expect("a child")
}

/// As [`run_child`], where the child must pass.
pub fn pass_in_child(test: &str, task: &str) {
    let output = run_child(test, task);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stdout.contains("1 passed"), "{test} ({task}):\n{stdout}\n{stderr}");
}
