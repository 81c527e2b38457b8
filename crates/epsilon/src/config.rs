//! [`Config`]: what an engine is made with. One method a choice; a choice that contradicts another is an error when the
//! engine is made.

#[cfg(feature = "compiler")]
use epsilon_compiler::{CompileLimits, Settings, Target};
#[cfg(feature = "compiler")]
use wasmparser::WasmFeatures;

/// Which compiler makes the code of a module.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Tier {
    /// One pass: some sixty times as fast, and the code runs as fast or somewhat slower. The few functions that it does not
    /// translate are as with [`Tier::Optimised`].
    Quick,
    /// Cranelift.
    Optimised,
    /// The quick one when a function is first called. What guests spend their time in is then compiled by Cranelift on
    /// other threads, and takes its place while it runs.
    ///
    /// Where guests are is found out by a timer of each thread that runs them, on the processor time that it takes; it
    /// sends SIGURG, which the host's functions do not get to see. Where the system has no timers to give, code stays
    /// quick.
    #[default]
    Auto,
}

/// How much the optimiser does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OptLevel {
    /// Nothing: code is made in two thirds of the time and runs about a tenth slower.
    None,
    /// All that makes code faster.
    #[default]
    Speed,
    /// As [`OptLevel::Speed`].
    SpeedAndSize,
}

/// How linear memories are laid out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum MemoryStrategy {
    /// Guard pages where the address space allows, checks where it does not.
    #[default]
    Auto,
    /// 4 GiB and a guard are reserved for every 32-bit memory; accesses are not checked.
    Guarded,
    /// Every access is checked; memories take little address space and may move when they grow.
    Checked,
}

/// When functions are compiled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Compilation {
    /// Each when it is first called, on the thread that calls it; other threads compile the rest meanwhile.
    #[default]
    Lazy,
    /// All before the module is returned, on all processors.
    Eager,
}

/// What an [`Engine`](crate::Engine) is made with.
///
/// ```
/// let mut config = epsilon::Config::new();
/// config.max_wasm_stack(1 << 20).wasm_backtrace(false);
/// let engine = epsilon::Engine::new(&config)?;
/// # Ok::<(), epsilon::Error>(())
/// ```
#[cfg(feature = "compiler")]
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) features: WasmFeatures,
    pub(crate) tier: Tier,
    pub(crate) opt_level: OptLevel,
    pub(crate) memory: MemoryStrategy,
    pub(crate) memory_at_anchor: Option<bool>,
    pub(crate) max_wasm_stack_bytes: usize,
    pub(crate) backtrace_frames: usize,
    pub(crate) epochs: bool,
    pub(crate) noted: crate::settings::Noted,
    pub(crate) pool: Option<crate::PoolingAllocationConfig>,
    /// Flags of the code generator that were asked for, with their values.
    pub(crate) flags: Vec<(String, String)>,
    pub(crate) max_memory_bytes: usize,
    pub(crate) verify_ir: bool,
    pub(crate) relaxed_simd_deterministic: bool,
    pub(crate) canonical_nans: bool,
    pub(crate) is_deterministic: bool,
    pub(crate) branch_hinting: bool,
    pub(crate) drop_repeated_checks: bool,
    pub(crate) inlining: bool,
    pub(crate) compilation: Compilation,
    pub(crate) workers: Option<usize>,
    pub(crate) replaces_all: bool,
    /// Another machine: its triple, and features of its processor.
    pub(crate) target: Option<(String, Vec<String>)>,
    pub(crate) compile_limits: CompileLimits,
    pub(crate) code_room_bytes: Option<usize>,
    pub(crate) gc_heap_reservation: Option<u64>,
    pub(crate) gc_stress: u32,
    pub(crate) fault: Option<epsilon_runtime::Fault>,
    #[cfg(feature = "cache")]
    pub(crate) cache: Option<crate::CacheConfig>,
}

/// Wasm stack of a thread, unless configured: as much as native programs get for their main thread.
#[cfg(feature = "compiler")]
const DEFAULT_WASM_STACK_BYTES: usize = 8 << 20;

#[cfg(feature = "compiler")]
impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "compiler")]
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident => $feature:ident;)*) => {
        impl Config {
            $($(#[$doc])*
            pub fn $name(&mut self, enable: bool) -> &mut Self {
                self.features.set(WasmFeatures::$feature, enable);
                self
            })*
        }
    };
}

