//! Vectors of floats, conversions, and the relaxed operators.

use super::super::super::translator::Translator;
use super::super::super::{Left, Ty};
use super::super::asm::{Op, Reg};
use super::super::ops::*;
use super::super::{FLOAT_SCRATCH, Rounding, Shift};
use super::{Lanes, Predicate, same_u32, same_u64};

/// Arithmetic of floats.
impl Translator<'_> {
    /// All bits but the signs, or the signs inverted.
    pub fn mask_lanes(&mut self, ty: Ty, abs: bool) {
        let to = self.pop_own();
        self.all_ones(FLOAT_SCRATCH);
        let (group, top) = if ty == Ty::F64 { (SHIFT_QWORDS, 63) } else { (SHIFT_DWORDS, 31) };
        if abs {
            self.shift_const(group, Shift::RightUnsigned, FLOAT_SCRATCH, 1);
            self.vv(ANDPS, to, FLOAT_SCRATCH);
        } else {
            self.shift_const(group, Shift::Left, FLOAT_SCRATCH, top);
            self.vv(XORPS, to, FLOAT_SCRATCH);
        }
        self.push_vector(to);
    }

    /// Pops two vectors; `op` of both orders, in `xmm15` and in the register that is given back.
    fn both_orders(&mut self, op: Op) -> Reg {
        let (a, b) = self.pop_vectors();
        let other = self.read(b);
        let to = self.own(a);
        self.copy(FLOAT_SCRATCH, other.reg);
        self.vv(op, FLOAT_SCRATCH, to);
        self.vv(op, to, other.reg);
        self.done(other);
        to
    }

    /// Pushes `xmm15`, with those lanes made canonical that are not numbers.
    fn push_canonical(&mut self, ty: Ty, to: Reg, quiet: bool) {
        let (compare, group, payload) =
            if ty == Ty::F64 { (CMPPD, SHIFT_QWORDS, 13) } else { (CMPPS, SHIFT_DWORDS, 10) };
        self.asm.rri(compare, false, to, FLOAT_SCRATCH, Predicate::Unordered as u8);
        if quiet {
            self.vv(ORPS, FLOAT_SCRATCH, to);
        }
        self.shift_const(group, Shift::RightUnsigned, to, payload);
        self.vv(ANDNPS, to, FLOAT_SCRATCH);
        self.push_vector(to);
    }

    /// The processor's gives its second operand for zeros of both signs, and where one is not a number. Both orders,
    /// joined, have the sign of a negative zero and the bits of what is not a number.
    pub fn min_lanes(&mut self, ty: Ty) {
        let to = self.both_orders(if ty == Ty::F64 { MINPD } else { MINPS });
        self.vv(ORPS, FLOAT_SCRATCH, to);
        self.push_canonical(ty, to, true);
    }

    /// As for the least; where the orders differ by a sign, subtracting that negative zero gives a positive one.
    pub fn max_lanes(&mut self, ty: Ty) {
        let (max, subtract) = if ty == Ty::F64 { (MAXPD, SUBPD) } else { (MAXPS, SUBPS) };
        let to = self.both_orders(max);
        self.vv(XORPS, to, FLOAT_SCRATCH);
        self.vv(ORPS, FLOAT_SCRATCH, to);
        self.vv(subtract, FLOAT_SCRATCH, to);
        self.push_canonical(ty, to, false);
    }
}

