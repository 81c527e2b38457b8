//! Integers, conditions and constants.
//!
//! An operation changes its first operand in place, so that the shapes below are about which operand that is. The result
//! goes straight to a pin where the next operator sets a local, unless another operand is read from there.

use super::super::Ty;
use super::super::operand::{Held, Operand, Place};
use super::super::translator::Translator;
use super::asm::{Cond, Op, RAX, RBP, RCX, RDX, Reg, Rm, Vex};
use super::ops::*;
use super::source::Source;
use super::{FloatCompare, SCRATCH};
use epsilon_abi::TrapCode;

/// Operations that take immediates: the opcode extension is the number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Alu {
    Add = 0,
    Or = 1,
    And = 4,
    Sub = 5,
    Xor = 6,
}

impl Alu {
    pub(super) const fn op(self) -> Op {
        match self {
            Self::Add => ADD,
            Self::Or => OR,
            Self::And => AND,
            Self::Sub => SUB,
            Self::Xor => XOR,
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

/// Shifts: the opcode extension is the number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Shift {
    RotateLeft = 0,
    RotateRight = 1,
    Left = 4,
    RightUnsigned = 5,
    RightSigned = 7,
}

impl Shift {
    const fn by_any_register(self) -> Option<Vex> {
        match self {
            Self::Left => Some(SHLX),
            Self::RightUnsigned => Some(SHRX),
            Self::RightSigned => Some(SARX),
            _ => None,
        }
    }
}

/// What `idiv` and `div` of the third group are.
const MUL: u8 = 4;
const IMUL_WIDE: u8 = 5;
const DIV: u8 = 6;
const IDIV: u8 = 7;

const fn cut(ty: Ty, bits: u64) -> u64 {
    if ty.is_wide() { bits } else { bits as u32 as u64 }
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
    fn pop2(&mut self) -> (Operand, Operand) {
        let b = self.pop();
        (self.pop(), b)
    }

    pub fn alu(&mut self, ty: Ty, alu: Alu) {
        let (mut a, mut b) = self.pop2();
        if let (Place::Const(a), Place::Const(b)) = (a.place, b.place) {
            return self.push(Place::Const(cut(ty, alu.of(a, b))), ty);
        }
        if alu != Alu::Sub && second_is_better(a, b) {
            std::mem::swap(&mut a, &mut b);
        }
        if let (Alu::Add | Alu::Sub, Place::Const(bits)) = (alu, b.place)
            && let Some(distance) = distance(ty, alu, bits)
        {
            return self.add_constant(ty, a, distance);
        }
        if alu == Alu::Add && !matches!(a.place, Place::Reg(_)) && self.hint(false).is_none() {
            return self.add_registers(ty, a, b);
        }
        let source = self.source_of(b);
        let to = self.first_operand(a, source);
        self.alu_source(ty, alu, to, source);
        self.push_reg(to, ty);
    }

    /// A register that holds a popped operand and may be changed: the hinted pin if the second operand is not there.
    fn first_operand(&mut self, a: Operand, second: Source) -> Reg {
        let taken = if let Source::Reg(held) = second { Some(held.reg) } else { None };
        match self.hint(a.ty.is_float()).filter(|pin| taken != Some(*pin)) {
            Some(pin) => {
                self.read_into(a, pin);
                pin
            }
            None => self.own(a),
        }
    }

    /// `to` and a source, into `to`.
    pub(super) fn alu_source(&mut self, ty: Ty, alu: Alu, to: Reg, source: Source) {
        match source {
            Source::Imm(imm) => self.asm.arith_imm(ty.is_wide(), alu as u8, Rm::Reg(to), imm),
            Source::Reg(held) => {
                self.asm.rr(alu.op(), ty.is_wide(), to, held.reg);
                self.done(held);
            }
            Source::Frame(slot) => self.asm.rm(alu.op(), ty.is_wide(), to, Rm::Base(RBP, slot)),
        }
    }

    fn add_constant(&mut self, ty: Ty, a: Operand, distance: i32) {
        let held = self.read(a);
        let to = self.hinted_or_reused(held);
        if to == held.reg {
            self.asm.arith_imm(ty.is_wide(), Alu::Add as u8, Rm::Reg(to), distance);
        } else {
            self.asm.rm(LEA, ty.is_wide(), to, Rm::Base(held.reg, distance));
        }
        self.push_reg(to, ty);
    }

    fn add_registers(&mut self, ty: Ty, a: Operand, b: Operand) {
        let (a, b) = (self.read(a), self.read(b));
        let to = self.allocate(false);
        self.asm.rm(LEA, ty.is_wide(), to, Rm::Index(a.reg, b.reg, 0));
        self.done(a);
        self.done(b);
        self.push_reg(to, ty);
    }

    /// Where the result of an operation with one operand goes.
    fn hinted_or_reused(&mut self, held: Held) -> Reg {
        match self.hint(held.reg.is_float()) {
            Some(pin) => {
                self.done(held);
                pin
            }
            None => self.reuse(held, held.reg.is_float()),
        }
    }

    pub fn multiply(&mut self, ty: Ty) {
        let (mut a, mut b) = self.pop2();
        if let (Place::Const(a), Place::Const(b)) = (a.place, b.place) {
            return self.push(Place::Const(cut(ty, a.wrapping_mul(b))), ty);
        }
        if second_is_better(a, b) {
            std::mem::swap(&mut a, &mut b);
        }
        let source = self.source_of(b);
        if let Source::Imm(imm) = source {
            let held = self.read(a);
            let to = self.hinted_or_reused(held);
            match i8::try_from(imm) {
                Ok(_) => self.asm.ins(IMUL_IMM8, ty.is_wide(), to, Rm::Reg(held.reg), imm as u32, 1),
                Err(_) => self.asm.ins(IMUL_IMM, ty.is_wide(), to, Rm::Reg(held.reg), imm as u32, 4),
            }
            return self.push_reg(to, ty);
        }
        let to = self.first_operand(a, source);
        match source {
            Source::Frame(slot) => self.asm.rm(IMUL, ty.is_wide(), to, Rm::Base(RBP, slot)),
            Source::Reg(held) => self.asm.rr(IMUL, ty.is_wide(), to, held.reg),
            Source::Imm(_) => unreachable!("immediates have a form of their own"),
        }
        self.done_source(source);
        self.push_reg(to, ty);
    }

    pub fn shift(&mut self, ty: Ty, shift: Shift) {
        let (a, b) = self.pop2();
        if let Place::Const(bits) = b.place {
            let amount = bits as u8 & if ty.is_wide() { 63 } else { 31 };
            let to = self.first_operand(a, Source::Imm(0));
            self.asm.ext_imm8(SHIFT_IMM, ty.is_wide(), shift as u8, Rm::Reg(to), amount);
            return self.push_reg(to, ty);
        }
        match shift.by_any_register().filter(|_| self.machine.features.shifts) {
            Some(op) => {
                let (amount, value) = (self.read(b), self.read(a));
                self.done(amount);
                let to = self.hinted_or_reused(value);
                self.asm.vex(op, ty.is_wide(), to, amount.reg, value.reg);
                self.push_reg(to, ty);
            }
            None => self.shift_by_cl(ty, shift, a, b),
        }
    }

    fn shift_by_cl(&mut self, ty: Ty, shift: Shift, a: Operand, b: Operand) {
        self.read_into(b, SCRATCH);
        let mut to = self.first_operand(a, Source::Imm(0));
        if to == RCX {
            to = self.allocate(false);
            self.mov(ty, to, RCX);
            self.registers.release(RCX);
        }
        self.claim(RCX);
        self.mov(Ty::I32, RCX, SCRATCH);
        self.asm.ext(SHIFT_CL, ty.is_wide(), shift as u8, Rm::Reg(to));
        self.registers.release(RCX);
        self.push_reg(to, ty);
    }

    /// A result from one operand, by an instruction that reads one register and writes another.
    pub(super) fn unary(&mut self, op: Op, wide: bool, result: Ty) {
        let operand = self.pop();
        let held = self.read(operand);
        let to = match self.hint(result.is_float()) {
            Some(pin) => {
                self.done(held);
                pin
            }
            None => self.reuse(held, result.is_float()),
        };
        self.asm.rr(op, wide, to, held.reg);
        self.push_reg(to, result);
    }

    pub fn count_ones(&mut self, ty: Ty) {
        self.unary(POPCNT, ty.is_wide(), ty);
    }

    pub fn count_leading_zeros(&mut self, ty: Ty) {
        if self.machine.features.lzcnt {
            return self.unary(LZCNT, ty.is_wide(), ty);
        }
        // `bsr` gives the position of the highest bit, and leaves its target alone if there is none.
        let bits: u8 = if ty.is_wide() { 64 } else { 32 };
        let to = self.scan_bits(BSR, ty, 2 * u64::from(bits) - 1);
        self.asm.arith_imm(false, Alu::Xor as u8, Rm::Reg(to), i32::from(bits) - 1);
        self.push_reg(to, ty);
    }

    pub fn count_trailing_zeros(&mut self, ty: Ty) {
        if self.machine.features.tzcnt {
            return self.unary(TZCNT, ty.is_wide(), ty);
        }
        let to = self.scan_bits(BSF, ty, if ty.is_wide() { 64 } else { 32 });
        self.push_reg(to, ty);
    }

    /// The position of a bit, or a number if no bit is set.
    fn scan_bits(&mut self, op: Op, ty: Ty, none: u64) -> Reg {
        let operand = self.pop();
        let held = self.read(operand);
        let to = self.reuse(held, false);
        self.asm.rr(op, ty.is_wide(), to, held.reg);
        self.asm.mov_imm(SCRATCH, none);
        self.asm.rr(CMOV.on(Cond::Equal), true, to, SCRATCH);
        to
    }
}

/// Division. The divisor is in the scratch register, the dividend in `rdx` and `rax`.
impl Translator<'_> {
    pub fn divide_signed(&mut self, ty: Ty) {
        let (a, b) = self.pop2();
        let divisor = self.prepare_division(ty, a, b);
        self.sign_extend_dividend(ty);
        // Only the least integer divided by -1 raises this.
        self.trap_site(TrapCode::IntegerOverflow);
        self.asm.ext(GROUP3, ty.is_wide(), IDIV, Rm::Reg(SCRATCH));
        let _ = divisor;
        self.take_quotient(ty);
    }

    pub fn divide_unsigned(&mut self, ty: Ty) {
        let (a, b) = self.pop2();
        if let Some(log2) = power_of_two(ty, b) {
            let to = self.first_operand(a, Source::Imm(0));
            self.asm.ext_imm8(SHIFT_IMM, ty.is_wide(), Shift::RightUnsigned as u8, Rm::Reg(to), log2);
            return self.push_reg(to, ty);
        }
        self.prepare_division(ty, a, b);
        self.divide_raw(ty);
        self.take_quotient(ty);
    }

    pub fn remainder_unsigned(&mut self, ty: Ty) {
        let (a, b) = self.pop2();
        if let Some(log2) = power_of_two(ty, b).filter(|log2| *log2 < 31) {
            let to = self.first_operand(a, Source::Imm(0));
            self.asm.arith_imm(ty.is_wide(), Alu::And as u8, Rm::Reg(to), (1 << log2) - 1);
            return self.push_reg(to, ty);
        }
        self.prepare_division(ty, a, b);
        self.divide_raw(ty);
        self.take_remainder(ty);
    }

    pub fn remainder_signed(&mut self, ty: Ty) {
        let (a, b) = self.pop2();
        let divisor = self.prepare_division(ty, a, b);
        let done = self.asm.new_label();
        if divisor.is_none_or(|divisor| divisor == -1) {
            // The processor would not give the 0 that the least integer leaves.
            self.asm.rr(XOR, false, RDX, RDX);
            self.asm.arith_imm(ty.is_wide(), 7, Rm::Reg(SCRATCH), -1);
            self.asm.jcc(Cond::Equal, done);
        }
        self.sign_extend_dividend(ty);
        self.asm.ext(GROUP3, ty.is_wide(), IDIV, Rm::Reg(SCRATCH));
        self.asm.bind(done);
        self.take_remainder(ty);
    }

    /// Puts the operands in their places, and traps if the divisor is zero. Gives the divisor if it is known.
    fn prepare_division(&mut self, ty: Ty, a: Operand, b: Operand) -> Option<i64> {
        let divisor = match b.place {
            Place::Const(bits) if ty.is_wide() => Some(bits.cast_signed()),
            Place::Const(bits) => Some(i64::from(bits as u32 as i32)),
            _ => None,
        };
        self.read_into(b, SCRATCH);
        if a.place != Place::Reg(RAX) {
            self.claim(RAX);
            self.read_into(a, RAX);
        }
        self.claim(RDX);
        self.source();
        if divisor.is_none_or(|divisor| divisor == 0) {
            self.test_zero(SCRATCH, ty.is_wide());
            self.trap_if(Cond::Equal, TrapCode::IntegerDivisionByZero);
        }
        divisor
    }

    fn sign_extend_dividend(&mut self, ty: Ty) {
        // cqo, cdq
        self.asm.raw(if ty.is_wide() { &[0x48, 0x99] } else { &[0x99] });
    }

    fn divide_raw(&mut self, ty: Ty) {
        self.asm.rr(XOR, false, RDX, RDX);
        self.asm.ext(GROUP3, ty.is_wide(), DIV, Rm::Reg(SCRATCH));
    }

    fn take_quotient(&mut self, ty: Ty) {
        self.registers.release(RDX);
        self.push_reg(RAX, ty);
    }

    fn take_remainder(&mut self, ty: Ty) {
        self.registers.release(RAX);
        self.push_reg(RDX, ty);
    }
}

/// 128 bits as two operands, the low half first.
impl Translator<'_> {
    /// Adds or subtracts, by an instruction for the low halves and one for the high ones.
    pub fn wide(&mut self, alu: Alu) {
        let (low, high) = if alu == Alu::Sub { (SUB, SBB) } else { (ADD, ADC) };
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
        match operand.place {
            Place::Const(bits) => {
                self.asm.mov_imm(SCRATCH, bits);
                self.asm.rr(op, true, to, SCRATCH);
            }
            _ => match self.source_of(operand) {
                Source::Frame(slot) => self.asm.rm(op, true, to, Rm::Base(RBP, slot)),
                Source::Reg(held) => {
                    self.asm.rr(op, true, to, held.reg);
                    self.done(held);
                }
                Source::Imm(_) => unreachable!("constants have been handled"),
            },
        }
    }

