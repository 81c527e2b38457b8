//! Blocks, branches and the control stack.
//!
//! Before a block, all operands but constants go to their slots. So a branch has nothing to merge but what it passes: one
//! value to a label behind a block travels in the result register, all others in the slots that the target's operands
//! have. Pinned locals are in their pins at all labels.

use super::exception::ScopeId;
use super::machine::{self, Cond, Label};
use super::reader::{BlockType, Catches, HeapCode, Targets, TypeCode};
use super::translator::Translator;
use super::{Left, Ty};
use epsilon_abi::{CompositeType, HeapType, ModuleInfo, RefType, TrapCode, TypeIndex};
use std::collections::BTreeMap;

/// A list of types.
#[derive(Clone, Copy)]
pub(in crate::quick) enum Types {
    None,
    One(Ty),
    /// The parameters of a function type.
    Params(TypeIndex),
    /// The results of a function type.
    Results(TypeIndex),
}

impl Types {
    pub fn len(self, info: &ModuleInfo) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Params(ty) => info.type_func(ty).params.len(),
            Self::Results(ty) => info.type_func(ty).results.len(),
        }
    }

    pub fn get(self, at: usize, info: &ModuleInfo) -> Ty {
        match self {
            Self::None => unreachable!("an empty list has no elements"),
            Self::One(ty) => ty,
            Self::Params(ty) => Ty::of(info.type_func(ty).params[at]),
            Self::Results(ty) => Ty::of(info.type_func(ty).results[at]),
        }
    }
}

/// What a block takes and gives.
#[derive(Clone, Copy)]
pub(in crate::quick) struct Signature {
    pub params: Types,
    pub results: Types,
}

impl Signature {
    fn of(ty: TypeIndex, info: &ModuleInfo) -> Self {
        let params = if info.type_func(ty).params.is_empty() { Types::None } else { Types::Params(ty) };
        Self { params, results: Self::results_of(ty, info) }
    }

    /// The results of a function type.
    pub fn results_of(ty: TypeIndex, info: &ModuleInfo) -> Types {
        match &info.type_func(ty).results[..] {
            [] => Types::None,
            [one] => Types::One(Ty::of(*one)),
            _ => Types::Results(ty),
        }
    }
}

/// An open block of the specification.
pub(in crate::quick) struct Frame {
    pub kind: FrameKind,
    /// Height of the operand stack below the block's parameters.
    pub base: usize,
    pub signature: Signature,
    /// Where branches to the block go.
    pub label: Label,
    /// The clauses around what stands in the block.
    pub scope: Option<ScopeId>,
    /// Blocks that were opened in it where nothing is reached.
    dead: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::quick) enum FrameKind {
    /// The function's body: branching to it returns.
    Body,
    /// A block, or an `if` behind its `else`.
    Block,
    Loop,
    /// An `if` before its `else`, with the label that a false condition goes to.
    If(Label),
    /// A `try_table`, with the number of handlers that are to be laid outside of it.
    Try(usize),
    /// A `try` before its clauses, which will be these.
    LegacyTry(ScopeId),
    /// A clause of a `try`. The exception that it has caught is the lowest operand.
    LegacyCatch(ScopeId),
}

impl Frame {
    pub const fn new(kind: FrameKind, base: usize, signature: Signature, label: Label) -> Self {
        Self { kind, base, signature, label, scope: None, dead: 0 }
    }

    /// What a branch to this frame passes.
    const fn passes(&self) -> Types {
        match self.kind {
            FrameKind::Loop => self.signature.params,
            _ => self.signature.results,
        }
    }
}

/// Where a branch goes, and what it passes.
#[derive(Clone, Copy)]
pub(in crate::quick) struct Target {
    pub label: Label,
    base: usize,
    arity: usize,
    /// Whether it takes its one value in the result register.
    in_register: bool,
}

