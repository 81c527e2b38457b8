//! Integers, conditions and constants.
//!
//! Instructions write a register of their own choice: the pin that the next operator sets, or any other, which may be
//! that of an operand. What takes several instructions writes its result last.

use super::super::Ty;
use super::super::operand::{Held, Operand, Place};
use super::super::translator::Translator;
use super::asm::{Cond, Op, Reg, ZERO};
use super::ops::*;
use super::{FAR, FLOAT_SCRATCH, FloatCompare, SCRATCH};
use epsilon_abi::TrapCode;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Alu {
    Add,
    Or,
    And,
    Sub,
    Xor,
}

impl Alu {
    pub(super) const fn op(self) -> Op {
        match self {
            Self::Add => ADD,
            Self::Or => ORR,
            Self::And => AND,
            Self::Sub => SUB,
            Self::Xor => EOR,
        }
    }

    const fn of(self, a: u64, b: u64) -> u64 {
        match self {
            Self::Add => a.wrapping_add(b),
            Self::Or => a | b,
            Self::And => a & b,
            Self::Sub => a.wrapping_sub(b),
            Self::Xor => a ^ b,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Shift {
    RotateLeft,
    RotateRight,
    Left,
    RightUnsigned,
    RightSigned,
}

const fn cut(ty: Ty, bits: u64) -> u64 {
    if ty.is_wide() { bits } else { bits as u32 as u64 }
}

/// A constant as a signed number.
const fn signed(ty: Ty, bits: u64) -> i64 {
    if ty.is_wide() { bits.cast_signed() } else { bits as u32 as i32 as i64 }
}

/// Constants.
impl Translator<'_> {
    pub fn i32_const(&mut self, value: i32) {
        self.push(Place::Const(u64::from(value.cast_unsigned())), Ty::I32);
    }

    pub fn i64_const(&mut self, value: i64) {
        self.push(Place::Const(value.cast_unsigned()), Ty::I64);
    }

    pub fn f32_const(&mut self, bits: u32) {
        self.push(Place::Const(u64::from(bits)), Ty::F32);
    }

    pub fn f64_const(&mut self, bits: u64) {
        self.push(Place::Const(bits), Ty::F64);
    }
}

/// Arithmetic.
impl Translator<'_> {
    pub(super) fn pop2(&mut self) -> (Operand, Operand) {
        let b = self.pop();
        (self.pop(), b)
    }

    /// Where the result of one instruction goes, and that of several if it is written last.
    pub(super) fn result_of(&mut self, operands: &[Held], is_float: bool) -> Reg {
        operands.iter().for_each(|held| self.done(*held));
        self.destination(is_float)
    }

    /// An operand in a register, and if it is zero, in that which always is. For instructions that take it as the second
    /// source.
    pub(super) fn read_second(&mut self, operand: Operand) -> Held {
        match operand.place {
            Place::Const(0) if !operand.ty.is_float() => Held { reg: ZERO, owned: false },
            // A scratch register is free until the operator is done.
            Place::Const(bits) if !operand.ty.is_float() => {
                self.const_to(operand.ty, SCRATCH, bits);
                Held { reg: SCRATCH, owned: false }
            }
            _ => self.read(operand),
        }
    }

    pub fn alu(&mut self, ty: Ty, alu: Alu) {
        let (mut a, mut b) = self.pop2();
        if let (Place::Const(a), Place::Const(b)) = (a.place, b.place) {
            return self.push(Place::Const(cut(ty, alu.of(a, b))), ty);
        }
        if alu != Alu::Sub && matches!(a.place, Place::Const(_)) {
            std::mem::swap(&mut a, &mut b);
        }
        if let Place::Const(bits) = b.place
            && self.alu_const(ty, alu, a, bits)
        {
            return;
        }
        let first = self.read_second(a);
        let second = self.read_second(b);
        let to = self.result_of(&[first, second], false);
        self.asm.rrr(alu.op().wide(ty.is_wide()), to, first.reg, second.reg);
        self.push_reg(to, ty);
    }

    /// An operation with a constant, if that has a place in the instruction.
    fn alu_const(&mut self, ty: Ty, alu: Alu, a: Operand, bits: u64) -> bool {
        let value = signed(ty, bits);
        let distance = if alu == Alu::Sub { value.checked_neg() } else { Some(value) };
        let fits = match alu {
            Alu::Add | Alu::Sub => distance.is_some_and(super::asm::is_add_immediate),
            _ => super::asm::logical_immediate(ty.is_wide(), bits).is_some(),
        };
        if !fits {
            return false;
        }
        let held = self.read(a);
        let to = self.result_of(&[held], false);
        match alu {
            Alu::Add | Alu::Sub => {
                self.asm.add_imm(ty.is_wide(), false, to, held.reg, distance.unwrap_or(0));
            }
            _ => {
                let op = match alu {
                    Alu::And => AND_IMM,
                    Alu::Or => ORR_IMM,
                    _ => EOR_IMM,
                };
                self.asm.logical_imm(op, ty.is_wide(), to, held.reg, bits);
            }
        }
        self.push_reg(to, ty);
        true
    }

    pub fn multiply(&mut self, ty: Ty) {
        let (mut a, mut b) = self.pop2();
        if let (Place::Const(a), Place::Const(b)) = (a.place, b.place) {
            return self.push(Place::Const(cut(ty, a.wrapping_mul(b))), ty);
        }
        if matches!(a.place, Place::Const(_)) {
            std::mem::swap(&mut a, &mut b);
        }
        let first = self.read(a);
        if let Some(log2) = power_of_two(ty, b) {
            let to = self.result_of(&[first], false);
            self.asm.shift_left(ty.is_wide(), to, first.reg, u32::from(log2));
            return self.push_reg(to, ty);
        }
        let second = self.read_second(b);
        let to = self.result_of(&[first, second], false);
        self.asm.rrrr(MADD.wide(ty.is_wide()), to, first.reg, second.reg, ZERO);
        self.push_reg(to, ty);
    }

    pub fn shift(&mut self, ty: Ty, shift: Shift) {
        let (a, b) = self.pop2();
        let wide = ty.is_wide();
        let bits: u32 = if wide { 64 } else { 32 };
        if let Place::Const(amount) = b.place {
            let amount = amount as u32 % bits;
            let held = self.read(a);
            let to = self.result_of(&[held], false);
            match shift {
                Shift::Left => self.asm.shift_left(wide, to, held.reg, amount),
                Shift::RightUnsigned => self.asm.bitfield(UBFM, wide, to, held.reg, amount, bits - 1),
                Shift::RightSigned => self.asm.bitfield(SBFM, wide, to, held.reg, amount, bits - 1),
                Shift::RotateRight => self.rotate(wide, to, held.reg, amount),
                Shift::RotateLeft => self.rotate(wide, to, held.reg, (bits - amount) % bits),
            }
            return self.push_reg(to, ty);
        }
        let (amount, value) = (self.read(b), self.read_second(a));
        let to = self.result_of(&[amount, value], false);
        let mut by = amount.reg;
        let op = match shift {
            Shift::Left => LSLV,
            Shift::RightUnsigned => LSRV,
            Shift::RightSigned => ASRV,
            Shift::RotateRight => RORV,
            Shift::RotateLeft => {
                self.asm.rrr(SUB.wide(wide), FAR, ZERO, by);
                by = FAR;
                RORV
            }
        };
        self.asm.rrr(op.wide(wide), to, value.reg, by);
        self.push_reg(to, ty);
    }

    /// Rotates right by a constant.
    fn rotate(&mut self, wide: bool, to: Reg, from: Reg, amount: u32) {
        let op = Op(EXTR.0 | from.number() << 16);
        // `immr` is the place of the second source here.
        self.asm.rr(Op(op.0 | u32::from(wide) << 22 | amount << 10).wide(wide), to, from);
    }

    /// A result from one operand, by an instruction that reads one register and writes another.
    pub(super) fn unary(&mut self, op: Op, result: Ty) {
        let operand = self.pop();
        let held = self.read(operand);
        let to = self.result_of(&[held], result.is_float());
        self.asm.rr(op, to, held.reg);
        self.push_reg(to, result);
    }

    /// By way of the vectors, which count bits.
    pub fn count_ones(&mut self, ty: Ty) {
        let operand = self.pop();
        let held = self.read(operand);
        let to = self.result_of(&[held], false);
        let float = if ty.is_wide() { Ty::F64 } else { Ty::F32 };
        self.float_from_integer(float, FLOAT_SCRATCH, held.reg);
        self.asm.rr(CNT_LOW_V, FLOAT_SCRATCH, FLOAT_SCRATCH);
        self.asm.rr(ADDV_LOW_V, FLOAT_SCRATCH, FLOAT_SCRATCH);
        self.integer_from_float(Ty::F32, to, FLOAT_SCRATCH);
        self.push_reg(to, ty);
    }

    pub fn count_leading_zeros(&mut self, ty: Ty) {
        self.unary(CLZ.wide(ty.is_wide()), ty);
    }

    pub fn count_trailing_zeros(&mut self, ty: Ty) {
        let operand = self.pop();
        let held = self.read(operand);
        let to = self.result_of(&[held], false);
        self.asm.rr(RBIT.wide(ty.is_wide()), to, held.reg);
        self.asm.rr(CLZ.wide(ty.is_wide()), to, to);
        self.push_reg(to, ty);
    }
}

/// Division. No instruction traps, so that everything is compared before.
impl Translator<'_> {
    pub fn divide_signed(&mut self, ty: Ty) {
        let (a, b) = self.pop2();
        let (dividend, divisor) = self.prepare_division(ty, a, b);
        if known(ty, b).is_none_or(|divisor| divisor == -1) {
            // Only the least integer divided by -1 overflows: it alone does so when 1 is subtracted.
            let wide = ty.is_wide();
            self.asm.add_imm(wide, true, ZERO, divisor.reg, 1);
            let compare = CCMP_IMM.wide(wide).on(Cond::Equal).0 | 1 << 16;
            self.asm.rr(Op(compare), Reg(0), dividend.reg);
            self.trap_if(Cond::Overflow, TrapCode::IntegerOverflow);
        }
        self.divide(ty, SDIV, dividend, divisor);
    }

