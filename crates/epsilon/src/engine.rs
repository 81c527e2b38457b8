//! [`Engine`]: settings, the compiler and the runtime, shared by modules and stores on any number of threads.

use crate::background::Workers;
#[cfg(feature = "cache")]
use crate::cache::Cache;
use crate::config::{Compilation, Config, MemoryStrategy, Tier};
use crate::pooling::{PoolingAllocationConfig, PoolingAllocatorMetrics};
use crate::tiering::Tiering;
use crate::{Error, Result};
use epsilon_abi::{HeapPlan, MemoryPlan};
use epsilon_compiler::Compiler;
use epsilon_runtime::{AsEngine, Charge, EngineHandle, Runtime, RuntimeSettings};
use std::sync::{Arc, Weak};

/// What modules are compiled with and stores are made in. Cloning is cheap and gives the same engine.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    compiler: Arc<Compiler>,
    runtime: Arc<Runtime>,
    /// The runtime as other crates see it.
    handle: EngineHandle,
    compilation: Compilation,
    /// The machine that code is made for, if it is not this one.
    target: Option<String>,
    config: Config,
    workers: Workers,
    /// Where quick code comes first.
    tiering: Option<Arc<Tiering>>,
    #[cfg(feature = "cache")]
    cache: Result<Arc<Cache>, String>,
}

/// Memory of an embedder's own that counts against the limit of an engine: see [`Engine::reserve_memory`].
#[derive(Debug)]
pub struct ReservedMemory {
    _charge: Charge,
}

impl Default for Engine {
    /// An engine with [`Config::default`].
    ///
    /// # Panics
    /// On processors and systems that Epsilon does not run on.
    fn default() -> Self {
        Self::new(&Config::default()).expect("the default settings suit this machine")
    }
}

impl Engine {
    /// An engine with these settings.
    ///
    /// # Signals
    /// Faults of guests are signals, and guests run on stacks of their own. When a process runs its first guest, it gets
    /// handlers for SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGURG; what is not a guest's goes on to the handlers that were
    /// there before. What that asks of an embedder:
    ///
    /// - Handlers of other signals are installed with `SA_ONSTACK`, as those of profilers are. Handlers that are there
    ///   when the first guest runs get that flag. One that is installed later without it runs on the stack of the guest
    ///   that it interrupts, which ends with the trap "call stack exhausted" if little of that is left. The handler has
    ///   64 KiB then, beyond which the process ends with a message that names the cause; and if there is not even room
    ///   for the handler's frame, that signal is lost.
    /// - Handlers that are installed for one of the five after that pass on what is not theirs.
    /// - None of the five is blocked in a thread that runs guests. They may have been blocked before: a thread's first
    ///   call of a guest unblocks them.
    ///
    /// A thread gets a signal stack of 64 KiB with its first call of a guest, unless it has one as large.
    ///
    /// # Errors
    /// If the processor lacks what generated code needs, or settings contradict each other.
    pub fn new(config: &Config) -> Result<Self> {
        if config.tier == Tier::Quick && config.has_canonical_nans() {
            let reason = "the quick tier does not make NaNs canonical, which `cranelift_nan_canonicalization` and \
                `deterministic` want; choose `Tier::Optimised` or `Tier::Auto`";
            return Err(Error::misuse(reason));
        }
        config.noted.check()?;
        config.pool.as_ref().map_or(Ok(()), PoolingAllocationConfig::check)?;
        let plan = memory_plan(config)?;
        let compiler = Compiler::new(config.compiler_settings(plan)).map_err(Error::module)?;
        config.check_flags(&compiler.isa().flags())?;
        let is_tiered = compiler.settings().tier == epsilon_compiler::Tier::Auto;
        let settings = RuntimeSettings {
            plan,
            samples: is_tiered,
            max_wasm_stack_bytes: config.max_wasm_stack_bytes,
            backtrace_frames: config.backtrace_frames,
            epochs: config.epochs,
            max_memory_bytes: config.max_memory_bytes,
            code_room_bytes: config.code_room_bytes,
            gc_heap_reservation_bytes: config.gc_heap_max_region(),
            address_map: config.noted.has_address_map(),
            shared_memories: config.noted.has_shared_memories(),
            max_memory_size_bytes: config.noted.max_memory_size_bytes(),
            pool: config.pool.as_ref().map(PoolingAllocationConfig::limits),
            gc_stress: config.gc_stress,
            fault: config.fault,
        };
        let runtime = Arc::new(Runtime::new(settings));
        let tiering =
            runtime.samples().map(|samples| Arc::new(Tiering::new(samples, config.workers, config.replaces_all)));
        Ok(Self(Arc::new(Inner {
            compiler: Arc::new(compiler),
            handle: EngineHandle::new(&runtime),
            runtime,
            compilation: config.compilation,
            target: config.target.as_ref().map(|(triple, _)| triple.clone()),
            config: config.clone(),
            workers: Workers::new(config.workers),
            tiering,
            #[cfg(feature = "cache")]
            cache: open_cache(config),
        })))
    }

    /// How much of [`Config::max_memory`] is in use now, in bytes.
    pub fn memory_in_use(&self) -> usize {
        self.runtime().budget().used_bytes()
    }

