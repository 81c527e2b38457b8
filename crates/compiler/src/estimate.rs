//! What compiling a function takes at most, in bytes: an estimate from above, so that a caller that compiles many at a time can
//! keep within a limit. tests/memory.rs holds it against what an allocator counts.

use crate::codegen::Effort;
use cranelift_codegen::ir::{self, Opcode};

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
    /// Instructions, those that become many of the machine's more than once.
    pub instructions: u64,
    /// Operands of instructions.
    pub operands: u64,
    /// Basic blocks.
    pub blocks: u64,
    /// Edges between them, those of jump tables included.
    pub edges: u64,
    /// Values that branches and calls pass.
    pub passed_values: u64,
    /// Locals times blocks: what the construction of values keeps.
    pub locals_times_blocks: u64,
}

impl FunctionSize {
    /// The size of a function that is translated.
    pub fn of(func: &ir::Function, body_bytes: u64) -> Self {
        let dfg = &func.dfg;
        let (mut passed, mut edges) = (0, 0);
        for branch in func.layout.blocks().filter_map(|block| func.layout.last_inst(block)) {
            for call in dfg.insts[branch].branch_destination(&dfg.jump_tables, &dfg.exception_tables) {
                passed += call.len(&dfg.value_lists) as u64;
                edges += 1;
            }
        }
        let (mut instructions, mut operands) = (0, 0);
        for instruction in func.layout.blocks().flat_map(|block| func.layout.block_insts(block)) {
            let (opcode, arguments) = (dfg.insts[instruction].opcode(), dfg.inst_args(instruction).len() as u64);
            // Most arguments and results of a call are stored or loaded one by one.
            let moves = if opcode.is_call() { arguments + dfg.inst_results(instruction).len() as u64 } else { 0 };
            instructions += weight(opcode) + moves + moves / 4;
            operands += arguments;
        }
        Self {
            body_bytes,
            values: dfg.num_values() as u64,
            instructions,
            operands,
            blocks: dfg.num_blocks() as u64,
            edges,
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
            + self.operands * 8
            + self.blocks * 256
            + self.edges * 32
            + self.passed_values * 24
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
            + self.edges * 96
            + self.passed_values * 160
            + self.operands * 96
            + merging
    }
}

/// What compiling a function in one pass takes, from the length of its body.
pub fn quick_bytes(body_bytes: u64) -> u64 {
    LEAST_BYTES + body_bytes * 128
}

/// How many instructions of the usual size one of this opcode is worth.
fn weight(opcode: Opcode) -> u64 {
    match opcode {
        // With checks, and fixed registers on x86-64.
        Opcode::Sdiv | Opcode::Udiv | Opcode::Srem | Opcode::Urem => 7,
        Opcode::FcvtToSint | Opcode::FcvtToUint | Opcode::FcvtToSintSat | Opcode::FcvtToUintSat => 6,
        Opcode::AtomicRmw | Opcode::AtomicCas => 4,
        Opcode::BrTable => 4,
        opcode if opcode.is_call() => 4,
        _ => 1,
    }
}
