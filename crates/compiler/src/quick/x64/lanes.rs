//! The shapes of vectors. `xmm15` holds constants and halves of results.
//!
//! Memory operands of these instructions would have to be aligned, so that all operands are in registers.

use super::super::Ty;
use super::super::operand::{Operand, Place};
use super::super::reader::MemArg;
use super::super::translator::Translator;
use super::super::{Left, operand::Held};
use super::asm::{Op, Reg, Rm};
use super::ops::*;
use super::{FLOAT_SCRATCH, Rounding, SCRATCH, Shift};
use epsilon_abi::TrapCode;

/// What a vector is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Lanes {
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

impl Lanes {
    const fn bytes(self) -> u64 {
        match self {
            Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// The type of a lane on the operand stack.
    const fn scalar(self) -> Ty {
        match self {
            Self::I8 | Self::I16 | Self::I32 => Ty::I32,
            Self::I64 => Ty::I64,
            Self::F32 => Ty::F32,
            Self::F64 => Ty::F64,
        }
    }

    /// The instruction that puts an integer into a lane, and whether it is 64 bits wide.
    const fn insert(self) -> (Op, bool) {
        match self {
            Self::I8 => (PINSRB, false),
            Self::I16 => (PINSRW, false),
            Self::I64 => (PINSRD, true),
            _ => (PINSRD, false),
        }
    }

    /// The instruction that takes an integer out of a lane, and whether it is 64 bits wide.
    const fn extract(self) -> (Op, bool) {
        match self {
            Self::I8 => (PEXTRB, false),
            Self::I16 => (PEXTRW, false),
            Self::I64 => (PEXTRD, true),
            _ => (PEXTRD, false),
        }
    }
}

/// The immediate of a comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Predicate {
    Equal = 0,
    Less = 1,
    LessOrEqual = 2,
    Unordered = 3,
    NotEqual = 4,
}

/// Immediates of `pshufd`.
const HIGH_HALF: u8 = 0xee;
const LOW_HALF_TWICE: u8 = 0x44;

const fn same_u64(value: u64) -> [u8; 16] {
    ((value as u128) << 64 | value as u128).to_le_bytes()
}

const fn same_u32(value: u32) -> [u8; 16] {
    same_u64((value as u64) << 32 | value as u64)
}

/// Operands and constants.
impl Translator<'_> {
    fn pop_vectors(&mut self) -> (Operand, Operand) {
        let b = self.pop();
        (self.pop(), b)
    }

    fn push_vector(&mut self, reg: Reg) {
        self.push_reg(reg, Ty::V128);
    }

    /// Pops a vector into a register that may be changed.
    fn pop_own(&mut self) -> Reg {
        let operand = self.pop();
        self.own(operand)
    }

    fn pop_read(&mut self) -> Held {
        let operand = self.pop();
        self.read(operand)
    }

    /// `op to, from`
    fn vv(&mut self, op: Op, to: Reg, from: Reg) {
        self.asm.rr(op, false, to, from);
    }

    fn copy(&mut self, to: Reg, from: Reg) {
        self.mov(Ty::V128, to, from);
    }

    fn zero(&mut self, reg: Reg) {
        self.vv(XORPS, reg, reg);
    }

    fn all_ones(&mut self, reg: Reg) {
        self.vv(PCMPEQD, reg, reg);
    }

    /// Shifts lanes by a constant, by one of the groups that do so.
    fn shift_const(&mut self, group: Op, shift: Shift, reg: Reg, amount: u8) {
        let extension = match shift {
            Shift::RightUnsigned => 2,
            Shift::RightSigned => 4,
            _ => 6,
        };
        self.asm.ext_imm8(group, false, extension, Rm::Reg(reg), amount);
    }

    /// Loads a constant that is laid behind the code.
    fn vector_to(&mut self, reg: Reg, bytes: [u8; 16]) {
        if bytes == [0; 16] {
            return self.zero(reg);
        }
        let label = self.asm.new_label();
        self.asm.at_label(MOVUPS, false, reg, label);
        self.machine.constants.push((label, bytes));
    }