#[cfg(feature = "compiler")]
features! {
    /// Vectors of 128 bits. On by default.
    wasm_simd => SIMD;
    /// Relaxed vector operators. On by default.
    wasm_relaxed_simd => RELAXED_SIMD;
    /// `memory.copy`, `memory.fill`, and passive segments. On by default.
    wasm_bulk_memory => BULK_MEMORY;
    /// `externref`, and several tables. On by default.
    wasm_reference_types => REFERENCE_TYPES;
    /// Several results of functions, and parameters of blocks. On by default.
    wasm_multi_value => MULTI_VALUE;
    /// Several memories. On by default.
    wasm_multi_memory => MULTI_MEMORY;
    /// 64-bit memories and tables. On by default.
    wasm_memory64 => MEMORY64;
    /// Shared memories and atomic accesses. On by default.
    wasm_threads => THREADS;
    /// Arithmetic on 128-bit integers. Off by default.
    wasm_wide_arithmetic => WIDE_ARITHMETIC;
    /// Memories with pages of one byte. Off by default.
    wasm_custom_page_sizes => CUSTOM_PAGE_SIZES;
    /// Arithmetic in constant expressions. On by default.
    wasm_extended_const => EXTENDED_CONST;
    /// Calls that replace their caller's frame. On by default.
    wasm_tail_call => TAIL_CALL;
    /// Typed function references. On by default.
    wasm_function_references => FUNCTION_REFERENCES;
    /// Garbage collection: recursive types and subtypes, structures, arrays, `i31`, casts. On by default.
    wasm_gc => GC;
    /// Exceptions: `try_table`, `throw`, `throw_ref`, tags. On by default.
    wasm_exceptions => EXCEPTIONS;
    /// The exception instructions that browsers had first: `try`, `catch`, `catch_all`, `delegate`, `rethrow`. They throw
    /// and catch the same exceptions as the standard ones, whose tags they need. On by default.
    wasm_legacy_exceptions => LEGACY_EXCEPTIONS;
    /// Conversions that saturate instead of trapping. On by default.
    wasm_saturating_float_to_int => SATURATING_FLOAT_TO_INT;
    /// Sign extension of parts of integers. On by default.
    wasm_sign_extension => SIGN_EXTENSION;
    /// Import and export of mutable globals. On by default.
    wasm_mutable_global => MUTABLE_GLOBAL;
}

#[cfg(feature = "compiler")]
impl Config {
    /// The defaults: WebAssembly 3.0 and threads; guard pages; quick code
    /// first, and optimised code for what is hot.
    pub fn new() -> Self {
        let features = WasmFeatures::WASM2
            .union(WasmFeatures::MULTI_MEMORY)
            .union(WasmFeatures::MEMORY64)
            .union(WasmFeatures::EXTENDED_CONST)
            .union(WasmFeatures::TAIL_CALL)
            .union(WasmFeatures::FUNCTION_REFERENCES)
            .union(WasmFeatures::GC)
            .union(WasmFeatures::EXCEPTIONS)
            .union(WasmFeatures::LEGACY_EXCEPTIONS)
            .union(WasmFeatures::RELAXED_SIMD)
            .union(WasmFeatures::THREADS);
        Self {
            features,
            tier: Tier::Auto,
            opt_level: OptLevel::Speed,
            memory: MemoryStrategy::Auto,
            memory_at_anchor: None,
            max_wasm_stack_bytes: DEFAULT_WASM_STACK_BYTES,
            backtrace_frames: usize::MAX,
            epochs: false,
            noted: crate::settings::Noted::default(),
            pool: None,
            flags: Vec::new(),
            max_memory_bytes: epsilon_runtime::UNLIMITED,
            verify_ir: false,
            relaxed_simd_deterministic: false,
            canonical_nans: false,
            is_deterministic: false,
            branch_hinting: true,
            drop_repeated_checks: true,
            inlining: true,
            compilation: Compilation::Lazy,
            workers: None,
            replaces_all: false,
            target: None,
            compile_limits: CompileLimits::default(),
            code_room_bytes: None,
            gc_heap_reservation: None,
            gc_stress: 0,
            fault: None,
            #[cfg(feature = "cache")]
            cache: None,
        }
    }

    /// Exactly these proposals, by wasmparser's names. For test suites that were written for a version.
    pub fn features(&mut self, features: WasmFeatures) -> &mut Self {
        self.features = features;
        self
    }

