//! [`Isa`]: the machine that code is made for, and all of Cranelift's flags.

use crate::error::CompileError;
use crate::quick::Features;
use crate::settings::{OptLevel, Settings, Target};
use crate::translate::RelaxedSimd;
use cranelift_codegen::isa::{self, Builder, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use epsilon_abi::Arch;
use target_lexicon::{Architecture, Triple};

/// The machine that code is made for.
#[derive(Clone)]
pub struct Isa {
    target: OwnedTargetIsa,
    /// The same without the optimiser, for functions that it would take too long over.
    unoptimised: OwnedTargetIsa,
    /// The same for functions that have been optimised already.
    behind_optimiser: OwnedTargetIsa,
    /// The same with the register allocator that takes the least as well, for functions that are very large.
    quick: OwnedTargetIsa,
    arch: Arch,
}

/// What code for x86_64 needs at least: with SSE4.1, no float operator needs a call.
const X86_64_BASELINE: [&str; 5] = ["has_sse3", "has_ssse3", "has_sse41", "has_sse42", "has_popcnt"];

/// Flags that never change, and what they are for.
const FIXED_FLAGS: [(&str, &str); 12] = [
    // Relocations are pc-relative only: linked code does not depend on where it lies.
    ("is_pic", "false"),
    // Stacks are walked by frame pointers; tail calls need them too.
    ("preserve_frame_pointers", "true"),
    ("unwind_info", "false"),
    // The pinned register holds the instance.
    ("enable_pinned_reg", "true"),
    // No check in prologues: the guard behind the stack is 64 KiB, and frames larger than that touch every 64 KiB.
    ("enable_probestack", "true"),
    ("probestack_strategy", "inline"),
    ("probestack_size_log2", "16"),
    // Any number of results.
    ("enable_multi_ret_implicit_sret", "true"),
    // `select_spectre_guard` is emitted where it is wanted; these make Cranelift respect it.
    ("enable_heap_access_spectre_mitigation", "true"),
    ("enable_table_access_spectre_mitigation", "true"),
    ("enable_alias_analysis", "true"),
    ("machine_code_cfg_info", "false"),
];

impl Isa {
    pub(crate) fn new(settings: &Settings) -> Result<Self, CompileError> {
        let builder = match &settings.target {
            Target::Host => cranelift_native::builder().map_err(target_error)?,
            Target::Named { triple, cpu_features } => named(triple, cpu_features)?,
        };
        let finish = |opt_level, regalloc| builder.finish(flags(settings, opt_level, regalloc)?).map_err(target_error);
        let target = finish(settings.opt_level, "backtracking")?;
        let behind = Settings { canonical_nans: false, ..settings.clone() };
        let behind_optimiser = flags(&behind, OptLevel::None, "backtracking")?;
        let isa = Self {
            arch: arch(target.triple())?,
            target,
            unoptimised: finish(OptLevel::None, "backtracking")?,
            behind_optimiser: builder.finish(behind_optimiser).map_err(target_error)?,
            quick: finish(OptLevel::None, "single_pass")?,
        };
        isa.check_baseline()?;
        Ok(isa)
    }

    fn check_baseline(&self) -> Result<(), CompileError> {
        if self.arch != Arch::X86_64 {
            return Ok(());
        }
        let present = self.target.isa_flags();
        for wanted in X86_64_BASELINE {
            if !present.iter().any(|flag| flag.name == wanted && flag.as_bool() == Some(true)) {
                return Err(target_error(format!("the processor lacks {}", &wanted["has_".len()..])));
            }
        }
        Ok(())
    }

    /// The target triple.
    pub fn triple(&self) -> String {
        self.target.triple().to_string()
    }

    /// The architecture.
    pub const fn arch(&self) -> Arch {
        self.arch
    }

    /// Every flag that affects code, as `name=value`, in a fixed order: for cache keys.
    pub fn flags(&self) -> Vec<String> {
        let shared = self.target.flags().iter();
        shared.chain(self.target.isa_flags()).map(|flag| flag.to_string()).collect()
    }

    /// Features of the processor that code may use, by Cranelift's names.
    pub fn cpu_features(&self) -> Vec<&'static str> {
        self.target.isa_flags().iter().filter(|flag| flag.as_bool() == Some(true)).map(|flag| flag.name).collect()
    }

    /// What code in one pass may use, and what relaxed operators must do in it to be alike in all code.
    pub(crate) fn quick_features(&self, relaxed: RelaxedSimd) -> Features {
        let present = self.cpu_features();
        let has = |name| present.contains(&name);
        Features {
            arch: self.arch,
            tzcnt: has("has_bmi1"),
            lzcnt: has("has_lzcnt"),
            shifts: has("has_bmi2"),
            lse: has("has_lse"),
            fused: relaxed.rounds_once(),
            deterministic: relaxed.is_deterministic(),
            saturating_dot: relaxed.dot_saturates(),
            exact_dot: relaxed.has_exact_dot(),
        }
    }

    pub(crate) fn target(&self) -> &dyn TargetIsa {
        &*self.target
    }

    pub(crate) fn optimises(&self) -> bool {
        self.target.flags().opt_level() != settings::OptLevel::None
    }

    pub(crate) fn unoptimised(&self) -> &dyn TargetIsa {
        &*self.unoptimised
    }

    pub(crate) fn behind_optimiser(&self) -> &dyn TargetIsa {
        &*self.behind_optimiser
    }

    pub(crate) fn quick(&self) -> &dyn TargetIsa {
        &*self.quick
    }
}

impl std::fmt::Debug for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Isa").field("triple", &self.triple()).field("flags", &self.flags()).finish()
    }
}

fn flags(settings: &Settings, opt_level: OptLevel, regalloc: &str) -> Result<settings::Flags, CompileError> {
    let opt_level = match opt_level {
        OptLevel::None => "none",
        OptLevel::Speed => "speed",
    };
    let verify = if settings.verify_ir { "true" } else { "false" };
    let canonical_nans = if settings.canonical_nans { "true" } else { "false" };
    let mut flags = settings::builder();
    let chosen = [
        ("opt_level", opt_level),
        ("enable_verifier", verify),
        ("regalloc_algorithm", regalloc),
        ("enable_nan_canonicalization", canonical_nans),
    ];
    for (name, value) in FIXED_FLAGS.into_iter().chain(chosen) {
        flags.set(name, value).map_err(target_error)?;
    }
    Ok(settings::Flags::new(flags))
}

fn named(triple: &str, cpu_features: &[String]) -> Result<Builder, CompileError> {
    let triple: Triple = triple.parse().map_err(|error| target_error(format!("`{triple}`: {error}")))?;
    let arch = arch(&triple)?;
    let mut builder = isa::lookup(triple).map_err(target_error)?;
    if arch == Arch::X86_64 {
        for feature in X86_64_BASELINE {
            builder.enable(feature).map_err(target_error)?;
        }
    }
    for feature in cpu_features {
        builder.enable(feature).map_err(|error| target_error(format!("`{feature}`: {error}")))?;
    }
    Ok(builder)
}

fn arch(triple: &Triple) -> Result<Arch, CompileError> {
    match triple.architecture {
        Architecture::X86_64 => Ok(Arch::X86_64),
        Architecture::Aarch64(_) => Ok(Arch::Aarch64),
        other => Err(target_error(format!("no code is made for {other}"))),
    }
}

#[cold]
fn target_error(message: impl ToString) -> CompileError {
    CompileError::Target { message: message.to_string() }
}