    pub fn divide_unsigned(&mut self, ty: Ty) {
        let (a, b) = self.pop2();
        if let Some(log2) = power_of_two(ty, b) {
            let held = self.read(a);
            let to = self.result_of(&[held], false);
            let bits = if ty.is_wide() { 64 } else { 32 };
            self.asm.bitfield(UBFM, ty.is_wide(), to, held.reg, u32::from(log2), bits - 1);
            return self.push_reg(to, ty);
        }
        let (dividend, divisor) = self.prepare_division(ty, a, b);
        self.divide(ty, UDIV, dividend, divisor);
    }

    pub fn remainder_unsigned(&mut self, ty: Ty) {
        let (a, b) = self.pop2();
        if let Some(log2) = power_of_two(ty, b).filter(|log2| *log2 > 0) {
            let held = self.read(a);
            let to = self.result_of(&[held], false);
            self.asm.bitfield(UBFM, ty.is_wide(), to, held.reg, 0, u32::from(log2) - 1);
            return self.push_reg(to, ty);
        }
        let (dividend, divisor) = self.prepare_division(ty, a, b);
        self.remainder(ty, UDIV, dividend, divisor);
    }

    /// The quotient of the least integer and -1 is the least integer, so that the remainder is 0 as it should be.
    pub fn remainder_signed(&mut self, ty: Ty) {
        let (a, b) = self.pop2();
        let (dividend, divisor) = self.prepare_division(ty, a, b);
        self.remainder(ty, SDIV, dividend, divisor);
    }

