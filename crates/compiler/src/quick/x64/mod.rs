//! All that knows x86_64.
//!
//! | file | what it holds |
//! |---|---|
//! | [`mod@self`] | which registers are for what, and moves between registers and the frame |
//! | `asm`, [`ops`] | the assembler, and the instructions that are used |
//! | `frame` | prologue, epilogue, areas that are pushed for a call, jump tables, traps |
//! | `integer`, `float`, `convert` | the shapes of arithmetic |
//! | `source` | operands as instructions take them |
//! | `memory`, `bulk`, `atomic` | accesses to linear memories |
//! | `table` | elements of tables, and the code that references lead to |
//! | `heap` | objects of the garbage-collected heap |
//! | `vectors`, `lanes` | vectors: their rows, and their shapes |
//!
//! | registers | for |
//! |---|---|
//! | `rax rcx rdx r10`, `xmm0`-`7` | operands, and copies of locals |
//! | `rsi rdi r8 r9` | the same, unless they are pins of a function |
//! | `rbx r12 r13 r14` | pins that calls preserve |
//! | `xmm8`-`14` | pins that no call preserves |
//! | `r11`, `xmm15` | nothing for longer than an operator |
//! | `r15` | the anchor |
//!
//! The upper half of a register that holds an `i32` is always zero.

mod asm;
mod atomic;
mod bulk;
mod convert;
mod float;
mod frame;
mod heap;
mod integer;
mod lanes;
mod memory;
pub(super) mod ops;
mod source;
mod table;
pub(super) mod vectors;

#[cfg(test)]
mod tests;

pub(super) use asm::{Assembler, Cond, Label, Reg, RegSet};
pub(super) use convert::Cold;
pub(super) use float::{FloatCompare, FloatOp, Rounding};
pub(super) use frame::Frame;
pub(super) use heap::stores_const;
pub(super) use integer::{Alu, Shift};
pub(super) use memory::Address;

use super::memory::Place;
use super::translator::Translator;
use super::{Env, Ty};
use crate::quick::Features;
use asm::{Op, R8, R9, R10, R11, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, Rm, XMM0, XMM15};
use epsilon_abi::{Arch, CallLayout};
use ops::*;

pub(super) const ARCH: Arch = Arch::X86_64;

/// The anchor.
pub(super) const ANCHOR: Reg = R15;
/// What holds the address of a callee that is not known.
pub(super) const CALLEE: Reg = R10;
pub(super) const SCRATCH: Reg = R11;
const FLOAT_SCRATCH: Reg = XMM15;
/// The result of a function, and what a label behind a block is given.
pub(super) const RESULT: Reg = RAX;
pub(super) const FLOAT_RESULT: Reg = XMM0;
/// The address of the area for results in memory, until those in registers are there.
pub(super) const RESULT_AREA: Reg = RAX;
pub(super) const STACK_POINTER: Reg = RSP;
/// The number of an exception and the address of its fields, as a handler is given them.
pub(super) const PAYLOADS: [Reg; 2] = [RAX, RDX];

/// See [`epsilon_abi::call`].
pub(super) const INT_ARGS: [Reg; 6] = [RDI, RSI, RDX, RCX, R8, R9];
pub(super) const INT_RESULTS: [Reg; 8] = [RAX, RCX, RDX, RSI, RDI, R8, R9, R10];

/// The register of the address of the area for further results, if there is one.
pub(super) fn area_register(layout: &CallLayout) -> Option<Reg> {
    layout.ret_area_in_int.map(|at| INT_ARGS[usize::from(at)])
}

/// The vector register of a float argument or result.
pub(super) const fn float_arg(n: u8) -> Reg {
    Reg(XMM0.0 + n)
}

/// All registers of a kind.
pub(super) const fn class(is_float: bool) -> RegSet {
    if is_float { 0xffff_0000 } else { 0xffff }
}

/// What operands may be in, where no pin takes it.
pub(super) const TEMPORARIES: RegSet =
    RAX.bit() | RCX.bit() | RDX.bit() | RSI.bit() | RDI.bit() | R8.bit() | R9.bit() | R10.bit() | 0xff << XMM0.0;

const INT_PINS: [Reg; 8] = [RSI, RDI, R8, R9, RBX, R12, R13, R14];
const INT_PINS_WITH_CALLS: [Reg; 8] = [RBX, R12, R13, R14, R9, R8, RDI, RSI];
const FLOAT_PINS: [Reg; 7] = [Reg(24), Reg(25), Reg(26), Reg(27), Reg(28), Reg(29), Reg(30)];

/// The longest list of pins.
pub(super) const MOST_PINS: usize = 8;

/// Registers for pins, the best first.
pub(super) const fn pins(is_float: bool, calls: bool) -> &'static [Reg] {
    match (is_float, calls) {
        (true, _) => &FLOAT_PINS,
        (false, true) => &INT_PINS_WITH_CALLS,
        (false, false) => &INT_PINS,
    }
}

/// The registers that a function preserves, if it uses them.
const KEPT: [Reg; 4] = [RBX, R12, R13, R14];

