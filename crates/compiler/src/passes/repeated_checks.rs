//! Drops bounds checks of linear memories that an earlier check makes needless.
//!
//! A checked access compares `index + reach` with the memory's size, traps if that is greater, and selects null as the
//! address where a processor speculates past the trap. Memories never shrink: where a check of the same index and
//! memory that reaches at least as far dominates another one, that one never traps.
//!
//! - If no call lies between the two, the memory has not moved. The second access then takes its address from that of
//!   the first, at a constant distance. On a wrongly predicted path that is null and the distance, which is kept small:
//!   as safe as null itself, without a comparison of its own.
//! - Else only the trap goes. The address is computed from the base as it is now, and masked by its own comparison.

use super::epochs::{Epoch, Epochs, is_call};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::dominator_tree::DominatorTree;
use cranelift_codegen::flowgraph::ControlFlowGraph;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, Function, Inst, InstBuilder, InstructionData, Opcode, Value, types};
use epsilon_abi::vm::VmMemory;
use std::collections::HashMap;
use std::mem::offset_of;

/// How far from a masked address another one may be taken: nothing is mapped so near to null.
const MAX_DISTANCE_BYTES: u64 = 16 << 10;

/// How many of the latest checks of an index are looked at.
const MAX_FACTS: usize = 8;

/// What a check is of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Subject {
    /// Where the instance's words lead to the memory.
    memory: i32,
    /// The index as the guest computed it; `None` if it is a constant, which then counts to the reach.
    index: Option<Value>,
}

/// A check that lies in front of an access.
#[derive(Clone, Copy, Debug)]
struct Check {
    subject: Subject,
    /// The index as the check adds to it.
    index: Value,
    /// What of the index counts to the reach: all of it if it is a constant.
    from_index: u64,
    /// The end of the access, counted from the subject's index.
    reach: u64,
    /// Computes the end of the access; traps itself if that can overflow.
    end: Inst,
    /// Whether the access is out of bounds.
    outside: Value,
}

/// What is known at a point: a check that was passed.
#[derive(Clone, Copy, Debug)]
struct Fact {
    reach: u64,
    epoch: Epoch,
    /// The masked address, and the place that it is of, counted from the index.
    address: Option<(Value, u64)>,
}

/// A check whose masked address has not been met yet.
struct Open {
    check: Check,
    /// The fact that makes it needless, if there is an address to go on from.
    from: Option<(Value, u64)>,
}

/// Drops what is needless in one function. Returns the number of checks that are gone.
pub(crate) fn run(func: &mut Function) -> usize {
    let cfg = ControlFlowGraph::with_function(func);
    let tree = DominatorTree::with_function(func, &cfg);
    let epochs = Epochs::new(func, &cfg, &tree);
    let mut pass = Pass { func, facts: HashMap::new(), added: Vec::new(), dropped: 0 };
    let Some(entry) = pass.func.layout.entry_block() else { return 0 };
    // Blocks by dominance: what a block knows holds in those below it, and is forgotten behind them.
    let mut todo = vec![Step::Enter(entry)];
    while let Some(step) = todo.pop() {
        match step {
            Step::Enter(block) => {
                todo.push(Step::Forget(pass.added.len()));
                pass.block(block, epochs.at_entry(block));
                todo.extend(tree.children(block).map(Step::Enter));
            }
            Step::Forget(known) => pass.forget(known),
        }
    }
    pass.dropped
}

enum Step {
    Enter(Block),
    Forget(usize),
}

struct Pass<'a> {
    func: &'a mut Function,
    facts: HashMap<Subject, Vec<Fact>>,
    /// Whose facts were added, in order.
    added: Vec<Subject>,
    dropped: usize,
}