/// Blocks.
impl Translator<'_> {
    /// Whether an operator opens or closes a block, which is seen even where nothing is reached.
    pub fn opens_or_closes(&mut self, code: u8) -> bool {
        let frame = self.frames.last_mut().expect("operators stand in a block");
        match code {
            // block, loop, if, try, try_table
            0x02..=0x04 | 0x06 | 0x1f => {
                frame.dead += 1;
                false
            }
            // else, catch, catch_all
            0x05 | 0x07 | 0x19 => frame.dead == 0,
            // end, delegate
            0x0b | 0x18 if frame.dead > 0 => {
                frame.dead -= 1;
                false
            }
            0x0b | 0x18 => true,
            _ => false,
        }
    }

    pub fn signature(&self, ty: BlockType) -> Signature {
        match ty {
            BlockType::Empty => Signature { params: Types::None, results: Types::None },
            BlockType::One(code) => Signature { params: Types::None, results: Types::One(self.type_of(code)) },
            BlockType::Func(ty) => Signature::of(ty, self.env.info),
        }
    }

    /// What a reference points to.
    pub fn heap_type(&self, heap: HeapCode) -> HeapType {
        match heap {
            HeapCode::Abstract(heap) => heap,
            HeapCode::Defined(ty) => match self.env.info.types[ty.index()].composite {
                CompositeType::Func(_) => HeapType::ConcreteFunc(ty),
                CompositeType::Struct(_) => HeapType::ConcreteStruct(ty),
                CompositeType::Array(_) => HeapType::ConcreteArray(ty),
            },
        }
    }

    /// The machine's type for references to something.
    pub fn reference_type(&self, heap: HeapCode) -> Ty {
        Ty::of_ref(RefType { nullable: true, heap: self.heap_type(heap) })
    }

    pub fn open(&mut self, kind: FrameKind, signature: Signature, label: Label) {
        let info = self.env.info;
        let params = signature.params.len(info);
        self.charge(params + signature.results.len(info));
        let base = self.stack.len() - params;
        let scope = self.scope();
        self.frames.push(Frame { scope, ..Frame::new(kind, base, signature, label) });
    }

    /// Puts the topmost operands into their slots, constants too.
    fn spill_top(&mut self, count: usize) {
        for at in self.stack.len() - count..self.stack.len() {
            self.spill(at);
        }
    }

    pub fn block(&mut self, ty: BlockType) {
        let signature = self.signature(ty);
        self.settle_all();
        let label = self.asm.new_label();
        self.open(FrameKind::Block, signature, label);
    }

    pub fn loop_(&mut self, ty: BlockType) {
        let signature = self.signature(ty);
        self.settle_all();
        self.spill_top(signature.params.len(self.env.info));
        self.forget_copies();
        let label = self.asm.label_here();
        self.open(FrameKind::Loop, signature, label);
    }

    pub fn if_(&mut self, ty: BlockType) {
        let signature = self.signature(ty);
        let holds = self.condition();
        self.settle_all();
        self.spill_top(signature.params.len(self.env.info));
        let (label, otherwise) = (self.asm.new_label(), self.asm.new_label());
        self.asm.jcc(holds.opposite(), otherwise);
        self.open(FrameKind::If(otherwise), signature, label);
    }

    pub fn try_table(&mut self, ty: BlockType, catches: Catches<'_>) {
        let signature = self.signature(ty);
        self.settle_all();
        let label = self.asm.new_label();
        let (outer, scope) = self.open_catches(catches);
        self.open(FrameKind::Try(outer), signature, label);
        self.frames.last_mut().expect("just opened").scope = scope;
    }

    pub fn else_(&mut self) {
        let frame = self.frames.last_mut().expect("`else` stands in an `if`");
        let FrameKind::If(otherwise) = frame.kind else { unreachable!("`else` stands in an `if`") };
        frame.kind = FrameKind::Block;
        let (base, params) = (frame.base, frame.signature.params);
        if self.reachable {
            self.branch(0);
        }
        self.truncate(base);
        self.forget_copies();
        self.asm.bind(otherwise);
        self.reachable = true;
        self.push_slots(params);
    }

    pub fn end(&mut self) {
        let frame = self.frames.last().expect("`end` closes a block");
        if let FrameKind::If(otherwise) = frame.kind {
            if matches!(frame.signature.params, Types::None) {
                // Both ways leave nothing, so that one label serves both.
                let label = frame.label;
                self.asm.bind(otherwise);
                self.asm.use_label(label);
            } else {
                self.else_();
            }
        }
        let frame = self.frames.last().expect("`end` closes a block");
        let (kind, base, signature, label) = (frame.kind, frame.base, frame.signature, frame.label);
        let is_target = match kind {
            FrameKind::Loop => false,
            FrameKind::Body => true,
            _ => self.asm.is_used(label) || (self.reachable && self.handlers_follow(kind)),
        };
        if self.reachable && is_target {
            self.pass(self.target(0));
        }
        self.frames.pop();
        if let FrameKind::Try(outer) = kind {
            self.close_catches(outer, base, label);
        }
        if is_target {
            self.asm.bind(label);
            self.truncate(base);
            self.forget_copies();
            self.reachable = true;
            self.push_results(signature.results);
        } else if !self.reachable {
            self.truncate(base);
        }
    }

    /// Pushes what a label behind a block is given.
    fn push_results(&mut self, results: Types) {
        if let Types::One(ty) = results {
            let reg = Self::result_register(ty.is_float());
            self.registers.take(reg);
            self.push_reg(reg, ty);
        } else {
            self.push_slots(results);
        }
    }

    fn push_slots(&mut self, types: Types) {
        for at in 0..types.len(self.env.info) {
            self.push_slot(types.get(at, self.env.info));
        }
    }
}

