//! Loads, stores and their bounds. Which checks are needed is [`epsilon_abi::MemoryPlan`]'s to say.

use super::super::Ty;
use super::super::memory::{Len, Load, Store};
use super::super::operand::{Held, Operand, Place as In};
use super::super::reader::MemArg;
use super::super::table::word;
use super::super::translator::Translator;
use super::asm::{Access, Cond, Mem, Op, Reg, ZERO};
use super::ops::*;
use super::{ANCHOR, FAR, SCRATCH};
use epsilon_abi::vm::VmMemory;
use epsilon_abi::{MemoryAccess, TrapCode};
use std::mem::offset_of;

impl Load {
    pub(super) const fn op(self, ty: Ty) -> Access {
        match self {
            Self::Unsigned8 => LDRB,
            Self::Signed8 if ty.is_wide() => LDRSB_X,
            Self::Signed8 => LDRSB_W,
            Self::Unsigned16 => LDRH,
            Self::Signed16 if ty.is_wide() => LDRSH_X,
            Self::Signed16 => LDRSH_W,
            Self::Signed32 => LDRSW,
            Self::Whole32 => LDR_W,
            Self::Whole64 => LDR_X,
            Self::Single => LDR_S,
            Self::Double => LDR_D,
            Self::Vector => LDR_Q,
        }
    }
}

impl Store {
    pub(super) const fn op(self) -> Access {
        match self {
            Self::Bits8 => STRB,
            Self::Bits16 => STRH,
            Self::Bits32 => STR_W,
            Self::Bits64 => STR_X,
            Self::Single => STR_S,
            Self::Double => STR_D,
            Self::Vector => STR_Q,
        }
    }
}

/// An address that may be accessed now, and the register of the index that it needs.
#[derive(Clone, Copy)]
pub(in crate::quick) struct Address {
    pub mem: Mem,
    pub index: Option<Held>,
}

