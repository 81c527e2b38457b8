//! All that knows aarch64.
//!
//! | file | what it holds |
//! |---|---|
//! | [`mod@self`] | which registers are for what, and moves between registers and the frame |
//! | `asm`, [`ops`] | the assembler, and the instructions that are used |
//! | `frame` | prologue, epilogue, areas that are pushed for a call, jump tables, traps |
//! | `integer`, `float`, `convert` | the shapes of arithmetic |
//! | `memory`, `bulk`, `atomic` | accesses to linear memories |
//! | `table` | elements of tables, and the code that references lead to |
//! | `heap` | objects of the garbage-collected heap |
//! | `vectors`, `lanes` | vectors: their rows, and their shapes |
//!
//! | registers | for |
//! |---|---|
//! | `x0`-`x7`, `v0`-`v7`, `v24`-`v29` | operands, and copies of locals |
//! | `x8`-`x15`, `v16`-`v23` | the same, unless they are pins of a function, which no call preserves |
//! | `x19 x20 x22`-`x27`, `d8`-`d15` | pins that calls preserve; of vectors only the lower half |
//! | `x28` | where in the frame slots are counted from, if they are many |
//! | `x16`, `v30 v31` | nothing for longer than an operator |
//! | `x17` | addresses that an instruction has no room for; nothing for longer than an access |
//! | `x21` | the anchor |
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
mod ops;
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
use asm::{Access, FP, Mem, SP, ZERO, v, x};
use epsilon_abi::{Arch, CallLayout};
use ops::*;

pub(super) const ARCH: Arch = Arch::Aarch64;

/// The anchor.
pub(super) const ANCHOR: Reg = x(21);
/// What holds the address of a callee that is not known.
pub(super) const CALLEE: Reg = x(1);
pub(super) const SCRATCH: Reg = x(16);
/// What addresses are computed in that have no place in an instruction.
const FAR: Reg = x(17);
const FLOAT_SCRATCH: Reg = v(31);
/// The one before, for instructions that read two registers in a row.
const FLOAT_SCRATCH_BEFORE: Reg = v(30);
/// The result of a function, and what a label behind a block is given.
pub(super) const RESULT: Reg = x(2);
pub(super) const FLOAT_RESULT: Reg = v(0);
/// The address of the area for results in memory, until those in registers are there.
pub(super) const RESULT_AREA: Reg = CALLEE;
pub(super) const STACK_POINTER: Reg = SP;
/// The number of an exception and the address of its fields, as a handler is given them.
pub(super) const PAYLOADS: [Reg; 2] = [x(0), x(1)];

/// See [`epsilon_abi::call`].
pub(super) const INT_ARGS: [Reg; 6] = [x(2), x(3), x(4), x(5), x(6), x(7)];
pub(super) const INT_RESULTS: [Reg; 6] = INT_ARGS;

/// The register of the address of the area for further results, if there is one.
pub(super) fn area_register(layout: &CallLayout) -> Option<Reg> {
    (layout.ret_area_bytes > 0).then_some(x(8))
}

/// The vector register of a float argument or result.
pub(super) const fn float_arg(n: u8) -> Reg {
    v(n)
}

/// All registers of a kind.
pub(super) const fn class(is_float: bool) -> RegSet {
    if is_float { 0xffff_ffff << 32 } else { 0xffff_ffff }
}

/// What operands may be in, where no pin takes it.
pub(super) const TEMPORARIES: RegSet = 0xffff | 0x3fff_00ff << 32;

const INT_PINS: [Reg; 16] =
    [x(15), x(14), x(13), x(12), x(11), x(10), x(9), x(8), x(19), x(20), x(22), x(23), x(24), x(25), x(26), x(27)];
const INT_PINS_WITH_CALLS: [Reg; 16] =
    [x(19), x(20), x(22), x(23), x(24), x(25), x(26), x(27), x(15), x(14), x(13), x(12), x(11), x(10), x(9), x(8)];
const FLOAT_PINS: [Reg; 16] =
    [v(16), v(17), v(18), v(19), v(20), v(21), v(22), v(23), v(8), v(9), v(10), v(11), v(12), v(13), v(14), v(15)];
const FLOAT_PINS_WITH_CALLS: [Reg; 16] =
    [v(8), v(9), v(10), v(11), v(12), v(13), v(14), v(15), v(16), v(17), v(18), v(19), v(20), v(21), v(22), v(23)];

/// The longest list of pins.
pub(super) const MOST_PINS: usize = 16;

/// Registers for pins, the best first.
pub(super) const fn pins(is_float: bool, calls: bool) -> &'static [Reg] {
    match (is_float, calls) {
        (true, true) => &FLOAT_PINS_WITH_CALLS,
        (true, false) => &FLOAT_PINS,
        (false, true) => &INT_PINS_WITH_CALLS,
        (false, false) => &INT_PINS,
    }
}

/// The registers that a function preserves, if it uses them; of vectors the lower half.
const KEPT: [Reg; 17] = [
    x(19),
    x(20),
    x(22),
    x(23),
    x(24),
    x(25),
    x(26),
    x(27),
    frame::BASE,
    v(8),
    v(9),
    v(10),
    v(11),
    v(12),
    v(13),
    v(14),
    v(15),
];

/// Whether calls preserve what a register holds of a type.
pub(super) fn is_kept(reg: Reg, ty: Ty) -> bool {
    KEPT.contains(&reg) && ty != Ty::V128
}

