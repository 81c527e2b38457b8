//! What the targets share: engines, limits on what a case may take, and a thread that ends guests which run for long.

#![allow(dead_code, reason = "each target uses a part")]

use epsilon::{
    Compilation, Config, Engine, Instance, InterruptHandle, Linker, MemoryStrategy, Module, OptLevel, Store,
    StoreLimits, StoreLimitsBuilder, Tier, Val, ValType,
};
use std::sync::{Mutex, OnceLock};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

/// How long a guest may run.
const TIME: Duration = Duration::from_millis(200);

/// What runs on which thread, and until when it may.
static RUNNING: Mutex<Vec<(ThreadId, Instant, InterruptHandle)>> = Mutex::new(Vec::new());

/// A store with limits, whose guests are ended.
pub fn store(engine: &Engine) -> Store<StoreLimits> {
    let limits = StoreLimitsBuilder::new().memory_size(32 << 20).table_elements(20_000).build();
    let mut store = Store::new(engine, limits);
    store.limiter(|limits| limits);
    store
}

/// Settings of which no compiled code is kept.
pub fn config(compilation: Compilation) -> Config {
    let mut config = Config::new();
    config.cache(None).compilation(compilation).wasm_wide_arithmetic(true).wasm_custom_page_sizes(true);
    config
}

/// Engines of both tiers: lazy and guarded; compiled at once, with explicit checks and without the optimiser.
pub fn engines() -> &'static [Engine; 4] {
    static ENGINES: OnceLock<[Engine; 4]> = OnceLock::new();
    ENGINES.get_or_init(|| {
        let engine = |tier, compilation, strategy| {
            let mut config = config(compilation);
            let level = if compilation == Compilation::Lazy { OptLevel::Speed } else { OptLevel::None };
            config.tier(tier).memory_strategy(strategy).cranelift_opt_level(level);
            Engine::new(&config).expect("an engine")
        };
        [
            engine(Tier::Optimised, Compilation::Lazy, MemoryStrategy::Guarded),
            engine(Tier::Optimised, Compilation::Eager, MemoryStrategy::Checked),
            engine(Tier::Quick, Compilation::Lazy, MemoryStrategy::Guarded),
            engine(Tier::Quick, Compilation::Eager, MemoryStrategy::Checked),
        ]
    })
}

/// Lets a store's guest run for its time.
pub fn for_a_time<R>(store: &mut Store<StoreLimits>, run: impl FnOnce(&mut Store<StoreLimits>) -> R) -> R {
    static WATCHING: OnceLock<()> = OnceLock::new();
    WATCHING.get_or_init(|| {
        thread::spawn(|| {
            loop {
                thread::sleep(TIME / 10);
                let running = RUNNING.lock().expect("nobody panics with it");
                let late = running.iter().filter(|(_, end, _)| Instant::now() > *end);
                late.for_each(|(_, _, handle)| handle.interrupt());
            }
        });
    });
    let entry = (thread::current().id(), Instant::now() + TIME, store.interrupt_handle());
    RUNNING.lock().expect("nobody panics with it").push(entry);
    let result = run(store);
    RUNNING.lock().expect("nobody panics with it").retain(|(thread, ..)| *thread != thread::current().id());
    result
}

/// Instantiates a module, with functions that trap for its imports, and calls what it exports; twice, so that what failed
/// is used again, and with other arguments. Errors are formatted, with their backtraces.
pub fn run(engine: &Engine, module: &Module) {
    let mut linker = Linker::new(engine);
    if linker.define_unknown_imports_as_traps(module).is_err() {
        return;
    }
    let mut store = store(engine);
    for argument in [0, -1] {
        let instance = for_a_time(&mut store, |store| linker.instantiate(store, module));
        match instance {
            Ok(instance) => call_all(&mut store, module, instance, argument),
            Err(error) => drop(format!("{error:?}")),
        }
    }
}

/// A value of a type: the number, or what is there without anything.
fn value(ty: ValType, number: i32) -> Option<Val> {
    match ty {
        ValType::I32 => Some(Val::I32(number)),
        ValType::I64 => Some(Val::I64(number.into())),
        ValType::F32 => Some(Val::F32(number as u32)),
        ValType::F64 => Some(Val::F64(number as u64)),
        ty => Val::default_for_ty(&ty),
    }
}

fn call_all(store: &mut Store<StoreLimits>, module: &Module, instance: Instance, argument: i32) {
    for export in module.exports().take(20) {
        let epsilon::ExternType::Func(ty) = export.ty() else { continue };
        let params: Option<Vec<Val>> = ty.params().map(|ty| value(ty, argument)).collect();
        let Some(params) = params else { continue };
        let mut results: Vec<Val> =
            ty.results().map(|ty| ty.default_value().unwrap_or(Val::FuncRef(None))).collect();
        let func = instance.get_func(&mut *store, export.name()).expect("exported");
        if let Err(error) = for_a_time(store, |store| func.call(store, &params, &mut results)) {
            drop(format!("{error:?}"));
        }
    }
}
