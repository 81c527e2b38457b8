//! Settings that embedders of other machines know, by the same names. Some say the same as one of our own; some ask for what
//! happens here in any case, or for what nobody can notice, and are noted, so that [`Engine`] gives them back; the others are
//! an error when the engine is made, which says what to use.

use crate::config::{Config, MemoryStrategy, OptLevel, Tier};
use crate::{Engine, Error, Result};
use std::num::{NonZeroU32, NonZeroUsize};

/// Who compiles.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Strategy {
    /// As the engine sees fit: [`Tier::Auto`].
    #[default]
    Auto,
    /// Cranelift, all functions: [`Tier::Optimised`].
    Cranelift,
    /// One pass: [`Tier::Quick`].
    Winch,
}

/// How garbage of guests is collected.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Collector {
    /// As the engine sees fit.
    #[default]
    Auto,
    /// By counting references, as far as somebody notices.
    DeferredReferenceCounting,
    /// Never.
    Null,
    /// By copying what is alive, as far as somebody notices.
    Copying,
}

/// Whether errors name places in source code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum WasmBacktraceDetails {
    /// Where the module has debug information. It is read when somebody looks at the error.
    #[default]
    Enable,
    /// As [`WasmBacktraceDetails::Enable`]: what nobody looks at costs nothing.
    Disable,
    /// As [`WasmBacktraceDetails::Enable`].
    Environment,
}

/// Who is told where machine code lies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum ProfilingStrategy {
    /// Nobody.
    #[default]
    None,
    /// perf, by a map of addresses: not supported.
    PerfMap,
    /// perf, by a dump: not supported.
    JitDump,
    /// VTune: not supported.
    VTune,
}

/// How Cranelift assigns registers: it has one way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum RegallocAlgorithm {
    /// The usual one.
    #[default]
    Backtracking,
    /// A faster one: as [`RegallocAlgorithm::Backtracking`]. For code that is made fast there is [`Tier::Quick`].
    SinglePass,
}

/// What is noted of settings that change nothing, with the defaults that they are known with.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    strategy: Strategy,
    collector: Collector,
    regalloc: RegallocAlgorithm,
    memory_reservation: u64,
    memory_guard_size: u64,
    memory_reservation_for_growth: u64,
    memory_may_move: bool,
    guard_before_linear_memory: bool,
    memory_init_cow: bool,
    memory_guaranteed_dense_image_size: u64,
    table_lazy_init: bool,
    parallel_compilation: bool,
    generate_address_map: bool,
    native_unwind_info: bool,
    debug_symbols: bool,
    shared_memory: bool,
    async_stack_size: usize,
    async_stack_zeroing: bool,
    gc_heap_reservation: u64,
    gc_heap_guard_size: u64,
    gc_heap_reservation_for_growth: u64,
    gc_heap_initial_size: u64,
    gc_heap_may_move: bool,
    /// What was asked for that there is not, with what to do.
    refused: Vec<(&'static str, &'static str)>,
}

impl Default for Noted {
    fn default() -> Self {
        Self {
            strategy: Strategy::Auto,
            collector: Collector::Auto,
            regalloc: RegallocAlgorithm::Backtracking,
            memory_reservation: 4 << 30,
            memory_guard_size: 32 << 20,
            memory_reservation_for_growth: 2 << 30,
            memory_may_move: true,
            guard_before_linear_memory: true,
            memory_init_cow: true,
            memory_guaranteed_dense_image_size: 16 << 20,
            table_lazy_init: true,
            parallel_compilation: true,
            generate_address_map: true,
            native_unwind_info: true,
            debug_symbols: true,
            shared_memory: true,
            async_stack_size: 2 << 20,
            async_stack_zeroing: false,
            gc_heap_reservation: 4 << 30,
            gc_heap_guard_size: 32 << 20,
            gc_heap_reservation_for_growth: 2 << 30,
            gc_heap_initial_size: 0,
            gc_heap_may_move: true,
            refused: Vec::new(),
        }
    }
}

