//! The shapes of vectors. `xmm15` holds constants and halves of results.
//!
//! | file | what it holds |
//! |---|---|
//! | [`mod@self`] | what all share, what is one instruction, comparisons, and bits |
//! | `moves` | loads, stores, and lanes that move |
//! | `integer` | shifts and arithmetic of integers |
//! | `float` | arithmetic of floats, conversions, and the relaxed operators |
//!
//! Memory operands of these instructions would have to be aligned, so that all operands are in registers.

mod float;
mod integer;
mod moves;

use super::super::Ty;
use super::super::operand::{Held, Operand};
use super::super::translator::Translator;
use super::asm::{Op, Reg, Rm};
use super::ops::*;
use super::{FLOAT_SCRATCH, Rounding, Shift};

/// What a vector is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Lanes {
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

impl Lanes {
    const fn bytes(self) -> u64 {
        match self {
            Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// The type of a lane on the operand stack.
    const fn scalar(self) -> Ty {
        match self {
            Self::I8 | Self::I16 | Self::I32 => Ty::I32,
            Self::I64 => Ty::I64,
            Self::F32 => Ty::F32,
            Self::F64 => Ty::F64,
        }
    }

    /// The instruction that puts an integer into a lane, and whether it is 64 bits wide.
    const fn insert(self) -> (Op, bool) {
        match self {
            Self::I8 => (PINSRB, false),
            Self::I16 => (PINSRW, false),
            Self::I64 => (PINSRD, true),
            _ => (PINSRD, false),
        }
    }

    /// The instruction that takes an integer out of a lane, and whether it is 64 bits wide.
    const fn extract(self) -> (Op, bool) {
        match self {
            Self::I8 => (PEXTRB, false),
            Self::I16 => (PEXTRW, false),
            Self::I64 => (PEXTRD, true),
            _ => (PEXTRD, false),
        }
    }
}

/// The immediate of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Predicate {
    Equal = 0,
    Less = 1,
    LessOrEqual = 2,
    Unordered = 3,
    NotEqual = 4,
}

/// Immediates of `pshufd`.
const HIGH_HALF: u8 = 0xee;
const LOW_HALF_TWICE: u8 = 0x44;

const fn same_u64(value: u64) -> [u8; 16] {
    ((value as u128) << 64 | value as u128).to_le_bytes()
}

const fn same_u32(value: u32) -> [u8; 16] {
    same_u64((value as u64) << 32 | value as u64)
}

/// Operands and constants.
impl Translator<'_> {
    fn pop_vectors(&mut self) -> (Operand, Operand) {
        let b = self.pop();
        (self.pop(), b)
    }

    fn push_vector(&mut self, reg: Reg) {
        self.push_reg(reg, Ty::V128);
    }

    /// Pops a vector into a register that may be changed.
    fn pop_own(&mut self) -> Reg {
        let operand = self.pop();
        self.own(operand)
    }

    fn pop_read(&mut self) -> Held {
        let operand = self.pop();
        self.read(operand)
    }

    /// `op to, from`
    fn vv(&mut self, op: Op, to: Reg, from: Reg) {
        self.asm.rr(op, false, to, from);
    }

    fn copy(&mut self, to: Reg, from: Reg) {
        self.mov(Ty::V128, to, from);
    }

    fn zero(&mut self, reg: Reg) {
        self.vv(XORPS, reg, reg);
    }

    fn all_ones(&mut self, reg: Reg) {
        self.vv(PCMPEQD, reg, reg);
    }

    /// Shifts lanes by a constant, by one of the groups that do so.
    fn shift_const(&mut self, group: Op, shift: Shift, reg: Reg, amount: u8) {
        let extension = match shift {
            Shift::RightUnsigned => 2,
            Shift::RightSigned => 4,
            _ => 6,
        };
        self.asm.ext_imm8(group, false, extension, Rm::Reg(reg), amount);
    }

    /// Loads a constant that is laid behind the code.
    fn vector_to(&mut self, reg: Reg, bytes: [u8; 16]) {
        if bytes == [0; 16] {
            return self.zero(reg);
        }
        let label = self.asm.new_label();
        self.asm.at_label(MOVUPS, false, reg, label);
        self.machine.constants.push((label, bytes));
    }

    pub fn vector_const(&mut self, bytes: [u8; 16]) {
        let reg = self.destination(true);
        self.vector_to(reg, bytes);
        self.push_vector(reg);
    }
}

