//! The assembler: instructions as bytes, and labels. It knows how x86_64 is encoded and nothing of WebAssembly.
//!
//! An instruction is put together in one word and stored at once: bytes that are stored one by one and then read as a
//! whole stall the processor.
//!
//! ```text
//! prefix │ REX │ 0f │ 38, 3a │ opcode │ ModRM │ SIB │ displacement │ immediate
//! ```

/// A register: 0 to 15 are the general ones, 16 to 31 the vectors, so that one mask of 32 bits holds a set of any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) struct Reg(pub u8);

impl Reg {
    /// The set that holds nothing else.
    pub const fn bit(self) -> RegSet {
        1 << self.0
    }

    /// Whether it is a vector register.
    pub const fn is_float(self) -> bool {
        self.0 >= 16
    }

    /// Its number within its kind.
    const fn number(self) -> u8 {
        self.0 & 15
    }
}

macro_rules! registers {
    ($($name:ident = $number:literal)*) => {
        $(pub(in crate::quick) const $name: Reg = Reg($number);)*
    };
}

registers! {
    RAX = 0 RCX = 1 RDX = 2 RBX = 3 RSP = 4 RBP = 5 RSI = 6 RDI = 7
    R8 = 8 R9 = 9 R10 = 10 R11 = 11 R12 = 12 R13 = 13 R14 = 14 R15 = 15
    XMM0 = 16 XMM15 = 31
}

/// A set of registers.
pub(in crate::quick) type RegSet = u32;

/// A condition of the flags, with the number that the processor gives it; the opposite one differs in the lowest bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(in crate::quick) enum Cond {
    Overflow = 0,
    NoOverflow = 1,
    Below = 2,
    AboveOrEqual = 3,
    Equal = 4,
    NotEqual = 5,
    BelowOrEqual = 6,
    Above = 7,
    Negative = 8,
    NotNegative = 9,
    Parity = 10,
    NoParity = 11,
    Less = 12,
    GreaterOrEqual = 13,
    LessOrEqual = 14,
    Greater = 15,
}

