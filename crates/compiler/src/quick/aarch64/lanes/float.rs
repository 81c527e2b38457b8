//! Vectors of floats, conversions, and the relaxed operators.

use super::super::super::translator::Translator;
use super::super::asm::{Op, Reg};
use super::super::ops::*;
use super::super::{FLOAT_SCRATCH, FLOAT_SCRATCH_BEFORE};
use super::Lanes;

/// Arithmetic of floats.
impl Translator<'_> {
    /// The second operand where the comparison of `b` with `a` holds, else the first.
    fn choose(&mut self, lanes: Lanes, least: bool) {
        let (a, b) = self.pop2();
        let other = self.read(b);
        let to = self.own(a);
        let (first, second) = if least { (to, other.reg) } else { (other.reg, to) };
        self.asm.rrr(lanes.of(FCMGT_V), FLOAT_SCRATCH, first, second);
        self.asm.rrr(BIT_V, to, other.reg, FLOAT_SCRATCH);
        self.done(other);
        self.push_vector(to);
    }

    pub fn pseudo_min(&mut self, lanes: Lanes) {
        self.choose(lanes, true);
    }

    pub fn pseudo_max(&mut self, lanes: Lanes) {
        self.choose(lanes, false);
    }
}

/// Conversions.
impl Translator<'_> {
    /// Doubles to integers of 64 bits, and those, as far as they have room, to 32; the upper half is zero.
    pub fn truncate_doubles(&mut self, signed: bool) {
        let (truncate, narrow) = if signed { (FCVTZS_V, SQXTN_V) } else { (FCVTZU_V, UQXTN_V) };
        let held = self.pop_read();
        let to = self.result_of(&[held], true);
        self.asm.rr(Lanes::F64.of(truncate), to, held.reg);
        self.asm.rr(Lanes::I32.of(narrow), to, to);
        self.push_vector(to);
    }

    /// The lower half, by way of integers of 64 bits.
    pub fn convert_low(&mut self, signed: bool) {
        let (widen, convert) = if signed { (SSHLL_V, SCVTF_V) } else { (USHLL_V, UCVTF_V) };
        let held = self.pop_read();
        let to = self.result_of(&[held], true);
        self.asm.rr(Op(widen.0 | Lanes::I32.left(0)), to, held.reg);
        self.asm.rr(Lanes::F64.of(convert), to, to);
        self.push_vector(to);
    }
}

/// Relaxed operators, as Cranelift's code has them on this machine: see `translate::simd::relaxed`.
impl Translator<'_> {
    /// The product of two vectors added to a third or, `negated`, taken from it.
    pub fn multiply_add(&mut self, lanes: Lanes, negated: bool) {
        let third = self.pop();
        let (a, b) = self.read2();
        self.registers.locked |= a.reg.bit() | b.reg.bit();
        let to = self.own(third);
        self.asm.rrr(lanes.of(if negated { FMLS_V } else { FMLA_V }), to, a.reg, b.reg);
        self.done(a);
        self.done(b);
        self.push_vector(to);
    }

    /// Sums of two products in lanes of 16 bits. Only one overflows, to the least: inverted where it has to saturate.
    fn pair_dot(&mut self, to: Reg, a: Reg, b: Reg) {
        self.products(Lanes::I8, a, b);
        self.asm.rrr(Lanes::I16.of(ADDP_V), FLOAT_SCRATCH, FLOAT_SCRATCH_BEFORE, FLOAT_SCRATCH);
        if self.machine.features.saturating_dot {
            self.asm.mov_imm(super::super::SCRATCH, 0x8000);
            self.asm.rr(Op(DUP_V.0 | Lanes::I16.at(0)), FLOAT_SCRATCH_BEFORE, super::super::SCRATCH);
            self.asm.rrr(Lanes::I16.of(CMEQ_V), FLOAT_SCRATCH_BEFORE, FLOAT_SCRATCH, FLOAT_SCRATCH_BEFORE);
            self.asm.rrr(EOR_V, to, FLOAT_SCRATCH, FLOAT_SCRATCH_BEFORE);
        } else {
            self.copy(to, FLOAT_SCRATCH);
        }
    }

    pub fn relaxed_dot(&mut self) {
        let (a, b) = self.read2();
        let to = self.result_of(&[a, b], true);
        self.pair_dot(to, a.reg, b.reg);
        self.push_vector(to);
    }

    pub fn relaxed_dot_add(&mut self) {
        let third = self.pop();
        let (a, b) = self.read2();
        self.registers.locked |= a.reg.bit() | b.reg.bit();
        let to = self.own(third);
        if self.machine.features.exact_dot {
            self.asm.rrr(SDOT_V, to, a.reg, b.reg);
        } else {
            self.pair_dot(FLOAT_SCRATCH, a.reg, b.reg);
            self.asm.rr(Lanes::I16.of(SADDLP_V), FLOAT_SCRATCH, FLOAT_SCRATCH);
            self.asm.rrr(Lanes::I32.of(ADD_V), to, to, FLOAT_SCRATCH);
        }
        self.done(a);
        self.done(b);
        self.push_vector(to);
    }
}
