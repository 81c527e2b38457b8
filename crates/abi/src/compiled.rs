//! [`CompiledFunction`]: machine code with its tables, inert. Fresh code and cached code both take this form before
//! they are linked. All offsets are from the start of the function's own code.

use crate::{DefinedFuncIndex, Sites, StackMaps, TagIndex};

/// Which of the two code generators has made a function's code. The greater one is the better code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(u8)]
pub enum CodeTier {
    /// The one that makes it in one pass.
    Quick = 0,
    /// Cranelift.
    #[default]
    Optimised = 1,
}

/// A compiled function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompiledFunction {
    /// What has made the code.
    pub tier: CodeTier,
    /// Machine code, with its constants behind it.
    pub code: Vec<u8>,
    /// Alignment that the code needs, in bytes.
    pub align_bytes: u32,
    /// Where addresses of other functions must be filled in.
    pub relocations: Vec<Relocation>,
    /// Instructions that may trap, and where instructions come from.
    pub sites: Sites,
    /// Calls that catch exceptions: one for each clause, sorted by return address; clauses of one call stand in the
    /// order in which they are tried.
    pub handlers: Vec<HandlerSite>,
    /// Where references to the garbage-collected heap lie while calls run.
    pub stack_maps: StackMaps,
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

/// Where an exception that leaves a call goes on.
///
/// The code at the handler expects the exception's store number in the first payload register (`rax`, `x0`), the
/// address of its fields in the second (`rdx`, `x1`), and everything else as the frame itself would restore it: the
/// stack pointer from the frame pointer, and the frame's own anchor in the pinned register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandlerSite {
    /// Offset of the call's return address.
    pub return_offset: u32,
    /// Distance from the frame pointer down to the stack pointer.
    pub frame_bytes: u32,
    /// The tag, by its index in the module; `None` catches every exception.
    pub tag: Option<TagIndex>,
    /// Offset of the handler's first instruction.
    pub handler_offset: u32,
}
