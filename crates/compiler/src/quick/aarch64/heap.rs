//! The instructions by which objects of the heap are reached.

use super::super::Ty;
use super::super::memory::{Load, Store};
use super::super::translator::Translator;
use super::asm::{Access, Mem, Op, Reg, ZERO};
use super::ops::*;
use super::{FAR, SCRATCH};
use epsilon_abi::TrapCode;

/// Whether an instruction stores a constant of a type.
pub(in crate::quick) fn stores_const(ty: Ty, bits: u64) -> bool {
    bits == 0 && !ty.is_float()
}

/// Accesses at the sum of a base, a register and an offset.
impl Translator<'_> {
    /// An address that an instruction has room for.
    fn place(&mut self, access: Access, base: Reg, index: Option<Reg>, offset: i32) -> Mem {
        let base = match index {
            Some(index) if offset == 0 => return Mem::Index(base, index),
            Some(index) => {
                self.asm.rrr(ADD.wide(true), FAR, base, index);
                FAR
            }
            None => base,
        };
        if access.reaches(offset) {
            return Mem::Base(base, offset);
        }
        self.asm.add_any(FAR, base, i64::from(offset));
        Mem::Base(FAR, 0)
    }

    fn access_from(
        &mut self,
        access: Access,
        reg: Reg,
        base: Reg,
        index: Option<Reg>,
        offset: i32,
        trap: Option<TrapCode>,
    ) {
        let mem = self.place(access, base, index, offset);
        if let Some(trap) = trap {
            self.trap_site(trap);
        }
        self.asm.access(access, reg, mem);
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
        self.access_from(load.op(ty), to, base, Some(index), offset, trap);
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
        self.access_from(store.op(), from, base, index, offset, trap);
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
        debug_assert_eq!(bits, 0, "a register reads as no other constant");
        self.store_to(store, ZERO, base, index, offset, trap);
    }

    /// Compares 32 bits.
    pub fn compare_from(&mut self, reg: Reg, base: Reg, index: Reg, offset: i32, trap: Option<TrapCode>) {
        self.access_from(LDR_W, FAR, base, Some(index), offset, trap);
        self.asm.rrr(SUBS, ZERO, reg, FAR);
    }

    /// Compares 32 bits.
    pub fn compare_word(&mut self, reg: Reg, base: Reg, offset: i32) {
        self.load_at(Ty::I32, FAR, base, offset);
        self.asm.rrr(SUBS, ZERO, reg, FAR);
    }

    /// And of 32 bits with a word.
    pub fn and_word(&mut self, reg: Reg, base: Reg, offset: i32) {
        self.load_at(Ty::I32, FAR, base, offset);
        self.asm.rrr(AND, reg, reg, FAR);
    }

    /// Marks the card with a number. The first card's address is in the scratch register; both registers may be overwritten.
    pub fn mark_byte(&mut self, card: Reg) {
        self.asm.rrr(ADD.wide(true), SCRATCH, SCRATCH, card);
        self.asm.mov_imm(card, 1);
        self.asm.access(STRB, card, Mem::Base(SCRATCH, 0));
    }
}

/// Arithmetic, of 64 bits but where it says otherwise. It may change the flags.
impl Translator<'_> {
    pub fn add_const(&mut self, to: Reg, from: Reg, value: i32) {
        self.asm.add_any(to, from, i64::from(value));
    }

    pub fn add_wide(&mut self, to: Reg, a: Reg, b: Reg) {
        self.asm.rrr(ADD.wide(true), to, a, b);
    }

    pub fn compare_const(&mut self, reg: Reg, value: u32) {
        if !self.asm.add_imm(true, true, ZERO, reg, -i64::from(value)) {
            self.asm.mov_imm(FAR, value.into());
            self.asm.rrr(SUBS.wide(true), ZERO, reg, FAR);
        }
    }

    pub fn compare_wide(&mut self, a: Reg, b: Reg) {
        self.asm.rrr(SUBS.wide(true), ZERO, a, b);
    }

    pub fn shift_left(&mut self, reg: Reg, amount: u8) {
        if amount > 0 {
            self.asm.shift_left(true, reg, reg, amount.into());
        }
    }

    /// 32 bits.
    pub fn shift_right(&mut self, to: Reg, from: Reg, amount: u32) {
        self.asm.bitfield(UBFM, false, to, from, amount, 31);
    }

    /// Makes the two lowest bits zero.
    pub fn clear_low_bits(&mut self, reg: Reg) {
        self.masked(AND_IMM, true, reg, reg, !3);
    }

    /// `array + (index << log2)` in 32 bits. The target may be the index.
    pub fn scaled_sum(&mut self, to: Reg, array: Reg, index: Reg, log2: u8) {
        self.asm.rrr_shifted(ADD, to, array, index, log2.into());
    }

    /// "Equal" tells whether none of some of the low eight bits is set.
    pub fn test_bits(&mut self, reg: Reg, mask: u32) {
        self.masked(ANDS_IMM, false, ZERO, reg, mask.into());
    }

    /// Some bits of 32.
    pub fn low_bits(&mut self, to: Reg, from: Reg, mask: u32) {
        self.masked(AND_IMM, false, to, from, mask.into());
    }

    fn masked(&mut self, op: Op, wide: bool, to: Reg, from: Reg, mask: u64) {
        let is_encoded = self.asm.logical_imm(op, wide, to, from, mask);
        debug_assert!(is_encoded, "a row of ones is an immediate");
    }
}