impl Cond {
    pub const ALL: [Self; 16] = {
        use Cond::*;
        [
            Overflow,
            NoOverflow,
            Below,
            AboveOrEqual,
            Equal,
            NotEqual,
            BelowOrEqual,
            Above,
            Negative,
            NotNegative,
            Parity,
            NoParity,
            Less,
            GreaterOrEqual,
            LessOrEqual,
            Greater,
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

/// What is the same in all uses of an instruction: opcode, opcode map and mandatory prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) struct Op(u32);

impl Op {
    const ESCAPE: u32 = 1 << 8;
    const MAP_38: u32 = 1 << 9;
    const MAP_3A: u32 = 1 << 10;
    const BYTE: u32 = 1 << 11;
    const LOCK: u32 = 1 << 12;

    /// An opcode of the first map.
    pub const fn one(opcode: u8) -> Self {
        Self(opcode as u32)
    }

    /// `0f` and an opcode.
    pub const fn two(opcode: u8) -> Self {
        Self(opcode as u32 | Self::ESCAPE)
    }

    /// `66 0f` and an opcode.
    pub const fn two66(opcode: u8) -> Self {
        Self::two(opcode).prefix(0x66)
    }

    /// `66 0f 38` and an opcode.
    pub const fn three38(opcode: u8) -> Self {
        Self(opcode as u32 | Self::ESCAPE | Self::MAP_38).prefix(0x66)
    }

    /// `66 0f 3a` and an opcode.
    pub const fn three3a(opcode: u8) -> Self {
        Self(opcode as u32 | Self::ESCAPE | Self::MAP_3A).prefix(0x66)
    }

    /// With a mandatory prefix, or that of 16-bit operands.
    pub const fn prefix(self, byte: u8) -> Self {
        Self(self.0 | (byte as u32) << 16)
    }

    /// With 8-bit registers as operands, of which some need a REX prefix to be named.
    pub const fn bytes(self) -> Self {
        Self(self.0 | Self::BYTE)
    }

    /// With a `lock` prefix.
    pub const fn locked(self) -> Self {
        Self(self.0 | Self::LOCK)
    }

    /// The opcode of a family whose last one is chosen by a condition.
    pub const fn on(self, cond: Cond) -> Self {
        Self(self.0 | cond as u32)
    }
}

/// The operand that may be in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) enum Rm {
    Reg(Reg),
    /// At a register and a displacement.
    Base(Reg, i32),
    /// At the sum of two registers and a displacement. The second one is not `rsp`.
    Index(Reg, Reg, i32),
}

/// A place in the code, known or not yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) struct Label(u32);

/// What is known of a label.
#[derive(Clone, Copy)]
struct Target {
    /// Where it is, if it is bound.
    at: u32,
    /// The last displacement to be filled in once it is bound. It holds the one before, and so on.
    waiting: u32,
    used: bool,
}

const NOWHERE: u32 = u32::MAX;

/// Code that grows.
#[derive(Default)]
pub(in crate::quick) struct Assembler {
    code: Vec<u8>,
    labels: Vec<Target>,
}

impl Assembler {
    pub fn clear(&mut self) {
        self.code.clear();
        self.labels.clear();
    }

    /// From now on, conditional branches reach whatever there may be: they always do.
    pub const fn reach_far(&mut self) {}

    /// Whether a branch has not reached its label: none fails to, since displacements have 32 bits.
    pub const fn has_failed(&self) -> bool {
        false
    }

    pub fn code(&self) -> &[u8] {
        &self.code
    }

    /// Where the next instruction will be.
    #[inline]
    pub fn at(&self) -> u32 {
        self.code.len() as u32
    }

    /// Stores the low `len` bytes of a word.
    #[inline]
    fn store(&mut self, word: u128, len: u32) {
        let end = self.code.len() + len as usize;
        self.code.extend_from_slice(&word.to_le_bytes());
        self.code.truncate(end);
    }

    /// Instructions without operands, and data.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.code.extend_from_slice(bytes);
    }

    /// 32 bits of data.
    pub fn put(&mut self, word: u32) {
        self.raw(&word.to_le_bytes());
    }

    /// Overwrites 32 bits.
    pub fn patch(&mut self, at: u32, value: u32) {
        self.code[at as usize..at as usize + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn read(&self, at: u32) -> u32 {
        u32::from_le_bytes(self.code[at as usize..at as usize + 4].try_into().expect("four bytes"))
    }

    /// One instruction with a ModRM byte, and an immediate of `imm_len` bytes. `wide` is for 64-bit operands.
    #[inline]
    pub fn ins(&mut self, op: Op, wide: bool, reg: Reg, rm: Rm, imm: u32, imm_len: u32) {
        let (mut word, mut bits) = self.head(op, wide, reg, rm);
        let r = u64::from(reg.number() & 7) << 3;
        let (mut tail, mut tail_bits) = (0u64, 0u32);
        match rm {
            Rm::Reg(b) => {
                word |= (0xc0 | r | u64::from(b.number() & 7)) << bits;
                bits += 8;
            }
            Rm::Base(b, at) | Rm::Index(b, _, at) => {
                let b = u64::from(b.number() & 7);
                // `rbp` and `r13` as a base without displacement mean something else.
                let mode = if at == 0 && b != 5 {
                    0
                } else if i8::try_from(at).is_ok() {
                    (tail, tail_bits) = (u64::from(at as u8), 8);
                    0x40
                } else {
                    (tail, tail_bits) = (u64::from(at as u32), 32);
                    0x80
                };
                match rm {
                    Rm::Index(_, i, _) => {
                        word |= ((mode | r | 4) | (u64::from(i.number() & 7) << 3 | b) << 8) << bits;
                        bits += 16;
                    }
                    _ if b == 4 => {
                        word |= ((mode | r | 4) | 0x24 << 8) << bits;
                        bits += 16;
                    }
                    _ => {
                        word |= (mode | r | b) << bits;
                        bits += 8;
                    }
                }
            }
        }
        let kept = if imm_len == 4 { u32::MAX } else { (1 << (8 * imm_len)) - 1 };
        tail |= u64::from(imm & kept) << tail_bits;
        tail_bits += 8 * imm_len;
        self.store(u128::from(word) | u128::from(tail) << bits, (bits + tail_bits) / 8);
    }

    /// Prefixes and opcode, at most six bytes, and how many bits they are.
    #[inline]
    fn head(&self, op: Op, wide: bool, reg: Reg, rm: Rm) -> (u64, u32) {
        let (mut word, mut bits) = (0u64, 0u32);
        let mut add = |byte: u64| {
            word |= byte << bits;
            bits += 8;
        };
        if op.0 & Op::LOCK != 0 {
            add(0xf0);
        }
        if op.0 >> 16 != 0 {
            add(u64::from(op.0 >> 16));
        }
        let (b, i) = match rm {
            Rm::Reg(b) | Rm::Base(b, _) => (b, Reg(0)),
            Rm::Index(b, i, _) => (b, i),
        };
        let high = |reg: Reg| u64::from(reg.number() >> 3);
        let rex = u64::from(wide) << 3 | high(reg) << 2 | high(i) << 1 | high(b);
        // Without REX, numbers 4 to 7 are the second bytes of the first four registers.
        let names_byte = op.0 & Op::BYTE != 0 && (reg.number() >= 4 || matches!(rm, Rm::Reg(b) if b.number() >= 4));
        if rex != 0 || names_byte {
            add(0x40 | rex);
        }
        if op.0 & Op::ESCAPE != 0 {
            add(0x0f);
        }
        if op.0 & Op::MAP_38 != 0 {
            add(0x38);
        }
        if op.0 & Op::MAP_3A != 0 {
            add(0x3a);
        }
        add(u64::from(op.0 as u8));
        (word, bits)
    }

    /// Two registers.
    #[inline]
    pub fn rr(&mut self, op: Op, wide: bool, reg: Reg, rm: Reg) {
        self.ins(op, wide, reg, Rm::Reg(rm), 0, 0);
    }

    /// A register and what may be in memory.
    #[inline]
    pub fn rm(&mut self, op: Op, wide: bool, reg: Reg, rm: Rm) {
        self.ins(op, wide, reg, rm, 0, 0);
    }

    /// Two registers and a byte.
    #[inline]
    pub fn rri(&mut self, op: Op, wide: bool, reg: Reg, rm: Reg, imm: u8) {
        self.ins(op, wide, reg, Rm::Reg(rm), u32::from(imm), 1);
    }

    /// An instruction whose opcode goes on in the place of a register.
    #[inline]
    pub fn ext(&mut self, op: Op, wide: bool, extension: u8, rm: Rm) {
        self.ins(op, wide, Reg(extension), rm, 0, 0);
    }

    /// The same with a byte behind it.
    #[inline]
    pub fn ext_imm8(&mut self, op: Op, wide: bool, extension: u8, rm: Rm, imm: u8) {
        self.ins(op, wide, Reg(extension), rm, u32::from(imm), 1);
    }

    /// An operation of the eight that take immediates, with the shortest one: opcode `83` or `81`.
    #[inline]
    pub fn arith_imm(&mut self, wide: bool, extension: u8, rm: Rm, imm: i32) {
        match i8::try_from(imm) {
            Ok(_) => self.ins(Op::one(0x83), wide, Reg(extension), rm, imm as u32, 1),
            Err(_) => self.ins(Op::one(0x81), wide, Reg(extension), rm, imm as u32, 4),
        }
    }

    /// A register and a constant, by the shortest form that leaves the flags alone.
    pub fn mov_imm(&mut self, reg: Reg, value: u64) {
        let (n, high) = (u64::from(reg.number() & 7), u64::from(reg.number() >> 3));
        if let Ok(low) = u32::try_from(value) {
            let opcode = 0xb8 | n | u64::from(low) << 8;
            let (word, len) = if high == 0 { (opcode, 5) } else { (opcode << 8 | 0x41, 6) };
            self.store(u128::from(word), len);
        } else if let Ok(low) = i32::try_from(value.cast_signed()) {
            self.ins(Op::one(0xc7), true, Reg(0), Rm::Reg(reg), low as u32, 4);
        } else {
            self.store(u128::from(0x48 | high | (0xb8 | n) << 8) | u128::from(value) << 16, 10);
        }
    }

    /// An instruction of the VEX kind with three registers, or two and memory behind one register.
    pub fn vex(&mut self, op: Vex, wide: bool, reg: Reg, second: Reg, rm: Reg) {
        let not_high = |reg: Reg| u64::from(!(reg.number() >> 3) & 1);
        let mut word = 0xc4;
        word |= (not_high(reg) << 7 | 1 << 6 | not_high(rm) << 5 | u64::from(op.map)) << 8;
        word |= (u64::from(wide) << 7 | u64::from(!second.number() & 15) << 3 | u64::from(op.prefix)) << 16;
        word |= u64::from(op.opcode) << 24;
        word |= u64::from(0xc0 | (reg.number() & 7) << 3 | (rm.number() & 7)) << 32;
        self.store(u128::from(word), 5);
    }
}

/// What is the same in all uses of an instruction of the VEX kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::quick) struct Vex {
    /// 1 for `66`, 2 for `f3`, 3 for `f2`.
    pub prefix: u8,
    /// 1 for `0f`, 2 for `0f 38`, 3 for `0f 3a`.
    pub map: u8,
    pub opcode: u8,
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
        let target = &mut self.labels[label.0 as usize];
        let mut waiting = target.waiting;
        (target.at, target.waiting) = (at, NOWHERE);
        while waiting != NOWHERE {
            let next = self.read(waiting);
            self.patch(waiting, at.wrapping_sub(waiting + 4));
            waiting = next;
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

    /// 32 bits that lead from behind them to a label.
    fn displacement(&mut self, label: Label) {
        let at = self.at();
        let target = &mut self.labels[label.0 as usize];
        target.used = true;
        let bits = if target.at == NOWHERE {
            std::mem::replace(&mut target.waiting, at)
        } else {
            target.at.wrapping_sub(at + 4)
        };
        self.code.extend_from_slice(&bits.to_le_bytes());
    }

    /// The displacement to a label that is bound and near, from behind an instruction of two bytes.
    fn near(&self, label: Label) -> Option<u8> {
        let target = self.labels[label.0 as usize].at;
        if target == NOWHERE {
            return None;
        }
        i8::try_from(i64::from(target) - i64::from(self.at() + 2)).ok().map(i8::cast_unsigned)
    }

    pub fn jmp(&mut self, label: Label) {
        match self.near(label) {
            Some(to) => self.raw(&[0xeb, to]),
            None => {
                self.raw(&[0xe9]);
                self.displacement(label);
            }
        }
    }

    pub fn jcc(&mut self, cond: Cond, label: Label) {
        match self.near(label) {
            Some(to) => self.raw(&[0x70 | cond as u8, to]),
            None => {
                self.raw(&[0x0f, 0x80 | cond as u8]);
                self.displacement(label);
            }
        }
    }

    /// An instruction whose memory operand is at a label. It has no immediate.
    pub fn at_label(&mut self, op: Op, wide: bool, reg: Reg, label: Label) {
        let (word, bits) = self.head(op, wide, reg, Rm::Reg(Reg(0)));
        let modrm = u64::from((reg.number() & 7) << 3 | 5);
        self.store(u128::from(word | modrm << bits), bits / 8 + 1);
        self.displacement(label);
    }
}
