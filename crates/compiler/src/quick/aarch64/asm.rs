//! The assembler: instructions as words, and labels. It knows how aarch64 is encoded and nothing of WebAssembly.
//!
//! An instruction is one word of 32 bits. An [`Op`] is that word without operands; the methods add them.
//!
//! ```text
//!  31    30 … 21    20 … 16      15 … 10    9 … 5       4 … 0
//! wide │ opcode │ second source │ opcode │ first source │ target
//! ```

use super::ops::*;

/// A register: 0 to 30 are the general ones, 32 to 63 the vectors, so that one mask of 64 bits holds a set of any. 31 is
/// the zero register or the stack pointer, as the instruction has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) struct Reg(pub u8);

impl Reg {
    /// The set that holds nothing else.
    pub const fn bit(self) -> RegSet {
        1 << self.0
    }

    /// Whether it is a vector register.
    pub const fn is_float(self) -> bool {
        self.0 >= 32
    }

    /// Its number within its kind.
    pub(super) const fn number(self) -> u32 {
        self.0 as u32 & 31
    }
}

/// A set of registers.
pub(in crate::quick) type RegSet = u64;

/// A general register.
pub(super) const fn x(n: u8) -> Reg {
    Reg(n)
}

/// A vector register.
pub(super) const fn v(n: u8) -> Reg {
    Reg(32 + n)
}

/// The frame pointer, and the register that a call leaves the return address in.
pub(super) const FP: Reg = x(29);
pub(super) const LINK: Reg = x(30);
/// The stack pointer, and what reads as zero: which of them depends on the instruction.
pub(super) const SP: Reg = x(31);
pub(super) const ZERO: Reg = x(31);

/// A condition of the flags, with the number that the processor gives it; the opposite one differs in the lowest bit.
///
/// What is not a number compares as neither equal nor negative, with carry and overflow: so floats are less by
/// `Negative`, less or equal by `BelowOrEqual`, and greater by the conditions of signed integers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(in crate::quick) enum Cond {
    Equal = 0,
    NotEqual = 1,
    AboveOrEqual = 2,
    Below = 3,
    Negative = 4,
    NotNegative = 5,
    Overflow = 6,
    NoOverflow = 7,
    Above = 8,
    BelowOrEqual = 9,
    GreaterOrEqual = 10,
    Less = 11,
    Greater = 12,
    LessOrEqual = 13,
}

impl Cond {
    pub const ALL: [Self; 14] = {
        use Cond::*;
        [
            Equal,
            NotEqual,
            AboveOrEqual,
            Below,
            Negative,
            NotNegative,
            Overflow,
            NoOverflow,
            Above,
            BelowOrEqual,
            GreaterOrEqual,
            Less,
            Greater,
            LessOrEqual,
        ]
    };

    /// The condition that holds where this one does not.
    pub const fn opposite(self) -> Self {
        Self::ALL[self as usize ^ 1]
    }

    /// The condition for the same comparison with its operands swapped.
    pub const fn swapped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::Greater => Self::Less,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Below => Self::Above,
            Self::Above => Self::Below,
            Self::BelowOrEqual => Self::AboveOrEqual,
            Self::AboveOrEqual => Self::BelowOrEqual,
            other => other,
        }
    }
}

/// An instruction without its operands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) struct Op(pub u32);

impl Op {
    /// With 64-bit operands.
    pub const fn wide(self, wide: bool) -> Self {
        Self(self.0 | (wide as u32) << 31)
    }

    /// With doubles in place of singles.
    pub const fn double(self, double: bool) -> Self {
        Self(self.0 | (double as u32) << 22)
    }

    /// By a condition.
    pub const fn on(self, cond: Cond) -> Self {
        Self(self.0 | (cond as u32) << 12)
    }
}

/// A load or store: its opcode but for how the address is given, and how many bytes it accesses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) struct Access {
    bits: u32,
    log2: u32,
}

