//! Conversions between integers and floats, and of their widths.

use super::super::Ty;
use super::super::operand::Held;
use super::super::translator::{ColdKind, Translator};
use super::asm::{Cond, Label, Op, Reg, Rm};
use super::float::{compare_op, pick};
use super::integer::Alu;
use super::ops::*;
use super::{FLOAT_SCRATCH, SCRATCH};
use epsilon_abi::TrapCode;

/// Code behind the body that only this machine has.
#[derive(Clone, Copy)]
pub(in crate::quick) enum Cold {
    /// A conversion has failed, if the float in `from` is not the one integer that looks like failure; then it goes back.
    Unconvertible { ty: Ty, from: Reg, back: Option<Label> },
    /// The function in a row of a table has another type, or is null if its signature, in the scratch register, is 0.
    WrongSignature,
}

/// 2^63.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;

const fn bits(ty: Ty, value: f64) -> u64 {
    if ty.is_wide() { value.to_bits() } else { (value as f32).to_bits() as u64 }
}

impl Translator<'_> {
    pub fn wrap(&mut self) {
        self.unary(MOV, false, Ty::I32);
    }

    /// The upper half is zero already.
    pub fn extend_unsigned(&mut self) {
        let operand = self.pop();
        if let super::super::operand::Place::Const(bits) = operand.place {
            return self.push(super::super::operand::Place::Const(bits & 0xffff_ffff), Ty::I64);
        }
        let held = self.read(operand);
        let to = self.reuse(held, false);
        self.mov(Ty::I32, to, held.reg);
        self.push_reg(to, Ty::I64);
    }

    /// Extends the low bits by their sign.
    pub fn extend(&mut self, ty: Ty, bits: u8) {
        let op = match bits {
            8 => MOVSX8,
            16 => MOVSX16,
            _ => MOVSXD,
        };
        self.unary(op, ty.is_wide(), ty);
    }

    pub fn demote(&mut self) {
        self.unary(CVTSD2SS, false, Ty::F32);
    }

    pub fn promote(&mut self) {
        self.unary(CVTSS2SD, false, Ty::F64);
    }

    /// The same bits as another type.
    pub fn reinterpret(&mut self, ty: Ty) {
        let operand = self.pop();
        if let super::super::operand::Place::Const(_) = operand.place {
            return self.push(operand.place, ty);
        }
        let held = self.read(operand);
        let to = self.destination(ty.is_float());
        if ty.is_float() {
            self.asm.rr(MOVD, ty.is_wide(), to, held.reg);
        } else {
            self.asm.rr(MOVD_STORE, ty.is_wide(), held.reg, to);
        }
        self.done(held);
        self.push_reg(to, ty);
    }

    /// An integer to a float: one of 32 bits that has no sign is one of 64 that has.
    pub fn convert(&mut self, ty: Ty, from: Ty, signed: bool) {
        let (op, wide) = (pick(ty, CVTSI2SS, CVTSI2SD), from.is_wide() || !signed);
        let operand = self.pop();
        let held = self.read(operand);
        let to = self.destination(true);
        // The instruction leaves the rest of the register as it is, and would wait for it.
        self.asm.rr(XORPS, false, to, to);
        self.asm.rr(op, wide, to, held.reg);
        self.done(held);
        self.push_reg(to, ty);
    }

    pub fn convert_u64(&mut self, ty: Ty) {
        let operand = self.pop();
        let held = self.read(operand);
        let op = pick(ty, CVTSI2SS, CVTSI2SD);
        let half = self.allocate(false);
        let to = self.destination(true);
        let (large, done) = (self.asm.new_label(), self.asm.new_label());
        self.asm.rr(XORPS, false, to, to);
        self.test_zero(held.reg, true);
        self.asm.jcc(Cond::Negative, large);
        self.asm.rr(op, true, to, held.reg);
        self.asm.jmp(done);
        // Half of it, with the lowest bit kept so that rounding is right, and twice the result.
        self.asm.bind(large);
        self.mov(Ty::I64, SCRATCH, held.reg);
        self.mov(Ty::I64, half, held.reg);
        self.asm.ext_imm8(SHIFT_IMM, true, 5, Rm::Reg(SCRATCH), 1);
        self.asm.arith_imm(false, Alu::And as u8, Rm::Reg(half), 1);
        self.asm.rr(OR, true, SCRATCH, half);
        self.asm.rr(op, true, to, SCRATCH);
        self.asm.rr(pick(ty, ADDSS, ADDSD), false, to, to);
        self.asm.bind(done);
        self.registers.release(half);
        self.done(held);
        self.push_reg(to, ty);
    }

    fn unconvertible(&mut self, ty: Ty, from: Reg, back: Option<Label>) -> Label {
        self.cold(ColdKind::Machine(Cold::Unconvertible { ty, from, back }))
    }

    fn popped_float(&mut self) -> Held {
        let operand = self.pop();
        self.read(operand)
    }

    /// By way of 64 bits, which hold every result.
    pub fn truncate_to_i32(&mut self, ty: Ty, signed: bool) {
        let held = self.popped_float();
        let to = self.allocate(false);
        let failed = self.unconvertible(ty, held.reg, None);
        self.asm.rr(pick(ty, CVTTSS2SI, CVTTSD2SI), true, to, held.reg);
        self.asm.rr(if signed { MOVSXD } else { MOV }, signed, SCRATCH, to);
        self.asm.rr(CMP, true, SCRATCH, to);
        self.asm.jcc(Cond::NotEqual, failed);
        if signed {
            self.zero_extend(to);
        }
        self.done(held);
        self.push_reg(to, Ty::I32);
    }

    /// What cannot be converted gives the least integer.
    pub fn truncate_to_i64_signed(&mut self, ty: Ty) {
        let held = self.popped_float();
        let to = self.allocate(false);
        let back = self.asm.new_label();
        let failed = self.unconvertible(ty, held.reg, Some(back));
        self.asm.rr(pick(ty, CVTTSS2SI, CVTTSD2SI), true, to, held.reg);
        self.asm.arith_imm(true, 7, Rm::Reg(to), 1);
        self.asm.jcc(Cond::Overflow, failed);
        self.asm.bind(back);
        self.done(held);
        self.push_reg(to, Ty::I64);
    }

    pub fn truncate_to_i64_unsigned(&mut self, ty: Ty) {
        let held = self.popped_float();
        let to = self.allocate(false);
        let rest = self.allocate(true);
        let failed = self.unconvertible(ty, held.reg, None);
        let (large, done) = (self.asm.new_label(), self.asm.new_label());
        let op = pick(ty, CVTTSS2SI, CVTTSD2SI);
        self.const_to(ty, FLOAT_SCRATCH, bits(ty, TWO_63));
        self.asm.rr(compare_op(ty), false, held.reg, FLOAT_SCRATCH);
        self.asm.jcc(Cond::Parity, failed);
        self.asm.jcc(Cond::AboveOrEqual, large);
        self.asm.rr(op, true, to, held.reg);
        self.test_zero(to, true);
        self.asm.jcc(Cond::Negative, failed);
        self.asm.jmp(done);
        self.asm.bind(large);
        self.mov(ty, rest, held.reg);
        self.asm.rr(pick(ty, SUBSS, SUBSD), false, rest, FLOAT_SCRATCH);
        self.asm.rr(op, true, to, rest);
        self.test_zero(to, true);
        self.asm.jcc(Cond::Negative, failed);
        self.asm.mov_imm(SCRATCH, 1 << 63);
        self.asm.rr(XOR, true, to, SCRATCH);
        self.asm.bind(done);
        self.registers.release(rest);
        self.done(held);
        self.push_reg(to, Ty::I64);
    }

    /// As doubles, which hold every single and every bound. What is not a number gives 0.
    pub fn truncate_saturating(&mut self, from: Ty, to_ty: Ty, signed: bool) {
        let held = self.popped_float();
        let value = self.allocate(true);
        match from {
            Ty::F64 => self.mov(Ty::F64, value, held.reg),
            _ => self.asm.rr(CVTSS2SD, false, value, held.reg),
        }
        let to = self.allocate(false);
        let done = self.asm.new_label();
        self.asm.rr(XOR, false, to, to);
        self.asm.rr(UCOMISD, false, value, value);
        self.asm.jcc(Cond::Parity, done);
        if to_ty.is_wide() {
            self.saturate_to_i64(value, to, signed, done);
        } else {
            let (least, most) =
                if signed { (f64::from(i32::MIN), f64::from(i32::MAX)) } else { (0.0, f64::from(u32::MAX)) };
            self.bound(MAXSD, value, least);
            self.bound(MINSD, value, most);
            self.asm.rr(CVTTSD2SI, true, to, value);
            self.zero_extend(to);
        }
        self.asm.bind(done);
        self.registers.release(value);
        self.done(held);
        self.push_reg(to, to_ty);
    }

    fn bound(&mut self, op: Op, value: Reg, bound: f64) {
        self.const_to(Ty::F64, FLOAT_SCRATCH, bound.to_bits());
        self.asm.rr(op, false, value, FLOAT_SCRATCH);
    }

    fn saturate_to_i64(&mut self, value: Reg, to: Reg, signed: bool, done: Label) {
        let fits = self.asm.new_label();
        let (least, above, most) =
            if signed { (-TWO_63, TWO_63, i64::MAX.cast_unsigned()) } else { (0.0, 2.0 * TWO_63, u64::MAX) };
        self.bound(MAXSD, value, least);
        self.const_to(Ty::F64, FLOAT_SCRATCH, above.to_bits());
        self.asm.rr(UCOMISD, false, value, FLOAT_SCRATCH);
        self.asm.jcc(Cond::Below, fits);
        self.asm.mov_imm(to, most);
        self.asm.jmp(done);
        self.asm.bind(fits);
        self.asm.rr(CVTTSD2SI, true, to, value);
        if !signed {
            self.test_zero(to, true);
            self.asm.jcc(Cond::NotNegative, done);
            self.bound(SUBSD, value, TWO_63);
            self.asm.rr(CVTTSD2SI, true, to, value);
            self.asm.mov_imm(SCRATCH, 1 << 63);
            self.asm.rr(XOR, true, to, SCRATCH);
        }
    }

    pub fn machine_cold(&mut self, cold: Cold) {
        match cold {
            Cold::Unconvertible { ty, from, back } => {
                self.asm.rr(compare_op(ty), false, from, from);
                self.trap_if(Cond::Parity, TrapCode::BadConversionToInteger);
                if let Some(back) = back {
                    self.const_to(ty, FLOAT_SCRATCH, bits(ty, -TWO_63));
                    self.asm.rr(compare_op(ty), false, from, FLOAT_SCRATCH);
                    self.asm.jcc(Cond::Equal, back);
                }
                self.trap(TrapCode::IntegerOverflow);
            }
            Cold::WrongSignature => {
                self.test_zero(SCRATCH, false);
                self.trap_if(Cond::Equal, TrapCode::IndirectCallToNull);
                self.trap(TrapCode::BadSignature);
            }
        }
    }
}
