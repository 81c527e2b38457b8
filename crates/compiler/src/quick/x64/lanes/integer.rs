//! Vectors of integers: shifts and arithmetic.

use super::super::super::operand::Place;
use super::super::super::translator::Translator;
use super::super::asm::{Op, Rm};
use super::super::ops::*;
use super::super::{FLOAT_SCRATCH, SCRATCH, Shift};
use super::{HIGH_HALF, Lanes, same_u32};

/// Shifts. The amount is taken modulo the width of a lane.
impl Translator<'_> {
    /// Pops an amount into `xmm15`, `more` being added to it.
    fn pop_amount(&mut self, mask: u8, more: i32) {
        let amount = self.pop();
        self.read_into(amount, SCRATCH);
        self.asm.arith_imm(false, 4, Rm::Reg(SCRATCH), i32::from(mask));
        if more > 0 {
            self.asm.arith_imm(false, 0, Rm::Reg(SCRATCH), more);
        }
        self.asm.rr(MOVD, false, FLOAT_SCRATCH, SCRATCH);
    }

    pub fn shift_lanes(&mut self, lanes: Lanes, shift: Shift) {
        let (group, left, signed, unsigned) = match lanes {
            Lanes::I16 => (SHIFT_WORDS, PSLLW, PSRAW, PSRLW),
            Lanes::I32 => (SHIFT_DWORDS, PSLLD, PSRAD, PSRLD),
            _ => (SHIFT_QWORDS, PSLLQ, PSRLQ, PSRLQ),
        };
        let mask = lanes.bytes() as u8 * 8 - 1;
        if let Place::Const(bits) = self.stack[self.stack.len() - 1].place {
            self.pop();
            let to = self.pop_own();
            self.shift_const(group, shift, to, bits as u8 & mask);
            return self.push_vector(to);
        }
        self.pop_amount(mask, 0);
        let to = self.pop_own();
        let op = match shift {
            Shift::Left => left,
            Shift::RightSigned => signed,
            _ => unsigned,
        };
        self.vv(op, to, FLOAT_SCRATCH);
        self.push_vector(to);
    }

    /// The sign is shifted along, and then extended from where it has come to.
    pub fn shift_i64_signed(&mut self) {
        self.pop_amount(63, 0);
        let to = self.pop_own();
        let sign = self.allocate(true);
        self.all_ones(sign);
        self.shift_const(SHIFT_QWORDS, Shift::Left, sign, 63);
        self.vv(PSRLQ, to, FLOAT_SCRATCH);
        self.vv(PSRLQ, sign, FLOAT_SCRATCH);
        self.vv(XORPS, to, sign);
        self.vv(PSUBQ, to, sign);
        self.registers.release(sign);
        self.push_vector(to);
    }

    /// Each byte twice makes a word, which is shifted by 8 bits more.
    pub fn shift_bytes(&mut self, shift: Shift) {
        self.pop_amount(7, 8);
        let high = self.pop_own();
        let low = self.allocate(true);
        self.copy(low, high);
        self.vv(PUNPCKLBW, low, low);
        self.vv(PUNPCKHBW, high, high);
        let op = match shift {
            Shift::Left => PSLLW,
            Shift::RightSigned => PSRAW,
            _ => PSRLW,
        };
        for half in [low, high] {
            self.vv(op, half, FLOAT_SCRATCH);
            if shift == Shift::Left {
                self.shift_const(SHIFT_WORDS, Shift::RightUnsigned, half, 8);
            }
        }
        self.vv(if shift == Shift::RightSigned { PACKSSWB } else { PACKUSWB }, low, high);
        self.registers.release(high);
        self.push_vector(low);
    }
}