impl Access {
    /// By `size`, `opc`, and whether the register is a vector, as the manual names them.
    pub const fn new(size: u32, is_vector: bool, opc: u32) -> Self {
        let log2 = if is_vector && opc >= 2 { 4 } else { size };
        Self { bits: size << 30 | (is_vector as u32) << 26 | opc << 22, log2 }
    }

    /// Whether a distance has a place in the instruction.
    pub const fn reaches(self, at: i32) -> bool {
        self.scaled(at).is_some() || (at >= -256 && at < 256)
    }

    const fn scaled(self, at: i32) -> Option<u32> {
        if at >= 0 && at & ((1 << self.log2) - 1) == 0 && at >> self.log2 < 4096 {
            Some((at >> self.log2) as u32)
        } else {
            None
        }
    }
}

/// What is in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Mem {
    /// At a register and a distance that the access reaches.
    Base(Reg, i32),
    /// At the sum of two registers.
    Index(Reg, Reg),
}

/// A place in the code, known or not yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) struct Label(u32);

/// What is known of a label.
#[derive(Clone, Copy)]
struct Target {
    /// Where it is, if it is bound.
    at: u32,
    /// The last instruction that waits for it.
    waiting: u32,
    used: bool,
}

/// An instruction that leads to a label that is not bound, and the one before that waits for the same.
#[derive(Clone, Copy)]
struct Waiting {
    at: u32,
    before: u32,
}

const NOWHERE: u32 = u32::MAX;

/// Bytes of an instruction.
pub(super) const INSTRUCTION_BYTES: u32 = 4;

/// Code that grows.
#[derive(Default)]
pub(in crate::quick) struct Assembler {
    code: Vec<u8>,
    labels: Vec<Target>,
    waiting: Vec<Waiting>,
    /// Whether conditional branches to what is not bound yet may have to lead far.
    is_far: bool,
    /// Whether one did not reach its label.
    failed: bool,
    /// The end of the comparison of a register with zero that was laid last.
    zero_test: Option<(u32, Reg, bool)>,
}

impl Assembler {
    pub fn clear(&mut self) {
        self.code.clear();
        self.labels.clear();
        self.waiting.clear();
        (self.is_far, self.failed, self.zero_test) = (false, false, None);
    }

    /// From now on, conditional branches reach whatever there may be.
    pub fn reach_far(&mut self) {
        self.is_far = true;
    }

