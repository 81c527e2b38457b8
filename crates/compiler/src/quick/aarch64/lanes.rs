//! The shapes of vectors. `v30` and `v31` hold constants and parts of results.
//!
//! | file | what it holds |
//! |---|---|
//! | [`mod@self`] | what all share, what is one instruction, comparisons, and bits |
//! | `moves` | loads, stores, and lanes that move |
//! | `integer` | shifts and arithmetic of integers |
//! | `float` | arithmetic of floats, conversions, and the relaxed operators |

mod float;
mod integer;
mod moves;

#[cfg(test)]
pub(super) use moves::lane_bits;

use super::super::Ty;
use super::super::operand::{Held, Operand};
use super::super::translator::Translator;
use super::asm::{Op, Reg, ZERO};
use super::ops::*;
use super::{FAR, FLOAT_SCRATCH, FLOAT_SCRATCH_BEFORE, Rounding, SCRATCH};

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
    pub(super) const fn bytes(self) -> u32 {
        match self {
            Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    pub(super) const fn log2(self) -> u32 {
        self.bytes().trailing_zeros()
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

    /// The form of an instruction for these lanes: of floats by one bit, of integers by two.
    pub(super) const fn of(self, op: Op) -> Op {
        match self {
            Self::F32 => op,
            Self::F64 => op.double(true),
            _ => Op(op.0 | self.log2() << 22),
        }
    }

    /// A lane, as instructions that move one name it.
    pub(super) const fn at(self, lane: u8) -> u32 {
        ((lane as u32) << 1 | 1) << self.log2() << 16
    }

    /// A shift to the left, or to the right by less than the width.
    pub(super) const fn left(self, amount: u32) -> u32 {
        (8 * self.bytes() + amount) << 16
    }

    pub(super) const fn right(self, amount: u32) -> u32 {
        (16 * self.bytes() - amount) << 16
    }
}

/// Operands and constants.
impl Translator<'_> {
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

    /// Pops two vectors: the first one and the second.
    fn read2(&mut self) -> (Held, Held) {
        let (a, b): (Operand, Operand) = self.pop2();
        (self.read(a), self.read(b))
    }

    fn copy(&mut self, to: Reg, from: Reg) {
        self.mov(Ty::V128, to, from);
    }

    /// A constant: by one instruction, from an integer, or from behind the code.
    fn vector_to(&mut self, reg: Reg, bytes: [u8; 16]) {
        let [low, high] = [0, 8].map(|at| u64::from_le_bytes(std::array::from_fn(|n| bytes[at + n])));
        if bytes == [bytes[0]; 16] {
            let value = u32::from(bytes[0]);
            self.asm.put(MOVI_BYTES_V.0 | (value >> 5) << 16 | (value & 31) << 5 | reg.number());
        } else if low == high || !self.asm.has_near_constants() {
            self.asm.mov_imm(SCRATCH, low);
            self.asm.rr(Op(DUP_V.0 | Lanes::I64.at(0)), reg, SCRATCH);
            if low != high {
                self.asm.mov_imm(SCRATCH, high);
                self.asm.rr(Op(INS_V.0 | Lanes::I64.at(1)), reg, SCRATCH);
            }
        } else {
            let label = self.asm.new_label();
            self.asm.load_near(reg, label);
            self.machine.constants.push((label, bytes));
        }
    }

    pub fn vector_const(&mut self, bytes: [u8; 16]) {
        let reg = self.destination(true);
        self.vector_to(reg, bytes);
        self.push_vector(reg);
    }
}

/// What is one instruction.
impl Translator<'_> {
    /// `op to, first, second`
    pub fn two_lanes(&mut self, op: Op, lanes: Lanes) {
        self.two_vectors(lanes.of(op));
    }

    /// The same for an instruction that knows what lanes are.
    pub fn two_vectors(&mut self, op: Op) {
        let (a, b) = self.read2();
        let to = self.result_of(&[a, b], true);
        self.asm.rrr(op, to, a.reg, b.reg);
        self.push_vector(to);
    }

    /// `op to, second, first`
    pub fn two_swapped(&mut self, op: Op, lanes: Lanes) {
        let (a, b) = self.read2();
        let to = self.result_of(&[a, b], true);
        self.asm.rrr(lanes.of(op), to, b.reg, a.reg);
        self.push_vector(to);
    }

    pub fn one_lanes(&mut self, op: Op, lanes: Lanes) {
        self.unary(lanes.of(op), Ty::V128);
    }

    pub fn one_vector(&mut self, op: Op) {
        self.unary(op, Ty::V128);
    }

    pub fn round_lanes(&mut self, lanes: Lanes, rounding: Rounding) {
        let op = match rounding {
            Rounding::Nearest => FRINTN_V,
            Rounding::Down => FRINTM_V,
            Rounding::Up => FRINTP_V,
            Rounding::ToZero => FRINTZ_V,
        };
        self.one_lanes(op, lanes);
    }
}

