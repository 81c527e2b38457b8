//! What compiling a function takes at most, in bytes: an estimate from above, so that who has many compiled at a time can
//! keep within a limit. `tests/memory.rs` holds it against what an allocator counts.

use crate::codegen::Effort;
use cranelift_codegen::ir;

/// Where compilations find room for what they hold. The compiler asks before it takes more.
pub trait Room {
    /// Whether a compilation may hold `bytes` in all; it says so each time that it needs more than it has said before.
    fn hold(&self, bytes: u64) -> bool;
}

/// As much room as there is.
#[derive(Clone, Copy, Debug)]
pub struct Unlimited;

impl Room for Unlimited {
    fn hold(&self, _: u64) -> bool {
        true
    }
}

/// What is kept for the next function, and whatever does not depend on the function.
const LEAST_BYTES: u64 = 384 << 10;

/// The size of a function in the intermediate representation, as far as its memory depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct FunctionSize {
    /// Length of its body.
    pub body_bytes: u64,
    /// Values.
    pub values: u64,
    /// Instructions.
    pub instructions: u64,
    /// Basic blocks.
    pub blocks: u64,
    /// Values that branches and calls pass.
    pub passed_values: u64,
    /// Locals times blocks: what the construction of values keeps.
    pub locals_times_blocks: u64,
}

impl FunctionSize {
    /// The size of a function that is translated.
    pub fn of(func: &ir::Function, body_bytes: u64) -> Self {
        let passed = func.layout.blocks().map(|block| func.dfg.num_block_params(block) as u64).sum();
        Self {
            body_bytes,
            values: func.dfg.num_values() as u64,
            instructions: func.dfg.num_insts() as u64,
            blocks: func.dfg.num_blocks() as u64,
            passed_values: passed,
            locals_times_blocks: 0,
        }
    }

    /// What translating it takes.
    pub fn translation_bytes(&self) -> u64 {
        LEAST_BYTES
            + self.body_bytes * 2
            + self.values * 48
            + self.instructions * 64
            + self.blocks * 256
            + self.passed_values * 16
            + self.locals_times_blocks * 8
    }

    /// What generating code for it takes, translation and all; `merged` is [`crate::merging::sum_of_squares`].
    pub fn generation_bytes(&self, effort: Effort, merged: u64) -> u64 {
        let (value, instruction, block) = match effort {
            Effort::Least => (160, 320, 640),
            Effort::Usual => (320, 768, 1536),
        };
        let merging = if effort == Effort::Least { 0 } else { merged * 2 };
        self.translation_bytes()
            + self.values * value
            + self.instructions * instruction
            + self.blocks * block
            + self.passed_values * 64
            + merging
    }
}