/// What is one instruction.
impl Translator<'_> {
    /// `op first, second`
    pub fn two_vectors(&mut self, op: Op) {
        let (a, b) = self.pop_vectors();
        let other = self.read(b);
        let to = match self.hint(true).filter(|pin| *pin != other.reg) {
            Some(pin) => {
                self.read_into(a, pin);
                pin
            }
            None => self.own(a),
        };
        self.vv(op, to, other.reg);
        self.done(other);
        self.push_vector(to);
    }

    /// `op second, first`
    pub fn two_swapped(&mut self, op: Op) {
        let (a, b) = self.pop_vectors();
        let other = self.read(a);
        let to = self.own(b);
        self.vv(op, to, other.reg);
        self.done(other);
        self.push_vector(to);
    }

    pub fn one_vector(&mut self, op: Op) {
        self.unary(op, false, Ty::V128);
    }

    /// As [`Self::one_vector`], of the upper half.
    pub fn high_half(&mut self, op: Op) {
        let held = self.pop_read();
        let to = self.reuse(held, true);
        self.asm.rri(PSHUFD, false, to, held.reg, HIGH_HALF);
        self.vv(op, to, to);
        self.push_vector(to);
    }

    pub fn round_lanes(&mut self, op: Op, rounding: Rounding) {
        let held = self.pop_read();
        let to = self.reuse(held, true);
        self.asm.rri(op, false, to, held.reg, rounding as u8);
        self.push_vector(to);
    }

    pub fn compare_lanes(&mut self, op: Op, predicate: Predicate, swapped: bool) {
        let (a, b) = self.pop_vectors();
        let (a, b) = if swapped { (b, a) } else { (a, b) };
        let other = self.read(b);
        let to = self.own(a);
        self.asm.rri(op, false, to, other.reg, predicate as u8);
        self.done(other);
        self.push_vector(to);
    }
}

/// Comparisons of integers, and bits.
impl Translator<'_> {
    fn invert(&mut self, reg: Reg) {
        self.all_ones(FLOAT_SCRATCH);
        self.vv(XORPS, reg, FLOAT_SCRATCH);
    }

    pub fn not_vector(&mut self) {
        let reg = self.pop_own();
        self.invert(reg);
        self.push_vector(reg);
    }

    /// The opposite of what an instruction compares.
    pub fn compare_not(&mut self, op: Op, swapped: bool) {
        let (a, b) = self.pop_vectors();
        let (a, b) = if swapped { (b, a) } else { (a, b) };
        let other = self.read(b);
        let to = self.own(a);
        self.vv(op, to, other.reg);
        self.done(other);
        self.invert(to);
        self.push_vector(to);
    }

    /// Whether the first operand is the least or greatest of both; or, inverted, whether it is not.
    pub fn compare_unsigned(&mut self, extreme: Op, equal: Op, inverted: bool) {
        let (a, b) = self.pop_vectors();
        let other = self.read(b);
        let to = self.own(a);
        self.copy(FLOAT_SCRATCH, to);
        self.vv(extreme, FLOAT_SCRATCH, other.reg);
        self.vv(equal, to, FLOAT_SCRATCH);
        self.done(other);
        if inverted {
            self.invert(to);
        }
        self.push_vector(to);
    }

    pub fn select_bits(&mut self) {
        let mask = self.pop_read();
        self.copy(FLOAT_SCRATCH, mask.reg);
        self.done(mask);
        self.select_by_scratch();
    }

    /// Pops two vectors; pushes bits of the first where those of `xmm15` are set, and of the second elsewhere.
    fn select_by_scratch(&mut self) {
        let (a, b) = self.pop_vectors();
        let other = self.read(b);
        let to = self.own(a);
        self.vv(ANDPS, to, FLOAT_SCRATCH);
        self.vv(ANDNPS, FLOAT_SCRATCH, other.reg);
        self.vv(ORPS, to, FLOAT_SCRATCH);
        self.done(other);
        self.push_vector(to);
    }

    pub fn any_true(&mut self) {
        let held = self.pop_read();
        self.vv(PTEST, held.reg, held.reg);
        self.done(held);
        self.push_flags(super::Cond::NotEqual);
    }

    pub fn all_true(&mut self, equal: Op) {
        let held = self.pop_read();
        self.zero(FLOAT_SCRATCH);
        self.vv(equal, FLOAT_SCRATCH, held.reg);
        self.vv(PTEST, FLOAT_SCRATCH, FLOAT_SCRATCH);
        self.done(held);
        self.push_flags(super::Cond::Equal);
    }

    pub fn bitmask(&mut self, op: Op) {
        let held = self.pop_read();
        let to = self.destination(false);
        self.asm.rr(op, false, to, held.reg);
        self.done(held);
        self.push_reg(to, Ty::I32);
    }

    pub fn bitmask_i16(&mut self) {
        let held = self.pop_read();
        let to = self.destination(false);
        self.copy(FLOAT_SCRATCH, held.reg);
        self.vv(PACKSSWB, FLOAT_SCRATCH, FLOAT_SCRATCH);
        self.asm.rr(PMOVMSKB, false, to, FLOAT_SCRATCH);
        self.asm.rr(MOVZX8, false, to, to);
        self.done(held);
        self.push_reg(to, Ty::I32);
    }
}