/// Branches.
impl Translator<'_> {
    pub fn target(&self, depth: u32) -> Target {
        let frame = &self.frames[self.frames.len() - 1 - depth as usize];
        let passes = frame.passes();
        let in_register = frame.kind != FrameKind::Loop && matches!(passes, Types::One(_));
        Target { label: frame.label, base: frame.base, arity: passes.len(self.env.info), in_register }
    }

    /// Nothing behind this point is reached.
    pub fn end_path(&mut self) {
        self.reachable = false;
        let base = self.frames.last().expect("operators stand in a block").base;
        self.truncate(base);
    }

    /// Puts the topmost operands where a branch has them. Keeps the flags. They stay on the stack.
    fn pass(&mut self, target: Target) {
        self.charge(target.arity);
        if target.arity == 0 {
            return;
        }
        if target.in_register {
            let operand = *self.stack.last().expect("a branch passes what is there");
            let reg = Self::result_register(operand.ty.is_float());
            if operand.place != super::operand::Place::Reg(reg) {
                let operand = self.pop();
                self.claim(reg);
                self.read_into(operand, reg);
                self.push_reg(reg, operand.ty);
            }
            return;
        }
        self.spill_top(target.arity);
        self.move_slots(target);
    }

    /// Copies the topmost operands, which are in their slots, to those that the target's operands have.
    fn move_slots(&mut self, target: Target) {
        let first = self.stack.len() - target.arity;
        if first == target.base {
            return;
        }
        let mut to = if target.base == 0 { self.operands_begin } else { self.stack[target.base - 1].slot };
        for at in first..self.stack.len() {
            let operand = self.stack[at];
            to -= operand.ty.slot_bytes();
            // The target's slots lie above, so that none is overwritten before it is read.
            let reg = machine::scratch(operand.ty.is_float());
            self.load_slot(operand.ty, reg, operand.slot);
            self.store_slot(operand.ty, reg, to);
        }
    }

    /// Puts what a branch passes where it has it, as far as nothing is overwritten that is needed if it does not branch; tells
    /// whether something is left to be moved then.
    pub fn prepare_branch(&mut self, target: Target) -> bool {
        let moves = !target.in_register && self.stack.len() - target.arity != target.base;
        if moves {
            self.charge(target.arity);
            self.spill_top(target.arity);
        } else {
            self.pass(target);
        }
        moves
    }

    /// Branches with what has been prepared.
    pub fn finish_branch(&mut self, target: Target) {
        if !target.in_register {
            self.move_slots(target);
        }
        self.asm.jmp(target.label);
    }

    /// Branches, and goes on as if it had not.
    pub fn branch(&mut self, depth: u32) {
        let target = self.target(depth);
        self.pass(target);
        self.asm.jmp(target.label);
    }

    pub fn br(&mut self, depth: u32) {
        self.branch(depth);
        self.end_path();
    }

    pub fn return_(&mut self) {
        self.br(self.frames.len() as u32 - 1);
    }

    pub fn br_if(&mut self, depth: u32) {
        let holds = self.condition();
        self.branch_on(holds, depth);
    }

    /// Branches if a condition of the flags holds.
    fn branch_on(&mut self, holds: Cond, depth: u32) {
        let target = self.target(depth);
        let moves = !target.in_register && self.stack.len() - target.arity != target.base;
        if target.arity > 0 && moves {
            self.charge(target.arity);
            self.spill_top(target.arity);
            let over = self.asm.new_label();
            self.asm.jcc(holds.opposite(), over);
            self.move_slots(target);
            self.asm.jmp(target.label);
            self.asm.bind(over);
        } else {
            self.pass(target);
            self.asm.jcc(holds, target.label);
        }
    }

    /// Branches without the reference if it is null, else goes on with it.
    pub fn br_on_null(&mut self, depth: u32) {
        let reference = self.pop();
        let reg = self.own(reference);
        self.registers.locked |= reg.bit();
        self.test_zero(reg, reference.ty.is_wide());
        // The label's value, if it takes one in the result register, must not end up in the reference's.
        let reg = self.keep_apart(reg, depth);
        self.branch_on(Cond::Equal, depth);
        self.push_reg(reg, reference.ty);
    }

    /// Moves a register that is held out of the way of what a branch passes. Keeps the flags.
    fn keep_apart(&mut self, reg: machine::Reg, depth: u32) -> machine::Reg {
        if !self.target(depth).in_register || reg != Self::result_register(reg.is_float()) {
            return reg;
        }
        let other = self.allocate(reg.is_float());
        self.mov(Ty::I64, other, reg);
        self.registers.release(reg);
        self.registers.locked |= other.bit();
        other
    }

    /// Branches with the reference if it is not null, else goes on without it.
    pub fn br_on_non_null(&mut self, depth: u32) {
        let reference = self.pop();
        let reg = self.own(reference);
        self.test_zero(reg, reference.ty.is_wide());
        self.push_reg(reg, reference.ty);
        self.branch_on(Cond::NotEqual, depth);
        self.drop_top();
    }

    pub fn br_table(&mut self, targets: Targets<'_>) {
        let mut depths = targets.depths;
        let arity = self.target(depths.u32()).arity;
        let index = self.pop();
        // Before the index is in the scratch register.
        self.spill_top(arity);
        self.read_into(index, machine::SCRATCH);
        self.begin_jump_table(targets.count);
        let mut depths = targets.depths;
        if arity == 0 {
            for _ in 0..=targets.count {
                let label = self.target(depths.u32()).label;
                self.jump_table_entry(label);
            }
        } else {
            // Each label wants the values elsewhere, so that each has a piece of code on the way.
            let mut pieces = BTreeMap::new();
            for _ in 0..=targets.count {
                let asm = &mut self.asm;
                let label = *pieces.entry(depths.u32()).or_insert_with(|| asm.new_label());
                self.jump_table_entry(label);
            }
            pieces.into_iter().for_each(|(depth, label)| self.piece(depth, label));
        }
        self.end_path();
    }

    /// Passes the topmost operands, which are in their slots, to the label of a `br_table`.
    fn piece(&mut self, depth: u32, label: Label) {
        self.asm.bind(label);
        let target = self.target(depth);
        self.charge(target.arity);
        if target.in_register {
            let operand = *self.stack.last().expect("a branch passes what is there");
            self.load_slot(operand.ty, Self::result_register(operand.ty.is_float()), operand.slot);
        } else {
            self.move_slots(target);
        }
        self.asm.jmp(target.label);
    }

    pub fn unreachable(&mut self) {
        self.trap(TrapCode::UnreachableCodeReached);
        self.end_path();
    }

    pub fn nop(&mut self) {}

    pub fn drop_operand(&mut self) {
        self.drop_top();
    }

    pub fn select_typed(&mut self, ty: Option<TypeCode>) {
        match ty {
            Some(_) => self.select(),
            None => self.left = Some(Left::SelectOfMany),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_have_opposites() {
        for cond in Cond::ALL {
            assert_eq!(cond.opposite() as u8, cond as u8 ^ 1);
            assert_eq!(cond.opposite().opposite(), cond);
            assert_eq!(cond.swapped().swapped(), cond);
        }
    }
}
