//! The instructions by which objects of the heap are reached.

use super::super::Ty;
use super::super::memory::{Load, Store};
use super::super::translator::Translator;
use super::SCRATCH;
use super::asm::{Reg, Rm};
use super::integer::Alu;
use super::ops::*;
use super::source::immediate;
use epsilon_abi::TrapCode;

/// The extension of an operation with an immediate that compares.
const COMPARE: u8 = 7;

/// Whether an instruction stores a constant of a type.
pub(in crate::quick) fn stores_const(ty: Ty, bits: u64) -> bool {
    ty != Ty::V128 && immediate(ty, bits).is_some()
}

const fn place(base: Reg, index: Option<Reg>, offset: i32) -> Rm {
    match index {
        Some(index) => Rm::Index(base, index, offset),
        None => Rm::Base(base, offset),
    }
}

/// Accesses at the sum of a base, a register and an offset.
impl Translator<'_> {
    fn may_trap(&mut self, trap: Option<TrapCode>) {
        if let Some(trap) = trap {
            self.trap_site(trap);
        }
    }

    /// The target may be one of the other registers.
    #[allow(clippy::too_many_arguments)]
    pub fn load_from(
        &mut self,
        load: Load,
        ty: Ty,
        to: Reg,
        base: Reg,
        index: Reg,
        offset: i32,
        trap: Option<TrapCode>,
    ) {
        let (op, wide) = load.op(ty);
        self.may_trap(trap);
        self.asm.rm(op, wide, to, Rm::Index(base, index, offset));
    }

    pub fn store_to(
        &mut self,
        store: Store,
        from: Reg,
        base: Reg,
        index: Option<Reg>,
        offset: i32,
        trap: Option<TrapCode>,
    ) {
        let (op, wide) = store.op();
        self.may_trap(trap);
        self.asm.rm(op, wide, from, place(base, index, offset));
    }

    /// Stores a constant for which [`stores_const`] holds.
    pub fn store_const_to(
        &mut self,
        store: Store,
        bits: u64,
        base: Reg,
        index: Option<Reg>,
        offset: i32,
        trap: Option<TrapCode>,
    ) {
        let (op, wide, len) = store.imm_op();
        self.may_trap(trap);
        self.asm.ins(op, wide, Reg(0), place(base, index, offset), bits as u32, len);
    }

    /// Compares 32 bits.
    pub fn compare_from(&mut self, reg: Reg, base: Reg, index: Reg, offset: i32, trap: Option<TrapCode>) {
        self.may_trap(trap);
        self.asm.rm(CMP, false, reg, Rm::Index(base, index, offset));
    }

    /// Compares 32 bits.
    pub fn compare_word(&mut self, reg: Reg, base: Reg, offset: i32) {
        self.asm.rm(CMP, false, reg, Rm::Base(base, offset));
    }

    /// And of 32 bits with a word.
    pub fn and_word(&mut self, reg: Reg, base: Reg, offset: i32) {
        self.asm.rm(AND, false, reg, Rm::Base(base, offset));
    }

    /// Marks the card with a number. The first card's address is in the scratch register; both registers may be overwritten.
    pub fn mark_byte(&mut self, card: Reg) {
        let (op, wide, len) = Store::Bits8.imm_op();
        self.asm.ins(op, wide, Reg(0), Rm::Index(SCRATCH, card, 0), 1, len);
    }
}

/// Arithmetic, of 64 bits but where it says otherwise. It may change the flags.
impl Translator<'_> {
    pub fn add_const(&mut self, to: Reg, from: Reg, value: i32) {
        self.asm.rm(LEA, true, to, Rm::Base(from, value));
    }

    pub fn add_wide(&mut self, to: Reg, a: Reg, b: Reg) {
        self.asm.rm(LEA, true, to, Rm::Index(a, b, 0));
    }

    pub fn compare_const(&mut self, reg: Reg, value: u32) {
        self.asm.arith_imm(true, COMPARE, Rm::Reg(reg), value.cast_signed());
    }

    pub fn compare_wide(&mut self, a: Reg, b: Reg) {
        self.asm.rr(CMP, true, a, b);
    }

    pub fn shift_left(&mut self, reg: Reg, amount: u8) {
        if amount > 0 {
            self.asm.ext_imm8(SHIFT_IMM, true, 4, Rm::Reg(reg), amount);
        }
    }

    /// 32 bits.
    pub fn shift_right(&mut self, to: Reg, from: Reg, amount: u32) {
        self.mov(Ty::I32, to, from);
        self.asm.ext_imm8(SHIFT_IMM, false, 5, Rm::Reg(to), amount as u8);
    }

    /// Makes the two lowest bits zero.
    pub fn clear_low_bits(&mut self, reg: Reg) {
        self.asm.arith_imm(true, Alu::And as u8, Rm::Reg(reg), -4);
    }

    /// `array + (index << log2)` in 32 bits. The target may be the index.
    pub fn scaled_sum(&mut self, to: Reg, array: Reg, index: Reg, log2: u8) {
        debug_assert_ne!(to, array, "the array is read last");
        if log2 == 0 {
            return self.asm.rm(LEA, false, to, Rm::Index(array, index, 0));
        }
        self.mov(Ty::I32, to, index);
        self.asm.ext_imm8(SHIFT_IMM, false, 4, Rm::Reg(to), log2);
        self.asm.rr(ADD, false, to, array);
    }

    /// "Equal" tells whether none of some of the low eight bits is set.
    pub fn test_bits(&mut self, reg: Reg, mask: u32) {
        self.asm.ins(TEST_IMM8, false, Reg(0), Rm::Reg(reg), mask, 1);
    }

    /// Some bits of 32.
    pub fn low_bits(&mut self, to: Reg, from: Reg, mask: u32) {
        self.mov(Ty::I32, to, from);
        self.asm.arith_imm(false, Alu::And as u8, Rm::Reg(to), mask.cast_signed());
    }
}
