//! `try_table`, `throw` and `throw_ref`; and what came before them: `try` with its clauses, and `rethrow`.
//!
//! The handlers of a `try_table` stand at its end, where the stack of operands is as low as its labels want it: all that
//! is below is in slots. Each loads the pins, then the fields of the exception, and branches to the label of its clause.

use super::Left;
use super::Ty;
use super::call::Callee;
use super::control::{Frame, FrameKind};
use super::machine::{self, Label, Reg};
use super::reader::{BlockType, Catches, Clause};
use super::translator::Translator;
use epsilon_abi::vm::VmGlobal;
use epsilon_abi::{HandlerSite, Libcall, TagIndex, TrapCode};
use std::collections::HashSet;
use std::mem::size_of;

/// A handler of an open `try_table`, to be laid at its end.
#[derive(Clone, Copy)]
pub(in crate::quick) struct Catch {
    clause: Clause,
    handler: Label,
}

/// The clauses of a `try_table` or `try`, tag and handler of each: the first one that fits catches. Those of a `try` come
/// after what it covers, so that nobody asks for them before the whole body is laid.
pub(in crate::quick) struct Scope {
    clauses: Vec<(Option<TagIndex>, Label)>,
    /// The clauses for what these let through.
    outer: Option<ScopeId>,
}

/// Which of the translator's scopes it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::quick) struct ScopeId(u32);

/// A call, and the clauses that may catch what leaves it.
pub(in crate::quick) struct CatchSite {
    return_offset: u32,
    scope: ScopeId,
}

/// What a call that may be caught counts as for each clause, in values passed.
const SITE_VALUES: usize = 8;

/// Distance between the fields of an exception in bytes.
const FIELD_BYTES: i32 = size_of::<VmGlobal>() as i32;

impl Translator<'_> {
    /// The clauses around the current operator.
    pub fn scope(&self) -> Option<ScopeId> {
        self.frames.last().and_then(|frame| frame.scope)
    }

    fn new_scope(&mut self, clauses: Vec<(Option<TagIndex>, Label)>) -> ScopeId {
        self.scopes.push(Scope { clauses, outer: self.scope() });
        ScopeId(self.scopes.len() as u32 - 1)
    }

    /// Opens the clauses of a `try_table`; gives how many handlers are to be laid outside, and the clauses around the
    /// body.
    pub fn open_catches(&mut self, catches: Catches<'_>) -> (usize, Option<ScopeId>) {
        let outer = self.catches.len();
        let mut clauses = catches.clauses;
        for _ in 0..catches.count {
            let clause = clauses.clause();
            let handler = self.asm.new_label();
            self.catches.push(Catch { clause, handler });
        }
        let of = |catch: &Catch| (catch.clause.tag.map(TagIndex), catch.handler);
        let clauses: Vec<_> = self.catches[outer..].iter().map(of).collect();
        let scope = if clauses.is_empty() { self.scope() } else { Some(self.new_scope(clauses)) };
        (outer, scope)
    }

    /// Whether code of handlers follows at the end of a frame, or the frame has an operand of its own: so what falls
    /// through must jump to the end.
    pub fn handlers_follow(&self, kind: FrameKind) -> bool {
        match kind {
            FrameKind::Try(outer) => self.catches.len() > outer,
            FrameKind::LegacyCatch(_) => true,
            _ => false,
        }
    }

    /// Lays the handlers beyond the first `outer` ones; what falls through goes to `end`.
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
        for Catch { clause, handler } in closed.into_iter().rev() {
            self.handler(clause, handler);
            self.truncate(base);
        }
        self.reachable = reachable;
    }

    fn handler(&mut self, clause: Clause, handler: Label) {
        self.asm.bind(handler);
        self.reload_all_pins();
        if let Some(tag) = clause.tag {
            self.push_fields(tag);
        }
        if clause.wants_reference {
            self.push_number();
        }
        self.reachable = true;
        self.branch(clause.depth);
    }

    /// Pushes the fields of the exception that a handler has been given.
    fn push_fields(&mut self, tag: u32) {
        let ty = self.env.info.type_func(self.env.info.tags[tag as usize]);
        self.charge(ty.params.len());
        for (at, ty) in ty.params.iter().enumerate() {
            let ty = Ty::of(*ty);
            let reg = machine::scratch(ty.is_float());
            self.load_at(ty, reg, machine::PAYLOADS[1], at as i32 * FIELD_BYTES);
            self.push_stored(ty, reg);
        }
    }

    /// Pushes the number of the exception that a handler has been given.
    fn push_number(&mut self) {
        let number = machine::PAYLOADS[0];
        self.zero_extend(number);
        self.push_stored(Ty::I32, number);
    }

    /// Pushes an operand that is in its slot, which is written from a register.
    fn push_stored(&mut self, ty: Ty, reg: Reg) {
        self.push_slot(ty);
        let slot = self.stack[self.stack.len() - 1].slot;
        self.store_slot(ty, reg, slot);
    }

    /// Notes that what leaves the call that has just been laid may be caught.
    pub fn note_catches(&mut self) {
        if let Some(scope) = self.scope() {
            self.note_catches_of(scope);
        }
    }

    /// Notes that certain clauses may catch what leaves the call that has just been laid.
    pub fn note_catches_of(&mut self, scope: ScopeId) {
        self.catch_sites.push(CatchSite { return_offset: self.asm.at(), scope });
    }

    /// The table of handlers, once all is laid.
    pub fn handlers(&mut self, frame_bytes: u32) -> Result<Vec<HandlerSite>, Left> {
        let mut handlers = Vec::new();
        let mut tags = HashSet::new();
        for CatchSite { return_offset, scope } in std::mem::take(&mut self.catch_sites) {
            tags.clear();
            let mut scope = Some(scope);
            'scopes: while let Some(ScopeId(at)) = scope {
                for n in 0..self.scopes[at as usize].clauses.len() {
                    let (tag, handler) = self.scopes[at as usize].clauses[n];
                    self.charge(SITE_VALUES);
                    if !tags.insert(tag) {
                        continue;
                    }
                    let handler_offset = self.asm.position(handler);
                    handlers.push(HandlerSite { return_offset, frame_bytes, tag, handler_offset });
                    if tag.is_none() {
                        break 'scopes;
                    }
                }
                scope = self.scopes[at as usize].outer;
            }
            if let Some(left) = self.left {
                return Err(left);
            }
        }
        Ok(handlers)
    }

    pub fn throw(&mut self, tag: u32) {
        let params = self.env.info.type_func(self.env.info.tags[tag as usize]).params.len();
        self.charge(params);
        self.libcall_args(&[u64::from(tag)], 0);
        self.emit_call_instruction(Callee::Libcall(Libcall::ExceptionNew as usize));
        self.reload_pins();
        for at in (0..params).rev() {
            let value = self.pop();
            let reg = machine::scratch(value.ty.is_float());
            self.read_into(value, reg);
            self.store_at(value.ty, reg, machine::RESULT, at as i32 * FIELD_BYTES);
        }
        self.registers.take(machine::RESULT);
        self.push_reg(machine::RESULT, Ty::I64);
        self.throwing_libcall(Libcall::Throw);
    }

    pub fn throw_ref(&mut self) {
        self.throwing_libcall(Libcall::ThrowRef);
    }

    pub fn rethrow(&mut self, depth: u32) {
        let frame = &self.frames[self.frames.len() - 1 - depth as usize];
        let slot = self.stack[frame.base].slot;
        let reg = self.allocate(false);
        self.load_slot(Ty::I32, reg, slot);
        self.push_reg(reg, Ty::I32);
        self.throwing_libcall(Libcall::ThrowRef);
    }

    /// A libcall that takes the topmost operand, leaves by an exception, and never returns.
    fn throwing_libcall(&mut self, libcall: Libcall) {
        self.libcall_args(&[], 1);
        self.emit_call_instruction(Callee::Libcall(libcall as usize));
        self.trap(TrapCode::UnreachableCodeReached);
        self.end_path();
    }
}

