//! Conversions between integers and floats, and of their widths.

use super::super::Ty;
use super::super::operand::{Held, Place};
use super::super::translator::{ColdKind, Translator};
use super::asm::{Cond, Label, Op, Reg, ZERO};
use super::ops::*;
use super::{FLOAT_SCRATCH, SCRATCH};
use epsilon_abi::TrapCode;

/// Code behind the body that only this machine has.
#[derive(Clone, Copy)]
pub(in crate::quick) enum Cold {
    /// A conversion has given the least integer: it fails if the float in `from` is another one, else it goes back.
    Least { ty: Ty, from: Reg, back: Label },
    /// The function in a row of a table has another type, or is null if its signature, in the scratch register, is 0.
    WrongSignature,
}

/// -2^63.
const LEAST: f64 = -9_223_372_036_854_775_808.0;

const fn bits(ty: Ty, value: f64) -> u64 {
    if ty.is_wide() { value.to_bits() } else { (value as f32).to_bits() as u64 }
}

impl Translator<'_> {
    pub fn wrap(&mut self) {
        let operand = self.pop();
        if let Place::Const(bits) = operand.place {
            return self.push(Place::Const(bits & 0xffff_ffff), Ty::I32);
        }
        let held = self.read(operand);
        let to = self.result_of(&[held], false);
        self.asm.rrr(ORR, to, ZERO, held.reg);
        self.push_reg(to, Ty::I32);
    }

    /// The upper half is zero already.
    pub fn extend_unsigned(&mut self) {
        let operand = self.pop();
        if let Place::Const(bits) = operand.place {
            return self.push(Place::Const(bits & 0xffff_ffff), Ty::I64);
        }
        let held = self.read(operand);
        let to = self.reuse(held, false);
        self.mov(Ty::I32, to, held.reg);
        self.push_reg(to, Ty::I64);
    }

    /// Extends the low bits by their sign.
    pub fn extend(&mut self, ty: Ty, bits: u8) {
        let operand = self.pop();
        let held = self.read(operand);
        let to = self.result_of(&[held], false);
        self.asm.bitfield(SBFM, ty.is_wide(), to, held.reg, 0, u32::from(bits) - 1);
        self.push_reg(to, ty);
    }

    pub fn demote(&mut self) {
        self.unary(FCVT_TO_SINGLE, Ty::F32);
    }

    pub fn promote(&mut self) {
        self.unary(FCVT_TO_DOUBLE, Ty::F64);
    }

    /// The same bits as another type.
    pub fn reinterpret(&mut self, ty: Ty) {
        let operand = self.pop();
        if let Place::Const(_) = operand.place {
            return self.push(operand.place, ty);
        }
        let held = self.read(operand);
        let to = self.result_of(&[held], ty.is_float());
        if ty.is_float() {
            self.float_from_integer(ty, to, held.reg);
        } else {
            self.integer_from_float(operand.ty, to, held.reg);
        }
        self.push_reg(to, ty);
    }

    /// An integer to a float.
    pub fn convert(&mut self, ty: Ty, from: Ty, signed: bool) {
        let op = if signed { SCVTF } else { UCVTF };
        self.unary(op.wide(from.is_wide()).double(ty.is_wide()), ty);
    }

    pub fn convert_u64(&mut self, ty: Ty) {
        self.convert(ty, Ty::I64, false);
    }

    /// Pops a float, and traps if it is not a number. Only the flags are changed.
    fn number(&mut self, ty: Ty) -> Held {
        let operand = self.pop();
        let held = self.read(operand);
        self.asm.rrr(FCMP.double(ty.is_wide()), Reg(0), held.reg, held.reg);
        self.trap_if(Cond::Overflow, TrapCode::BadConversionToInteger);
        held
    }

    fn truncate_by(&mut self, op: Op, wide: bool, ty: Ty, to: Reg, from: Reg) {
        self.asm.rr(op.wide(wide).double(ty.is_wide()), to, from);
    }

    /// By way of 64 bits, which hold every result.
    pub fn truncate_to_i32(&mut self, ty: Ty, signed: bool) {
        let held = self.number(ty);
        let to = self.allocate(false);
        self.truncate_by(FCVTZS, true, ty, to, held.reg);
        self.asm.rrr(if signed { SUBS_SXTW } else { SUBS_UXTW }, ZERO, to, to);
        self.trap_if(Cond::NotEqual, TrapCode::IntegerOverflow);
        if signed {
            self.zero_extend(to);
        }
        self.done(held);
        self.push_reg(to, Ty::I32);
    }

    /// What is too large gives the greatest integer, which is not that of any float; what is too small the least one,
    /// which is.
    pub fn truncate_to_i64_signed(&mut self, ty: Ty) {
        let held = self.number(ty);
        let to = self.allocate(false);
        let back = self.asm.new_label();
        let least = self.cold(ColdKind::Machine(Cold::Least { ty, from: held.reg, back }));
        self.truncate_by(FCVTZS, true, ty, to, held.reg);
        self.asm.add_imm(true, true, ZERO, to, 1);
        self.trap_if(Cond::Overflow, TrapCode::IntegerOverflow);
        self.asm.add_imm(true, true, ZERO, to, -1);
        self.asm.jcc(Cond::Overflow, least);
        self.asm.bind(back);
        self.done(held);
        self.push_reg(to, Ty::I64);
    }

    /// What is too large gives the greatest integer, which is not that of any float.
    pub fn truncate_to_i64_unsigned(&mut self, ty: Ty) {
        let operand = self.pop();
        let held = self.read(operand);
        let to = self.allocate(false);
        self.const_to(ty, FLOAT_SCRATCH, bits(ty, -1.0));
        self.asm.rrr(FCMP.double(ty.is_wide()), Reg(0), held.reg, FLOAT_SCRATCH);
        self.trap_if(Cond::Overflow, TrapCode::BadConversionToInteger);
        self.trap_if(Cond::BelowOrEqual, TrapCode::IntegerOverflow);
        self.truncate_by(FCVTZU, true, ty, to, held.reg);
        self.asm.add_imm(true, true, ZERO, to, 1);
        self.trap_if(Cond::Equal, TrapCode::IntegerOverflow);
        self.done(held);
        self.push_reg(to, Ty::I64);
    }

    /// As the instruction does.
    pub fn truncate_saturating(&mut self, from: Ty, to_ty: Ty, signed: bool) {
        let op = if signed { FCVTZS } else { FCVTZU };
        self.unary(op.wide(to_ty.is_wide()).double(from.is_wide()), to_ty);
    }

    pub fn machine_cold(&mut self, cold: Cold) {
        match cold {
            Cold::Least { ty, from, back } => {
                self.const_to(ty, FLOAT_SCRATCH, bits(ty, LEAST));
                self.asm.rrr(FCMP.double(ty.is_wide()), Reg(0), from, FLOAT_SCRATCH);
                self.asm.jcc(Cond::Equal, back);
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