    /// Puts the operands in registers, and traps if the divisor is zero.
    fn prepare_division(&mut self, ty: Ty, a: Operand, b: Operand) -> (Held, Held) {
        let dividend = self.read(a);
        self.registers.locked |= dividend.reg.bit();
        let divisor = match b.place {
            Place::Const(bits) => {
                self.const_to(ty, SCRATCH, bits);
                Held { reg: SCRATCH, owned: false }
            }
            _ => self.read(b),
        };
        self.source();
        if known(ty, b).is_none_or(|divisor| divisor == 0) {
            self.test_zero(divisor.reg, ty.is_wide());
            self.trap_if(Cond::Equal, TrapCode::IntegerDivisionByZero);
        }
        (dividend, divisor)
    }

    fn divide(&mut self, ty: Ty, op: Op, dividend: Held, divisor: Held) {
        let to = self.result_of(&[dividend, divisor], false);
        self.asm.rrr(op.wide(ty.is_wide()), to, dividend.reg, divisor.reg);
        self.push_reg(to, ty);
    }

    fn remainder(&mut self, ty: Ty, op: Op, dividend: Held, divisor: Held) {
        let to = self.result_of(&[dividend, divisor], false);
        self.asm.rrr(op.wide(ty.is_wide()), FAR, dividend.reg, divisor.reg);
        self.asm.rrrr(MSUB.wide(ty.is_wide()), to, FAR, divisor.reg, dividend.reg);
        self.push_reg(to, ty);
    }
}

/// 128 bits as two operands, the low half first.
impl Translator<'_> {
    /// Adds or subtracts, by an instruction for the low halves and one for the high ones.
    pub fn wide(&mut self, alu: Alu) {
        let (low, high) = if alu == Alu::Sub { (SUBS, SBC) } else { (ADDS, ADC) };
        let (y_low, y_high) = self.pop2();
        let (x_low, x_high) = self.pop2();
        let (to_low, to_high) = (self.own(x_low), self.own(x_high));
        self.registers.locked |= to_low.bit() | to_high.bit();
        self.half(low, to_low, y_low);
        self.half(high, to_high, y_high);
        self.push_reg(to_low, Ty::I64);
        self.push_reg(to_high, Ty::I64);
    }

    /// One half. Nothing between the two changes the carry.
    fn half(&mut self, op: Op, to: Reg, operand: Operand) {
        let held = self.read_second(operand);
        self.asm.rrr(op.wide(true), to, to, held.reg);
        self.done(held);
    }

    pub fn multiply_into_wide(&mut self, signed: bool) {
        let (a, b) = self.pop2();
        let (a, b) = (self.read(a), self.read(b));
        self.registers.locked |= a.reg.bit() | b.reg.bit();
        let (low, high) = (self.allocate(false), self.allocate(false));
        self.asm.rrrr(MADD.wide(true), low, a.reg, b.reg, ZERO);
        self.asm.rrr(if signed { SMULH } else { UMULH }, high, a.reg, b.reg);
        self.done(a);
        self.done(b);
        self.push_reg(low, Ty::I64);
        self.push_reg(high, Ty::I64);
    }
}

