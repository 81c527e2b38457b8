//! Moves the next value of a loop's variable behind the last use of the present one.
//!
//! A loop carries a variable as a parameter of its head and, on the way back, the argument for it. Where the argument is
//! computed while the parameter is still used, both need a register, and the way back a move: then it is a block of its
//! own, with a second jump. The optimiser computes the condition of a branch before its arguments, so that this is
//! what becomes of every loop that counts and compares:
//!
//! ```text
//! head(sum, i):                                head(sum, i):
//!     next = iadd i, 1                             total = iadd sum, i
//!     total = iadd sum, i             becomes      next = iadd i, 1
//!     brif (next < n) head(total, next), end       brif (next < n) head(total, next), end
//! ```
//!
//! What moves neither traps nor touches memory, and no call lies on its way. This runs behind the optimiser, which puts
//! what has no effect where it likes.

use cranelift_codegen::dominator_tree::DominatorTree;
use cranelift_codegen::ir::{Block, Function, Inst, Opcode, Value};
use std::collections::HashMap;

/// How many instructions at the end of a block are looked at.
const MAX_WINDOW: usize = 96;

/// How many variables of a loop are looked at.
const MAX_VARIABLES: usize = 48;

/// Moves what there is to move in one function. Returns the number of variables that it was for.
pub(crate) fn run(func: &mut Function, tree: &DominatorTree) -> usize {
    let mut moved = 0;
    let mut next = func.layout.entry_block();
    while let Some(block) = next {
        next = func.layout.next_block(block);
        let variables = variables(func, tree, block);
        if variables.is_empty() {
            continue;
        }
        let mut window = Window::new(func, block);
        let count = variables.iter().filter(|variable| window.make_room(func, **variable, &variables)).count();
        if count > 0 {
            window.write(func, block);
            moved += count;
        }
    }
    moved
}

/// A variable that a block passes back to the head of its loop.
#[derive(Clone, Copy)]
struct Variable {
    present: Value,
    next: Value,
}

fn variables(func: &Function, tree: &DominatorTree, block: Block) -> Vec<Variable> {
    let Some(last) = func.layout.last_inst(block) else { return Vec::new() };
    let dfg = &func.dfg;
    if !matches!(dfg.insts[last].opcode(), Opcode::Jump | Opcode::Brif) {
        return Vec::new();
    }
    let destinations = dfg.insts[last].branch_destination(&dfg.jump_tables, &dfg.exception_tables);
    let back = destinations.iter().filter(|call| tree.block_dominates(call.block(&dfg.value_lists), block));
    back.flat_map(|call| {
        let params = dfg.block_params(call.block(&dfg.value_lists)).iter().copied();
        params.zip(call.args(&dfg.value_lists).map(|arg| arg.as_value()))
    })
    .filter_map(|(present, next)| Some(Variable { present, next: next? }))
    .take(MAX_VARIABLES)
    .collect()
}

/// The last instructions of a block, behind its last call, without the branch.
struct Window {
    /// In the order that they are to have.
    insts: Vec<Inst>,
    /// Where each stood at first, which is its bit in a set of them.
    bits: Vec<usize>,
    /// The instructions that each takes operands from, by its bit.
    operands: Vec<u128>,
}

impl Window {
    fn new(func: &Function, block: Block) -> Self {
        let mut insts = Vec::new();
        let mut at = func.layout.last_inst(block).and_then(|branch| func.layout.prev_inst(branch));
        while let Some(inst) = at.filter(|inst| insts.len() < MAX_WINDOW && !func.dfg.insts[*inst].opcode().is_call()) {
            insts.push(inst);
            at = func.layout.prev_inst(inst);
        }
        insts.reverse();
        let bits: HashMap<Inst, usize> = insts.iter().enumerate().map(|(bit, inst)| (*inst, bit)).collect();
        let operand = |value| func.dfg.value_def(value).inst().and_then(|inst| bits.get(&inst));
        let operands = insts
            .iter()
            .map(|inst| func.dfg.inst_values(*inst).filter_map(operand).fold(0, |set, bit| set | 1 << bit))
            .collect();
        Self { bits: (0..insts.len()).collect(), insts, operands }
    }

    /// Moves the next value of a variable, and what is computed with it, behind the last use of the present one.
    fn make_room(&mut self, func: &Function, variable: Variable, others: &[Variable]) -> bool {
        let uses = |inst: Inst, value: Value| func.dfg.inst_values(inst).any(|arg| arg == value);
        let Some(first) = func.dfg.value_def(variable.next).inst() else { return false };
        let Some(start) = self.insts.iter().position(|inst| *inst == first) else { return false };
        let Some(last) = self.insts[start + 1..].iter().rposition(|inst| uses(*inst, variable.present)) else {
            return false;
        };
        let range = start..start + last + 2;
        let mut moving_set = 1 << self.bits[start];
        let (mut moving, mut staying) = (vec![start], Vec::new());
        for at in range.start + 1..range.end {
            if self.operands[self.bits[at]] & moving_set == 0 {
                staying.push(at);
            } else {
                moving_set |= 1 << self.bits[at];
                moving.push(at);
            }
        }
        let inst = |at: &usize| self.insts[*at];
        let helps = staying.last() == Some(&(range.end - 1))
            && !moving[1..].iter().any(|at| uses(inst(at), variable.present))
            && moving.iter().all(|at| is_free(func, inst(at)));
        // The same must not begin with another variable, whose next value what moves would pass by.
        let passes = |other: &Variable| {
            let next = func.dfg.value_def(other.next).inst();
            staying.iter().any(|at| next == Some(inst(at))) && moving.iter().any(|at| uses(inst(at), other.present))
        };
        if !helps || others.iter().any(passes) {
            return false;
        }
        let order: Vec<usize> = staying.into_iter().chain(moving).collect();
        let insts: Vec<Inst> = order.iter().map(|at| self.insts[*at]).collect();
        let bits: Vec<usize> = order.iter().map(|at| self.bits[*at]).collect();
        self.insts.splice(range.clone(), insts);
        self.bits.splice(range, bits);
        true
    }

    /// Puts the instructions into the order that they have now.
    fn write(&self, func: &mut Function, block: Block) {
        let branch = func.layout.last_inst(block).expect("a block ends with a branch");
        for inst in &self.insts {
            func.layout.remove_inst(*inst);
            func.layout.insert_inst(*inst, branch);
        }
    }
}

/// Whether an instruction may stand anywhere behind its operands.
fn is_free(func: &Function, inst: Inst) -> bool {
    let opcode = func.dfg.insts[inst].opcode();
    !(opcode.is_branch()
        || opcode.is_terminator()
        || opcode.is_call()
        || opcode.can_trap()
        || opcode.can_load()
        || opcode.can_store()
        || opcode.other_side_effects())
}