    /// Which compiler makes the code of modules. [`Tier::Auto`] by default.
    pub fn tier(&mut self, tier: Tier) -> &mut Self {
        self.tier = tier;
        self
    }

    /// How much the optimiser does. [`OptLevel::Speed`] by default; of effect for what Cranelift
    /// compiles.
    pub fn cranelift_opt_level(&mut self, level: OptLevel) -> &mut Self {
        self.opt_level = level;
        self
    }

    /// Where compiled code is kept between runs, such as [`CacheConfig::new`](crate::CacheConfig::new) says; with `None`, the
    /// default, none is.
    #[cfg(feature = "cache")]
    pub fn cache(&mut self, cache: Option<crate::CacheConfig>) -> &mut Self {
        self.cache = cache;
        self
    }

    /// Compiles for another machine, such as `aarch64-unknown-linux-gnu`: modules can then be precompiled, not run. Code
    /// uses the least that Epsilon requires of such a processor.
    ///
    /// # Errors
    /// None; [`Engine::new`](crate::Engine::new) gives one if the machine is not known.
    pub fn target(&mut self, triple: &str) -> crate::Result<&mut Self> {
        Ok(self.target_with_features(triple, &[]))
    }

    /// As [`Config::target`], with code that uses these features of the processor, by Cranelift's names, such as `has_avx2`.
    pub fn target_with_features(&mut self, triple: impl Into<String>, cpu_features: &[&str]) -> &mut Self {
        self.target = Some((triple.into(), cpu_features.iter().map(|feature| (*feature).to_owned()).collect()));
        self
    }

    /// What compiling a module may take. What would take more is refused with
    /// [`CompileError::Limit`](crate::CompileError::Limit), when the module is made or when the function is first called.
    ///
    /// ```
    /// use epsilon::{CompileLimits, Config};
    /// Config::new().compile_limits(CompileLimits { max_function_bytes: 1 << 20, ..CompileLimits::default() });
    /// ```
    pub fn compile_limits(&mut self, limits: CompileLimits) -> &mut Self {
        self.compile_limits = limits;
        self
    }

    /// When functions are compiled. [`Compilation::Lazy`] by default. A module is validated completely in any case.
    pub fn compilation(&mut self, compilation: Compilation) -> &mut Self {
        self.compilation = compilation;
        self
    }

    /// How many threads compile while guests run; they start when they are first needed. By default one for each processor
    /// but the one that the guest runs on, and with [`Tier::Auto`] at least one. With 0, functions are compiled when they are
    /// called, and quick code stays.
    pub fn workers(&mut self, workers: usize) -> &mut Self {
        self.workers = Some(workers);
        self
    }

    /// How linear memories are laid out. [`MemoryStrategy::Auto`] by default.
    pub fn memory_strategy(&mut self, strategy: MemoryStrategy) -> &mut Self {
        self.memory = strategy;
        self
    }

    /// Whether a module's first memory lies at a fixed distance from what the pinned register holds, so that code need
    /// not fetch its address. Takes effect with guarded memories only.
    pub fn memory_at_anchor(&mut self, enable: bool) -> &mut Self {
        self.memory_at_anchor = Some(enable);
        self
    }

    /// Stack for wasm code, in bytes, per thread that runs any. 8 MiB by default; only what is used takes memory.
    pub fn max_wasm_stack(&mut self, bytes: usize) -> &mut Self {
        self.max_wasm_stack_bytes = bytes;
        self
    }

    /// How much memory all that belongs to the engine may take, in bytes: what guests hold in all of its stores, shared
    /// memories, compiled code, and compilations while they are in work. No limit by default.
    ///
    /// What would exceed it is refused with an error that says so; growing a memory or table gives -1. A compilation
    /// waits for others to end first. Stores can have limits of their own:
    /// [`StoreLimitsBuilder::total_memory`](crate::StoreLimitsBuilder::total_memory).
    pub fn max_memory(&mut self, bytes: usize) -> &mut Self {
        self.max_memory_bytes = bytes;
        self
    }

    /// Whether errors carry the guest's frames. On by default.
    pub fn wasm_backtrace(&mut self, enable: bool) -> &mut Self {
        self.backtrace_frames = if enable { usize::MAX } else { 0 };
        self
    }

    /// Whether the code generator checks its input: for tests of Epsilon itself. Off by default.
    pub fn cranelift_debug_verifier(&mut self, enable: bool) -> &mut Self {
        self.verify_ir = enable;
        self
    }

