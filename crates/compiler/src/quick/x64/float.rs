//! Scalar floats.

use super::super::Ty;
use super::super::operand::Held;
use super::super::translator::Translator;
use super::asm::{Cond, Op, RBP, Reg, Rm};
use super::ops::*;
use super::source::Source;
use super::{FLOAT_SCRATCH, SCRATCH};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum FloatCompare {
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum FloatOp {
    Add,
    Sub,
    Mul,
    Div,
}

impl FloatOp {
    /// The instruction, and whether its operands may be swapped.
    const fn op(self, ty: Ty) -> (Op, bool) {
        match self {
            Self::Add => (pick(ty, ADDSS, ADDSD), true),
            Self::Sub => (pick(ty, SUBSS, SUBSD), false),
            Self::Mul => (pick(ty, MULSS, MULSD), true),
            Self::Div => (pick(ty, DIVSS, DIVSD), false),
        }
    }
}

/// How to round: the immediate of `round`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Rounding {
    Nearest = 0,
    Down = 1,
    Up = 2,
    ToZero = 3,
}

pub(super) const fn compare_op(ty: Ty) -> Op {
    if ty.is_wide() { UCOMISD } else { UCOMISS }
}

pub(super) const fn pick(ty: Ty, single: Op, double: Op) -> Op {
    if ty.is_wide() { double } else { single }
}

/// The sign bit of a float.
pub(super) const fn sign(ty: Ty) -> u64 {
    if ty.is_wide() { 1 << 63 } else { 1 << 31 }
}

impl Translator<'_> {
    /// Compares, and pushes the condition. Operands that are not numbers compare as unordered, which sets the flags of
    /// "below", "equal" and "parity".
    pub(super) fn float_condition(&mut self, ty: Ty, compare: FloatCompare, a: Reg, b: Reg) {
        let (first, second, cond) = match compare {
            FloatCompare::Equal => return self.float_equality(ty, a, b, true),
            FloatCompare::NotEqual => return self.float_equality(ty, a, b, false),
            FloatCompare::Greater => (a, b, Cond::Above),
            FloatCompare::GreaterOrEqual => (a, b, Cond::AboveOrEqual),
            FloatCompare::Less => (b, a, Cond::Above),
            FloatCompare::LessOrEqual => (b, a, Cond::AboveOrEqual),
        };
        self.asm.rr(compare_op(ty), false, first, second);
        self.push_flags(cond);
    }

    /// Equality needs two flags.
    fn float_equality(&mut self, ty: Ty, a: Reg, b: Reg, equal: bool) {
        self.asm.rr(compare_op(ty), false, a, b);
        let to = self.allocate(false);
        let (ordered, same, join) =
            if equal { (Cond::NoParity, Cond::Equal, AND8) } else { (Cond::Parity, Cond::NotEqual, OR8) };
        self.asm.rr(SETCC.on(ordered), false, Reg(0), SCRATCH);
        self.asm.rr(SETCC.on(same), false, Reg(0), to);
        self.asm.rr(join, false, to, SCRATCH);
        self.asm.rr(MOVZX8, false, to, to);
        self.push_reg(to, Ty::I32);
    }

    pub fn float_binary(&mut self, ty: Ty, op: FloatOp) {
        use super::super::operand::Place::Reg as InReg;
        let (op, commutes) = op.op(ty);
        let (mut b, mut a) = (self.pop(), self.pop());
        if commutes && !matches!(a.place, InReg(_)) && matches!(b.place, InReg(_)) {
            std::mem::swap(&mut a, &mut b);
        }
        let source = self.source_of(b);
        let taken = if let Source::Reg(held) = source { Some(held.reg) } else { None };
        let to = match self.hint(true).filter(|pin| taken != Some(*pin)) {
            Some(pin) => {
                self.read_into(a, pin);
                pin
            }
            None => self.own(a),
        };
        match source {
            Source::Frame(slot) => self.asm.rm(op, false, to, Rm::Base(RBP, slot)),
            Source::Reg(held) => {
                self.asm.rr(op, false, to, held.reg);
                self.done(held);
            }
            Source::Imm(_) => unreachable!("no float is an immediate"),
        }
        self.push_reg(to, ty);
    }

    /// Where the result of an operation with one operand goes.
    fn float_result(&mut self, held: Held) -> Reg {
        match self.hint(true) {
            Some(pin) => {
                self.done(held);
                pin
            }
            None => self.reuse(held, true),
        }
    }

    pub fn float_sqrt(&mut self, ty: Ty) {
        self.unary(pick(ty, SQRTSS, SQRTSD), false, ty);
    }

    pub fn round(&mut self, ty: Ty, rounding: Rounding) {
        let operand = self.pop();
        let held = self.read(operand);
        let to = self.float_result(held);
        self.asm.rri(pick(ty, ROUNDSS, ROUNDSD), false, to, held.reg, rounding as u8);
        self.push_reg(to, ty);
    }

    pub fn float_abs(&mut self, ty: Ty) {
        self.mask(ty, ANDPS, sign(ty) - 1);
    }

    pub fn float_neg(&mut self, ty: Ty) {
        self.mask(ty, XORPS, sign(ty));
    }

    fn mask(&mut self, ty: Ty, op: Op, mask: u64) {
        let operand = self.pop();
        let held = self.read(operand);
        let to = self.float_result(held);
        self.const_to(ty, FLOAT_SCRATCH, mask);
        self.mov(ty, to, held.reg);
        self.asm.rr(op, false, to, FLOAT_SCRATCH);
        self.push_reg(to, ty);
    }

    pub fn copysign(&mut self, ty: Ty) {
        let (b, a) = (self.pop(), self.pop());
        let (from, to) = (self.own(b), self.own(a));
        self.const_to(ty, FLOAT_SCRATCH, sign(ty));
        self.asm.rr(ANDPS, false, from, FLOAT_SCRATCH);
        self.asm.rr(ANDNPS, false, FLOAT_SCRATCH, to);
        self.asm.rr(ORPS, false, from, FLOAT_SCRATCH);
        self.registers.release(to);
        self.push_reg(from, ty);
    }

    pub fn float_min(&mut self, ty: Ty) {
        self.min_or_max(ty, pick(ty, MINSS, MINSD), ORPS);
    }

    pub fn float_max(&mut self, ty: Ty) {
        self.min_or_max(ty, pick(ty, MAXSS, MAXSD), ANDPS);
    }

    /// The processor's own is right where the operands differ. Equal ones may be zeros of two signs, which `zeros` joins;
    /// a sum is not a number if an operand is none.
    fn min_or_max(&mut self, ty: Ty, op: Op, zeros: Op) {
        let (b, a) = (self.pop(), self.pop());
        let other = self.read(b);
        let to = self.own(a);
        let (differ, not_numbers, done) = (self.asm.new_label(), self.asm.new_label(), self.asm.new_label());
        self.asm.rr(compare_op(ty), false, to, other.reg);
        self.asm.jcc(Cond::NotEqual, differ);
        self.asm.jcc(Cond::Parity, not_numbers);
        self.asm.rr(zeros, false, to, other.reg);
        self.asm.jmp(done);
        self.asm.bind(not_numbers);
        self.asm.rr(pick(ty, ADDSS, ADDSD), false, to, other.reg);
        self.asm.jmp(done);
        self.asm.bind(differ);
        self.asm.rr(op, false, to, other.reg);
        self.asm.bind(done);
        self.done(other);
        self.push_reg(to, ty);
    }
}