/// Addresses.
impl Translator<'_> {
    /// The address of an access of `bytes` at a popped index. Whatever must be checked before is checked. It may be in the
    /// scratch register. An instruction has room for it.
    pub(super) fn address(&mut self, at: MemArg, index: Operand, bytes: u64) -> Address {
        let ty = &self.env.info.memories[at.memory as usize];
        match self.env.plan.access(ty, at.offset, bytes) {
            MemoryAccess::Unchecked => self.unchecked_address(at, index, bytes),
            MemoryAccess::Checked => self.checked_address(at, index, bytes),
        }
    }

    /// An address in one register, for instructions that have no room for more: the scratch register, or another one that
    /// is not to be changed.
    pub(super) fn address_in_register(&mut self, address: Address) -> Reg {
        match address.mem {
            Mem::Base(base, 0) => return base,
            Mem::Base(base, at) => self.asm.add_any(SCRATCH, base, i64::from(at)),
            Mem::Index(base, index) => self.asm.rrr(ADD.wide(true), SCRATCH, base, index),
        }
        SCRATCH
    }

    /// Compares a sum with the size of a memory, whose definition is at a register.
    fn compare_with_size(&mut self, sum: Reg, def: Reg) {
        self.load_at(Ty::I64, FAR, def, word(offset_of!(VmMemory, len_bytes)));
        self.asm.rrr(SUBS.wide(true), ZERO, sum, FAR);
    }

    /// A guarded memory: whatever the index, the access hits it or its guard.
    fn unchecked_address(&mut self, at: MemArg, index: Operand, bytes: u64) -> Address {
        // Guarded memories do not move, so that no definition is needed.
        let base = self.memory_base(at.memory, SCRATCH, SCRATCH);
        let has_room = |sum: u64| sum.is_multiple_of(bytes) && sum / bytes < 4096;
        if let In::Const(bits) = index.place {
            let sum = u64::from(bits as u32) + at.offset;
            if has_room(sum) {
                return Address { mem: Mem::Base(base, sum as i32), index: None };
            }
            self.asm.mov_imm(FAR, sum);
            self.asm.rrr(ADD.wide(true), SCRATCH, base, FAR);
            return Address { mem: Mem::Base(SCRATCH, 0), index: None };
        }
        let held = self.read(index);
        if at.offset == 0 {
            return Address { mem: Mem::Index(base, held.reg), index: Some(held) };
        }
        self.asm.rrr(ADD.wide(true), SCRATCH, base, held.reg);
        if has_room(at.offset) {
            return Address { mem: Mem::Base(SCRATCH, at.offset as i32), index: Some(held) };
        }
        self.add_to_scratch(at.offset);
        Address { mem: Mem::Base(SCRATCH, 0), index: Some(held) }
    }

    fn add_to_scratch(&mut self, value: u64) {
        if value == 0 {
            return;
        }
        if !self.asm.add_imm(true, false, SCRATCH, SCRATCH, value.cast_signed()) {
            self.asm.mov_imm(FAR, value);
            self.asm.rrr(ADD.wide(true), SCRATCH, SCRATCH, FAR);
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
        self.compare_with_size(SCRATCH, def);
        let base = self.memory_base(at.memory, def, SCRATCH);
        self.asm.rrr(ADD.wide(true), SCRATCH, base, held.reg);
        self.add_to_scratch(at.offset);
        self.trap_if(Cond::Above, TrapCode::MemoryOutOfBounds);
        self.null_if(Cond::Above, SCRATCH);
        self.registers.release(def);
        Address { mem: Mem::Base(SCRATCH, 0), index: Some(held) }
    }

    /// The sum of an index and a constant in the scratch register; a 64-bit one traps if it overflows.
    fn end_of_access(&mut self, memory: u32, index: Reg, reach: u64) {
        let is_64 = self.env.info.memories[memory as usize].is_64;
        if !is_64 && self.asm.add_imm(true, false, SCRATCH, index, reach.cast_signed()) {
            return;
        }
        self.asm.mov_imm(SCRATCH, reach);
        self.asm.rrr(ADDS.wide(true), SCRATCH, SCRATCH, index);
        if is_64 {
            // The carry.
            self.trap_if(Cond::AboveOrEqual, TrapCode::MemoryOutOfBounds);
        }
    }

    /// Checks a range of a 32-bit memory that begins at an index in `start`, and makes that its address; null on a
    /// wrongly predicted path. `spare` is overwritten, and so is the scratch register.
    pub fn range_address(&mut self, memory: u32, start: Reg, len: Len, spare: Reg) {
        self.load_memory_def(memory, SCRATCH);
        // Neither sum overflows 64 bits.
        match len {
            Len::Reg(len) => self.asm.rrr(ADD.wide(true), spare, start, len),
            Len::Const(len) => self.asm.add_any(spare, start, i64::from(len)),
        }
        self.compare_with_size(spare, SCRATCH);
        let base = self.memory_base(memory, SCRATCH, SCRATCH);
        self.asm.rrr(ADD.wide(true), start, base, start);
        self.trap_if(Cond::Above, TrapCode::MemoryOutOfBounds);
        self.null_if(Cond::Above, start);
    }
}

/// Accesses.
impl Translator<'_> {
    pub fn load(&mut self, ty: Ty, load: Load, at: MemArg) {
        let index = self.pop();
        let address = self.address(at, index, load.bytes());
        let to = self.load_destination(ty, address);
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.access(load.op(ty), to, address.mem);
        self.push_reg(to, ty);
    }

    pub fn store(&mut self, store: Store, at: MemArg) {
        let (value, index) = (self.pop(), self.pop());
        let held = match value.place {
            In::Const(0) if !value.ty.is_float() => Held { reg: ZERO, owned: false },
            _ => self.read(value),
        };
        let address = self.address(at, index, u64::from(store.bytes()));
        self.trap_site(TrapCode::MemoryOutOfBounds);
        self.asm.access(store.op(), held.reg, address.mem);
        self.done(held);
        self.done_address(address);
    }

    pub fn memory_size(&mut self, memory: u32) {
        let ty = &self.env.info.memories[memory as usize];
        let (page_size_log2, index, shared) = (ty.page_size_log2, Ty::of_index(ty.is_64), ty.shared);
        let to = self.allocate(false);
        self.load_memory_def(memory, to);
        let at = word(offset_of!(VmMemory, len_bytes));
        if shared {
            // Other threads may grow it: read in order with all atomic accesses.
            self.asm.add_any(to, to, i64::from(at));
            self.asm.rr(Op(LDAR.0 | 3 << 30), to, to);
        } else {
            self.load_at(Ty::I64, to, to, at);
        }
        if page_size_log2 > 0 {
            self.asm.bitfield(UBFM, true, to, to, u32::from(page_size_log2), 63);
        } else if index == Ty::I32 {
            self.zero_extend(to);
        }
        self.push_reg(to, index);
    }
}