/// The instructions that came before `try_table`.
impl Translator<'_> {
    pub fn try_(&mut self, ty: BlockType) {
        let signature = self.signature(ty);
        self.settle_all();
        let label = self.asm.new_label();
        let scope = self.new_scope(Vec::new());
        self.open(FrameKind::LegacyTry(scope), signature, label);
        self.frames.last_mut().expect("just opened").scope = Some(scope);
    }

    pub fn catch(&mut self, tag: u32) {
        self.legacy_clause(Some(tag));
    }

    pub fn catch_all(&mut self) {
        self.legacy_clause(None);
    }

    fn legacy_clause(&mut self, tag: Option<u32>) {
        if self.reachable {
            self.branch(0);
        }
        let outer = self.frames[self.frames.len() - 2].scope;
        let frame = self.frames.last_mut().expect("a clause stands in a `try`");
        let (FrameKind::LegacyTry(scope) | FrameKind::LegacyCatch(scope)) = frame.kind else {
            unreachable!("a clause stands in a `try`")
        };
        frame.kind = FrameKind::LegacyCatch(scope);
        frame.scope = outer;
        let base = frame.base;
        self.truncate(base);
        self.forget_copies();
        let handler = self.asm.label_here();
        self.scopes[scope.0 as usize].clauses.push((tag.map(TagIndex), handler));
        self.reachable = true;
        self.reload_all_pins();
        self.push_number();
        if let Some(tag) = tag {
            self.push_fields(tag);
        }
    }

    pub fn delegate(&mut self, depth: u32) {
        let delegated_to = self.frames[self.frames.len() - 2 - depth as usize].scope;
        if let Some(Frame { kind: FrameKind::LegacyTry(ScopeId(scope)), .. }) = self.frames.last() {
            self.scopes[*scope as usize].outer = delegated_to;
        }
        self.end();
    }
}