/// Arithmetic of integers.
impl Translator<'_> {
    pub fn negate_lanes(&mut self, subtract: Op) {
        let held = self.pop_read();
        self.zero(FLOAT_SCRATCH);
        self.vv(subtract, FLOAT_SCRATCH, held.reg);
        let to = self.reuse(held, true);
        self.copy(to, FLOAT_SCRATCH);
        self.push_vector(to);
    }

    pub fn abs_i64(&mut self) {
        let to = self.pop_own();
        self.zero(FLOAT_SCRATCH);
        self.vv(PCMPGTQ, FLOAT_SCRATCH, to);
        self.vv(XORPS, to, FLOAT_SCRATCH);
        self.vv(PSUBQ, to, FLOAT_SCRATCH);
        self.push_vector(to);
    }

    pub fn count_ones_in_bytes(&mut self) {
        const COUNTS: [u8; 16] = [0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4];
        let low = self.pop_own();
        let high = self.allocate(true);
        self.copy(high, low);
        self.vector_to(FLOAT_SCRATCH, [0x0f; 16]);
        self.vv(ANDPS, low, FLOAT_SCRATCH);
        self.shift_const(SHIFT_WORDS, Shift::RightUnsigned, high, 4);
        self.vv(ANDPS, high, FLOAT_SCRATCH);
        self.vector_to(FLOAT_SCRATCH, COUNTS);
        self.vv(PSHUFB, FLOAT_SCRATCH, low);
        self.vector_to(low, COUNTS);
        self.vv(PSHUFB, low, high);
        self.vv(PADDB, low, FLOAT_SCRATCH);
        self.registers.release(high);
        self.push_vector(low);
    }

    /// From the products of the halves of each lane.
    pub fn multiply_i64(&mut self) {
        let (a, b) = self.pop_vectors();
        let other = self.read(b);
        let to = self.own(a);
        let crossed = self.allocate(true);
        self.copy(crossed, to);
        self.shift_const(SHIFT_QWORDS, Shift::RightUnsigned, crossed, 32);
        self.vv(PMULUDQ, crossed, other.reg);
        self.copy(FLOAT_SCRATCH, other.reg);
        self.shift_const(SHIFT_QWORDS, Shift::RightUnsigned, FLOAT_SCRATCH, 32);
        self.vv(PMULUDQ, FLOAT_SCRATCH, to);
        self.vv(PADDQ, crossed, FLOAT_SCRATCH);
        self.shift_const(SHIFT_QWORDS, Shift::Left, crossed, 32);
        self.vv(PMULUDQ, to, other.reg);
        self.vv(PADDQ, to, crossed);
        self.registers.release(crossed);
        self.done(other);
        self.push_vector(to);
    }

    pub fn add_byte_pairs(&mut self, signed: bool) {
        if signed {
            // The instruction takes its first operand as unsigned.
            let held = self.pop_read();
            self.vector_to(FLOAT_SCRATCH, [1; 16]);
            self.vv(PMADDUBSW, FLOAT_SCRATCH, held.reg);
            let to = self.reuse(held, true);
            self.copy(to, FLOAT_SCRATCH);
            return self.push_vector(to);
        }
        let to = self.pop_own();
        self.vector_to(FLOAT_SCRATCH, [1; 16]);
        self.vv(PMADDUBSW, to, FLOAT_SCRATCH);
        self.push_vector(to);
    }

    pub fn add_word_pairs_signed(&mut self) {
        let to = self.pop_own();
        self.vector_to(FLOAT_SCRATCH, same_u32(0x0001_0001));
        self.vv(PMADDWD, to, FLOAT_SCRATCH);
        self.push_vector(to);
    }

    pub fn add_word_pairs_unsigned(&mut self) {
        let to = self.pop_own();
        self.copy(FLOAT_SCRATCH, to);
        self.shift_const(SHIFT_DWORDS, Shift::RightUnsigned, FLOAT_SCRATCH, 16);
        self.shift_const(SHIFT_DWORDS, Shift::Left, to, 16);
        self.shift_const(SHIFT_DWORDS, Shift::RightUnsigned, to, 16);
        self.vv(PADDD, to, FLOAT_SCRATCH);
        self.push_vector(to);
    }

    /// The one product that overflows is the least number, whose opposite bits are the greatest.
    pub fn multiply_q15(&mut self) {
        let (a, b) = self.pop_vectors();
        let other = self.read(b);
        let to = self.own(a);
        self.vv(PMULHRSW, to, other.reg);
        self.vector_to(FLOAT_SCRATCH, same_u32(0x8000_8000));
        self.vv(PCMPEQW, FLOAT_SCRATCH, to);
        self.vv(XORPS, to, FLOAT_SCRATCH);
        self.done(other);
        self.push_vector(to);
    }

    pub fn multiply_bytes(&mut self, widen: Op, high: bool) {
        let (a, b) = self.pop_vectors();
        let (other, first) = (self.read(b), self.read(a));
        let to = self.reuse(first, true);
        let mut from = [first.reg, other.reg];
        if high {
            self.asm.rri(PSHUFD, false, to, from[0], HIGH_HALF);
            self.asm.rri(PSHUFD, false, FLOAT_SCRATCH, from[1], HIGH_HALF);
            from = [to, FLOAT_SCRATCH];
        }
        self.vv(widen, to, from[0]);
        self.vv(widen, FLOAT_SCRATCH, from[1]);
        self.vv(PMULLW, to, FLOAT_SCRATCH);
        self.done(other);
        self.push_vector(to);
    }

    pub fn multiply_words(&mut self, upper: Op, interleave: Op) {
        let (a, b) = self.pop_vectors();
        let other = self.read(b);
        let to = self.own(a);
        self.copy(FLOAT_SCRATCH, to);
        self.vv(upper, FLOAT_SCRATCH, other.reg);
        self.vv(PMULLW, to, other.reg);
        self.vv(interleave, to, FLOAT_SCRATCH);
        self.done(other);
        self.push_vector(to);
    }

    pub fn multiply_dwords(&mut self, multiply: Op, order: u8) {
        let (a, b) = self.pop_vectors();
        let (other, first) = (self.read(b), self.read(a));
        self.asm.rri(PSHUFD, false, FLOAT_SCRATCH, other.reg, order);
        self.done(other);
        let to = self.reuse(first, true);
        self.asm.rri(PSHUFD, false, to, first.reg, order);
        self.vv(multiply, to, FLOAT_SCRATCH);
        self.push_vector(to);
    }
}