/// Conversions.
impl Translator<'_> {
    /// What is not a number gives 0, what is too large the greatest number, by the opposite bits of the least.
    pub fn truncate_singles_signed(&mut self) {
        let to = self.pop_own();
        self.copy(FLOAT_SCRATCH, to);
        self.asm.rri(CMPPS, false, FLOAT_SCRATCH, FLOAT_SCRATCH, Predicate::Equal as u8);
        self.vv(ANDPS, to, FLOAT_SCRATCH);
        self.vv(XORPS, FLOAT_SCRATCH, to);
        self.vv(CVTTPS2DQ, to, to);
        self.vv(ANDPS, FLOAT_SCRATCH, to);
        self.shift_const(SHIFT_DWORDS, Shift::RightSigned, FLOAT_SCRATCH, 31);
        self.vv(XORPS, to, FLOAT_SCRATCH);
        self.push_vector(to);
    }

    /// What lies above 2^31 is converted apart, and added.
    pub fn truncate_singles_unsigned(&mut self) {
        let to = self.pop_own();
        let above = self.allocate(true);
        self.zero(FLOAT_SCRATCH);
        self.vv(MAXPS, to, FLOAT_SCRATCH);
        self.all_ones(FLOAT_SCRATCH);
        self.shift_const(SHIFT_DWORDS, Shift::RightUnsigned, FLOAT_SCRATCH, 1);
        self.vv(CVTDQ2PS, FLOAT_SCRATCH, FLOAT_SCRATCH);
        self.copy(above, to);
        self.vv(SUBPS, above, FLOAT_SCRATCH);
        self.asm.rri(CMPPS, false, FLOAT_SCRATCH, above, Predicate::LessOrEqual as u8);
        self.vv(CVTTPS2DQ, above, above);
        self.vv(XORPS, above, FLOAT_SCRATCH);
        self.zero(FLOAT_SCRATCH);
        self.vv(PMAXSD, above, FLOAT_SCRATCH);
        self.vv(CVTTPS2DQ, to, to);
        self.vv(PADDD, to, above);
        self.registers.release(above);
        self.push_vector(to);
    }

    /// The low 16 bits and half of the rest are converted exactly, each apart.
    pub fn convert_unsigned_lanes(&mut self) {
        let to = self.pop_own();
        self.zero(FLOAT_SCRATCH);
        self.asm.rri(PBLENDW, false, FLOAT_SCRATCH, to, 0x55);
        self.vv(PSUBD, to, FLOAT_SCRATCH);
        self.vv(CVTDQ2PS, FLOAT_SCRATCH, FLOAT_SCRATCH);
        self.shift_const(SHIFT_DWORDS, Shift::RightUnsigned, to, 1);
        self.vv(CVTDQ2PS, to, to);
        self.vv(ADDPS, to, to);
        self.vv(ADDPS, to, FLOAT_SCRATCH);
        self.push_vector(to);
    }

    pub fn truncate_doubles_signed(&mut self) {
        let to = self.pop_own();
        let numbers = self.allocate(true);
        self.copy(numbers, to);
        self.asm.rri(CMPPD, false, numbers, numbers, Predicate::Equal as u8);
        self.vector_to(FLOAT_SCRATCH, same_u64(f64::from(i32::MAX).to_bits()));
        self.vv(ANDPS, numbers, FLOAT_SCRATCH);
        // 0 where there is no number, which the instruction then prefers.
        self.vv(MINPD, to, numbers);
        self.vv(CVTTPD2DQ, to, to);
        self.registers.release(numbers);
        self.push_vector(to);
    }

    /// Added to 2^52, an integer is in the low bits.
    pub fn truncate_doubles_unsigned(&mut self) {
        let to = self.pop_own();
        self.zero(FLOAT_SCRATCH);
        self.vv(MAXPD, to, FLOAT_SCRATCH);
        self.vector_to(FLOAT_SCRATCH, same_u64(f64::from(u32::MAX).to_bits()));
        self.vv(MINPD, to, FLOAT_SCRATCH);
        self.asm.rri(ROUNDPD, false, to, to, Rounding::ToZero as u8);
        self.vector_to(FLOAT_SCRATCH, same_u64(TWO_52));
        self.vv(ADDPD, to, FLOAT_SCRATCH);
        self.zero(FLOAT_SCRATCH);
        self.asm.rri(SHUFPS, false, to, FLOAT_SCRATCH, 0x88);
        self.push_vector(to);
    }

    /// An integer in the low bits of 2^52, of which that is subtracted.
    pub fn convert_unsigned_low(&mut self) {
        let to = self.pop_own();
        self.vector_to(FLOAT_SCRATCH, same_u32((TWO_52 >> 32) as u32));
        self.vv(UNPCKLPS, to, FLOAT_SCRATCH);
        self.vector_to(FLOAT_SCRATCH, same_u64(TWO_52));
        self.vv(SUBPD, to, FLOAT_SCRATCH);
        self.push_vector(to);
    }
}