    pub fn multiply_into_wide(&mut self, signed: bool) {
        let (a, b) = self.pop2();
        self.read_into(b, SCRATCH);
        if a.place != Place::Reg(RAX) {
            self.claim(RAX);
            self.read_into(a, RAX);
        }
        self.claim(RDX);
        self.asm.ext(GROUP3, true, if signed { IMUL_WIDE } else { MUL }, Rm::Reg(SCRATCH));
        self.push_reg(RAX, Ty::I64);
        self.push_reg(RDX, Ty::I64);
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
        let wide = operand.ty.is_wide();
        match self.source_of(operand) {
            Source::Frame(slot) => self.asm.arith_imm(wide, 7, Rm::Base(RBP, slot), 0),
            Source::Reg(held) => {
                self.test_zero(held.reg, wide);
                self.done(held);
            }
            Source::Imm(imm) => {
                self.asm.mov_imm(SCRATCH, i64::from(imm).cast_unsigned());
                self.test_zero(SCRATCH, wide);
            }
        }
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
        let second = self.source_of(b);
        if let (Source::Imm(imm), Place::Slot | Place::Local(_)) = (second, a.place)
            && let Source::Frame(slot) = self.source_of(a)
        {
            self.asm.arith_imm(wide, 7, Rm::Base(RBP, slot), imm);
            return self.push_flags(cond);
        }
        let first = self.read(a);
        match second {
            Source::Imm(0) if matches!(cond, Cond::Equal | Cond::NotEqual) => self.test_zero(first.reg, wide),
            Source::Imm(imm) => self.asm.arith_imm(wide, 7, Rm::Reg(first.reg), imm),
            Source::Reg(held) => self.asm.rr(CMP, wide, first.reg, held.reg),
            Source::Frame(slot) => self.asm.rm(CMP, wide, first.reg, Rm::Base(RBP, slot)),
        }
        self.done_source(second);
        self.done(first);
        self.push_flags(cond);
    }