    /// Whether a branch has not reached its label, so that all of the code is worthless.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    pub fn code(&self) -> &[u8] {
        &self.code
    }

    /// Where the next instruction will be.
    #[inline]
    pub fn at(&self) -> u32 {
        self.code.len() as u32
    }

    /// A word, of code or data.
    #[inline]
    pub fn put(&mut self, word: u32) {
        self.code.extend_from_slice(&word.to_le_bytes());
    }

    /// Overwrites a word.
    pub fn patch(&mut self, at: u32, value: u32) {
        self.code[at as usize..at as usize + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn read(&self, at: u32) -> u32 {
        u32::from_le_bytes(self.code[at as usize..at as usize + 4].try_into().expect("four bytes"))
    }

    /// A target and two sources.
    #[inline]
    pub fn rrr(&mut self, op: Op, to: Reg, first: Reg, second: Reg) {
        self.put(op.0 | second.number() << 16 | first.number() << 5 | to.number());
    }

    /// A target and a source.
    #[inline]
    pub fn rr(&mut self, op: Op, to: Reg, from: Reg) {
        self.put(op.0 | from.number() << 5 | to.number());
    }

    /// A target and three sources, the third of which is added to a product.
    #[inline]
    pub fn rrrr(&mut self, op: Op, to: Reg, first: Reg, second: Reg, third: Reg) {
        self.put(op.0 | second.number() << 16 | third.number() << 10 | first.number() << 5 | to.number());
    }

    /// A target and two sources, the second one shifted left.
    pub fn rrr_shifted(&mut self, op: Op, to: Reg, first: Reg, second: Reg, left: u32) {
        self.rrr(Op(op.0 | left << 10), to, first, second);
    }

    /// `to = from + value`, or `-`, if the value or its opposite has a place in the instruction; `subs` and `adds` set the
    /// flags as a comparison does if `flags` are wanted. A register 31 is the stack pointer, but a target for the zero
    /// register if `flags` are wanted.
    pub fn add_imm(&mut self, wide: bool, flags: bool, to: Reg, from: Reg, value: i64) -> bool {
        let Some((op, bits)) = add_immediate(value) else { return false };
        let op = Op(op.0 | u32::from(flags) << 29).wide(wide);
        self.rr(Op(op.0 | bits), to, from);
        true
    }

    /// `to = from + value`, whatever the value. The target is not the source if it does not fit two instructions.
    pub fn add_any(&mut self, to: Reg, from: Reg, value: i64) {
        if self.add_imm(true, false, to, from, value) {
            return;
        }
        let high = value >> 12 << 12;
        if add_immediate(high).is_some() {
            self.add_imm(true, false, to, from, high);
            self.add_imm(true, false, to, to, value - high);
        } else {
            debug_assert!(to != from && from != SP, "the sum needs a register of its own");
            self.mov_imm(to, value.cast_unsigned());
            self.rrr(ADD.wide(true), to, from, to);
        }
    }

    /// A logical operation with a constant, if that has a place in the instruction.
    pub fn logical_imm(&mut self, op: Op, wide: bool, to: Reg, from: Reg, value: u64) -> bool {
        match logical_immediate(wide, value) {
            Some(bits) => {
                self.rr(Op(op.0 | bits << 10).wide(wide), to, from);
                true
            }
            None => false,
        }
    }

    /// Bits of a field: `immr` and `imms` of `ubfm`, `sbfm` or, with two sources, `extr`.
    pub fn bitfield(&mut self, op: Op, wide: bool, to: Reg, from: Reg, immr: u32, imms: u32) {
        self.rr(Op(op.0 | u32::from(wide) << 22 | immr << 16 | imms << 10).wide(wide), to, from);
    }

    /// Shifts left by a constant below the width.
    pub fn shift_left(&mut self, wide: bool, to: Reg, from: Reg, amount: u32) {
        let bits = if wide { 64 } else { 32 };
        self.bitfield(UBFM, wide, to, from, (bits - amount) % bits, bits - 1 - amount);
    }

    /// A register and a constant. Keeps the flags.
    pub fn mov_imm(&mut self, reg: Reg, value: u64) {
        let wide = value >> 32 != 0;
        let halves = if wide { 4 } else { 2 };
        let half = |n: u32| (value >> (16 * n)) as u32 & 0xffff;
        let zeros = (0..halves).filter(|n| half(*n) == 0).count();
        let ones = (0..halves).filter(|n| half(*n) == 0xffff).count();
        if zeros.max(ones) + 1 < halves as usize && self.logical_imm(ORR_IMM, wide, reg, ZERO, value) {
            return;
        }
        let inverted = ones > zeros;
        let (op, skipped, mask) = if inverted { (MOVN, 0xffff, 0xffff) } else { (MOVZ, 0, 0) };
        let first = (0..halves).find(|n| half(*n) != skipped).unwrap_or(0);
        let mut move_half = |op: Op, n: u32, bits: u32| self.rr(Op(op.0 | n << 21 | bits << 5).wide(wide), reg, Reg(0));
        move_half(op, first, half(first) ^ mask);
        for n in first + 1..halves {
            if half(n) != skipped {
                move_half(MOVK, n, half(n));
            }
        }
    }

    /// A load or store.
    #[inline]
    pub fn access(&mut self, access: Access, reg: Reg, mem: Mem) {
        let word = match mem {
            Mem::Base(base, at) => {
                let how = match access.scaled(at) {
                    Some(scaled) => 0x3900_0000 | scaled << 10,
                    None => {
                        debug_assert!(access.reaches(at), "a distance of {at}");
                        0x3800_0000 | (at as u32 & 0x1ff) << 12
                    }
                };
                how | base.number() << 5
            }
            Mem::Index(base, index) => 0x3820_6800 | index.number() << 16 | base.number() << 5,
        };
        self.put(access.bits | word | reg.number());
    }

    /// Two registers of 64 bits, at a register and a distance of less than 512 bytes.
    pub fn pair(&mut self, op: Op, first: Reg, second: Reg, base: Reg, at: i32) {
        debug_assert!(at % 8 == 0 && (-512..512).contains(&at), "a distance of {at}");
        self.rrrr(Op(op.0 | (at as u32 >> 3 & 0x7f) << 15), first, base, Reg(0), second);
    }

    /// Compares a register with zero.
    pub fn test_zero(&mut self, reg: Reg, wide: bool) {
        self.add_imm(wide, true, ZERO, reg, 0);
        // Adding 0 is the same to a reader of "equal", and not to one of "carry".
        self.zero_test = Some((self.at(), reg, wide));
    }
}

/// The instruction that adds a constant, and its operand's bits.
fn add_immediate(value: i64) -> Option<(Op, u32)> {
    let (op, size) = if value > 0 { (ADD_IMM, value) } else { (SUB_IMM, value.checked_neg()?) };
    match size {
        0..=0xfff => Some((op, (size as u32) << 10)),
        0x1000..=0xfff_fff if size & 0xfff == 0 => Some((op, 1 << 22 | (size as u32 >> 12) << 10)),
        _ => None,
    }
}

/// Whether an immediate of an addition holds a constant or its opposite.
pub(super) fn is_add_immediate(value: i64) -> bool {
    add_immediate(value).is_some()
}

/// `N`, `immr` and `imms` of a constant that is made of equal elements, each a rotated row of ones.
pub(super) fn logical_immediate(wide: bool, value: u64) -> Option<u32> {
    let value = if wide { value } else { (value & 0xffff_ffff) | value << 32 };
    if value == 0 || value == u64::MAX {
        return None;
    }
    // The least element that all consists of.
    let mut bits = 64;
    while bits > 2 {
        let half = bits / 2;
        let mask = (1u64 << half) - 1;
        if value & mask != value >> half & mask {
            break;
        }
        bits = half;
    }
    let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    let element = value & mask;
    // Rotated so that its row of ones is at the bottom.
    let ones = element.count_ones();
    let rotate = |by: u32| (element >> by | element.checked_shl(bits - by).unwrap_or(0)) & mask;
    let row = if ones == 64 { u64::MAX } else { (1 << ones) - 1 };
    let rotation = (0..bits).find(|by| rotate(*by) == row)?;
    let immr = (bits - rotation) % bits;
    let imms = (!(2 * bits - 1) & 0x3f) | (ones - 1);
    Some(u32::from(bits == 64) << 12 | immr << 6 | imms & 0x3f)
}

/// The eight bits that a float is made of, if it has a place in the instruction.
pub(super) const fn float_immediate(double: bool, bits: u64) -> Option<u32> {
    if double {
        let exponent = bits >> 54 & 0x1ff;
        let fits = bits & 0xffff_ffff_ffff == 0 && (exponent == 0x100 || exponent == 0xff);
        if fits { Some((bits >> 56 & 0x80) as u32 | (bits >> 48 & 0x7f) as u32) } else { None }
    } else {
        let exponent = bits >> 25 & 0x3f;
        let fits = bits & 0x7_ffff == 0 && (exponent == 0x20 || exponent == 0x1f);
        if fits { Some((bits >> 24 & 0x80) as u32 | (bits >> 19 & 0x7f) as u32) } else { None }
    }
}

/// Labels, and what goes to them.
impl Assembler {
    pub fn new_label(&mut self) -> Label {
        self.labels.push(Target { at: NOWHERE, waiting: NOWHERE, used: false });
        Label(self.labels.len() as u32 - 1)
    }

    /// The label is here.
    pub fn bind(&mut self, label: Label) {
        let at = self.at();
        self.zero_test = None;
        let target = &mut self.labels[label.0 as usize];
        let mut waiting = target.waiting;
        (target.at, target.waiting) = (at, NOWHERE);
        while waiting != NOWHERE {
            let Waiting { at: from, before } = self.waiting[waiting as usize];
            self.lead(from, at);
            waiting = before;
        }
    }

    /// A label that is here.
    pub fn label_here(&mut self) -> Label {
        let label = self.new_label();
        self.bind(label);
        label
    }

    /// Whether anything goes to it.
    pub fn is_used(&self, label: Label) -> bool {
        self.labels[label.0 as usize].used
    }

    /// Marks a label as one that something goes to by another way than an instruction.
    pub fn use_label(&mut self, label: Label) {
        self.labels[label.0 as usize].used = true;
    }

    /// Where a bound label is.
    pub fn position(&self, label: Label) -> u32 {
        self.labels[label.0 as usize].at
    }

    /// Fills in the distance of an instruction at `from`, which may be a branch or the address of code.
    fn lead(&mut self, from: u32, to: u32) {
        let word = self.read(from);
        let distance = i64::from(to) - i64::from(from);
        let (bits, reaches) = distance_bits(word, distance);
        self.failed |= !reaches;
        self.patch(from, word | bits);
    }

    /// An instruction that leads to a label.
    fn branch_or_address(&mut self, word: u32, label: Label) {
        let at = self.at();
        self.put(word);
        let target = &mut self.labels[label.0 as usize];
        target.used = true;
        if target.at == NOWHERE {
            let before = std::mem::replace(&mut target.waiting, self.waiting.len() as u32);
            self.waiting.push(Waiting { at, before });
        } else {
            let to = target.at;
            self.lead(at, to);
        }
    }

    pub fn jmp(&mut self, label: Label) {
        self.branch_or_address(B.0, label);
    }

    /// Goes to a label if a condition holds. The flags are lost if a comparison with zero stands just before.
    pub fn jcc(&mut self, cond: Cond, label: Label) {
        let word = match (self.zero_test.take(), cond) {
            (Some((at, reg, wide)), Cond::Equal | Cond::NotEqual) if at == self.at() => {
                self.code.truncate((at - INSTRUCTION_BYTES) as usize);
                CBZ.wide(wide).0 | (cond as u32) << 24 | reg.number()
            }
            _ => B_COND.0 | cond as u32,
        };
        self.branch(word, label);
    }

    /// A conditional branch; or its opposite over one that leads far.
    fn branch(&mut self, word: u32, label: Label) {
        let to = self.labels[label.0 as usize].at;
        let is_far = if to == NOWHERE { self.is_far } else { self.at() - to > REACH_BYTES };
        if !is_far {
            return self.branch_or_address(word, label);
        }
        let is_compare = word & 0x7e00_0000 == CBZ.0;
        let opposite = if is_compare { word ^ 1 << 24 } else { word ^ 1 };
        self.put(opposite | 2 << 5);
        self.jmp(label);
    }

    /// The address of a label, which is near.
    pub fn address_of(&mut self, to: Reg, label: Label) {
        self.branch_or_address(ADR.0 | to.number(), label);
    }

    /// Loads 16 bytes that are at a label, which is near.
    pub fn load_near(&mut self, to: Reg, label: Label) {
        self.branch_or_address(LDR_LITERAL_Q.0 | to.number(), label);
    }

    /// Whether constants behind the code can be loaded.
    pub fn has_near_constants(&self) -> bool {
        !self.is_far
    }
}

/// How far back a conditional branch certainly leads.
const REACH_BYTES: u32 = (1 << 20) - 64;

/// The bits of a distance in an instruction, and whether it fits.
const fn distance_bits(word: u32, distance: i64) -> (u32, bool) {
    let (bits, shift) = if word & 0x7c00_0000 == B.0 {
        (26, 0)
    } else if word & 0x1f00_0000 == ADR.0 {
        let reaches = distance >= -(1 << 20) && distance < 1 << 20;
        return ((distance as u32 & 3) << 29 | (distance as u32 >> 2 & 0x7_ffff) << 5, reaches);
    } else {
        (19, 5)
    };
    let instructions = distance >> 2;
    let reaches = instructions >= -(1 << (bits - 1)) && instructions < 1 << (bits - 1);
    ((instructions as u32 & ((1 << bits) - 1)) << shift, reaches)
}
