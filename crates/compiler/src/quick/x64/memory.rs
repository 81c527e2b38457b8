//! Loads, stores and their bounds. Which checks are needed is [`epsilon_abi::MemoryPlan`]'s to say.

use super::super::Ty;
use super::super::memory::{Len, Load, Store};
use super::super::operand::{Held, Operand, Place as In};
use super::super::reader::MemArg;
use super::super::table::word;
use super::super::translator::Translator;
use super::asm::{Cond, Op, Reg, Rm};
use super::ops::*;
use super::{ANCHOR, SCRATCH};
use epsilon_abi::vm::VmMemory;
use epsilon_abi::{MemoryAccess, TrapCode};
use std::mem::offset_of;

impl Load {
    /// The instruction, and whether it is 64 bits wide.
    pub(super) const fn op(self, ty: Ty) -> (Op, bool) {
        match self {
            Self::Unsigned8 => (MOVZX8, false),
            Self::Signed8 => (MOVSX8, ty.is_wide()),
            Self::Unsigned16 => (MOVZX16, false),
            Self::Signed16 => (MOVSX16, ty.is_wide()),
            Self::Signed32 => (MOVSXD, true),
            Self::Whole32 => (MOV, false),
            Self::Whole64 => (MOV, true),
            Self::Single => (MOVSS, false),
            Self::Double => (MOVSD, false),
            Self::Vector => (MOVUPS, false),
        }
    }
}

impl Store {
    pub(super) const fn op(self) -> (Op, bool) {
        match self {
            Self::Bits8 => (MOV_STORE8, false),
            Self::Bits16 => (MOV_STORE16, false),
            Self::Bits32 => (MOV_STORE, false),
            Self::Bits64 => (MOV_STORE, true),
            Self::Single => (MOVSS_STORE, false),
            Self::Double => (MOVSD_STORE, false),
            Self::Vector => (MOVUPS_STORE, false),
        }
    }

    /// The instruction that stores a constant, whether it is 64 bits wide, and how long its immediate is.
    pub(super) const fn imm_op(self) -> (Op, bool, u32) {
        match self {
            Self::Bits8 => (MOV_IMM8, false, 1),
            Self::Bits16 => (MOV_IMM16, false, 2),
            Self::Bits32 | Self::Single => (MOV_IMM, false, 4),
            Self::Bits64 | Self::Double => (MOV_IMM, true, 4),
            Self::Vector => unreachable!(),
        }
    }
}

/// An address that may be accessed now, and the register of the index that it needs.
#[derive(Clone, Copy)]
pub(in crate::quick) struct Address {
    pub rm: Rm,
    pub index: Option<Held>,
}