/// What holds nothing for longer than an operator.
pub(super) const fn scratch(is_float: bool) -> Reg {
    if is_float { FLOAT_SCRATCH } else { SCRATCH }
}

/// Functions begin at multiples of this.
pub(super) const ALIGN_BYTES: u32 = 16;

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

/// The instruction that loads a value of a type.
const fn load_op(ty: Ty) -> Access {
    match ty {
        Ty::I32 | Ty::Ref => LDR_W,
        Ty::I64 => LDR_X,
        Ty::F32 => LDR_S,
        Ty::F64 => LDR_D,
        Ty::V128 => LDR_Q,
    }
}

const fn store_op(ty: Ty) -> Access {
    match ty {
        Ty::I32 | Ty::Ref => STR_W,
        Ty::I64 => STR_X,
        Ty::F32 => STR_S,
        Ty::F64 => STR_D,
        Ty::V128 => STR_Q,
    }
}

/// Moves. None of them changes the flags.
impl Translator<'_> {
    /// A load or store at a register and a distance. One that is far away is computed before.
    fn access_at(&mut self, access: Access, reg: Reg, base: Reg, at: i32) {
        if access.reaches(at) {
            self.asm.access(access, reg, Mem::Base(base, at));
        } else {
            self.asm.add_any(FAR, base, i64::from(at));
            self.asm.access(access, reg, Mem::Base(FAR, 0));
        }
    }

    pub fn load_at(&mut self, ty: Ty, reg: Reg, base: Reg, at: i32) {
        self.access_at(load_op(ty), reg, base, at);
    }

    pub fn store_at(&mut self, ty: Ty, reg: Reg, base: Reg, at: i32) {
        self.access_at(store_op(ty), reg, base, at);
    }

    pub fn load_slot(&mut self, ty: Ty, reg: Reg, slot: i32) {
        let (base, at) = self.slot_place(load_op(ty), slot);
        self.load_at(ty, reg, base, at);
    }

    pub fn store_slot(&mut self, ty: Ty, reg: Reg, slot: i32) {
        let (base, at) = self.slot_place(store_op(ty), slot);
        self.store_at(ty, reg, base, at);
    }

    /// The register and distance of a slot.
    fn slot_place(&self, access: Access, slot: i32) -> (Reg, i32) {
        match self.machine.frame.base {
            Some(below) if !access.reaches(slot) => (frame::BASE, slot + below),
            _ => (FP, slot),
        }
    }

    pub fn store_const(&mut self, ty: Ty, bits: u64, slot: i32) {
        let reg = if bits == 0 { ZERO } else { SCRATCH };
        if bits != 0 {
            self.asm.mov_imm(SCRATCH, bits);
        }
        self.store_slot(if ty.is_wide() { Ty::I64 } else { Ty::I32 }, reg, slot);
    }

    pub fn mov(&mut self, ty: Ty, to: Reg, from: Reg) {
        if to == from {
            return;
        }
        match ty {
            Ty::V128 => self.asm.rrr(ORR_V, to, from, from),
            Ty::F32 | Ty::F64 => self.asm.rr(FMOV.double(ty.is_wide()), to, from),
            Ty::I32 | Ty::I64 | Ty::Ref => self.asm.rrr(ORR.wide(ty.is_wide()), to, ZERO, from),
        }
    }

    pub fn const_to(&mut self, ty: Ty, to: Reg, bits: u64) {
        match (ty.is_float(), bits) {
            (false, _) if ty.is_wide() => self.asm.mov_imm(to, bits),
            (false, _) => self.asm.mov_imm(to, u64::from(bits as u32)),
            (true, 0) => self.asm.put(MOVI_BYTES_V.0 | to.number()),
            (true, _) => match asm::float_immediate(ty.is_wide(), bits) {
                Some(imm) => self.asm.put(FMOV_IMM.double(ty.is_wide()).0 | imm << 13 | to.number()),
                None => {
                    self.asm.mov_imm(SCRATCH, bits);
                    self.float_from_integer(ty, to, SCRATCH);
                }
            },
        }
    }

    /// The bits of an integer as a float.
    fn float_from_integer(&mut self, ty: Ty, to: Reg, from: Reg) {
        self.asm.rr(FMOV_TO_FLOAT.wide(ty.is_wide()).double(ty.is_wide()), to, from);
    }

    fn integer_from_float(&mut self, ty: Ty, to: Reg, from: Reg) {
        self.asm.rr(FMOV_FROM_FLOAT.wide(ty.is_wide()).double(ty.is_wide()), to, from);
    }

    /// 0 or 1, as a condition of the flags says.
    pub fn flags_to(&mut self, cond: Cond, to: Reg) {
        self.asm.rrr(CSINC.on(cond.opposite()), to, ZERO, ZERO);
    }

    /// Makes the upper half of a register zero.
    pub fn zero_extend(&mut self, reg: Reg) {
        self.asm.rrr(ORR, reg, ZERO, reg);
    }

    /// Sets the flags by whether a register is zero.
    pub fn test_zero(&mut self, reg: Reg, wide: bool) {
        self.asm.test_zero(reg, wide);
    }

    /// Makes a register null if a condition holds, on a wrongly predicted path too.
    fn null_if(&mut self, cond: Cond, reg: Reg) {
        self.asm.rrr(CSEL.wide(true).on(cond), reg, ZERO, reg);
        self.asm.put(CSDB.0);
    }
}
