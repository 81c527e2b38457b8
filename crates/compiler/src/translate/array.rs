//! Arrays: making them, reading and writing elements, and many at once.

use super::heap::{Extend, Kind, NewObject, Place};
use super::{FuncTranslator, PTR, Translated};
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, InstBuilder, MemFlagsData, Value, types};
use epsilon_abi::heap::{ELEMENTS_OFFSET, LENGTH_OFFSET, array_bytes, storage_bytes};
use epsilon_abi::{BulkRoutine, FieldType, Libcall, StorageType, TrapCode, TypeIndex, ValType};

impl FuncTranslator<'_> {
    pub(super) fn array_new(&mut self, ty: u32) -> Translated {
        let (value, length) = self.pop2();
        let element = self.element(ty);
        let value = self.stored_value(element.storage, value);
        let object = self.allocate_array(TypeIndex(ty), element_log2(element), length);
        // Its elements are zero as they are.
        self.commit(&object);
        if !self.is_zero_constant(value) {
            self.fill_elements(element, object.reference, None, value, length);
        }
        self.push(object.reference);
        Ok(())
    }

    pub(super) fn array_new_default(&mut self, ty: u32) -> Translated {
        let length = self.pop();
        let element = self.element(ty);
        let object = self.allocate_array(TypeIndex(ty), element_log2(element), length);
        self.commit(&object);
        self.push(object.reference);
        Ok(())
    }

    pub(super) fn array_new_fixed(&mut self, ty: u32, count: u32) -> Translated {
        let element = self.element(ty);
        self.charge(count as usize)?;
        let at = self.stack.len() - count as usize;
        for n in at..self.stack.len() {
            self.stack[n] = self.stored_value(element.storage, self.stack[n]);
        }
        let bytes = storage_bytes(element.storage);
        let length = self.ins().iconst(types::I32, i64::from(count));
        let object: NewObject = self.allocate(TypeIndex(ty), array_bytes(bytes, count), Some(length));
        let flags = self.place_flags(Place::Element(Kind::of(element.storage)));
        let address = self.object_address(object.reference);
        for n in 0..count {
            let offset = (ELEMENTS_OFFSET + n * bytes) as i32;
            self.store_storage(element.storage, self.stack[at + n as usize], flags, address, offset);
        }
        self.commit(&object);
        self.stack.truncate(at);
        self.push(object.reference);
        Ok(())
    }

    pub(super) fn array_new_data(&mut self, ty: u32, segment: u32) -> Translated {
        self.array_new_from(Libcall::GcArrayNewData, ty, segment)
    }

    pub(super) fn array_new_elem(&mut self, ty: u32, segment: u32) -> Translated {
        self.array_new_from(Libcall::GcArrayNewElem, ty, segment)
    }

    fn array_new_from(&mut self, libcall: Libcall, ty: u32, segment: u32) -> Translated {
        let (offset, length) = self.pop2();
        let args = [self.const_index(ty), self.const_index(segment), offset, length];
        let reference = self.libcall_with_result(libcall, &args);
        let reference = self.ins().ireduce(types::I32, reference);
        self.builder.declare_value_needs_stack_map(reference);
        self.push(reference);
        Ok(())
    }

    pub(super) fn array_get(&mut self, ty: u32) -> Translated {
        self.array_get_as(ty, Extend::No)
    }

    pub(super) fn array_get_s(&mut self, ty: u32) -> Translated {
        self.array_get_as(ty, Extend::Signed)
    }

    pub(super) fn array_get_u(&mut self, ty: u32) -> Translated {
        self.array_get_as(ty, Extend::Unsigned)
    }

    fn array_get_as(&mut self, ty: u32, extend: Extend) -> Translated {
        let (array, index) = self.pop2();
        let element = self.element(ty);
        self.check_index(array, 1, index);
        let (flags, address) = self.element_place(element, array, index);
        let value = self.load_storage(element.storage, extend, flags, address, ELEMENTS_OFFSET as i32);
        self.push(value);
        Ok(())
    }

    pub(super) fn array_set(&mut self, ty: u32) -> Translated {
        let (array, index, value) = self.pop3();
        let element = self.element(ty);
        let value = self.stored_value(element.storage, value);
        self.check_index(array, 2, index);
        let (flags, address) = self.element_place(element, array, index);
        self.mark_card(array, element, value);
        self.store_storage(element.storage, value, flags, address, ELEMENTS_OFFSET as i32);
        Ok(())
    }

    pub(super) fn array_len(&mut self) -> Translated {
        let array = self.pop();
        let length = self.length(array, 0);
        self.push(length);
        Ok(())
    }

    pub(super) fn array_fill(&mut self, ty: u32) -> Translated {
        let length = self.pop();
        let (array, index, value) = self.pop3();
        let element = self.element(ty);
        let value = self.stored_value(element.storage, value);
        self.check_range(array, 3, index, length);
        self.mark_card(array, element, value);
        self.fill_elements(element, array, Some(index), value, length);
        Ok(())
    }

    pub(super) fn array_copy(&mut self, dst_ty: u32, _: u32) -> Translated {
        let (src_array, src, length) = self.pop3();
        let (dst_array, dst) = self.pop2();
        let element = self.element(dst_ty);
        if matches!(element.storage, StorageType::Val(ValType::Ref(_))) {
            // A reference must never be half copied, and fixed code that moves bytes may be stopped between two of them.
            self.libcall(Libcall::GcArrayCopy, &[dst_array, dst, src_array, src, length]);
            return Ok(());
        }
        self.check_range(dst_array, 4, dst, length);
        self.check_range(src_array, 2, src, length);
        let (_, dst) = self.element_place(element, dst_array, dst);
        let (_, src) = self.element_place(element, src_array, src);
        let elements = i64::from(ELEMENTS_OFFSET);
        let (dst, src) = (self.ins().iadd_imm_u(dst, elements), self.ins().iadd_imm_u(src, elements));
        let length = self.ins().uextend(types::I64, length);
        let bytes = self.ins().ishl_imm_u(length, i64::from(element_log2(element)));
        self.call_bulk(BulkRoutine::Copy, &[dst, src, bytes]);
        Ok(())
    }

    pub(super) fn array_init_data(&mut self, _: u32, segment: u32) -> Translated {
        self.array_init_from(Libcall::GcArrayInitData, segment)
    }

    pub(super) fn array_init_elem(&mut self, _: u32, segment: u32) -> Translated {
        self.array_init_from(Libcall::GcArrayInitElem, segment)
    }

    fn array_init_from(&mut self, libcall: Libcall, segment: u32) -> Translated {
        let (dst, src, length) = self.pop3();
        let array = self.pop();
        let args = [self.const_index(segment), array, dst, src, length];
        self.libcall(libcall, &args);
        Ok(())
    }

    /// The length of an array, the operand with this number from the top. It never changes.
    fn length(&mut self, array: Value, operand: usize) -> Value {
        if !self.env.info.has_object_types {
            // There may be no heap whose null page faults.
            self.ins().trapz(array, clif_trap(TrapCode::NullArray));
            let described = self.libcall_with_result(Libcall::GcDescribe, &[array]);
            let length = self.ins().ushr_imm_u(described, 32);
            return self.ins().ireduce(types::I32, length);
        }
        let flags = self.faulting_flags(Place::Length, operand, TrapCode::NullArray);
        let address = self.object_address(array);
        self.ins().load(types::I32, flags, address, LENGTH_OFFSET as i32)
    }

    fn check_index(&mut self, array: Value, operand: usize, index: Value) {
        let length = self.length(array, operand);
        let outside = self.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, length);
        self.ins().trapnz(outside, clif_trap(TrapCode::ArrayOutOfBounds));
    }

    fn check_range(&mut self, array: Value, operand: usize, start: Value, count: Value) {
        let length = self.length(array, operand);
        let [start, count, length] = [start, count, length].map(|value| self.widen(value));
        let end = self.ins().iadd(start, count);
        let outside = self.ins().icmp(IntCC::UnsignedGreaterThan, end, length);
        self.ins().trapnz(outside, clif_trap(TrapCode::ArrayOutOfBounds));
    }

    /// Where an element lies, but for the offset of the first one.
    fn element_place(&mut self, element: FieldType, array: Value, index: Value) -> (MemFlagsData, Value) {
        let flags = self.place_flags(Place::Element(Kind::of(element.storage)));
        let distance = self.ins().ishl_imm_u(index, i64::from(element_log2(element)));
        // In 32 bits: whatever they are, the sum lies in the region.
        let at = self.ins().iadd(array, distance);
        (flags, self.object_address(at))
    }

    /// Fills elements from one on, or from the first one on. They are there.
    fn fill_elements(&mut self, element: FieldType, array: Value, index: Option<Value>, value: Value, length: Value) {
        let zero = self.ins().iconst(types::I32, 0);
        let (flags, address) = self.element_place(element, array, index.unwrap_or(zero));
        let start = self.ins().iadd_imm_u(address, i64::from(ELEMENTS_OFFSET));
        let length = self.ins().uextend(types::I64, length);
        if element.storage == StorageType::I8 {
            let value = self.ins().uextend(types::I64, value);
            self.call_bulk(BulkRoutine::Fill, &[start, value, length]);
            return;
        }
        let bytes = self.ins().ishl_imm_u(length, i64::from(element_log2(element)));
        let end = self.ins().iadd(start, bytes);
        let [head, body, next] = std::array::from_fn(|_| self.builder.create_block());
        let at = self.builder.append_block_param(head, PTR);
        self.ins().jump(head, &[BlockArg::Value(start)]);
        self.switch_to(head);
        let is_there = self.ins().icmp(IntCC::UnsignedLessThan, at, end);
        self.ins().brif(is_there, body, &[], next, &[]);
        self.builder.seal_block(body);
        self.switch_to(body);
        self.store_storage(element.storage, value, flags, at, 0);
        let behind = self.ins().iadd_imm_u(at, i64::from(storage_bytes(element.storage)));
        self.ins().jump(head, &[BlockArg::Value(behind)]);
        self.builder.seal_block(head);
        self.builder.seal_block(next);
        self.switch_to(next);
    }

    fn is_zero_constant(&self, value: Value) -> bool {
        use cranelift_codegen::ir::{InstructionData, Opcode};
        let dfg = &self.builder.func.dfg;
        let Some(inst) = dfg.value_def(dfg.resolve_aliases(value)).inst() else { return false };
        matches!(dfg.insts[inst], InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } if imm.bits() == 0)
    }
}

/// Bytes of an element, as a power of two.
const fn element_log2(element: FieldType) -> u32 {
    storage_bytes(element.storage).trailing_zeros()
}