    pub fn vector_const(&mut self, bytes: [u8; 16]) {
        let reg = self.destination(true);
        self.vector_to(reg, bytes);
        self.push_vector(reg);
    }
}

/// What is one instruction.
impl Translator<'_> {
    /// `op first, second`
    pub fn two_vectors(&mut self, op: Op) {
        let (a, b) = self.pop_vectors();
        let other = self.read(b);
        let to = match self.hint(true).filter(|pin| *pin != other.reg) {
            Some(pin) => {
                self.read_into(a, pin);
                pin
            }
            None => self.own(a),
        };
        self.vv(op, to, other.reg);
        self.done(other);
        self.push_vector(to);
    }

    /// `op second, first`
    pub fn two_swapped(&mut self, op: Op) {
        let (a, b) = self.pop_vectors();
        let other = self.read(a);
        let to = self.own(b);
        self.vv(op, to, other.reg);
        self.done(other);
        self.push_vector(to);
    }

    pub fn one_vector(&mut self, op: Op) {
        self.unary(op, false, Ty::V128);
    }

    /// As [`Self::one_vector`], of the upper half.
    pub fn high_half(&mut self, op: Op) {
        let held = self.pop_read();
        let to = self.reuse(held, true);
        self.asm.rri(PSHUFD, false, to, held.reg, HIGH_HALF);
        self.vv(op, to, to);
        self.push_vector(to);
    }

    pub fn round_lanes(&mut self, op: Op, rounding: Rounding) {
        let held = self.pop_read();
        let to = self.reuse(held, true);
        self.asm.rri(op, false, to, held.reg, rounding as u8);
        self.push_vector(to);
    }

    pub fn compare_lanes(&mut self, op: Op, predicate: Predicate, swapped: bool) {
        let (a, b) = self.pop_vectors();
        let (a, b) = if swapped { (b, a) } else { (a, b) };
        let other = self.read(b);
        let to = self.own(a);
        self.asm.rri(op, false, to, other.reg, predicate as u8);
        self.done(other);
        self.push_vector(to);
    }
}

/// Comparisons of integers, and bits.
impl Translator<'_> {
    fn invert(&mut self, reg: Reg) {
        self.all_ones(FLOAT_SCRATCH);
        self.vv(XORPS, reg, FLOAT_SCRATCH);
    }

    pub fn not_vector(&mut self) {
        let reg = self.pop_own();
        self.invert(reg);
        self.push_vector(reg);
    }

    /// The opposite of what an instruction compares.
    pub fn compare_not(&mut self, op: Op, swapped: bool) {
        let (a, b) = self.pop_vectors();
        let (a, b) = if swapped { (b, a) } else { (a, b) };
        let other = self.read(b);
        let to = self.own(a);
        self.vv(op, to, other.reg);
        self.done(other);
        self.invert(to);
        self.push_vector(to);
    }

    /// Whether the first operand is the least or greatest of both; or, inverted, whether it is not.
    pub fn compare_unsigned(&mut self, extreme: Op, equal: Op, inverted: bool) {
        let (a, b) = self.pop_vectors();
        let other = self.read(b);
        let to = self.own(a);
        self.copy(FLOAT_SCRATCH, to);
        self.vv(extreme, FLOAT_SCRATCH, other.reg);
        self.vv(equal, to, FLOAT_SCRATCH);
        self.done(other);
        if inverted {
            self.invert(to);
        }
        self.push_vector(to);
    }

    pub fn select_bits(&mut self) {
        let mask = self.pop_read();
        self.copy(FLOAT_SCRATCH, mask.reg);
        self.done(mask);
        self.select_by_scratch();
    }

    /// Pops two vectors; pushes bits of the first where those of `xmm15` are set, and of the second elsewhere.
    fn select_by_scratch(&mut self) {
        let (a, b) = self.pop_vectors();
        let other = self.read(b);
        let to = self.own(a);
        self.vv(ANDPS, to, FLOAT_SCRATCH);
        self.vv(ANDNPS, FLOAT_SCRATCH, other.reg);
        self.vv(ORPS, to, FLOAT_SCRATCH);
        self.done(other);
        self.push_vector(to);
    }

    pub fn any_true(&mut self) {
        let held = self.pop_read();
        self.vv(PTEST, held.reg, held.reg);
        self.done(held);
        self.push_flags(super::Cond::NotEqual);
    }

    pub fn all_true(&mut self, equal: Op) {
        let held = self.pop_read();
        self.zero(FLOAT_SCRATCH);
        self.vv(equal, FLOAT_SCRATCH, held.reg);
        self.vv(PTEST, FLOAT_SCRATCH, FLOAT_SCRATCH);
        self.done(held);
        self.push_flags(super::Cond::Equal);
    }

    pub fn bitmask(&mut self, op: Op) {
        let held = self.pop_read();
        let to = self.destination(false);
        self.asm.rr(op, false, to, held.reg);
        self.done(held);
        self.push_reg(to, Ty::I32);
    }

    pub fn bitmask_i16(&mut self) {
        let held = self.pop_read();
        let to = self.destination(false);
        self.copy(FLOAT_SCRATCH, held.reg);
        self.vv(PACKSSWB, FLOAT_SCRATCH, FLOAT_SCRATCH);
        self.asm.rr(PMOVMSKB, false, to, FLOAT_SCRATCH);
        self.asm.rr(MOVZX8, false, to, to);
        self.done(held);
        self.push_reg(to, Ty::I32);
    }
}

