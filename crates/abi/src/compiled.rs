//! [`CompiledFunction`]: machine code with its tables, inert. Fresh code and cached code both take this form before
//! they are linked. All offsets are from the start of the function's own code.

use crate::{DefinedFuncIndex, TrapCode};

/// A compiled function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompiledFunction {
    /// Machine code, with its constants behind it.
    pub code: Vec<u8>,
    /// Alignment that the code needs, in bytes.
    pub align_bytes: u32,
    /// Where addresses of other functions must be filled in.
    pub relocations: Vec<Relocation>,
    /// Instructions that may trap, sorted by offset.
    pub traps: Vec<TrapSite>,
    /// Where each run of instructions comes from, sorted by offset; a site holds until the next one.
    pub sources: Vec<SourceSite>,
}

/// A place in the code to be filled with a pc-relative address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Where in the code.
    pub offset: u32,
    /// How the address is written.
    pub kind: RelocKind,
    /// The function whose address it is.
    pub target: DefinedFuncIndex,
    /// Added to the address.
    pub addend: i64,
}

/// How an address is written. All kinds are relative to the instruction: code holds no absolute address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RelocKind {
    /// x86_64: 32 bits relative, of a call.
    X86CallPcRel4 = 0,
    /// x86_64: 32 bits relative.
    X86PcRel4 = 1,
    /// aarch64: the 26-bit field of `bl` or `b`.
    Arm64Call = 2,
    /// aarch64: the page of `adrp`.
    Aarch64AdrPrelPgHi21 = 3,
    /// aarch64: the low 12 bits of `add`.
    Aarch64AddAbsLo12Nc = 4,
}

/// An instruction that may trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapSite {
    /// Offset of the instruction.
    pub offset: u32,
    /// The trap that it raises.
    pub code: TrapCode,
}

/// Where instructions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceSite {
    /// Offset of the first instruction.
    pub offset: u32,
    /// Offset of the operator in the module's binary; [`SourceSite::NONE`] where there is none.
    pub wasm_offset: u32,
}

impl SourceSite {
    /// Instructions that belong to no operator, such as a prologue.
    pub const NONE: u32 = u32::MAX;
}
