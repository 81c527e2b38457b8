//! Atomic operators: naturally aligned or trapped, sequentially consistent. Waiting and waking is the runtime's.
//!
//! Accesses narrower than their operands load zero-extended and store the low bits.

use super::{FuncTranslator, Translated};
use crate::trap::clif_trap;
use cranelift_codegen::ir::{AtomicRmwOp, InstBuilder, MemFlagsData, Type, Value, types};
use epsilon_abi::{Libcall, MemoryIndex, TrapCode};
use wasmparser::{MemArg, Ordering};

/// What an atomic access reads or writes, and the type of its operands.
#[derive(Clone, Copy)]
pub(super) struct Width {
    /// In memory.
    pub access: Type,
    /// On the operand stack.
    pub operand: Type,
}

impl FuncTranslator<'_> {
    /// Pops an index and gives the address of an access there, checked for alignment and bounds.
    fn atomic_address(&mut self, memarg: &MemArg, access: Type) -> (MemFlagsData, Value) {
        self.check_alignment(memarg, access.bytes());
        let (flags, address, offset) = self.memory_address(memarg, u64::from(access.bytes()));
        let address = match offset {
            0 => address,
            _ => self.ins().iadd_imm_s(address, i64::from(offset)),
        };
        (flags, address)
    }

    /// Traps unless the index on top of the stack leads to a multiple of the width.
    fn check_alignment(&mut self, memarg: &MemArg, width_bytes: u32) {
        if width_bytes == 1 {
            return;
        }
        let index = self.pop();
        self.push(index);
        let mask = u64::from(width_bytes) - 1;
        let index = self.widen(index);
        // The low bits of a sum depend on the low bits alone.
        let low_offset = memarg.offset & mask;
        let sum = if low_offset == 0 { index } else { self.ins().iadd_imm_u(index, low_offset.cast_signed()) };
        let misaligned = self.ins().band_imm_u(sum, mask.cast_signed());
        self.ins().trapnz(misaligned, clif_trap(TrapCode::HeapMisaligned));
    }

    fn widen_to(&mut self, value: Value, width: Width) -> Value {
        if width.access == width.operand { value } else { self.ins().uextend(width.operand, value) }
    }

    fn cut_to(&mut self, value: Value, width: Width) -> Value {
        if width.access == width.operand { value } else { self.ins().ireduce(width.access, value) }
    }

    pub(super) fn atomic_load(&mut self, memarg: &MemArg, width: Width) {
        let (flags, address) = self.atomic_address(memarg, width.access);
        let loaded = self.ins().atomic_load(width.access, flags, address);
        let value = self.widen_to(loaded, width);
        self.push(value);
    }

    pub(super) fn atomic_store(&mut self, memarg: &MemArg, width: Width) {
        let value = self.pop();
        let value = self.cut_to(value, width);
        let (flags, address) = self.atomic_address(memarg, width.access);
        self.ins().atomic_store(flags, value, address);
    }

    pub(super) fn atomic_rmw(&mut self, memarg: &MemArg, width: Width, op: AtomicRmwOp) {
        let value = self.pop();
        let value = self.cut_to(value, width);
        let (flags, address) = self.atomic_address(memarg, width.access);
        let old = self.ins().atomic_rmw(width.access, flags, op, address, value);
        let old = self.widen_to(old, width);
        self.push(old);
    }

    pub(super) fn atomic_cmpxchg(&mut self, memarg: &MemArg, width: Width) {
        let (expected, replacement) = self.pop2();
        let (expected, replacement) = (self.cut_to(expected, width), self.cut_to(replacement, width));
        let (flags, address) = self.atomic_address(memarg, width.access);
        let old = self.ins().atomic_cas(flags, address, expected, replacement);
        let old = self.widen_to(old, width);
        self.push(old);
    }

    pub(super) fn atomic_fence(&mut self, _ordering: Ordering) -> Translated {
        self.ins().fence();
        Ok(())
    }

    /// The memory, and the index popped with the static offset added: where waiting and waking happens. The sum wraps
    /// only where the runtime could not tell: it is past the end of any memory then.
    fn wait_address(&mut self, memarg: &MemArg, width_bytes: u32) -> (Value, Value) {
        self.check_alignment(memarg, width_bytes);
        let memory = super::memory::target_memory(memarg);
        let index = self.pop();
        let index = self.widen(index);
        let address = match memarg.offset {
            0 => index,
            offset => {
                let offset = self.const_u64(offset);
                self.ins().uadd_overflow_trap(index, offset, clif_trap(TrapCode::MemoryOutOfBounds))
            }
        };
        (self.memory_argument(memory), address)
    }

    fn memory_argument(&mut self, memory: MemoryIndex) -> Value {
        self.const_index(memory.0)
    }

    fn atomic_wait(&mut self, memarg: MemArg, width_bytes: u32, libcall: Libcall) -> Translated {
        let (expected, timeout_ns) = self.pop2();
        let (memory, address) = self.wait_address(&memarg, width_bytes);
        let woken = self.libcall_with_result(libcall, &[memory, address, expected, timeout_ns]);
        let woken = self.ins().ireduce(types::I32, woken);
        self.push(woken);
        Ok(())
    }

    pub(super) fn atomic_wait32(&mut self, memarg: MemArg) -> Translated {
        self.atomic_wait(memarg, 4, Libcall::AtomicWait32)
    }

    pub(super) fn atomic_wait64(&mut self, memarg: MemArg) -> Translated {
        self.atomic_wait(memarg, 8, Libcall::AtomicWait64)
    }

    pub(super) fn atomic_notify(&mut self, memarg: MemArg) -> Translated {
        let count = self.pop();
        let (memory, address) = self.wait_address(&memarg, 4);
        let woken = self.libcall_with_result(Libcall::AtomicNotify, &[memory, address, count]);
        let woken = self.ins().ireduce(types::I32, woken);
        self.push(woken);
        Ok(())
    }
}
