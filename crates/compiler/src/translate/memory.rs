//! Loads, stores and their bounds. Which checks are needed is [`epsilon_abi::MemoryPlan`]'s to say.

use super::vm::changing_word;
use super::{FuncTranslator, Translated};
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, Endianness, InstBuilder, MemFlagsData, Value, types};
use epsilon_abi::vm::VmMemory;
use epsilon_abi::{Libcall, MemoryAccess, MemoryIndex, MemoryType, TrapCode};
use std::mem::offset_of;
use wasmparser::{MemArg, MemArgTarget};

/// An instruction that loads and extends, or cuts off and stores.
pub(super) type LoadExtending = fn(&mut FuncTranslator<'_>, MemFlagsData, Value, i32) -> Value;

impl FuncTranslator<'_> {
    /// Pops an index and gives what an access of `width_bytes` there needs: flags, an address, and an offset to fold
    /// into the instruction. Whatever must be checked before the access is checked.
    pub fn memory_address(&mut self, memarg: &MemArg, width_bytes: u64) -> (MemFlagsData, Value, i32) {
        let memory = target_memory(memarg);
        let ty = self.env.info.memories[memory.index()];
        let index = self.pop();
        let index = self.widen(index);
        let flags = MemFlagsData::new()
            .with_endianness(Endianness::Little)
            .with_trap_code(Some(clif_trap(TrapCode::MemoryOutOfBounds)))
            .with_alias_region(Some(self.regions.memory));
        let (address, offset) = match self.env.plan.access(&ty, memarg.offset, width_bytes) {
            MemoryAccess::Unchecked => self.unchecked(memory, &ty, index, memarg.offset),
            MemoryAccess::Checked => (self.checked(memory, &ty, index, memarg.offset, width_bytes), 0),
        };
        (flags, address, offset)
    }

    /// Base, index and offset, with as much of the offset as possible left to the instruction.
    fn unchecked(&mut self, memory: MemoryIndex, ty: &MemoryType, index: Value, offset: u64) -> (Value, i32) {
        let base = self.memory_base(memory, ty);
        let address = self.ins().iadd(base, index);
        match i32::try_from(offset) {
            Ok(folded) => (address, folded),
            Err(_) => {
                let far = self.const_u64(offset);
                (self.ins().iadd(address, far), 0)
            }
        }
    }

    /// Compares the end of the access with the current size; the address is null on a wrongly predicted path.
    fn checked(&mut self, memory: MemoryIndex, ty: &MemoryType, index: Value, offset: u64, width: u64) -> Value {
        self.has_checks = true;
        let trap = clif_trap(TrapCode::MemoryOutOfBounds);
        let (reach, overflows) = offset.overflowing_add(width);
        if overflows {
            let always = self.ins().iconst(types::I8, 1);
            self.ins().trapnz(always, trap);
        }
        let reach = self.const_u64(reach);
        let end =
            if ty.is_64 { self.ins().uadd_overflow_trap(index, reach, trap) } else { self.ins().iadd(index, reach) };
        let len = self.memory_len(memory);
        let outside = self.ins().icmp(IntCC::UnsignedGreaterThan, end, len);
        self.ins().trapnz(outside, trap);
        let base = self.memory_base(memory, ty);
        let mut address = self.ins().iadd(base, index);
        if offset != 0 {
            let offset = self.const_u64(offset);
            address = self.ins().iadd(address, offset);
        }
        let null = self.const_u64(0);
        self.ins().select_spectre_guard(outside, null, address)
    }

    fn is_at_anchor(&self, memory: MemoryIndex) -> bool {
        self.env.plan.is_at_anchor(memory, self.env.info, self.env.layout)
    }

    pub(super) fn memory_base(&mut self, memory: MemoryIndex, ty: &MemoryType) -> Value {
        if self.is_at_anchor(memory) {
            return self.vmctx();
        }
        if self.env.plan.base_is_constant(ty) {
            return self.constant_memory_base(memory);
        }
        let def = self.memory_def(memory);
        self.bounds_word(def, offset_of!(VmMemory, base))
    }

    pub(super) fn memory_len(&mut self, memory: MemoryIndex) -> Value {
        let def = self.memory_def(memory);
        self.bounds_word(def, offset_of!(VmMemory, len_bytes))
    }

    /// The size of a memory that other threads may grow: read anew each time, in order with all atomic accesses.
    fn shared_memory_len(&mut self, memory: MemoryIndex) -> Value {
        let def = self.memory_def(memory);
        let at = self.ins().iadd_imm_u(def, offset_of!(VmMemory, len_bytes) as i64);
        let flags = changing_word(self.regions.bounds);
        self.ins().atomic_load(types::I64, flags, at)
    }

    /// A load of a whole value.
    pub(super) fn load(&mut self, memarg: &MemArg, ty: ir::Type) {
        let (flags, address, offset) = self.memory_address(memarg, u64::from(ty.bytes()));
        let value = self.ins().load(ty, flags, address, offset);
        self.push(value);
    }

    /// A load that extends.
    pub(super) fn load_extending(&mut self, memarg: &MemArg, width_bytes: u64, load: LoadExtending) {
        let (flags, address, offset) = self.memory_address(memarg, width_bytes);
        let value = load(self, flags, address, offset);
        self.push(value);
    }

    /// A store of a whole value.
    pub(super) fn store(&mut self, memarg: &MemArg) {
        let value = self.pop();
        let (flags, address, offset) = self.memory_address(memarg, u64::from(self.type_of(value).bytes()));
        self.ins().store(flags, value, address, offset);
    }

    /// A store of the low bits, as many as `narrow` has.
    pub(super) fn store_low(&mut self, memarg: &MemArg, narrow: ir::Type) {
        let value = self.pop();
        let (flags, address, offset) = self.memory_address(memarg, u64::from(narrow.bytes()));
        match narrow {
            types::I8 => self.ins().istore8(flags, value, address, offset),
            types::I16 => self.ins().istore16(flags, value, address, offset),
            _ => self.ins().istore32(flags, value, address, offset),
        };
    }

    pub(super) fn memory_size(&mut self, memory: u32) -> Translated {
        let memory = MemoryIndex(memory);
        let ty = self.env.info.memories[memory.index()];
        let bytes = if ty.shared { self.shared_memory_len(memory) } else { self.memory_len(memory) };
        let pages = self.ins().ushr_imm_u(bytes, i64::from(ty.page_size_log2));
        let pages = self.narrow(pages, ty.is_64);
        self.push(pages);
        Ok(())
    }

    pub(super) fn memory_grow(&mut self, memory: u32) -> Translated {
        let is_64 = self.env.info.memories[memory as usize].is_64;
        let delta = self.pop();
        let args = [self.const_index(memory), self.widen(delta)];
        let pages = self.libcall_with_result(Libcall::MemoryGrow, &args);
        let pages = self.narrow(pages, is_64);
        self.push(pages);
        Ok(())
    }

    pub(super) fn memory_fill(&mut self, memory: u32) -> Translated {
        let (dst, value, len) = self.pop3();
        if self.moves_bytes_itself(memory) {
            self.bulk_fill(MemoryIndex(memory), dst, value, len);
            return Ok(());
        }
        let args = [self.const_index(memory), self.widen(dst), value, self.widen(len)];
        self.libcall(Libcall::MemoryFill, &args);
        Ok(())
    }

    pub(super) fn memory_copy(&mut self, dst_memory: u32, src_memory: u32) -> Translated {
        let (dst, src, len) = self.pop3();
        if self.moves_bytes_itself(dst_memory) && self.moves_bytes_itself(src_memory) {
            self.bulk_copy([MemoryIndex(dst_memory), MemoryIndex(src_memory)], dst, src, len);
            return Ok(());
        }
        let memories = [self.const_index(dst_memory), self.const_index(src_memory)];
        let args = [memories[0], memories[1], self.widen(dst), self.widen(src), self.widen(len)];
        self.libcall(Libcall::MemoryCopy, &args);
        Ok(())
    }

    pub(super) fn memory_init(&mut self, segment: u32, memory: u32) -> Translated {
        let (dst, src, len) = self.pop3();
        let indices = [self.const_index(memory), self.const_index(segment)];
        let args = [indices[0], indices[1], self.widen(dst), self.widen(src), self.widen(len)];
        self.libcall(Libcall::MemoryInit, &args);
        Ok(())
    }

    pub(super) fn data_drop(&mut self, segment: u32) -> Translated {
        let args = [self.const_index(segment)];
        self.libcall(Libcall::DataDrop, &args);
        Ok(())
    }
}

pub(super) fn target_memory(memarg: &MemArg) -> MemoryIndex {
    match memarg.target {
        MemArgTarget::Memory(memory) => MemoryIndex(memory),
        MemArgTarget::Array(_) => unreachable!("`Settings` refuses the proposal that accesses arrays"),
    }
}
