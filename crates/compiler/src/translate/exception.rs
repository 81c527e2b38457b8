//! Exceptions: `try_table`, `throw`, `throw_ref`, and the calls that may leave by an exception.
//!
//! Inside a `try_table`, a call ends its block with two kinds of edges: one for its results, and one for each clause
//! that may catch what leaves it. Every clause has one block, entered with the exception's number and the address of
//! its fields; it loads the fields and branches to the label of the clause. Nothing else differs from other code, and
//! outside of `try_table` nothing differs at all.

use super::control::FrameKind;
use super::{FuncTranslator, PTR, Translated, clif_type};
use crate::trap::clif_trap;
use cranelift_codegen::ir::{
    Block, BlockArg, BlockCall, ExceptionTable, ExceptionTableData, ExceptionTableItem, ExceptionTag, InstBuilder,
    MemFlagsData, SigRef, Value, types,
};
use epsilon_abi::vm::VmGlobal;
use epsilon_abi::{Libcall, TagIndex, TrapCode};
use std::collections::HashSet;
use std::mem::size_of;
use wasmparser::TryTable;

/// A clause that may catch what leaves a call.
#[derive(Clone, Copy)]
pub(super) struct Catch {
    /// `None` catches every exception.
    pub tag: Option<TagIndex>,
    /// Where caught exceptions go on.
    pub handler: Block,
    /// Whether any call leads there.
    pub is_used: bool,
}

impl Catch {
    pub const fn new(tag: Option<TagIndex>, handler: Block) -> Self {
        Self { tag, handler, is_used: false }
    }
}

/// The clauses of a `try_table` or `try`, of which there is at least one.
pub(super) struct Scope {
    /// The first one that fits catches.
    pub catches: Vec<Catch>,
    /// The clauses for what these let through.
    outer: Option<ScopeId>,
}

/// Which of the translator's scopes it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct ScopeId(usize);

/// What the edge from a call to a handler counts as, in values passed: it takes more memory than two values.
const HANDLER_EDGE_VALUES: usize = 8;

/// Distance between the fields of an exception in bytes.
const FIELD_BYTES: usize = size_of::<VmGlobal>();

