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

/// A clause of an open `try_table`.
#[derive(Clone, Copy)]
pub(super) struct Catch {
    /// `None` catches every exception.
    tag: Option<TagIndex>,
    /// Where caught exceptions go on.
    handler: Block,
}

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
        let outer_catches = self.catches.len();
        if !table.catches.is_empty() {
            // Handlers come first, while labels count from outside of the `try_table`; the body goes on behind them.
            let body = self.builder.create_block();
            self.ins().jump(body, &[]);
            let mut catches = Vec::with_capacity(table.catches.len());
            for clause in &table.catches {
                catches.push(self.handler(clause)?);
            }
            self.catches.extend(catches.into_iter().rev());
            self.builder.seal_block(body);
            self.switch_to(body);
        }
        let signature = self.block_signature(table.ty)?;
        self.open(FrameKind::Try(outer_catches), &signature)
    }

    /// Ends the clauses beyond the first `outer` ones: no call leads to their handlers any more.
    pub(super) fn close_catches(&mut self, outer: usize) {
        for catch in self.catches.split_off(outer) {
            self.builder.seal_block(catch.handler);
        }
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
        let handler = self.builder.create_block();
        let exception = self.builder.append_block_param(handler, PTR);
        let fields = self.builder.append_block_param(handler, PTR);
        self.builder.set_cold_block(handler);
        self.switch_to(handler);
        let height = self.stack.len();
        if let Some(tag) = tag {
            let ty = self.env.info.type_func(self.env.info.tags[tag.index()]);
            for (n, ty) in ty.params.iter().enumerate() {
                let value = self.ins().load(clif_type(*ty), MemFlagsData::trusted(), fields, (n * FIELD_BYTES) as i32);
                self.push(value);
            }
        }
        if wants_reference {
            let reference = self.ins().ireduce(types::I32, exception);
            self.push(reference);
        }
        self.br(label)?;
        self.stack.truncate(height);
        Ok(Catch { tag, handler })
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
    fn throwing_libcall(&mut self, libcall: Libcall, arg: Value) -> Translated {
        if self.catches.is_empty() {
            self.libcall(libcall, &[arg]);
        } else {
            let (signature, code, vmctx) = self.libcall_callee(libcall);
            let (table, next) = self.exception_table(signature, &[])?;
            self.ins().try_call_indirect(code, &[vmctx, arg], table);
            self.after_try_call(next);
        }
        self.ins().trap(clif_trap(TrapCode::Unreachable));
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
        for at in (0..self.catches.len()).rev() {
            let Catch { tag, handler } = self.catches[at];
            if !tags.insert(tag) {
                continue;
            }
            self.charge_edge(HANDLER_EDGE_VALUES)?;
            let call = self.block_call(handler, [BlockArg::TryCallExn(0), BlockArg::TryCallExn(1)]);
            match tag {
                Some(tag) => items.push(ExceptionTableItem::Tag(ExceptionTag::from_u32(tag.0), call)),
                None => items.push(ExceptionTableItem::Default(call)),
            }
            if tag.is_none() {
                // What it does not let through needs no further clauses.
                break;
            }
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
        self.builder.seal_block(next);
        self.switch_to(next);
    }
}
