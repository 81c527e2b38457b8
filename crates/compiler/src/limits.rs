//! [`CompileLimits`]: what compiling a module may take, and [`CompileLimit`], the error for what would take more.
//!
//! The time and memory that a code generator takes are not bounded by the size of its input. These limits are on what
//! does bound them, and are far beyond real programs.

use epsilon_abi::FuncIndex;

/// What compiling a module may take. Beyond it compilation ends with [`CompileLimit`].
///
/// Raising a limit lets compilation take time and memory in proportion, or worse; lowering one refuses more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CompileLimits {
    /// Length of one function's body, in bytes. By default 7,654,321: validation refuses more in any case.
    pub max_function_bytes: u64,
    /// Values of one function in the intermediate representation. By default 4,194,304; the register allocator refuses
    /// about twice as many in any case.
    pub max_function_values: u64,
    /// Basic blocks of one function. By default 524,288.
    pub max_function_blocks: u64,
    /// Values that the branches and calls of one function pass along together, and likewise those that its calls leave where the
    /// collector of garbage finds them. By default 33,554,432.
    pub max_passed_values: u64,
    /// Loops inside each other. By default 16,384: the register allocator takes time with the square of it.
    pub max_loop_depth: u64,
    /// Parameters and results of all functions of a module together. By default 16,777,216.
    pub max_signature_values: u64,
    /// Length of a function's body, in bytes, up to which its code is optimised. By default 2,097,152. Larger functions
    /// are compiled in the quickest way, to code that takes about twice as long.
    pub max_optimised_bytes: u64,
    /// Values of one function in the intermediate representation up to which its code is optimised. By default 524,288.
    pub max_optimised_values: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            max_function_bytes: 7_654_321,
            max_function_values: 4 << 20,
            max_function_blocks: 512 << 10,
            max_passed_values: 32 << 20,
            max_loop_depth: 16 << 10,
            max_signature_values: 16 << 20,
            max_optimised_bytes: 2 << 20,
            max_optimised_values: 512 << 10,
        }
    }
}

/// A limit that a module exceeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileLimit {
    /// What there is too much of.
    pub what: &'static str,
    /// The function that has it; `None` if it is the module as a whole.
    pub func: Option<FuncIndex>,
    /// Where in the module's binary the limit was exceeded.
    pub offset: Option<u64>,
    /// How much there may be.
    pub limit: u64,
    /// The field of [`CompileLimits`] that raises the limit; `None` if nothing does.
    pub setting: Option<&'static str>,
}

impl std::fmt::Display for CompileLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.func {
            Some(func) => write!(f, "too large: function {} has more than {} {}", func.0, self.limit, self.what)?,
            None => write!(f, "too large: the module has more than {} {}", self.limit, self.what)?,
        }
        if let Some(offset) = self.offset {
            write!(f, " (at offset {offset:#x})")?;
        }
        match self.setting {
            Some(setting) => write!(f, "; `CompileLimits::{setting}` raises the limit"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for CompileLimit {}