/// Loads and stores.
impl Translator<'_> {
    /// A load by an instruction that reads so many bytes.
    pub fn load_vector(&mut self, op: Op, bytes: u64, at: MemArg) {
        let index = self.pop();
        let address = self.address(at, index, bytes);
        let to = self.load_destination(Ty::V128, address);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rm(op, false, to, address.rm);
        self.push_vector(to);
    }

    pub fn load_splat(&mut self, lanes: Lanes, at: MemArg) {
        let index = self.pop();
        let address = self.address(at, index, lanes.bytes());
        let to = self.load_destination(Ty::V128, address);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        match lanes {
            Lanes::I8 => self.asm.rm(MOVZX8, false, SCRATCH, address.rm),
            Lanes::I16 => self.asm.rm(MOVZX16, false, SCRATCH, address.rm),
            Lanes::I64 | Lanes::F64 => self.asm.rm(MOVDDUP, false, to, address.rm),
            Lanes::I32 | Lanes::F32 => {
                self.asm.rm(MOVSS, false, to, address.rm);
                self.asm.rri(PSHUFD, false, to, to, 0);
            }
        }
        if matches!(lanes, Lanes::I8 | Lanes::I16) {
            self.splat_int(lanes, to, SCRATCH);
        }
        self.push_vector(to);
    }

    pub fn load_lane(&mut self, lanes: Lanes, at: MemArg, lane: u8) {
        let vector = self.pop_own();
        let index = self.pop();
        let address = self.address(at, index, lanes.bytes());
        let (op, wide) = lanes.insert();
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.ins(op, wide, vector, address.rm, u32::from(lane), 1);
        self.done_address(address);
        self.push_vector(vector);
    }

    pub fn store_lane(&mut self, lanes: Lanes, at: MemArg, lane: u8) {
        let vector = self.pop_read();
        let index = self.pop();
        let address = self.address(at, index, lanes.bytes());
        let (op, wide) = lanes.extract();
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.ins(op, wide, vector.reg, address.rm, u32::from(lane), 1);
        self.done_address(address);
        self.done(vector);
    }
}

