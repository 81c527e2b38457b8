//! Blocks, branches and the control stack.
//!
//! Operands live in CLIF values, so only labels need block parameters: the continuation of a block has its results, the
//! head of a loop its parameters. Code that cannot be reached is validated but not translated; frames opened there are
//! [`FrameKind::Dead`] and only counted.

use super::exception::ScopeId;
use super::{FuncTranslator, Translated, clif_type};
use crate::parse::val_type;
use crate::trap::clif_trap;
use cranelift_codegen::ir::{Block, BlockArg, BlockCall, InstBuilder, JumpTableData, Value};
use epsilon_abi::{TrapCode, TypeIndex, ValType};
use std::collections::HashMap;
use wasmparser::{BlockType, BrTable};

/// An open block of the specification.
pub(super) struct Frame {
    kind: FrameKind,
    /// The clauses around what stands in the block.
    pub scope: Option<ScopeId>,
    /// Height of the operand stack below the block's parameters.
    base: usize,
    /// Number of parameters.
    params: usize,
    /// Number of results.
    results: usize,
    /// Where control goes on after the block; it has the results as parameters.
    next: Block,
    /// Whether anything branches to `next`.
    branched: bool,
}

pub(super) enum FrameKind {
    /// The function's body: branching to it returns.
    Body,
    /// A body that stands in place of a call: branching to it goes on behind the call.
    Inlined,
    /// A block, or an `if` behind its `else`.
    Block,
    /// A loop, with the block that branches to it go to.
    Loop(Block),
    /// An `if` before its `else`, with the block that a false condition goes to. A copy of the parameters lies below
    /// the ones that the first arm works on.
    If(Block),
    /// A `try_table`, with its clauses, if it has any.
    Try(Option<ScopeId>),
    /// A `try` before its clauses, if it has any.
    LegacyTry(Option<ScopeId>),
    /// A clause of a `try`.
    LegacyCatch(Clause),
    /// A block in code that cannot be reached.
    Dead,
}

/// A clause of a `try`.
#[derive(Clone, Copy)]
pub(super) struct Clause {
    pub scope: ScopeId,
    /// Which one of them it is.
    pub number: usize,
    /// The exception, if the clause can be reached.
    pub exception: Option<Value>,
}

impl Frame {
    /// How many values a branch to this frame passes.
    const fn label_arity(&self) -> usize {
        match self.kind {
            FrameKind::Loop(_) => self.params,
            _ => self.results,
        }
    }

    /// Where a branch to this frame goes.
    const fn label(&self) -> Block {
        match self.kind {
            FrameKind::Loop(head) => head,
            _ => self.next,
        }
    }
}

/// The types that a block takes and gives.
pub(super) struct BlockSignature<'a> {
    params: &'a [ValType],
    results: Results<'a>,
}

enum Results<'a> {
    One([ValType; 1]),
    Many(&'a [ValType]),
}

impl Results<'_> {
    fn types(&self) -> &[ValType] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }
}