/// Whether calls preserve what a register holds of a type.
pub(super) fn is_kept(reg: Reg, _: Ty) -> bool {
    KEPT.contains(&reg)
}

/// What holds nothing for longer than an operator.
pub(super) const fn scratch(is_float: bool) -> Reg {
    if is_float { FLOAT_SCRATCH } else { SCRATCH }
}

/// Functions begin at multiples of this: four returns in one line of the cache make calls through a table slow.
pub(super) const ALIGN_BYTES: u32 = 32;

/// A move between registers of one kind.
#[derive(Clone, Copy)]
pub(in crate::quick) struct Move {
    pub to: Reg,
    pub from: Reg,
    pub ty: Ty,
}

/// What is known of a function beside its operands and locals.
pub(in crate::quick) struct State {
    features: Features,
    pub memory: Place,
    pub frame: Frame,
    /// Constants of 16 bytes that are laid behind the code.
    constants: Vec<(Label, [u8; 16])>,
    /// Where the last jump table begins.
    pub table_begins: u32,
    /// Entries of jump tables to be filled in: where, where the table begins, and the label.
    pub table_entries: Vec<(u32, u32, Label)>,
}

impl State {
    pub fn new(env: &Env<'_>) -> Self {
        Self {
            features: env.features,
            memory: Place::of_first(env),
            frame: Frame::default(),
            constants: Vec::new(),
            table_begins: 0,
            table_entries: Vec::new(),
        }
    }
}

/// The instruction that loads a value of a type, and whether it is 64 bits wide.
const fn load_op(ty: Ty) -> (Op, bool) {
    match ty {
        Ty::I32 | Ty::Ref => (MOV, false),
        Ty::I64 => (MOV, true),
        Ty::F32 => (MOVSS, false),
        Ty::F64 => (MOVSD, false),
        Ty::V128 => (MOVUPS, false),
    }
}

const fn store_op(ty: Ty) -> (Op, bool) {
    match ty {
        Ty::I32 | Ty::Ref => (MOV_STORE, false),
        Ty::I64 => (MOV_STORE, true),
        Ty::F32 => (MOVSS_STORE, false),
        Ty::F64 => (MOVSD_STORE, false),
        Ty::V128 => (MOVUPS_STORE, false),
    }
}

/// Moves. None of them changes the flags.
impl Translator<'_> {
    pub fn load_at(&mut self, ty: Ty, reg: Reg, base: Reg, at: i32) {
        let (op, wide) = load_op(ty);
        self.asm.rm(op, wide, reg, Rm::Base(base, at));
    }

    pub fn store_at(&mut self, ty: Ty, reg: Reg, base: Reg, at: i32) {
        let (op, wide) = store_op(ty);
        self.asm.rm(op, wide, reg, Rm::Base(base, at));
    }

    pub fn load_slot(&mut self, ty: Ty, reg: Reg, slot: i32) {
        self.load_at(ty, reg, RBP, slot);
    }

    pub fn store_slot(&mut self, ty: Ty, reg: Reg, slot: i32) {
        self.store_at(ty, reg, RBP, slot);
    }

    pub fn store_const(&mut self, ty: Ty, bits: u64, slot: i32) {
        match source::immediate(ty, bits) {
            Some(imm) => self.asm.ins(MOV_IMM, ty.is_wide(), Reg(0), Rm::Base(RBP, slot), imm as u32, 4),
            None => {
                self.asm.mov_imm(SCRATCH, bits);
                self.store_at(Ty::I64, SCRATCH, RBP, slot);
            }
        }
    }

    pub fn mov(&mut self, ty: Ty, to: Reg, from: Reg) {
        if to == from {
        } else if ty.is_float() {
            self.asm.rr(MOVAPS, false, to, from);
        } else {
            self.asm.rr(MOV, ty.is_wide(), to, from);
        }
    }

    pub fn const_to(&mut self, ty: Ty, to: Reg, bits: u64) {
        match (ty.is_float(), bits) {
            (false, _) if ty.is_wide() => self.asm.mov_imm(to, bits),
            (false, _) => self.asm.mov_imm(to, u64::from(bits as u32)),
            (true, 0) => self.asm.rr(XORPS, false, to, to),
            (true, _) => {
                self.asm.mov_imm(SCRATCH, bits);
                self.asm.rr(MOVD, ty.is_wide(), to, SCRATCH);
            }
        }
    }

    /// 0 or 1, as a condition of the flags says.
    pub fn flags_to(&mut self, cond: Cond, to: Reg) {
        self.asm.rr(SETCC.on(cond), false, Reg(0), to);
        self.asm.rr(MOVZX8, false, to, to);
    }

    /// Makes the upper half of a register zero.
    pub fn zero_extend(&mut self, reg: Reg) {
        self.asm.rr(MOV, false, reg, reg);
    }

    /// Sets the flags by whether a register is zero.
    pub fn test_zero(&mut self, reg: Reg, wide: bool) {
        self.asm.rr(TEST, wide, reg, reg);
    }
}