/// Lanes that move.
impl Translator<'_> {
    fn splat_int(&mut self, lanes: Lanes, to: Reg, from: Reg) {
        self.asm.rr(MOVD, lanes == Lanes::I64, to, from);
        match lanes {
            Lanes::I8 => {
                self.zero(FLOAT_SCRATCH);
                self.vv(PSHUFB, to, FLOAT_SCRATCH);
            }
            Lanes::I16 => {
                self.asm.rri(PSHUFLW, false, to, to, 0);
                self.asm.rri(PSHUFD, false, to, to, 0);
            }
            Lanes::I64 => self.asm.rri(PSHUFD, false, to, to, LOW_HALF_TWICE),
            _ => self.asm.rri(PSHUFD, false, to, to, 0),
        }
    }

    pub fn splat(&mut self, lanes: Lanes) {
        let held = self.pop_read();
        let to = match lanes {
            Lanes::F32 | Lanes::F64 => {
                let to = self.reuse(held, true);
                let order = if lanes == Lanes::F64 { LOW_HALF_TWICE } else { 0 };
                self.asm.rri(PSHUFD, false, to, held.reg, order);
                to
            }
            _ => {
                let to = self.allocate(true);
                self.splat_int(lanes, to, held.reg);
                self.done(held);
                to
            }
        };
        self.push_vector(to);
    }

    pub fn extract_lane(&mut self, lanes: Lanes, signed: bool, lane: u8) {
        let held = self.pop_read();
        let to = self.destination(false);
        let (op, wide) = lanes.extract();
        self.asm.rri(op, wide, held.reg, to, lane);
        match (lanes, signed) {
            (Lanes::I8, true) => self.asm.rr(MOVSX8, false, to, to),
            (Lanes::I16, true) => self.asm.rr(MOVSX16, false, to, to),
            _ => {}
        }
        self.done(held);
        self.push_reg(to, lanes.scalar());
    }

    pub fn replace_lane(&mut self, lanes: Lanes, lane: u8) {
        let scalar = self.pop_read();
        let vector = self.pop_own();
        let (op, wide) = lanes.insert();
        self.asm.rri(op, wide, vector, scalar.reg, lane);
        self.done(scalar);
        self.push_vector(vector);
    }

    pub fn extract_float_lane(&mut self, lanes: Lanes, lane: u8) {
        let held = self.pop_read();
        let to = self.reuse(held, true);
        match (lanes, lane) {
            (_, 0) => self.copy(to, held.reg),
            (Lanes::F64, _) => self.asm.rri(PSHUFD, false, to, held.reg, HIGH_HALF),
            _ => self.asm.rri(PSHUFD, false, to, held.reg, lane),
        }
        self.push_reg(to, lanes.scalar());
    }

    pub fn replace_float_lane(&mut self, lanes: Lanes, lane: u8) {
        let scalar = self.pop_read();
        let vector = self.pop_own();
        match (lanes, lane) {
            (Lanes::F32, _) => self.asm.rri(INSERTPS, false, vector, scalar.reg, lane << 4),
            (_, 0) => self.vv(MOVSD, vector, scalar.reg),
            _ => self.vv(MOVLHPS, vector, scalar.reg),
        }
        self.done(scalar);
        self.push_vector(vector);
    }

    pub fn swizzle(&mut self) {
        let (a, b) = self.pop_vectors();
        let indices = self.read(b);
        let to = self.own(a);
        // Indices from 16 on get their highest bit set, which gives 0.
        self.vector_to(FLOAT_SCRATCH, [0x70; 16]);
        self.vv(PADDUSB, FLOAT_SCRATCH, indices.reg);
        self.vv(PSHUFB, to, FLOAT_SCRATCH);
        self.done(indices);
        self.push_vector(to);
    }

    pub fn shuffle(&mut self, lanes: [u8; 16]) {
        /// An index that gives 0.
        const NONE: u8 = 0x80;
        let (a, b) = self.pop_vectors();
        let other = self.read(b);
        let to = self.own(a);
        if lanes.iter().any(|lane| *lane >= 16) {
            let of_other = self.allocate(true);
            self.copy(of_other, other.reg);
            self.vector_to(FLOAT_SCRATCH, lanes.map(|lane| if lane >= 16 { lane - 16 } else { NONE }));
            self.vv(PSHUFB, of_other, FLOAT_SCRATCH);
            self.vector_to(FLOAT_SCRATCH, lanes.map(|lane| if lane < 16 { lane } else { NONE }));
            self.vv(PSHUFB, to, FLOAT_SCRATCH);
            self.vv(ORPS, to, of_other);
            self.registers.release(of_other);
        } else {
            self.vector_to(FLOAT_SCRATCH, lanes);
            self.vv(PSHUFB, to, FLOAT_SCRATCH);
        }
        self.done(other);
        self.push_vector(to);
    }
}

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