/// Addresses.
impl Translator<'_> {
    /// The address of an access of `bytes` at a popped index. Whatever must be checked before is checked. It may be in the
    /// scratch register.
    pub(super) fn address(&mut self, at: MemArg, index: Operand, bytes: u64) -> Address {
        let ty = &self.env.info.memories[at.memory as usize];
        match self.env.plan.access(ty, at.offset, bytes) {
            MemoryAccess::Unchecked => self.unchecked_address(at, index),
            MemoryAccess::Checked => self.checked_address(at, index, bytes),
        }
    }

    /// A guarded memory: whatever the index, the access hits it or its guard.
    fn unchecked_address(&mut self, at: MemArg, index: Operand) -> Address {
        // Guarded memories do not move, so that no definition is needed.
        let base = self.memory_base(at.memory, SCRATCH, SCRATCH);
        if let In::Const(bits) = index.place
            && let Ok(sum) = i32::try_from(u64::from(bits as u32) + at.offset)
        {
            return Address { rm: Rm::Base(base, sum), index: None };
        }
        let held = self.read(index);
        match i32::try_from(at.offset) {
            Ok(offset) => Address { rm: Rm::Index(base, held.reg, offset), index: Some(held) },
            Err(_) => {
                let far = self.allocate(false);
                self.asm.mov_imm(far, at.offset);
                self.asm.rm(LEA, true, SCRATCH, Rm::Index(base, held.reg, 0));
                self.registers.release(far);
                self.asm.rm(LEA, true, SCRATCH, Rm::Index(SCRATCH, far, 0));
                Address { rm: Rm::Base(SCRATCH, 0), index: Some(held) }
            }
        }
    }

    /// Compares the end of the access with the current size; the address is null on a wrongly predicted path.
    fn checked_address(&mut self, at: MemArg, index: Operand, bytes: u64) -> Address {
        let held = self.read(index);
        let def = self.allocate(false);
        let (reach, overflows) = at.offset.overflowing_add(bytes);
        if overflows {
            self.test_zero(ANCHOR, true);
            self.trap_if(Cond::NotEqual, TrapCode::MemoryOutOfBounds);
        }
        self.end_of_access(at.memory, held.reg, reach);
        self.load_memory_def(at.memory, def);
        self.asm.rm(CMP, true, SCRATCH, Rm::Base(def, word(offset_of!(VmMemory, len_bytes))));
        let base = self.memory_base(at.memory, def, SCRATCH);
        self.add_index(base, held.reg, at.offset, def);
        self.trap_if(Cond::Above, TrapCode::MemoryOutOfBounds);
        self.asm.mov_imm(def, 0);
        self.asm.rr(CMOV.on(Cond::Above), true, SCRATCH, def);
        self.registers.release(def);
        Address { rm: Rm::Base(SCRATCH, 0), index: Some(held) }
    }

    /// The sum of an index and a constant in the scratch register; a 64-bit one traps if it overflows.
    fn end_of_access(&mut self, memory: u32, index: Reg, reach: u64) {
        let is_64 = self.env.info.memories[memory as usize].is_64;
        match i32::try_from(reach) {
            Ok(reach) if !is_64 => self.asm.rm(LEA, true, SCRATCH, Rm::Base(index, reach)),
            _ => {
                self.asm.mov_imm(SCRATCH, reach);
                self.asm.rr(ADD, true, SCRATCH, index);
                if is_64 {
                    self.trap_if(Cond::Below, TrapCode::MemoryOutOfBounds);
                }
            }
        }
    }

    /// The sum of base, index and offset in the scratch register. `spare` may be overwritten. Keeps the flags.
    fn add_index(&mut self, base: Reg, index: Reg, offset: u64, spare: Reg) {
        match i32::try_from(offset) {
            Ok(offset) => self.asm.rm(LEA, true, SCRATCH, Rm::Index(base, index, offset)),
            Err(_) => {
                self.asm.rm(LEA, true, SCRATCH, Rm::Index(base, index, 0));
                self.asm.mov_imm(spare, offset);
                self.asm.rm(LEA, true, SCRATCH, Rm::Index(SCRATCH, spare, 0));
            }
        }
    }

    /// Checks a range of a 32-bit memory that begins at an index in `start`, and makes that its address; null on a
    /// wrongly predicted path. `spare` is overwritten, and so is the scratch register.
    pub fn range_address(&mut self, memory: u32, start: Reg, len: Len, spare: Reg) {
        self.load_memory_def(memory, SCRATCH);
        // Neither sum overflows 64 bits.
        match len {
            Len::Reg(len) => self.asm.rm(LEA, true, spare, Rm::Index(start, len, 0)),
            Len::Const(len) => self.asm.rm(LEA, true, spare, Rm::Base(start, len)),
        }
        self.asm.rm(CMP, true, spare, Rm::Base(SCRATCH, word(offset_of!(VmMemory, len_bytes))));
        let base = self.memory_base(memory, SCRATCH, SCRATCH);
        self.asm.rm(LEA, true, start, Rm::Index(base, start, 0));
        self.trap_if(Cond::Above, TrapCode::MemoryOutOfBounds);
        self.asm.mov_imm(spare, 0);
        self.asm.rr(CMOV.on(Cond::Above), true, start, spare);
    }
}

/// Accesses.
impl Translator<'_> {
    pub fn load(&mut self, ty: Ty, load: Load, at: MemArg) {
        let index = self.pop();
        let address = self.address(at, index, load.bytes());
        let to = self.load_destination(ty, address);
        let (op, wide) = load.op(ty);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rm(op, wide, to, address.rm);
        self.push_reg(to, ty);
    }

    pub fn store(&mut self, store: Store, at: MemArg) {
        let (value, index) = (self.pop(), self.pop());
        let bytes = u64::from(store.bytes());
        if let In::Const(bits) = value.place
            && let Some(imm) = super::source::immediate(value.ty, bits)
        {
            let address = self.address(at, index, bytes);
            self.trap_site(TrapCode::MemoryOutOfBounds);
            let (op, wide, len) = store.imm_op();
            self.asm.ins(op, wide, Reg(0), address.rm, imm as u32, len);
            return self.done_address(address);
        }
        let held = self.read(value);
        let address = self.address(at, index, bytes);
        let (op, wide) = store.op();
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.rm(op, wide, held.reg, address.rm);
        self.done(held);
        self.done_address(address);
    }

    pub fn memory_size(&mut self, memory: u32) {
        let ty = &self.env.info.memories[memory as usize];
        let (page_size_log2, index) = (ty.page_size_log2, Ty::of_index(ty.is_64));
        let to = self.allocate(false);
        self.load_memory_def(memory, to);
        // A plain load is in order with atomic accesses, which matters for shared memories.
        self.load_at(Ty::I64, to, to, word(offset_of!(VmMemory, len_bytes)));
        if page_size_log2 > 0 {
            self.asm.ext_imm8(SHIFT_IMM, true, 5, Rm::Reg(to), page_size_log2);
        } else if index == Ty::I32 {
            self.zero_extend(to);
        }
        self.push_reg(to, index);
    }
}