    pub fn compare_floats(&mut self, ty: Ty, compare: FloatCompare) {
        let (a, b) = self.pop2();
        let (a, b) = (self.read(a), self.read(b));
        self.done(a);
        self.done(b);
        self.float_condition(ty, compare, a.reg, b.reg);
    }

    pub fn select(&mut self) {
        let cond = self.condition();
        let (a, b) = self.pop2();
        if a.ty.is_float() {
            let other = self.read(b);
            let to = self.own(a);
            let over = self.asm.new_label();
            self.asm.jcc(cond, over);
            self.asm.rr(MOVAPS, false, to, other.reg);
            self.asm.bind(over);
            self.done(other);
            return self.push_reg(to, a.ty);
        }
        let other = match self.source_of(b) {
            Source::Imm(_) => Source::Reg(self.read(b)),
            source => source,
        };
        let to = self.first_operand(a, other);
        let cmov = CMOV.on(cond.opposite());
        match other {
            Source::Frame(slot) => self.asm.rm(cmov, a.ty.is_wide(), to, Rm::Base(RBP, slot)),
            Source::Reg(held) => self.asm.rr(cmov, a.ty.is_wide(), to, held.reg),
            Source::Imm(_) => unreachable!("constants have been put into registers"),
        }
        self.done_source(other);
        self.push_reg(to, a.ty);
    }
}

/// Whether a commutative operation had better change its second operand in place.
const fn second_is_better(a: Operand, b: Operand) -> bool {
    matches!(a.place, Place::Const(_)) || !matches!(a.place, Place::Reg(_)) && matches!(b.place, Place::Reg(_))
}

/// What to add for a sum or difference with a constant, if it fits an immediate.
fn distance(ty: Ty, alu: Alu, bits: u64) -> Option<i32> {
    let value = if ty.is_wide() { bits.cast_signed() } else { i64::from(bits as u32 as i32) };
    let value = if alu == Alu::Sub { value.checked_neg()? } else { value };
    // In 32 bits, the least integer is its own opposite.
    if ty.is_wide() { i32::try_from(value).ok() } else { Some(value as i32) }
}

/// The exponent of a constant divisor.
const fn power_of_two(ty: Ty, divisor: Operand) -> Option<u8> {
    match divisor.place {
        Place::Const(bits) if cut(ty, bits).is_power_of_two() => Some(cut(ty, bits).trailing_zeros() as u8),
        _ => None,
    }
}