impl FuncTranslator<'_> {
    pub(super) fn try_table(&mut self, table: TryTable) -> Translated {
        if !self.reachable {
            self.open_dead();
            return Ok(());
        }
        let mut scope = None;
        if !table.catches.is_empty() {
            // Handlers come first, while labels count from outside of the `try_table`; the body goes on behind them.
            let body = self.builder.create_block();
            self.ins().jump(body, &[]);
            let mut catches = Vec::with_capacity(table.catches.len());
            for clause in &table.catches {
                catches.push(self.handler(clause)?);
            }
            scope = Some(self.new_scope(catches));
            self.builder.seal_block(body);
            self.switch_to(body);
        }
        let signature = self.block_signature(table.ty)?;
        self.open(FrameKind::Try(scope), &signature)?;
        self.enter_scope(scope.or(self.scope()));
        Ok(())
    }

    /// Clauses for what is about to be opened.
    pub(super) fn new_scope(&mut self, catches: Vec<Catch>) -> ScopeId {
        self.scopes.push(Scope { catches, outer: self.scope() });
        ScopeId(self.scopes.len() - 1)
    }

    /// The clauses of a scope.
    pub(super) fn catches(&self, ScopeId(at): ScopeId) -> &[Catch] {
        &self.scopes[at].catches
    }

    /// The clauses around the current operator.
    pub(super) fn scope(&self) -> Option<ScopeId> {
        self.frames.last().and_then(|frame| frame.scope)
    }

    /// The clauses around what stands in the block that a label names.
    pub(super) fn scope_of(&self, depth: usize) -> Option<ScopeId> {
        let at = self.frames.len().checked_sub(1 + depth)?;
        self.frames[at].scope
    }

    /// What stands in the block that has just been opened has these clauses around it.
    pub(super) fn enter_scope(&mut self, scope: Option<ScopeId>) {
        self.frames.last_mut().expect("just opened").scope = scope;
    }

    /// Ends what clauses are for: no further call leads to their handlers.
    pub(super) fn close_scope(&mut self, ScopeId(at): ScopeId) {
        for catch in self.scopes[at].catches.iter().rev() {
            self.builder.seal_block(catch.handler);
        }
    }

    /// A block that caught exceptions go to, with the exception's number and the address of its fields.
    pub(super) fn handler_block(&mut self) -> Block {
        let handler = self.builder.create_block();
        self.builder.append_block_param(handler, PTR);
        self.builder.append_block_param(handler, PTR);
        self.builder.set_cold_block(handler);
        handler
    }

    /// Goes on in the handler of a clause: pushes the fields, and gives the number.
    pub(super) fn enter_handler(&mut self, tag: Option<TagIndex>, handler: Block) -> Value {
        self.switch_to(handler);
        let &[exception, fields] = self.builder.block_params(handler) else { unreachable!("it has two parameters") };
        if let Some(tag) = tag {
            let ty = self.env.info.type_func(self.env.info.tags[tag.index()]);
            for (n, ty) in ty.params.iter().enumerate() {
                let value = self.ins().load(clif_type(*ty), MemFlagsData::trusted(), fields, (n * FIELD_BYTES) as i32);
                self.push_as(value, *ty);
            }
        }
        exception
    }

    /// The block of a clause.
    fn handler(&mut self, clause: &wasmparser::Catch) -> Result<Catch, crate::CompileError> {
        use wasmparser::Catch::{All, AllRef, One, OneRef};
        let (tag, label, wants_reference) = match *clause {
            One { tag, label } => (Some(TagIndex(tag)), label, false),
            OneRef { tag, label } => (Some(TagIndex(tag)), label, true),
            All { label } => (None, label, false),
            AllRef { label } => (None, label, true),
        };
        let handler = self.handler_block();
        let height = self.stack.len();
        let exception = self.enter_handler(tag, handler);
        if wants_reference {
            let reference = self.ins().ireduce(types::I32, exception);
            self.push(reference);
        }
        self.br(label)?;
        self.stack.truncate(height);
        Ok(Catch::new(tag, handler))
    }

    pub(super) fn throw(&mut self, tag: u32) -> Translated {
        let ty = self.env.info.type_func(self.env.info.tags[tag as usize]);
        self.charge(ty.params.len())?;
        let args = [self.const_index(tag)];
        let fields = self.libcall_with_result(Libcall::ExceptionNew, &args);
        for n in (0..ty.params.len()).rev() {
            let value = self.pop();
            self.ins().store(MemFlagsData::trusted(), value, fields, (n * FIELD_BYTES) as i32);
        }
        self.throwing_libcall(Libcall::Throw, fields)
    }

    pub(super) fn throw_ref(&mut self) -> Translated {
        let reference = self.pop();
        self.throwing_libcall(Libcall::ThrowRef, reference)
    }

    /// A libcall that leaves by an exception, and never returns.
    pub(super) fn throwing_libcall(&mut self, libcall: Libcall, arg: Value) -> Translated {
        if self.scope().is_none() {
            self.libcall(libcall, &[arg]);
        } else {
            let (signature, code, vmctx) = self.libcall_callee(libcall);
            let (table, next) = self.exception_table(signature, &[])?;
            self.ins().try_call_indirect(code, &[vmctx, arg], table);
            self.after_try_call(next);
        }
        self.ins().trap(clif_trap(TrapCode::UnreachableCodeReached));
        self.end_block();
        Ok(())
    }

    /// The ways on from a call of this signature: a new block with the results, and the handlers.
    pub(super) fn exception_table(
        &mut self,
        signature: SigRef,
        results: &[epsilon_abi::ValType],
    ) -> Result<(ExceptionTable, Block), crate::CompileError> {
        let next = self.block_with_params(results);
        self.charge_edge(results.len())?;
        let mut tags = HashSet::new();
        let mut items = Vec::new();
        let mut scope = self.scope();
        'scopes: while let Some(ScopeId(at)) = scope {
            for n in 0..self.scopes[at].catches.len() {
                let Catch { tag, handler, .. } = self.scopes[at].catches[n];
                if !tags.insert(tag) {
                    self.charge(1)?;
                    continue;
                }
                self.charge_edge(HANDLER_EDGE_VALUES)?;
                self.scopes[at].catches[n].is_used = true;
                let call = self.block_call(handler, [BlockArg::TryCallExn(0), BlockArg::TryCallExn(1)]);
                match tag {
                    Some(tag) => items.push(ExceptionTableItem::Tag(ExceptionTag::from_u32(tag.0), call)),
                    None => items.push(ExceptionTableItem::Default(call)),
                }
                if tag.is_none() {
                    // What it does not let through needs no further clauses.
                    break 'scopes;
                }
            }
            scope = self.scopes[at].outer;
        }
        let normal = self.block_call(next, (0..results.len() as u32).map(BlockArg::TryCallRet));
        let data = ExceptionTableData::new(signature, normal, items);
        Ok((self.builder.func.dfg.exception_tables.push(data), next))
    }

    fn block_call(&mut self, block: Block, args: impl IntoIterator<Item = BlockArg>) -> BlockCall {
        BlockCall::new(block, args, &mut self.builder.func.dfg.value_lists)
    }

    /// Goes on behind a call that ended its block.
    pub(super) fn after_try_call(&mut self, next: Block) {
        self.charge_held();
        self.builder.seal_block(next);
        self.switch_to(next);
    }
}
