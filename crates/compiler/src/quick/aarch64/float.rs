//! Scalar floats.

use super::super::Ty;
use super::super::translator::Translator;
use super::FLOAT_SCRATCH;
use super::asm::{Cond, Op};
use super::ops::*;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum FloatCompare {
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
}

impl FloatCompare {
    /// The condition that holds, and does not where one is not a number, but for `NotEqual`.
    pub(super) const fn condition(self) -> Cond {
        match self {
            Self::Equal => Cond::Equal,
            Self::NotEqual => Cond::NotEqual,
            Self::Less => Cond::Negative,
            Self::Greater => Cond::Greater,
            Self::LessOrEqual => Cond::BelowOrEqual,
            Self::GreaterOrEqual => Cond::GreaterOrEqual,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum FloatOp {
    Add,
    Sub,
    Mul,
    Div,
}

impl FloatOp {
    const fn op(self) -> Op {
        match self {
            Self::Add => FADD,
            Self::Sub => FSUB,
            Self::Mul => FMUL,
            Self::Div => FDIV,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Rounding {
    Nearest,
    Down,
    Up,
    ToZero,
}

/// The sign bit of a float.
pub(super) const fn sign(ty: Ty) -> u64 {
    if ty.is_wide() { 1 << 63 } else { 1 << 31 }
}

impl Translator<'_> {
    fn binary(&mut self, ty: Ty, op: Op) {
        let (a, b) = self.pop2();
        let (a, b) = (self.read(a), self.read(b));
        let to = self.result_of(&[a, b], true);
        self.asm.rrr(op.double(ty.is_wide()), to, a.reg, b.reg);
        self.push_reg(to, ty);
    }

    pub fn float_binary(&mut self, ty: Ty, op: FloatOp) {
        self.binary(ty, op.op());
    }

    pub fn float_sqrt(&mut self, ty: Ty) {
        self.unary(FSQRT.double(ty.is_wide()), ty);
    }

    pub fn round(&mut self, ty: Ty, rounding: Rounding) {
        let op = match rounding {
            Rounding::Nearest => FRINTN,
            Rounding::Down => FRINTM,
            Rounding::Up => FRINTP,
            Rounding::ToZero => FRINTZ,
        };
        self.unary(op.double(ty.is_wide()), ty);
    }

    pub fn float_abs(&mut self, ty: Ty) {
        self.unary(FABS.double(ty.is_wide()), ty);
    }

    pub fn float_neg(&mut self, ty: Ty) {
        self.unary(FNEG.double(ty.is_wide()), ty);
    }

    /// The sign bit of the second operand in the first one.
    pub fn copysign(&mut self, ty: Ty) {
        let (a, b) = self.pop2();
        let other = self.read(b);
        let to = self.own(a);
        self.const_to(ty, FLOAT_SCRATCH, sign(ty));
        self.asm.rrr(BIT_V, to, other.reg, FLOAT_SCRATCH);
        self.done(other);
        self.push_reg(to, ty);
    }

    pub fn float_min(&mut self, ty: Ty) {
        self.binary(ty, FMIN);
    }

    pub fn float_max(&mut self, ty: Ty) {
        self.binary(ty, FMAX);
    }
}