impl Pass<'_> {
    fn block(&mut self, block: Block, entered_in: Epoch) {
        let mut epoch = entered_in;
        let mut open: Vec<Open> = Vec::new();
        let mut next = self.func.layout.first_inst(block);
        while let Some(inst) = next {
            next = self.func.layout.next_inst(inst);
            if is_call(self.func, inst) {
                epoch = Epoch::Call(inst);
                open.clear();
            } else if let Some(check) = self.check(inst) {
                open.push(self.meet(inst, check, epoch));
            } else if let InstructionData::Ternary { opcode: Opcode::SelectSpectreGuard, args } =
                self.func.dfg.insts[inst]
            {
                let Some(at) = open.iter().rposition(|open| open.check.outside == args[0]) else { continue };
                let open = open.swap_remove(at);
                self.address(inst, args[2], &open, epoch);
            }
        }
    }

    /// Drops the trap of a check if it is known to be passed.
    fn meet(&mut self, trap: Inst, check: Check, epoch: Epoch) -> Open {
        let facts = self.facts.get(&check.subject).map_or(&[][..], Vec::as_slice);
        let mut from = None;
        let mut passed = false;
        for fact in facts.iter().rev().take(MAX_FACTS).filter(|fact| fact.reach >= check.reach) {
            passed = true;
            if fact.epoch == epoch && fact.address.is_some() {
                from = fact.address;
                break;
            }
        }
        if passed {
            self.dropped += 1;
            self.func.layout.remove_inst(trap);
            if let InstructionData::IntAddTrap { args, .. } = self.func.dfg.insts[check.end] {
                self.func.replace(check.end).iadd(args[0], args[1]);
            }
        } else {
            self.learn(check.subject, Fact { reach: check.reach, epoch, address: None });
        }
        Open { check, from }
    }

    /// Takes the address of an access from another one if that is allowed, and remembers it.
    fn address(&mut self, select: Inst, unmasked: Value, open: &Open, epoch: Epoch) {
        let Some(place) = self.place(unmasked, &open.check) else { return };
        let masked = self.func.dfg.first_result(select);
        if let Some((address, of)) = open.from
            && place.abs_diff(of) <= MAX_DISTANCE_BYTES
        {
            let distance = place.wrapping_sub(of).cast_signed();
            let distance = FuncCursor::new(self.func).at_inst(select).ins().iconst(types::I64, distance);
            self.func.replace(select).iadd(address, distance);
        } else {
            self.learn(open.check.subject, Fact { reach: open.check.reach, epoch, address: Some((masked, place)) });
        }
    }

    fn learn(&mut self, subject: Subject, fact: Fact) {
        self.facts.entry(subject).or_default().push(fact);
        self.added.push(subject);
    }

    fn forget(&mut self, known: usize) {
        for subject in self.added.drain(known..) {
            self.facts.get_mut(&subject).expect("a fact was added").pop();
        }
    }

    /// The check that an instruction is the trap of.
    fn check(&self, inst: Inst) -> Option<Check> {
        let InstructionData::CondTrap { opcode: Opcode::Trapnz, arg, .. } = self.func.dfg.insts[inst] else {
            return None;
        };
        let outside = self.func.dfg.resolve_aliases(arg);
        let InstructionData::IntCompare { args: [end, len], cond: IntCC::UnsignedGreaterThan, .. } =
            self.data(self.inst(outside)?)
        else {
            return None;
        };
        let end = self.inst(end)?;
        let (index, reach) = match self.data(end) {
            InstructionData::Binary { opcode: Opcode::Iadd, args } => (args[0], self.constant(args[1])?),
            InstructionData::IntAddTrap { opcode: Opcode::UaddOverflowTrap, args, .. } => {
                (args[0], self.constant(args[1])?)
            }
            _ => return None,
        };
        let memory = self.memory_of(len)?;
        let index = self.func.dfg.resolve_aliases(index);
        let (subject, from_index) = match self.root(index) {
            Root::Constant(constant) => (Subject { memory, index: None }, constant),
            Root::Value(value) => (Subject { memory, index: Some(value) }, 0),
        };
        Some(Check { subject, from_index, index, reach: from_index.checked_add(reach)?, end, outside: arg })
    }

    /// Where the words of the memory lie whose size this is.
    fn memory_of(&self, len: Value) -> Option<i32> {
        let InstructionData::Load { opcode: Opcode::Load, arg: def, offset, .. } = self.data(self.inst(len)?) else {
            return None;
        };
        if i32::from(offset) != offset_of!(VmMemory, len_bytes) as i32 {
            return None;
        }
        let InstructionData::Load { opcode: Opcode::Load, arg: anchor, offset, .. } = self.data(self.inst(def)?) else {
            return None;
        };
        let anchor = self.data(self.inst(anchor)?);
        (anchor.opcode() == Opcode::GetPinnedReg).then(|| offset.into())
    }

    /// The place of an access counted from its index: its address is `base + index`, or that and a constant.
    fn place(&self, address: Value, check: &Check) -> Option<u64> {
        let is_index = |value: Value| self.func.dfg.resolve_aliases(value) == check.index;
        let [left, right] = self.sum(address)?;
        let inner = self.sum(left).filter(|[_, inner]| is_index(*inner));
        let offset = match (inner, is_index(right)) {
            (None, true) => 0,
            (Some(_), false) => self.constant(right)?,
            _ => return None,
        };
        let place = check.from_index.checked_add(offset)?;
        // The widest access has sixteen bytes.
        (1..=16).contains(&check.reach.checked_sub(place)?).then_some(place)
    }

    fn sum(&self, value: Value) -> Option<[Value; 2]> {
        match self.data(self.inst(value)?) {
            InstructionData::Binary { opcode: Opcode::Iadd, args } => Some(args),
            _ => None,
        }
    }

    /// An index without the extension to 64 bits.
    fn root(&self, index: Value) -> Root {
        let index = self.func.dfg.resolve_aliases(index);
        if let Some(constant) = self.constant(index) {
            return Root::Constant(constant);
        }
        let Some(InstructionData::Unary { opcode: Opcode::Uextend, arg }) =
            self.inst(index).map(|inst| self.data(inst))
        else {
            return Root::Value(index);
        };
        let narrow = self.func.dfg.resolve_aliases(arg);
        match self.constant(narrow) {
            Some(constant) => Root::Constant(constant & u64::from(u32::MAX)),
            None => Root::Value(narrow),
        }
    }

    fn inst(&self, value: Value) -> Option<Inst> {
        self.func.dfg.value_def(self.func.dfg.resolve_aliases(value)).inst()
    }

    fn data(&self, inst: Inst) -> InstructionData {
        self.func.dfg.insts[inst]
    }

    fn constant(&self, value: Value) -> Option<u64> {
        match self.data(self.inst(value)?) {
            InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => Some(imm.bits().cast_unsigned()),
            _ => None,
        }
    }
}

enum Root {
    /// The index is this number.
    Constant(u64),
    /// The index is this value, extended or not.
    Value(Value),
}
