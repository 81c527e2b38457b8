//! Calls into the runtime that are rarely made: they stand behind the body, so that what is usual passes them by with all its
//! registers as they are.
//!
//! Such a call first puts what operands have in registers into their slots, where the collector finds the references among
//! them. Then it loads all again, and what else registers held of locals, and goes back.

use super::Ty;
use super::call::Callee;
use super::exception::ScopeId;
use super::machine::{self, Label, Move, Reg};
use super::maps::ListId;
use super::operand::{Operand, Place};
use super::translator::{ColdKind, Translator};
use epsilon_abi::Libcall;

/// An argument of such a call.
#[derive(Clone, Copy)]
pub(in crate::quick) enum Arg {
    Reg(Reg),
    /// In the frame, of 32 bits.
    Slot(i32),
    /// 32 bits at a distance from the anchor.
    Word(i32),
    Const(u64),
}

/// What is to be in a register again behind the call.
#[derive(Clone, Copy)]
struct Kept {
    reg: Reg,
    ty: Ty,
    slot: i32,
    /// Whether it is to be put into the slot before.
    is_stored: bool,
}

/// A call behind the body.
pub(in crate::quick) struct RareCall {
    libcall: Libcall,
    args: [Arg; 2],
    /// Where the result goes, and its type.
    result: (Reg, Ty),
    /// Where the end of the new object goes, if it makes one.
    end: Option<Reg>,
    back: Label,
    kept: Vec<Kept>,
    operands: ListId,
    /// The clauses around the operator.
    scope: Option<ScopeId>,
}

/// Which of a function's rare calls it is.
#[derive(Clone, Copy)]
pub(in crate::quick) struct RareId(u32);

impl Translator<'_> {
    /// A call with up to two arguments, for now: where it will be. It comes back to `back` with registers as they are now, but
    /// for the result and the scratch registers. What the current operator holds beside operands is lost.
    pub fn rare_call(
        &mut self,
        libcall: Libcall,
        args: &[Arg],
        result: (Reg, Ty),
        end: Option<Reg>,
        back: Label,
    ) -> Label {
        debug_assert!(self.scan.calls > 0 || self.scan.calls_rarely, "an operator that calls has a row that says so");
        debug_assert_eq!(libcall.params().len(), args.len(), "{} takes others", libcall.name());
        let mut kept = Vec::new();
        for at in self.settled..self.stack.len() {
            let Operand { place: Place::Reg(reg), ty, slot } = self.stack[at] else { continue };
            self.lowest = self.lowest.min(slot);
            kept.push(Kept { reg, ty, slot, is_stored: true });
        }
        for (reg, local) in self.registers.copies() {
            let local = self.locals[local as usize];
            kept.push(Kept { reg, ty: local.ty, slot: local.slot, is_stored: false });
        }
        let operands = self.operands_in_slots(true);
        let args = [0, 1].map(|n| args.get(n).copied().unwrap_or(Arg::Const(0)));
        let scope = self.scope();
        self.rare_calls.push(RareCall { libcall, args, result, end, back, kept, operands, scope });
        self.cold(ColdKind::Call(RareId(self.rare_calls.len() as u32 - 1)))
    }

    /// An operand, which stays on the stack, as an argument.
    pub fn operand_arg(&self, operand: Operand) -> Arg {
        match operand.place {
            Place::Const(bits) => Arg::Const(bits),
            Place::Slot => Arg::Slot(operand.slot),
            place => match (self.register_of(place), place) {
                (Some(reg), _) => Arg::Reg(reg),
                (None, Place::Local(local)) => Arg::Slot(self.locals[local as usize].slot),
                (None, other) => unreachable!("{other:?} is no argument"),
            },
        }
    }

    /// Lays such a call.
    pub fn lay_rare_call(&mut self, RareId(at): RareId) {
        let call = &mut self.rare_calls[at as usize];
        let (libcall, args, back, operands, scope) = (call.libcall, call.args, call.back, call.operands, call.scope);
        let ((result, ty), end, kept) = (call.result, call.end, std::mem::take(&mut call.kept));
        for Kept { reg, ty, slot, .. } in kept.iter().filter(|kept| kept.is_stored) {
            self.store_slot(*ty, *reg, *slot);
        }
        self.pass_args(&args[..libcall.params().len()]);
        self.source();
        self.call_instruction(Callee::Libcall(libcall as usize));
        self.note_map(operands);
        if let Some(scope) = scope {
            self.note_catches_of(scope);
        }
        if result == machine::RESULT && ty.is_extended() {
            self.zero_extend(result);
        }
        self.mov(ty, result, machine::RESULT);
        if let Some(end) = end {
            self.load_alloc(end);
        }
        for Kept { reg, ty, slot, .. } in kept {
            self.load_slot(ty, reg, slot);
        }
        self.reload_unkept_pins();
        self.asm.jmp(back);
    }

    fn pass_args(&mut self, args: &[Arg]) {
        self.moves.clear();
        for (to, arg) in machine::INT_ARGS[1..].iter().zip(args) {
            if let Arg::Reg(from) = *arg {
                self.moves.push(Move { to: *to, from, ty: Ty::I64 });
            }
        }
        self.move_all();
        for (to, arg) in machine::INT_ARGS[1..].iter().zip(args) {
            match *arg {
                Arg::Reg(_) => {}
                Arg::Slot(slot) => self.load_slot(Ty::I32, *to, slot),
                Arg::Word(at) => self.load_at(Ty::I32, *to, machine::ANCHOR, at),
                Arg::Const(bits) => self.const_to(Ty::I64, *to, bits),
            }
        }
        self.mov(Ty::I64, machine::INT_ARGS[0], machine::ANCHOR);
    }
}
