//! `try_table`, `throw` and `throw_ref`.
//!
//! The handlers of a `try_table` stand at its end, where the stack of operands is as low as its labels want it: all that
//! is below is in slots. Each loads the pins, then the fields of the exception, and branches to the label of its clause.

use super::Ty;
use super::call::Callee;
use super::control::FrameKind;
use super::reader::{Catches, Clause};
use super::translator::Translator;
use super::x64::{self, Label};
use epsilon_abi::vm::VmGlobal;
use epsilon_abi::{HandlerSite, Libcall, TagIndex, TrapCode};
use std::collections::HashSet;
use std::mem::size_of;

/// A clause of an open `try_table`.
#[derive(Clone, Copy)]
pub(super) struct Catch {
    clause: Clause,
    handler: Label,
}

/// A call and a clause that may catch what leaves it.
pub(super) struct CatchSite {
    return_offset: u32,
    tag: Option<TagIndex>,
    handler: Label,
}

/// What a call that may be caught counts as for each clause, in values passed.
const SITE_VALUES: usize = 8;

/// Distance between the fields of an exception in bytes.
const FIELD_BYTES: i32 = size_of::<VmGlobal>() as i32;

impl Translator<'_> {
    /// Opens the clauses of a `try_table`, the first one last; gives how many are open outside.
    pub fn open_catches(&mut self, catches: Catches<'_>) -> usize {
        let outer = self.catches.len();
        let mut clauses = catches.clauses;
        for _ in 0..catches.count {
            let clause = clauses.clause();
            let handler = self.asm.new_label();
            self.catches.push(Catch { clause, handler });
        }
        self.catches[outer..].reverse();
        outer
    }

    /// Whether code of handlers follows at the end of a frame, so that what falls through must jump over it.
    pub fn handlers_follow(&self, kind: FrameKind) -> bool {
        matches!(kind, FrameKind::Try(outer) if self.catches.len() > outer)
    }

    /// Ends the clauses beyond the first `outer` ones and lays their handlers; what falls through goes to `end`.
    pub fn close_catches(&mut self, outer: usize, base: usize, end: Label) {
        let closed = self.catches.split_off(outer);
        if closed.is_empty() {
            return;
        }
        let reachable = self.reachable;
        if reachable {
            self.asm.jmp(end);
        }
        self.truncate(base);
        for Catch { clause, handler } in closed {
            self.handler(clause, handler);
            self.truncate(base);
        }
        self.reachable = reachable;
    }

    fn handler(&mut self, clause: Clause, handler: Label) {
        self.asm.bind(handler);
        self.reload_all_pins();
        let (number, fields) = (x64::PAYLOADS[0], x64::PAYLOADS[1]);
        if let Some(tag) = clause.tag {
            let ty = self.env.info.type_func(self.env.info.tags[tag as usize]);
            self.charge(ty.params.len());
            for (at, ty) in ty.params.iter().enumerate() {
                let ty = Ty::of(*ty);
                let reg = x64::scratch(ty.is_float());
                self.load_at(ty, reg, fields, at as i32 * FIELD_BYTES);
                self.push_slot(ty);
                let slot = self.stack[self.stack.len() - 1].slot;
                self.store_slot(ty, reg, slot);
            }
        }
        if clause.wants_reference {
            self.zero_extend(number);
            self.push_slot(Ty::I32);
            let slot = self.stack[self.stack.len() - 1].slot;
            self.store_slot(Ty::I32, number, slot);
        }
        self.reachable = true;
        self.branch(clause.depth);
    }

    /// Notes which handlers catch what leaves the call that has just been laid.
    pub fn note_catches(&mut self) {
        if self.catches.is_empty() {
            return;
        }
        let return_offset = self.asm.at();
        let mut tags = HashSet::new();
        for at in (0..self.catches.len()).rev() {
            let Catch { clause, handler } = self.catches[at];
            let tag = clause.tag.map(TagIndex);
            self.charge(SITE_VALUES);
            if !tags.insert(tag) {
                continue;
            }
            self.catch_sites.push(CatchSite { return_offset, tag, handler });
            if tag.is_none() {
                break;
            }
        }
    }

    /// The table of handlers, once all is laid.
    pub fn handlers(&self, frame_bytes: u32) -> Vec<HandlerSite> {
        let site = |site: &CatchSite| HandlerSite {
            return_offset: site.return_offset,
            frame_bytes,
            tag: site.tag,
            handler_offset: self.asm.position(site.handler),
        };
        self.catch_sites.iter().map(site).collect()
    }

    pub fn throw(&mut self, tag: u32) {
        let params = self.env.info.type_func(self.env.info.tags[tag as usize]).params.len();
        self.charge(params);
        self.libcall_args(&[u64::from(tag)], 0);
        self.emit_call_instruction(Callee::Libcall(Libcall::ExceptionNew as usize));
        self.reload_pins();
        for at in (0..params).rev() {
            let value = self.pop();
            let reg = x64::scratch(value.ty.is_float());
            self.read_into(value, reg);
            self.store_at(value.ty, reg, x64::RESULT, at as i32 * FIELD_BYTES);
        }
        self.registers.take(x64::RESULT);
        self.push_reg(x64::RESULT, Ty::I64);
        self.throwing_libcall(Libcall::Throw);
    }

    pub fn throw_ref(&mut self) {
        self.throwing_libcall(Libcall::ThrowRef);
    }

    /// A libcall that takes the topmost operand, leaves by an exception, and never returns.
    fn throwing_libcall(&mut self, libcall: Libcall) {
        self.libcall_args(&[], 1);
        self.emit_call_instruction(Callee::Libcall(libcall as usize));
        self.trap(TrapCode::Unreachable);
        self.end_path();
    }
}
