//! Vectors of integers: shifts and arithmetic.

use super::super::super::operand::Place;
use super::super::super::translator::Translator;
use super::super::asm::Op;
use super::super::ops::*;
use super::super::{FLOAT_SCRATCH, FLOAT_SCRATCH_BEFORE, SCRATCH, Shift};
use super::{Lanes, negated};

/// Shifts. The amount is taken modulo the width of a lane.
impl Translator<'_> {
    pub fn shift_lanes(&mut self, lanes: Lanes, shift: Shift) {
        let mask = 8 * lanes.bytes() - 1;
        let amount = self.pop();
        if let Place::Const(bits) = amount.place {
            let amount = bits as u32 & mask;
            let held = self.pop_read();
            let to = self.result_of(&[held], true);
            match shift {
                Shift::Left => self.asm.rr(Op(SHL_V.0 | lanes.left(amount)), to, held.reg),
                // There is no shift to the right by nothing.
                _ if amount == 0 => self.copy(to, held.reg),
                Shift::RightSigned => self.asm.rr(Op(SSHR_V.0 | lanes.right(amount)), to, held.reg),
                _ => self.asm.rr(Op(USHR_V.0 | lanes.right(amount)), to, held.reg),
            }
            return self.push_vector(to);
        }
        let by = self.read(amount);
        self.asm.logical_imm(AND_IMM, false, SCRATCH, by.reg, u64::from(mask));
        self.done(by);
        // To the right is to the left by the opposite.
        if shift != Shift::Left {
            negated(self, SCRATCH, SCRATCH);
        }
        self.asm.rr(Op(DUP_V.0 | lanes.at(0)), FLOAT_SCRATCH, SCRATCH);
        let held = self.pop_read();
        let to = self.result_of(&[held], true);
        let op = if shift == Shift::RightSigned { SSHL_V } else { USHL_V };
        // The amount is in the lowest byte of each lane.
        self.asm.rrr(lanes.of(op), to, held.reg, FLOAT_SCRATCH);
        self.push_vector(to);
    }
}

/// Arithmetic of integers.
impl Translator<'_> {
    /// From the products of the halves of each lane.
    pub fn multiply_i64(&mut self) {
        let (a, b) = self.read2();
        self.registers.locked |= a.reg.bit() | b.reg.bit();
        let to = self.allocate(true);
        self.asm.rr(Lanes::I32.of(REV64_V), to, b.reg);
        self.asm.rrr(Lanes::I32.of(MUL_V), to, to, a.reg);
        self.asm.rr(Lanes::I32.of(XTN_V), FLOAT_SCRATCH, a.reg);
        self.asm.rr(Lanes::I32.of(UADDLP_V), to, to);
        self.asm.rr(Lanes::I32.of(XTN_V), FLOAT_SCRATCH_BEFORE, b.reg);
        self.asm.rr(Op(SHL_V.0 | Lanes::I64.left(32)), to, to);
        self.asm.rrr(Lanes::I32.of(UMLAL_V), to, FLOAT_SCRATCH_BEFORE, FLOAT_SCRATCH);
        self.done(a);
        self.done(b);
        self.push_vector(to);
    }

    /// Both vectors' lanes, half as wide. `lanes` are those of the result.
    pub fn narrow(&mut self, op: Op, lanes: Lanes) {
        let (a, b) = self.pop2();
        let other = self.read(b);
        let to = self.own(a);
        self.asm.rr(lanes.of(op), to, to);
        self.asm.rr(upper(lanes.of(op)), to, other.reg);
        self.done(other);
        self.push_vector(to);
    }

    /// Half of the lanes, twice as wide.
    pub fn widen(&mut self, op: Op, lanes: Lanes, high: bool) {
        let op = Op(op.0 | lanes.left(0));
        self.one_vector(if high { upper(op) } else { op });
    }

    /// Products of half of the lanes, twice as wide.
    pub fn multiply_wide(&mut self, op: Op, lanes: Lanes, high: bool) {
        let op = lanes.of(op);
        self.two_vectors(if high { upper(op) } else { op });
    }

    /// Sums of two products.
    pub fn dot(&mut self, lanes: Lanes) {
        let (a, b) = self.read2();
        self.products(lanes, a.reg, b.reg);
        let to = self.result_of(&[a, b], true);
        let double = if lanes == Lanes::I8 { Lanes::I16 } else { Lanes::I32 };
        self.asm.rrr(double.of(ADDP_V), to, FLOAT_SCRATCH_BEFORE, FLOAT_SCRATCH);
        self.push_vector(to);
    }

    /// Signed products, twice as wide: those of the lower half in `v30`.
    pub(super) fn products(&mut self, lanes: Lanes, a: super::Reg, b: super::Reg) {
        let op = lanes.of(SMULL_V);
        self.asm.rrr(op, FLOAT_SCRATCH_BEFORE, a, b);
        self.asm.rrr(upper(op), FLOAT_SCRATCH, a, b);
    }
}
