//! [`Settings`]: what an embedder may choose. How choices become Cranelift's flags is `isa`'s affair.

use crate::error::CompileError;
use crate::limits::CompileLimits;
use epsilon_abi::{CodeTier, MemoryPlan};
use wasmparser::WasmFeatures;

/// How a module is compiled.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How memories are laid out, and so which checks may be dropped.
    pub plan: MemoryPlan,
    /// Which compiler translates functions.
    pub tier: Tier,
    /// How much the optimiser does.
    pub opt_level: OptLevel,
    /// What machine to compile for.
    pub target: Target,
    /// Which proposals are valid.
    pub features: WasmFeatures,
    /// Whether the relaxed vector operators give the same results on every machine, rather than what is fastest here.
    pub deterministic_relaxed_simd: bool,
    /// Whether every NaN that an operator makes is the canonical one, rather than what the processor gives. Of no effect for
    /// code of [`CodeTier::Quick`].
    pub canonical_nans: bool,
    /// Whether the section `metadata.code.branch_hint` decides which blocks are cold.
    pub branch_hints: bool,
    /// Whether bounds checks of memories are dropped where an earlier one makes them needless.
    pub drop_repeated_checks: bool,
    /// Whether calls of small functions are replaced by their bodies.
    pub inlining: bool,
    /// Whether the code generator checks its input: for tests, at a third of the speed.
    pub verify_ir: bool,
    /// What compiling may take.
    pub limits: CompileLimits,
}

impl Default for Settings {
    /// Guarded memories, optimised code for this machine, WebAssembly 2.0, no checks of our own work.
    fn default() -> Self {
        Self {
            plan: MemoryPlan::GUARDED,
            tier: Tier::Optimised,
            opt_level: OptLevel::Speed,
            target: Target::Host,
            features: WasmFeatures::WASM2,
            deterministic_relaxed_simd: false,
            canonical_nans: false,
            branch_hints: true,
            drop_repeated_checks: true,
            inlining: true,
            verify_ir: false,
            limits: CompileLimits::default(),
        }
    }
}

/// Which compiler translates functions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Tier {
    /// One pass over a body that has been validated. Functions that it does not translate are left to the other one.
    Quick,
    /// Cranelift.
    #[default]
    Optimised,
    /// The quick one at first, and Cranelift for what turns out to be worth it: the caller that asks for a function says which.
    Auto,
}

impl Tier {
    /// The tier of code that is wanted at once.
    pub const fn first(self) -> CodeTier {
        if matches!(self, Self::Optimised) { CodeTier::Optimised } else { CodeTier::Quick }
    }

    /// The tier of code that is wanted in the end.
    pub const fn last(self) -> CodeTier {
        if matches!(self, Self::Quick) { CodeTier::Quick } else { CodeTier::Optimised }
    }
}

/// How much the optimiser does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OptLevel {
    /// Nothing.
    None,
    /// All that makes code faster.
    #[default]
    Speed,
}

/// A machine to compile for.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub enum Target {
    /// This machine, with all that its processor can do.
    #[default]
    Host,
    /// A machine by name, with the least that Epsilon requires of its kind.
    Named {
        /// Such as `aarch64-unknown-linux-gnu`.
        triple: String,
        /// Features of the processor that code may use, by Cranelift's names, such as `has_avx2`.
        cpu_features: Vec<String>,
    },
}

impl Target {
    /// A machine by name, without further features.
    pub fn named(triple: impl Into<String>) -> Self {
        Self::Named { triple: triple.into(), cpu_features: Vec::new() }
    }
}

/// Proposals that change more than the operators, and of which nothing is there.
const REFUSED: WasmFeatures = WasmFeatures::SHARED_EVERYTHING_THREADS
    .union(WasmFeatures::STACK_SWITCHING)
    .union(WasmFeatures::MEMORY_CONTROL)
    .union(WasmFeatures::CUSTOM_DESCRIPTORS)
    .union(WasmFeatures::ACQUIRE_RELEASE_ATOMICS)
    .union(WasmFeatures::MULTIBYTE_ARRAY_ACCESS);

impl Settings {
    /// Refuses what no module could be compiled with.
    pub(crate) fn check(&self) -> Result<(), CompileError> {
        match REFUSED.intersection(self.features).iter_names().next() {
            Some((name, _)) => {
                let name = name.to_lowercase().replace('_', "-");
                Err(CompileError::unsupported(format!("the `{name}` proposal"), 0))
            }
            None => Ok(()),
        }
    }
}