/// Conditions.
impl Translator<'_> {
    /// Pops a condition, as one of the flags.
    pub fn condition(&mut self) -> Cond {
        let top = self.stack.len() - 1;
        if self.flags_at.is_some_and(|at| at != top) {
            self.settle_flags();
        }
        let operand = self.pop();
        if let Place::Flags(cond) = operand.place {
            return cond;
        }
        self.compare_with_zero(operand);
        Cond::NotEqual
    }

    fn compare_with_zero(&mut self, operand: Operand) {
        let held = self.read(operand);
        self.test_zero(held.reg, operand.ty.is_wide());
        self.done(held);
    }

    pub fn is_zero(&mut self) {
        let top = self.stack.len() - 1;
        if self.flags_at == Some(top) {
            let Place::Flags(cond) = self.pop().place else { unreachable!("that operand is in the flags") };
            return self.push_flags(cond.opposite());
        }
        self.settle_flags();
        let operand = self.pop();
        self.compare_with_zero(operand);
        self.push_flags(Cond::Equal);
    }

    pub fn compare(&mut self, ty: Ty, cond: Cond) {
        let (mut a, mut b) = self.pop2();
        let mut cond = cond;
        if matches!(a.place, Place::Const(_)) && !matches!(b.place, Place::Const(_)) {
            std::mem::swap(&mut a, &mut b);
            cond = cond.swapped();
        }
        let wide = ty.is_wide();
        let first = self.read(a);
        match b.place {
            Place::Const(0) if matches!(cond, Cond::Equal | Cond::NotEqual) => self.test_zero(first.reg, wide),
            Place::Const(bits)
                if signed(ty, bits)
                    .checked_neg()
                    .is_some_and(|value| self.asm.add_imm(wide, true, ZERO, first.reg, value)) => {}
            _ => {
                let second = self.read_second(b);
                self.asm.rrr(SUBS.wide(wide), ZERO, first.reg, second.reg);
                self.done(second);
            }
        }
        self.done(first);
        self.push_flags(cond);
    }

    pub fn compare_floats(&mut self, ty: Ty, compare: FloatCompare) {
        let (a, b) = self.pop2();
        let (a, b) = (self.read(a), self.read(b));
        self.done(a);
        self.done(b);
        self.asm.rrr(FCMP.double(ty.is_wide()), Reg(0), a.reg, b.reg);
        self.push_flags(compare.condition());
    }

    pub fn select(&mut self) {
        let cond = self.condition();
        let (a, b) = self.pop2();
        if a.ty == Ty::V128 {
            let other = self.read(b);
            let to = self.own(a);
            let over = self.asm.new_label();
            self.asm.jcc(cond, over);
            self.mov(Ty::V128, to, other.reg);
            self.asm.bind(over);
            self.done(other);
            return self.push_reg(to, a.ty);
        }
        let first = self.read_second(a);
        let second = match b.place {
            Place::Const(bits) if !b.ty.is_float() && bits != 0 => Err(bits),
            _ => Ok(self.read_second(b)),
        };
        let to = self.result_of(&[first], a.ty.is_float());
        let other = match second {
            Ok(held) => {
                self.done(held);
                held.reg
            }
            // The last thing before it is read: the scratch register may hold the first one.
            Err(bits) => {
                self.const_to(b.ty, FAR, bits);
                FAR
            }
        };
        let op = if a.ty.is_float() { FCSEL.double(a.ty.is_wide()) } else { CSEL.wide(a.ty.is_wide()) };
        self.asm.rrr(op.on(cond), to, first.reg, other);
        self.push_reg(to, a.ty);
    }
}

/// A constant divisor.
const fn known(ty: Ty, divisor: Operand) -> Option<i64> {
    match divisor.place {
        Place::Const(bits) => Some(signed(ty, bits)),
        _ => None,
    }
}

/// The exponent of a constant that is a power of two.
const fn power_of_two(ty: Ty, operand: Operand) -> Option<u8> {
    match operand.place {
        Place::Const(bits) if cut(ty, bits).is_power_of_two() => Some(cut(ty, bits).trailing_zeros() as u8),
        _ => None,
    }
}