    /// Whether relaxed vector operators give the same results on every machine. Off by default.
    pub fn relaxed_simd_deterministic(&mut self, enable: bool) -> &mut Self {
        self.relaxed_simd_deterministic = enable;
        self
    }

    /// Whether every NaN that arithmetic makes is the canonical one: quiet, positive, without payload. Code is a few percent
    /// slower where it computes with floats. Off by default. Only Cranelift's code has it: [`Tier::Auto`] is
    /// [`Tier::Optimised`] then, and [`Tier::Quick`] an error.
    pub fn cranelift_nan_canonicalization(&mut self, enable: bool) -> &mut Self {
        self.canonical_nans = enable;
        self
    }

    /// Whether guests compute the same on every machine and in every run, as far as it is up to them: one tier of code,
    /// canonical NaNs, and relaxed vector operators that are all alike. What they are told of time, of chance and of the
    /// host, and when they are interrupted, is up to the embedder; so is how deep they can recurse, which differs between architectures.
    /// Off by default; what it turns on stays on whatever else is set.
    pub fn deterministic(&mut self, enable: bool) -> &mut Self {
        self.is_deterministic = enable;
        self
    }

    /// Whether the section `metadata.code.branch_hint` decides which code lies out of the way. On by default. A section
    /// that is malformed is ignored.
    pub fn wasm_branch_hinting(&mut self, enable: bool) -> &mut Self {
        self.branch_hinting = enable;
        self
    }

    /// Whether bounds checks of memories are dropped where an earlier check of the same index makes them needless. On by
    /// default. Of effect for 64-bit memories, those with custom page sizes, and under [`MemoryStrategy::Checked`].
    pub fn drop_repeated_checks(&mut self, enable: bool) -> &mut Self {
        self.drop_repeated_checks = enable;
        self
    }

    /// Whether calls of small functions are replaced by their bodies. On by default; backtraces stay what they are.
    pub fn compiler_inlining(&mut self, enable: bool) -> &mut Self {
        self.inlining = enable;
        self
    }

    /// Under [`Tier::Auto`], has all quick code replaced as soon as it is there: for tests of Epsilon itself.
    #[doc(hidden)]
    pub fn replace_all_code(&mut self, enable: bool) -> &mut Self {
        self.replaces_all = enable;
        self
    }

    /// Bytes of machine code that a module has room for, exactly: for tests of Epsilon itself.
    #[doc(hidden)]
    pub fn code_room_bytes(&mut self, bytes: usize) -> &mut Self {
        self.code_room_bytes = Some(bytes);
        self
    }

    /// Collects garbage at each so many allocations, moves all objects that can be moved, and checks the whole heap before and
    /// after: for tests of Epsilon itself.
    #[doc(hidden)]
    pub fn gc_stress(&mut self, each: u32) -> &mut Self {
        self.gc_stress = each;
        self
    }

    /// What goes wrong in the engine: for tests of Epsilon itself.
    #[doc(hidden)]
    pub fn fault(&mut self, fault: epsilon_runtime::Fault) -> &mut Self {
        self.fault = Some(fault);
        self
    }

    pub(crate) const fn has_canonical_nans(&self) -> bool {
        self.canonical_nans || self.is_deterministic
    }

    pub(crate) fn compiler_settings(&self, plan: epsilon_abi::MemoryPlan) -> Settings {
        Settings {
            plan,
            tier: match self.tier {
                Tier::Quick => epsilon_compiler::Tier::Quick,
                Tier::Auto if !self.has_canonical_nans() => epsilon_compiler::Tier::Auto,
                Tier::Auto | Tier::Optimised => epsilon_compiler::Tier::Optimised,
            },
            opt_level: match self.opt_level {
                OptLevel::None => epsilon_compiler::OptLevel::None,
                OptLevel::Speed | OptLevel::SpeedAndSize => epsilon_compiler::OptLevel::Speed,
            },
            target: match &self.target {
                None => Target::Host,
                Some((triple, cpu_features)) => {
                    Target::Named { triple: triple.clone(), cpu_features: cpu_features.clone() }
                }
            },
            features: self.features,
            deterministic_relaxed_simd: self.relaxed_simd_deterministic || self.is_deterministic,
            canonical_nans: self.has_canonical_nans(),
            branch_hints: self.branch_hinting,
            drop_repeated_checks: self.drop_repeated_checks,
            inlining: self.inlining,
            verify_ir: self.verify_ir,
            limits: self.compile_limits,
        }
    }
}
