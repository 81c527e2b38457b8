//! The first tier: machine code from WebAssembly in one pass, for bodies that have been validated.
//!
//! ```text
//! body ── scan ──► weights of locals ── pins ──► operators, one by one, over a stack of operands ──► CompiledFunction
//! ```
//!
//! An operand is a constant, a local that is not read yet, a register, a slot of the frame, or a condition of the flags.
//! The locals that are used most have a register of their own, their pin; all others have a slot.
//!
//! | file | what it holds |
//! |---|---|
//! | [`mod@self`] | what the tier is given, which machine it is for, and when it leaves a function to Cranelift |
//! | `reader` | immediates of a body |
//! | `operators` | the instruction set: one row per operator, naming a shape |
//! | `scan` | a first look at a body |
//! | `translator` | the driver and its state |
//! | `operand` | the stack of operands, and which registers hold what |
//! | `local` | locals and their pins |
//! | `control` | blocks and branches |
//! | `call` | calls and tail calls, by the same convention as Cranelift's code |
//! | `heap`, `structure`, `array`, `cast` | objects of the garbage-collected heap |
//! | `maps` | where references to them lie while calls run |
//! | `rare` | calls into the runtime that stand behind the body |
//! | `exception` | `try_table` and throwing |
//! | `frame` | where locals lie, how parameters come and results go |
//! | `memory` | what is loaded and stored, and where memories lie |
//! | `bulk` | copying and filling memories |
//! | `table` | tables, references, globals, and what is called through them |
//! | `tier` | the list of those of these files that are compiled once with each machine, which they call `machine` |
//! | `x64/`, `aarch64/` | all that knows a machine: the shapes of operators, frames, and the assembler |
//!
//! The two machines are twins: their folders have the same files, and what they export has the same names. Nothing is
//! chosen between them while a body is translated.
//! Code is entered, left, traps, and is found in backtraces just as Cranelift's is.

mod reader;

/// The tier for aarch64.
#[allow(clippy::duplicate_mod)] // Compiled once with each machine.
mod aarch64 {
    #[path = "mod.rs"]
    mod machine;
    #[path = "../tier.rs"]
    mod tier;

    pub(super) use tier::*;
}

/// The tier for x86_64.
#[allow(clippy::duplicate_mod)] // Compiled once with each machine.
mod x64 {
    #[path = "mod.rs"]
    mod machine;
    #[path = "../tier.rs"]
    mod tier;

    pub(super) use tier::*;
}

use crate::limits::CompileLimits;
use epsilon_abi::{
    Arch, CompiledFunction, DefinedFuncIndex, MemoryPlan, ModuleInfo, RefRepr, RefType, ValType, VmLayout,
};

/// What translating one function leaves for the next one to use again.
#[derive(Default)]
pub(crate) struct QuickScratch {
    aarch64: aarch64::Scratch,
    x64: x64::Scratch,
}

/// What the processor can do, and what relaxed operators have to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features {
    pub arch: Arch,
    /// x86_64 with BMI1: `tzcnt`.
    pub tzcnt: bool,
    pub lzcnt: bool,
    /// x86_64 with BMI2: shifts by any register.
    pub shifts: bool,
    /// aarch64 with atomic instructions beside exclusive loads and stores.
    pub lse: bool,
    /// Whether `relaxed_madd` rounds once.
    pub fused: bool,
    /// Whether relaxed operators give the same results on every machine.
    pub deterministic: bool,
    /// Whether the relaxed dot product of pairs saturates.
    pub saturating_dot: bool,
    /// Whether the relaxed dot product of four is exact.
    pub exact_dot: bool,
}

/// What is the same for all functions of a module.
#[derive(Clone, Copy)]
pub(crate) struct Env<'a> {
    /// The module, and its bytes.
    pub info: &'a ModuleInfo,
    pub wasm: &'a [u8],
    /// Where its words lie.
    pub layout: &'a VmLayout,
    /// How its memories lie, and which checks may be dropped.
    pub plan: &'a MemoryPlan,
    /// What the processor can do.
    pub features: Features,
    /// How large functions may be.
    pub limits: &'a CompileLimits,
}

/// Why a function is left to Cranelift.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Left {
    /// Its branches and calls pass more values, or live references over calls, than the limits allow, which Cranelift's
    /// translator says in due form.
    PassedValues,
    /// It may be larger than the limits allow in another way, which Cranelift's translator finds out, and says.
    Limits,
    /// A `select` with other than one type, which no tier translates.
    SelectOfMany,
    /// Relaxed vector operators that have to give the same results on every machine.
    DeterministicVectors,
    /// A relaxed dot product on a machine that has one instruction for it.
    DotProduct,
}

/// Translates the body of a function, which has been validated.
///
/// # Errors
/// If the function is left to Cranelift.
///
/// # Panics
/// If the body has not been validated.
pub(crate) fn compile(
    env: &Env<'_>,
    index: DefinedFuncIndex,
    scratch: &mut QuickScratch,
) -> Result<CompiledFunction, Left> {
    match env.features.arch {
        Arch::X86_64 => x64::compile(env, index, &mut scratch.x64),
        Arch::Aarch64 => aarch64::compile(env, index, &mut scratch.aarch64),
    }
}

/// Whether an operator calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Calls {
    Never,
    Rarely,
    Always,
}

impl Calls {
    /// By the word at the end of a row.
    const fn of(word: &str) -> Self {
        match word.as_bytes() {
            [] => Self::Never,
            b"rarely" => Self::Rarely,
            b"calls" => Self::Always,
            _ => panic!("a row ends in `calls`, `rarely` or nothing"),
        }
    }
}

/// The type of an operand as the machine sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ty {
    I32,
    I64,
    F32,
    F64,
    V128,
    /// A reference that the collector follows, of 32 bits: over a call it is where the call's stack map says.
    Ref,
}

impl Ty {
    fn of(ty: ValType) -> Self {
        match ty {
            ValType::I32 => Self::I32,
            ValType::I64 => Self::I64,
            ValType::F32 => Self::F32,
            ValType::F64 => Self::F64,
            ValType::V128 => Self::V128,
            ValType::Ref(r) => Self::of_ref(r),
        }
    }

    const fn of_ref(ty: RefType) -> Self {
        match ty.repr() {
            RefRepr::Func => Self::I64,
            RefRepr::Index if ty.is_traced() => Self::Ref,
            RefRepr::Index => Self::I32,
        }
    }

    /// The type of indices into a memory or table.
    const fn of_index(is_64: bool) -> Self {
        if is_64 { Self::I64 } else { Self::I32 }
    }

    /// Whether it lives in vector registers.
    const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::V128)
    }

    /// Whether it is 32 bits wide in a register whose upper half is always zero.
    const fn is_extended(self) -> bool {
        matches!(self, Self::I32 | Self::Ref)
    }

    /// Whether it is 64 bits wide.
    const fn is_wide(self) -> bool {
        matches!(self, Self::I64 | Self::F64)
    }

    /// Bytes of its slot.
    const fn slot_bytes(self) -> i32 {
        if matches!(self, Self::V128) { 16 } else { 8 }
    }
}