/// Comparisons of integers, and bits.
impl Translator<'_> {
    /// The opposite of what an instruction compares.
    pub fn compare_not(&mut self, op: Op, lanes: Lanes) {
        let (a, b) = self.read2();
        let to = self.result_of(&[a, b], true);
        self.asm.rrr(lanes.of(op), to, a.reg, b.reg);
        self.asm.rr(NOT_V, to, to);
        self.push_vector(to);
    }

    pub fn select_bits(&mut self) {
        let mask = self.pop_read();
        self.copy(FLOAT_SCRATCH, mask.reg);
        self.done(mask);
        let (a, b) = self.read2();
        self.asm.rrr(BSL_V, FLOAT_SCRATCH, a.reg, b.reg);
        let to = self.result_of(&[a, b], true);
        self.copy(to, FLOAT_SCRATCH);
        self.push_vector(to);
    }

    /// Sets the flags by whether any bit of `v31` is set.
    fn test_scratch(&mut self) {
        self.asm.rrr(Lanes::I32.of(UMAXP_V), FLOAT_SCRATCH, FLOAT_SCRATCH, FLOAT_SCRATCH);
        self.integer_from_float(Ty::F64, SCRATCH, FLOAT_SCRATCH);
        self.test_zero(SCRATCH, true);
    }

    pub fn any_true(&mut self) {
        let held = self.pop_read();
        self.copy(FLOAT_SCRATCH, held.reg);
        self.done(held);
        self.test_scratch();
        self.push_flags(super::Cond::NotEqual);
    }

    pub fn all_true(&mut self, lanes: Lanes) {
        let held = self.pop_read();
        self.asm.rr(lanes.of(CMEQ_ZERO_V), FLOAT_SCRATCH, held.reg);
        self.done(held);
        self.test_scratch();
        self.push_flags(super::Cond::Equal);
    }

    /// Each lane's sign becomes a bit of its own, and their sum the mask.
    pub fn bitmask(&mut self, lanes: Lanes) {
        let held = self.pop_read();
        let to = self.result_of(&[held], false);
        let sign = 8 * lanes.bytes() - 1;
        self.asm.rr(Op(SSHR_V.0 | lanes.right(sign)), FLOAT_SCRATCH, held.reg);
        let weights = |bytes: usize| {
            std::array::from_fn(|at| if at % bytes == 0 { 1u8.wrapping_shl((at / bytes) as u32 & 7) } else { 0 })
        };
        self.vector_to(FLOAT_SCRATCH_BEFORE, weights(lanes.bytes() as usize));
        self.asm.rrr(AND_V, FLOAT_SCRATCH, FLOAT_SCRATCH, FLOAT_SCRATCH_BEFORE);
        let sum = if lanes == Lanes::I8 {
            // Both halves beside each other make words.
            self.asm.rrr(Op(EXT_V.0 | 8 << 11), FLOAT_SCRATCH_BEFORE, FLOAT_SCRATCH, FLOAT_SCRATCH);
            self.asm.rrr(ZIP1_BYTES_V, FLOAT_SCRATCH, FLOAT_SCRATCH, FLOAT_SCRATCH_BEFORE);
            Lanes::I16
        } else {
            lanes
        };
        self.asm.rr(sum.of(ADDV_V), FLOAT_SCRATCH, FLOAT_SCRATCH);
        self.integer_from_float(Ty::F32, to, FLOAT_SCRATCH);
        self.push_reg(to, Ty::I32);
    }

    pub fn bitmask_i64(&mut self) {
        let held = self.pop_read();
        let to = self.result_of(&[held], false);
        for (lane, reg) in [(0, SCRATCH), (1, FAR)] {
            self.asm.rr(Op(UMOV_V.0 | 1 << 30 | Lanes::I64.at(lane)), reg, held.reg);
            self.asm.bitfield(UBFM, true, reg, reg, 63, 63);
        }
        self.asm.rrr_shifted(ADD, to, SCRATCH, FAR, 1);
        self.push_reg(to, Ty::I32);
    }
}

/// A target that is the opposite of a register.
fn negated(translator: &mut Translator<'_>, to: Reg, from: Reg) {
    translator.asm.rrr(SUB, to, ZERO, from);
}