/// 2^52 as a double.
const TWO_52: u64 = 0x4330_0000_0000_0000;

/// Relaxed operators, as Cranelift's code has them on this machine: see `translate::simd::relaxed`.
impl Translator<'_> {
    fn relaxed(&mut self) {
        if self.machine.features.deterministic {
            self.left = Some(Left::DeterministicVectors);
        }
    }

    pub fn relaxed_one(&mut self, op: Op) {
        self.relaxed();
        self.one_vector(op);
    }

    pub fn relaxed_two(&mut self, op: Op) {
        self.relaxed();
        self.two_vectors(op);
    }

    pub fn relaxed_swapped(&mut self, op: Op) {
        self.relaxed();
        self.two_swapped(op);
    }

    pub fn multiply_add(&mut self, ty: Ty) {
        self.multiply_and(ty, false);
    }

    pub fn multiply_subtract(&mut self, ty: Ty) {
        self.multiply_and(ty, true);
    }

    /// The product, or its opposite, and a third vector.
    fn multiply_and(&mut self, ty: Ty, negated: bool) {
        self.relaxed();
        let third = self.pop_read();
        let second = self.pop_read();
        let to = self.pop_own();
        let is_double = ty == Ty::F64;
        if self.machine.features.fused {
            let op = if negated { VFNMADD213 } else { VFMADD213 };
            self.asm.vex(op, is_double, to, second.reg, third.reg);
        } else {
            let (multiply, add, subtract) = if is_double { (MULPD, ADDPD, SUBPD) } else { (MULPS, ADDPS, SUBPS) };
            self.vv(multiply, to, second.reg);
            if negated {
                self.copy(FLOAT_SCRATCH, third.reg);
                self.vv(subtract, FLOAT_SCRATCH, to);
                self.copy(to, FLOAT_SCRATCH);
            } else {
                self.vv(add, to, third.reg);
            }
        }
        self.done(second);
        self.done(third);
        self.push_vector(to);
    }

    /// By the highest bit of each lane; lanes of 16 bits bit by bit.
    pub fn relaxed_select(&mut self, lanes: Lanes) {
        self.relaxed();
        let mask = self.pop_read();
        match lanes {
            Lanes::I8 => {
                self.zero(FLOAT_SCRATCH);
                self.vv(PCMPGTB, FLOAT_SCRATCH, mask.reg);
            }
            Lanes::I32 => {
                self.copy(FLOAT_SCRATCH, mask.reg);
                self.shift_const(SHIFT_DWORDS, Shift::RightSigned, FLOAT_SCRATCH, 31);
            }
            Lanes::I64 => {
                self.zero(FLOAT_SCRATCH);
                self.vv(PCMPGTQ, FLOAT_SCRATCH, mask.reg);
            }
            _ => self.copy(FLOAT_SCRATCH, mask.reg),
        }
        self.done(mask);
        self.select_by_scratch();
    }

    pub fn relaxed_dot_add(&mut self) {
        self.relaxed();
        if self.machine.features.exact_dot {
            self.left = Some(Left::DotProduct);
        }
        let third = self.pop_read();
        let (a, b) = self.pop_vectors();
        let first = self.read(a);
        let to = self.own(b);
        // The instruction takes its first operand as unsigned.
        self.vv(PMADDUBSW, to, first.reg);
        self.vector_to(FLOAT_SCRATCH, same_u32(0x0001_0001));
        self.vv(PMADDWD, to, FLOAT_SCRATCH);
        self.vv(PADDD, to, third.reg);
        self.done(first);
        self.done(third);
        self.push_vector(to);
    }
}