impl Noted {
    /// Refuses what was asked for that there is not.
    pub(crate) fn check(&self) -> Result<()> {
        match self.refused.first() {
            None => Ok(()),
            Some((setting, instead)) => Err(Error::misuse(format!("`Config::{setting}` is not supported; {instead}"))),
        }
    }

    /// Whether frames of errors say where their operators lie.
    pub(crate) const fn has_address_map(&self) -> bool {
        self.generate_address_map
    }

    /// Whether there may be shared memories.
    pub(crate) const fn has_shared_memories(&self) -> bool {
        self.shared_memory
    }

    /// How large memories may become: beyond their reservations only if they may move.
    pub(crate) fn max_memory_size_bytes(&self) -> usize {
        match self.memory_may_move {
            true => usize::MAX,
            false => self.memory_reservation.try_into().unwrap_or(usize::MAX),
        }
    }

    fn refuse(&mut self, setting: &'static str, is_asked: bool, instead: &'static str) {
        self.refused.retain(|(refused, _)| *refused != setting);
        if is_asked {
            self.refused.push((setting, instead));
        }
    }
}

macro_rules! noted {
    ($($(#[$doc:meta])* $name:ident, $get:ident: $ty:ty;)*) => {
        impl Config {$(
            $(#[$doc])*
            /// Changes nothing that can be noticed.
            pub fn $name(&mut self, value: $ty) -> &mut Self {
                self.noted.$name = value;
                self
            }
        )*}

        impl Engine {$(
            #[doc = concat!("What [`Config::", stringify!($name), "`] was given, or its default.")]
            pub fn $get(&self) -> $ty {
                self.config().noted.$name
            }
        )*}
    };
}

noted! {
    /// How much address space lies behind a memory for accesses beyond it. All 32-bit memories that are not checked have enough.
    memory_guard_size, get_memory_guard_size: u64;
    /// How much address space a memory that moves gets to grow into.
    memory_reservation_for_growth, get_memory_reservation_for_growth: u64;
    /// Whether a guard lies in front of memories, too.
    guard_before_linear_memory, get_guard_before_linear_memory: bool;
    /// Whether the initial contents of memories are mapped where that is faster than copying them.
    memory_init_cow, get_memory_init_cow: bool;
    /// Up to which size initial contents are kept as one image.
    memory_guaranteed_dense_image_size, get_memory_guaranteed_dense_image_size: u64;
    /// Whether rows of tables are made when they are first used.
    table_lazy_init, get_table_lazy_init: bool;
    /// Whether several threads compile. [`Config::workers`] says how many.
    parallel_compilation, get_parallel_compilation: bool;
    /// Whether the system can unwind frames of machine code. Epsilon walks them by itself, and has no tables for others.
    native_unwind_info, get_native_unwind_info: bool;
    /// Whether debug information is kept. It is, in the module's binary.
    debug_symbols, get_debug_symbols: bool;
    /// Stack for asynchronous calls, of which there are none.
    async_stack_size, get_async_stack_size: usize;
    /// Whether stacks for asynchronous calls are zeroed.
    async_stack_zeroing, get_async_stack_zeroing: bool;
    /// How much address space lies behind a garbage-collected heap for accesses beyond it.
    gc_heap_guard_size, get_gc_heap_guard_size: u64;
    /// How much of it there is at first.
    gc_heap_initial_size, get_gc_heap_initial_size: u64;
    /// Whether it may move.
    gc_heap_may_move, get_gc_heap_may_move: bool;
}

impl Config {
    /// Collects garbage at each so many allocations, moves all objects that can be moved, and checks the whole heap before and
    /// after: for finding out what goes wrong. Slow. Off by default.
    ///
    /// # Errors
    /// None.
    pub fn gc_zeal_alloc_counter(&mut self, counter: Option<NonZeroU32>) -> Result<&mut Self> {
        Ok(self.gc_stress(counter.map_or(0, NonZeroU32::get)))
    }

    /// Whether memories may move when they grow, as those that are checked do. If not, no memory becomes larger than
    /// [`Config::memory_reservation`]. On by default.
    pub fn memory_may_move(&mut self, value: bool) -> &mut Self {
        self.noted.memory_may_move = value;
        self
    }

    /// Whether frames of errors say where in the module's binary their operators lie, and in which places of source code. On by
    /// default.
    pub fn generate_address_map(&mut self, value: bool) -> &mut Self {
        self.noted.generate_address_map = value;
        self
    }

    /// Whether there may be shared memories: if not, making one is an error. On by default. [`Config::wasm_threads`] says whether
    /// guests may have them.
    pub fn shared_memory(&mut self, value: bool) -> &mut Self {
        self.noted.shared_memory = value;
        self
    }
}

impl Engine {
    /// What [`Config::gc_zeal_alloc_counter`] was given, or its default.
    pub fn get_gc_zeal_alloc_counter(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.config().gc_stress)
    }

    /// What [`Config::memory_may_move`] was given, or its default.
    pub fn get_memory_may_move(&self) -> bool {
        self.config().noted.memory_may_move
    }

    /// What [`Config::generate_address_map`] was given, or its default.
    pub fn get_generate_address_map(&self) -> bool {
        self.config().noted.generate_address_map
    }

    /// What [`Config::shared_memory`] was given, or its default.
    pub fn get_shared_memory(&self) -> bool {
        self.config().noted.shared_memory
    }
}

impl Config {
    /// Asks for a flag of the code generator, such as `has_avx2`. Code uses what the processor has in any case: of effect is
    /// that [`Engine::new`] gives an error if the flag is not set. What another machine has is said with
    /// [`Config::target_with_features`].
    ///
    /// # Safety
    /// None is needed: nothing is believed.
    #[allow(unsafe_code)]
    pub unsafe fn cranelift_flag_enable(&mut self, flag: &str) -> &mut Self {
        self.flags.push((flag.to_owned(), "1".to_owned()));
        self
    }

    /// As [`Config::cranelift_flag_enable`], for a flag with a value.
    ///
    /// # Safety
    /// None is needed: nothing is believed.
    #[allow(unsafe_code)]
    pub unsafe fn cranelift_flag_set(&mut self, name: &str, value: &str) -> &mut Self {
        let value = match value {
            "true" | "yes" | "on" => "1",
            "false" | "no" | "off" => "0",
            value => value,
        };
        self.flags.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Refuses flags that the code generator is not set to.
    pub(crate) fn check_flags(&self, set: &[String]) -> Result<()> {
        let is_set = |name: &str, value: &str| set.contains(&format!("{name}={value}"));
        match self.flags.iter().find(|(name, value)| !is_set(name, value)) {
            None => Ok(()),
            Some((name, value)) => Err(Error::misuse(format!(
                "the code generator's flag `{name}` cannot be set to {value}: Epsilon sets flags by the processor, and by \
                 `target_with_features`"
            ))),
        }
    }
}

macro_rules! refused {
    ($($(#[$doc:meta])* $name:ident, $asked:literal, $instead:literal;)*) => {
        impl Config {$(
            $(#[$doc])*
            /// What is not supported is an error when the engine is made.
            pub fn $name(&mut self, enable: bool) -> &mut Self {
                self.noted.refuse(stringify!($name), enable == $asked, $instead);
                self
            }
        )*}
    };
}

refused! {
    /// Debug information of machine code for native debuggers: not supported.
    debug_info, true, "frames of errors name places in source code";
    /// Stepping through guests: not supported.
    guest_debug, true, "frames of errors name places in source code";
    /// Fuel: not supported yet.
    consume_fuel, true, "end guests with `Store::set_epoch_deadline` or an `InterruptHandle`";
    /// Dumps of guests that trap: not supported.
    coredump_on_trap, true, "errors have the guest's frames";
    /// Checking what guests do with memory they allocate: not supported.
    wmemcheck, true, "compile guests with a sanitizer";
    /// Traps without signals: not supported.
    signals_based_traps, false, "handlers of other signals are called as before; see `Engine::new`";
    /// Asynchronous calls: not supported.
    async_support, true, "call guests on a thread of their own";
    /// Components: not supported.
    wasm_component_model, true, "use core modules";
    /// Asynchronous components: not supported.
    wasm_component_model_async, true, "use core modules";
    /// Suspending guests: not supported.
    wasm_stack_switching, true, "use a thread for each guest";
    /// Sharing more than memories between threads: not supported.
    wasm_shared_everything_threads, true, "share memories";
}

impl Config {
    /// Who compiles: another way to choose a [`Config::tier`].
    pub fn strategy(&mut self, strategy: Strategy) -> &mut Self {
        self.noted.strategy = strategy;
        self.tier(match strategy {
            Strategy::Auto => Tier::Auto,
            Strategy::Cranelift => Tier::Optimised,
            Strategy::Winch => Tier::Quick,
        })
    }

    /// How garbage of guests is collected. Changes nothing that can be noticed.
    pub fn collector(&mut self, collector: Collector) -> &mut Self {
        self.noted.collector = collector;
        self
    }

    /// How Cranelift assigns registers. Changes nothing: there is one way.
    pub fn cranelift_regalloc_algorithm(&mut self, algorithm: RegallocAlgorithm) -> &mut Self {
        self.noted.regalloc = algorithm;
        self
    }

    /// Who is told where machine code lies. What is not supported is an error when the engine is made.
    pub fn profiler(&mut self, strategy: ProfilingStrategy) -> &mut Self {
        self.noted.refuse(
            "profiler",
            strategy != ProfilingStrategy::None,
            "profile with frame pointers, which all code has",
        );
        self
    }

    /// Address space that is reserved for each memory, in bytes: with less than 4 GiB, accesses are checked, as with
    /// [`MemoryStrategy::Checked`].
    pub fn memory_reservation(&mut self, bytes: u64) -> &mut Self {
        self.noted.memory_reservation = bytes;
        self.memory_strategy(if bytes < 4 << 30 { MemoryStrategy::Checked } else { MemoryStrategy::Auto })
    }

    /// Address space that is reserved for the garbage-collected heap of each store, in bytes. With less than 4 GiB, references are
    /// masked before each access, and [`Config::gc_heap_reservation_for_growth`] is reserved as well. By default 4 GiB if the
    /// system grants them; else up to 1 GiB, but at most half of what is left.
    pub fn gc_heap_reservation(&mut self, bytes: u64) -> &mut Self {
        self.noted.gc_heap_reservation = bytes;
        self.gc_heap_reservation = Some(bytes);
        self
    }

    /// What a garbage-collected heap with less than 4 GiB has to grow into, in bytes: both together, rounded down to a power of
    /// two from 64 MiB to 2 GiB, are the most that it can have.
    pub fn gc_heap_reservation_for_growth(&mut self, bytes: u64) -> &mut Self {
        self.noted.gc_heap_reservation_for_growth = bytes;
        self
    }

    pub(crate) fn gc_heap_max_region(&self) -> u64 {
        match self.gc_heap_reservation {
            Some(bytes) => bytes.saturating_add(self.noted.gc_heap_reservation_for_growth),
            None => 1 << 30,
        }
    }

    /// Whether frames of errors name places in source code. They do, as far as the module has debug information.
    pub fn wasm_backtrace_details(&mut self, _details: WasmBacktraceDetails) -> &mut Self {
        self
    }

    /// How many frames errors carry at most: the innermost ones. None if there is no number.
    pub fn wasm_backtrace_max_frames(&mut self, limit: Option<NonZeroUsize>) -> &mut Self {
        self.backtrace_frames = limit.map_or(0, NonZeroUsize::get);
        self
    }

    /// Whether guests have structures and arrays: as [`Config::wasm_gc`].
    pub fn gc_support(&mut self, enable: bool) -> &mut Self {
        self.wasm_gc(enable)
    }

    /// Whether stores begin with a deadline that is reached, so that none runs without
    /// [`Store::set_epoch_deadline`](crate::Store::set_epoch_deadline). Off by default. Deadlines cost compiled code nothing.
    pub fn epoch_interruption(&mut self, enable: bool) -> &mut Self {
        self.epochs = enable;
        self
    }
}

impl Engine {
    /// What [`Config::strategy`] was given, or its default.
    pub fn get_strategy(&self) -> Option<Strategy> {
        Some(self.config().noted.strategy)
    }

    /// What [`Config::collector`] was given, or its default.
    pub fn get_collector(&self) -> Option<Collector> {
        Some(self.config().noted.collector)
    }

    /// What [`Config::cranelift_regalloc_algorithm`] was given, or its default.
    pub fn get_cranelift_regalloc_algorithm(&self) -> Option<RegallocAlgorithm> {
        Some(self.config().noted.regalloc)
    }

    /// What [`Config::memory_reservation`] was given, or its default.
    pub fn get_memory_reservation(&self) -> u64 {
        self.config().noted.memory_reservation
    }

    /// What [`Config::gc_heap_reservation`] was given, or its default.
    pub fn get_gc_heap_reservation(&self) -> u64 {
        self.config().noted.gc_heap_reservation
    }

    /// What [`Config::gc_heap_reservation_for_growth`] was given, or its default.
    pub fn get_gc_heap_reservation_for_growth(&self) -> u64 {
        self.config().noted.gc_heap_reservation_for_growth
    }

    /// What [`Config::cranelift_opt_level`] was given, or its default.
    pub fn get_cranelift_opt_level(&self) -> Option<OptLevel> {
        Some(self.config().opt_level)
    }

    /// Whether NaNs are canonical.
    pub fn get_cranelift_nan_canonicalization(&self) -> Option<bool> {
        Some(self.config().has_canonical_nans())
    }

    /// Whether the code generator checks its input.
    pub fn get_cranelift_debug_verifier(&self) -> Option<bool> {
        Some(self.config().verify_ir)
    }

    /// Whether relaxed vector operators give the same results on every machine.
    pub fn get_relaxed_simd_deterministic(&self) -> bool {
        self.config().relaxed_simd_deterministic || self.config().is_deterministic
    }

    /// Whether small functions are inlined.
    pub fn get_compiler_inlining(&self) -> bool {
        self.config().inlining
    }

    /// Whether branch hints are used.
    pub fn get_wasm_branch_hinting(&self) -> bool {
        self.config().branch_hinting
    }

    /// Whether stores begin with a deadline that is reached.
    pub fn get_epoch_interruption(&self) -> bool {
        self.config().epochs
    }

    /// Stack for wasm code: as [`Engine::max_wasm_stack`].
    pub fn get_max_wasm_stack(&self) -> usize {
        self.max_wasm_stack()
    }

    /// How many frames errors carry at most.
    pub fn get_wasm_backtrace_max_frames(&self) -> usize {
        self.config().backtrace_frames
    }

    /// The machine that code is made for; `None` if it is this one.
    pub fn get_target(&self) -> Option<String> {
        self.config().target.as_ref().map(|(triple, _)| triple.clone())
    }

    /// Whether traps are signals. They are.
    pub fn get_signals_based_traps(&self) -> bool {
        true
    }

    /// Whether guests consume fuel. They do not.
    pub fn get_consume_fuel(&self) -> bool {
        false
    }

    /// Whether there is debug information for native debuggers. There is none.
    pub fn get_debug_info(&self) -> bool {
        false
    }

    /// Whether guests can be stepped through. They cannot.
    pub fn get_guest_debug(&self) -> bool {
        false
    }
}