impl<'a> FuncTranslator<'a> {
    pub(super) fn block_signature(&self, ty: BlockType) -> Result<BlockSignature<'a>, crate::CompileError> {
        let info = self.env.info;
        Ok(match ty {
            BlockType::Empty => BlockSignature { params: &[], results: Results::Many(&[]) },
            BlockType::Type(ty) => {
                BlockSignature { params: &[], results: Results::One([val_type(ty, info, self.offset)?]) }
            }
            BlockType::FuncType(index) => {
                let ty = info.type_func(TypeIndex(index));
                BlockSignature { params: &ty.params, results: Results::Many(&ty.results) }
            }
        })
    }

    /// A new block with parameters of these types.
    pub(super) fn block_with_params(&mut self, types: &[ValType]) -> Block {
        let block = self.builder.create_block();
        for ty in types {
            let param = self.builder.append_block_param(block, clif_type(*ty));
            self.declare(param, *ty);
        }
        block
    }

    /// Opens the frame of a function's body.
    pub(super) fn open_body(&mut self, kind: FrameKind, results: &[ValType]) {
        let next = self.block_with_params(results);
        let (base, results, scope) = (self.stack.len(), results.len(), self.scope());
        self.frames.push(Frame { kind, scope, base, params: 0, results, next, branched: false });
    }

    /// Whether the frame of the body that is being translated is still open.
    pub(super) fn body_is_open(&self) -> bool {
        self.frames.len() > self.body_frame
    }

    pub(super) fn open_dead(&mut self) {
        // No branch from reachable code can name this frame, so its label is never used.
        let (base, next) = (self.stack.len(), self.entry);
        self.frames.push(Frame {
            kind: FrameKind::Dead,
            scope: None,
            base,
            params: 0,
            results: 0,
            next,
            branched: false,
        });
    }

    /// Opens a frame whose parameters are the topmost operands.
    pub(super) fn open(&mut self, kind: FrameKind, signature: &BlockSignature<'_>) -> Translated {
        let (params, results) = (signature.params.len(), signature.results.types().len());
        self.charge(params + results)?;
        let next = self.block_with_params(signature.results.types());
        let (base, scope) = (self.stack.len() - params, self.scope());
        self.frames.push(Frame { kind, scope, base, params, results, next, branched: false });
        Ok(())
    }

    pub(super) fn block(&mut self, ty: BlockType) -> Translated {
        if !self.reachable {
            self.open_dead();
            return Ok(());
        }
        let signature = self.block_signature(ty)?;
        self.open(FrameKind::Block, &signature)
    }

    pub(super) fn loop_(&mut self, ty: BlockType) -> Translated {
        if !self.reachable {
            self.open_dead();
            return Ok(());
        }
        let signature = self.block_signature(ty)?;
        let head = self.block_with_params(signature.params);
        self.open(FrameKind::Loop(head), &signature)?;
        self.jump_with_top(head, signature.params.len())?;
        self.stack.truncate(self.stack.len() - signature.params.len());
        self.stack.extend_from_slice(self.builder.block_params(head));
        self.switch_to(head);
        self.budget.loop_depth += 1;
        Ok(())
    }

    pub(super) fn if_(&mut self, ty: BlockType) -> Translated {
        if !self.reachable {
            self.open_dead();
            return Ok(());
        }
        let signature = self.block_signature(ty)?;
        let condition = self.pop();
        let (then, otherwise) = (self.builder.create_block(), self.builder.create_block());
        self.ins().brif(condition, then, &[], otherwise, &[]);
        self.builder.seal_block(then);
        self.builder.seal_block(otherwise);
        match self.hint() {
            Some(true) => self.builder.set_cold_block(otherwise),
            Some(false) => self.builder.set_cold_block(then),
            None => {}
        }
        self.open(FrameKind::If(otherwise), &signature)?;
        self.stack.extend_from_within(self.stack.len() - signature.params.len()..);
        self.switch_to_only_successor(then);
        Ok(())
    }

    pub(super) fn else_(&mut self) -> Translated {
        let reachable = self.reachable;
        let frame = self.frames.last_mut().expect("`else` is validated to stand in an `if`");
        let FrameKind::If(otherwise) = frame.kind else { return Ok(()) };
        let (next, results, params_end) = (frame.next, frame.results, frame.base + frame.params);
        frame.kind = FrameKind::Block;
        frame.branched |= reachable;
        if reachable {
            self.jump_with_top(next, results)?;
        }
        self.stack.truncate(params_end);
        self.switch_to(otherwise);
        Ok(())
    }

    /// Ends the body of a `try`, or a clause of it, in front of the next one, which is not covered by the clauses. `None`
    /// where the `try` cannot be reached.
    pub(super) fn next_clause(&mut self) -> Result<Option<Clause>, crate::CompileError> {
        let (reachable, scope) = (self.reachable, self.scope_of(1));
        let frame = self.frames.last_mut().expect("a clause is validated to stand in a `try`");
        let clause = match frame.kind {
            FrameKind::Dead => return Ok(None),
            FrameKind::LegacyTry(Some(scope)) => Clause { scope, number: 0, exception: None },
            FrameKind::LegacyCatch(Clause { scope, number, .. }) => {
                Clause { scope, number: number + 1, exception: None }
            }
            _ => unreachable!("a clause is validated to stand in a `try`, whose clauses have been looked for"),
        };
        frame.kind = FrameKind::LegacyCatch(clause);
        frame.scope = scope;
        frame.branched |= reachable;
        let (next, results, base) = (frame.next, frame.results, frame.base);
        if reachable {
            self.jump_with_top(next, results)?;
        }
        self.stack.truncate(base);
        Ok(Some(clause))
    }

    /// The current clause has caught this exception.
    pub(super) fn note_exception(&mut self, reference: Value) {
        if let Some(Frame { kind: FrameKind::LegacyCatch(clause), .. }) = self.frames.last_mut() {
            clause.exception = Some(reference);
        }
    }

    /// The exception that the clause that a label names has caught.
    pub(super) fn caught_exception(&self, depth: u32) -> Value {
        match self.frames[self.frames.len() - 1 - depth as usize].kind {
            FrameKind::LegacyCatch(Clause { exception: Some(exception), .. }) => exception,
            _ => unreachable!("a `rethrow` is validated to name a clause around it"),
        }
    }

    pub(super) fn end(&mut self) -> Translated {
        if let Some(Frame { kind: FrameKind::If(_), .. }) = self.frames.last() {
            // An `if` without `else` gives its parameters as they are; now it is like a block.
            self.else_()?;
        }
        let frame = self.frames.pop().expect("`end` is validated to close a frame");
        match frame.kind {
            FrameKind::Dead => {
                self.stack.truncate(frame.base);
                return Ok(());
            }
            FrameKind::Loop(head) => {
                self.builder.seal_block(head);
                self.budget.loop_depth -= 1;
            }
            FrameKind::Try(Some(scope)) => self.close_scope(scope),
            _ => {}
        }
        if frame.branched {
            if self.reachable {
                self.jump_with_top(frame.next, frame.results)?;
            }
            self.builder.seal_block(frame.next);
            self.switch_to(frame.next);
            self.stack.truncate(frame.base);
            self.stack.extend_from_slice(self.builder.block_params(frame.next));
        } else if !self.reachable {
            self.stack.truncate(frame.base);
        }
        if matches!(frame.kind, FrameKind::Body) && self.reachable {
            self.return_()?;
        }
        Ok(())
    }

    /// Takes the topmost operands, which stay on the stack, as arguments of the next branch.
    fn take_branch_args(&mut self, count: usize) -> Translated {
        self.charge_edge(count)?;
        self.branch_args.clear();
        let at = self.stack.len() - count;
        self.branch_args.extend(self.stack[at..].iter().map(|value| BlockArg::Value(*value)));
        Ok(())
    }

    /// Jumps with the topmost operands as arguments.
    fn jump_with_top(&mut self, to: Block, count: usize) -> Translated {
        self.take_branch_args(count)?;
        self.builder.ins().jump(to, &self.branch_args);
        self.end_block();
        Ok(())
    }

    /// The frame that a label names, marked as branched to.
    fn branch_target(&mut self, depth: u32) -> &Frame {
        let at = self.frames.len() - 1 - depth as usize;
        self.frames[at].branched |= !matches!(self.frames[at].kind, FrameKind::Loop(_));
        &self.frames[at]
    }

    pub(super) fn br(&mut self, depth: u32) -> Translated {
        if self.frames.len() - 1 - depth as usize == self.body_frame {
            return self.return_();
        }
        let frame = self.branch_target(depth);
        let (label, arity) = (frame.label(), frame.label_arity());
        self.jump_with_top(label, arity)
    }

    /// Jumps to a label with the topmost operands, which stay on the stack.
    pub(super) fn jump_to_label(&mut self, depth: u32) -> Translated {
        let frame = self.branch_target(depth);
        let (label, arity) = (frame.label(), frame.label_arity());
        self.jump_with_top(label, arity)
    }

    pub(super) fn br_if(&mut self, depth: u32) -> Translated {
        let condition = self.pop();
        let frame = self.branch_target(depth);
        let (label, arity) = (frame.label(), frame.label_arity());
        self.take_branch_args(arity)?;
        let next = self.builder.create_block();
        match self.hint() {
            Some(false) => {
                // The label may be reached in other ways that are likely: only the edge is cold.
                let edge = self.builder.create_block();
                self.builder.set_cold_block(edge);
                self.builder.ins().brif(condition, edge, &[], next, &[]);
                self.builder.seal_block(edge);
                self.builder.switch_to_block(edge);
                self.builder.ins().jump(label, &self.branch_args);
            }
            hint => {
                self.builder.ins().brif(condition, label, &self.branch_args, next, &[]);
                if hint == Some(true) {
                    self.builder.set_cold_block(next);
                }
            }
        }
        self.builder.seal_block(next);
        self.switch_to_only_successor(next);
        Ok(())
    }

    /// Branches without the reference if it is null, else goes on with it.
    pub(super) fn br_on_null(&mut self, depth: u32) -> Translated {
        let reference = self.pop();
        let frame = self.branch_target(depth);
        let (label, arity) = (frame.label(), frame.label_arity());
        self.take_branch_args(arity)?;
        let next = self.builder.create_block();
        self.builder.ins().brif(reference, next, &[], label, &self.branch_args);
        self.builder.seal_block(next);
        self.switch_to_only_successor(next);
        self.push(reference);
        Ok(())
    }

    /// Branches with the reference if it is not null, else goes on without it.
    pub(super) fn br_on_non_null(&mut self, depth: u32) -> Translated {
        let frame = self.branch_target(depth);
        let (label, arity) = (frame.label(), frame.label_arity());
        self.take_branch_args(arity)?;
        let reference = self.pop();
        let next = self.builder.create_block();
        self.builder.ins().brif(reference, label, &self.branch_args, next, &[]);
        self.builder.seal_block(next);
        self.switch_to_only_successor(next);
        Ok(())
    }

    /// Whether the current operator's branch is likely to be taken, if the module says so.
    fn hint(&self) -> Option<bool> {
        let at = u32::try_from(self.offset - self.body_start).ok()?;
        let hints = self.env.hints;
        hints.binary_search_by_key(&at, |(offset, _)| *offset).ok().map(|found| hints[found].1)
    }

    /// Labels that take values get one block each that passes them, so that a long table does not repeat them.
    pub(super) fn br_table(&mut self, table: BrTable<'_>) -> Translated {
        let selector = self.pop();
        let mut passing: HashMap<u32, Block> = HashMap::new();
        let mut order = Vec::new();
        let mut calls = Vec::with_capacity(table.len() as usize);
        let default = self.table_target(table.default(), &mut passing, &mut order);
        for depth in table.targets() {
            calls.push(self.table_target(depth?, &mut passing, &mut order));
            self.charge_edge(0)?;
        }
        self.charge_table(table.len());
        let data = JumpTableData::new(default, &calls);
        let jump_table = self.builder.create_jump_table(data);
        self.ins().br_table(selector, jump_table);
        self.end_block();
        for (depth, block) in order {
            self.builder.seal_block(block);
            self.switch_to(block);
            self.br(depth)?;
        }
        Ok(())
    }

    fn table_target(
        &mut self,
        depth: u32,
        passing: &mut HashMap<u32, Block>,
        order: &mut Vec<(u32, Block)>,
    ) -> BlockCall {
        let frame = self.branch_target(depth);
        let (label, arity) = (frame.label(), frame.label_arity());
        let to = if arity == 0 {
            label
        } else {
            *passing.entry(depth).or_insert_with(|| {
                let block = self.builder.create_block();
                order.push((depth, block));
                block
            })
        };
        self.builder.func.dfg.block_call(to, &[])
    }

    pub(super) fn return_(&mut self) -> Translated {
        let (next, count) = match self.frames.get_mut(self.body_frame) {
            None => (None, self.stack.len()),
            Some(body) => {
                let is_inlined = matches!(body.kind, FrameKind::Inlined);
                body.branched |= is_inlined;
                (is_inlined.then_some(body.next), body.results)
            }
        };
        if let Some(next) = next {
            return self.jump_with_top(next, count);
        }
        self.charge(count)?;
        let at = self.stack.len() - count;
        self.builder.ins().return_(&self.stack[at..]);
        self.end_block();
        Ok(())
    }

    pub(super) fn unreachable(&mut self) -> Translated {
        self.ins().trap(clif_trap(TrapCode::UnreachableCodeReached));
        self.end_block();
        Ok(())
    }
}