    /// Counts memory of the embedder's own, which it holds because of a guest, against [`Config::max_memory`] until the
    /// result is dropped. `what` is said where the limit refuses it: a plural such as `stacks of threads`.
    ///
    /// ```
    /// let mut config = epsilon::Config::new();
    /// let engine = epsilon::Engine::new(config.max_memory(1 << 20))?;
    /// let held = engine.reserve_memory(900 << 10, "open documents")?;
    /// assert!(engine.reserve_memory(900 << 10, "open documents").is_err());
    /// drop(held);
    /// assert!(engine.reserve_memory(900 << 10, "open documents").is_ok());
    /// # Ok::<(), epsilon::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the limit is reached.
    pub fn reserve_memory(&self, bytes: usize, what: &'static str) -> Result<ReservedMemory> {
        Ok(ReservedMemory { _charge: self.runtime().budget().charge(bytes, what)? })
    }

    /// How much of the pool is in use; `None` unless the engine was made with
    /// [`InstanceAllocationStrategy::Pooling`](crate::InstanceAllocationStrategy::Pooling).
    pub fn pooling_allocator_metrics(&self) -> Option<PoolingAllocatorMetrics> {
        self.runtime().pool().cloned().map(PoolingAllocatorMetrics::new)
    }

    /// Stack for wasm code, per thread that runs any, in bytes: [`Config::max_wasm_stack`] in whole pages.
    pub fn max_wasm_stack(&self) -> usize {
        self.runtime().settings().max_wasm_stack_bytes
    }

    /// What the engine was made with.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The next epoch begins: stores whose deadline that is are interrupted.
    pub fn increment_epoch(&self) {
        self.runtime().epochs().increment();
    }

    /// A handle that does not keep the engine.
    ///
    /// ```
    /// let engine = epsilon::Engine::default();
    /// let weak = engine.weak();
    /// assert!(weak.upgrade().is_some_and(|same| epsilon::Engine::same(&same, &engine)));
    /// drop(engine);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn weak(&self) -> EngineWeak {
        EngineWeak(Arc::downgrade(&self.0))
    }

    /// Whether guests are called asynchronously. They are not.
    pub fn is_async(&self) -> bool {
        false
    }

    /// Whether guests are interpreted. They are not.
    pub fn is_pulley(&self) -> bool {
        false
    }

    /// What compiled code depends on beside the module: artifacts of engines with the same hash can be exchanged.
    pub fn precompile_compatibility_hash(&self) -> impl std::hash::Hash + '_ {
        self.compiler().fingerprint()
    }

    /// Whether two handles are of the same engine.
    pub fn same(a: &Self, b: &Self) -> bool {
        Arc::ptr_eq(&a.0, &b.0)
    }

    pub(crate) fn compiler(&self) -> &Arc<Compiler> {
        &self.0.compiler
    }

    /// Refuses to run what is compiled for another machine.
    pub(crate) fn check_target(&self) -> Result<()> {
        match &self.0.target {
            None => Ok(()),
            Some(target) => Err(Error::misuse(format!(
                "this engine compiles for {target}; its modules can be precompiled, and run by an engine there"
            ))),
        }
    }

    pub(crate) fn compilation(&self) -> Compilation {
        self.0.compilation
    }

    /// The cache, or why there is none.
    #[cfg(feature = "cache")]
    pub fn cache(&self) -> Result<&Arc<Cache>, &str> {
        self.0.cache.as_ref().map_err(String::as_str)
    }

    pub(crate) fn tiering(&self) -> Option<&Arc<Tiering>> {
        self.0.tiering.as_ref()
    }

    pub(crate) fn workers(&self) -> &Workers {
        &self.0.workers
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.0.runtime
    }
}

/// A handle of an [`Engine`] that does not keep it.
#[derive(Clone, Debug)]
pub struct EngineWeak(Weak<Inner>);

impl EngineWeak {
    /// The engine, if anything still has it.
    pub fn upgrade(&self) -> Option<Engine> {
        self.0.upgrade().map(Engine)
    }
}

impl AsEngine for Engine {
    fn as_engine(&self) -> &EngineHandle {
        &self.0.handle
    }
}

#[cfg(feature = "cache")]
fn open_cache(config: &Config) -> Result<Arc<Cache>, String> {
    match &config.cache {
        None => Err("switched off".into()),
        Some(cache) => Cache::open(cache).map(Arc::new).map_err(|error| error.to_string()),
    }
}

/// Whether memory 0 lies at the anchor, unless configured. See benches/NOTES.md for the figures behind it.
const MEMORY_AT_ANCHOR: bool = true;

/// The plan is fixed here, by what the system grants, and does not depend on any module.
fn memory_plan(config: &Config) -> Result<MemoryPlan> {
    let heap = heap_plan(config);
    let guarded = match config.memory {
        MemoryStrategy::Guarded => true,
        MemoryStrategy::Checked => false,
        MemoryStrategy::Auto => Runtime::can_reserve_guarded_memories(),
    };
    if !guarded {
        if config.memory_at_anchor == Some(true) {
            return Err(Error::misuse(
                "`memory_at_anchor` needs guarded memories; enable guarded memories or disable `memory_at_anchor`",
            ));
        }
        return Ok(MemoryPlan { heap, ..MemoryPlan::CHECKED });
    }
    let anchored = config.memory_at_anchor.unwrap_or(MEMORY_AT_ANCHOR);
    Ok(MemoryPlan { anchored, heap, ..MemoryPlan::GUARDED })
}

fn heap_plan(config: &Config) -> HeapPlan {
    let is_whole = match config.gc_heap_reservation {
        Some(bytes) => bytes >= 4 << 30,
        None => Runtime::can_reserve_whole_heaps(),
    };
    if is_whole { HeapPlan::Whole } else { HeapPlan::Masked }
}
