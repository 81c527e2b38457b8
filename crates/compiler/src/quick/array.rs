//! Arrays: making them, reading and writing elements, and many at once.

use super::Ty;
use super::call::Callee;
use super::heap::{Extend, NewObject, NewSize, store_of};
use super::machine::{Cond, Reg, SCRATCH, Shift};
use super::memory::Load;
use super::operand::{Held, Operand, Place};
use super::rare::Arg;
use super::translator::Translator;
use epsilon_abi::heap::{ELEMENTS_OFFSET, LENGTH_OFFSET, array_bytes, storage_bytes};
use epsilon_abi::{BulkRoutine, FieldType, Libcall, Slot, StorageType, TrapCode, TypeIndex, ValType};

/// Offset of the first element.
const ELEMENTS: i32 = ELEMENTS_OFFSET as i32;

/// Bytes of an element, as a power of two.
const fn element_log2(element: FieldType) -> u8 {
    storage_bytes(element.storage).trailing_zeros() as u8
}

/// New arrays.
impl Translator<'_> {
    pub fn array_new(&mut self, ty: u32) {
        let element = self.element(ty);
        let object = self.new_object(TypeIndex(ty), NewSize::Elements { log2: element_log2(element) });
        // Its elements are zero as they are.
        self.commit(object);
        let value = self.stack.len() - 2;
        if self.stack[value].place != Place::Const(0) {
            let end = self.allocate(false);
            self.copy_into(self.stack[value + 1], end);
            self.fill_elements(element.storage, value, object.address, end, element_log2(element));
            self.registers.release(end);
        }
        self.finish_array(object, 2);
    }

    pub fn array_new_default(&mut self, ty: u32) {
        let log2 = element_log2(self.element(ty));
        let object = self.new_object(TypeIndex(ty), NewSize::Elements { log2 });
        self.commit(object);
        self.finish_array(object, 1);
    }

    pub fn array_new_fixed(&mut self, ty: u32, count: u32) {
        let element = self.element(ty);
        self.charge(count as usize);
        let bytes = storage_bytes(element.storage);
        let size = NewSize::Fixed { bytes: array_bytes(bytes, count), length: Some(count) };
        let object = self.new_object(TypeIndex(ty), size);
        let first = self.stack.len() - count as usize;
        for n in 0..count {
            let offset = (ELEMENTS_OFFSET + n * bytes) as i32;
            self.initialise(element.storage, self.stack[first + n as usize], object.address, offset);
        }
        self.commit(object);
        self.finish_array(object, count as usize);
    }

    /// Pops operands and pushes a new array.
    fn finish_array(&mut self, object: NewObject, operands: usize) {
        self.registers.release(object.address);
        self.truncate(self.stack.len() - operands);
        self.push_reg(object.reference, Ty::Ref);
    }

    pub fn array_new_from(&mut self, libcall: Libcall, ty: u32, segment: u32) {
        self.libcall(libcall, &[u64::from(ty), u64::from(segment)], 2, Some(Ty::Ref));
    }
}

/// Elements.
impl Translator<'_> {
    pub fn array_get(&mut self, extend: Extend, ty: u32) {
        let element = self.element(ty);
        let (index, array) = (self.pop(), self.pop());
        let (place, offset) = self.element_place(element, array, index, |_, _, _| {});
        let held = Held { reg: place, owned: true };
        self.push_storage(element.storage, extend, held, offset, None);
    }

    pub fn array_set(&mut self, ty: u32) {
        let element = self.element(ty);
        let (value, index, array) = (self.pop(), self.pop(), self.pop());
        let value = self.stored(element.storage, value);
        let is_const = value.is_err();
        let mark = |this: &mut Self, array, card| this.mark_card(array, element.storage, is_const, card);
        let (place, offset) = self.element_place(element, array, index, mark);
        self.store_stored(element.storage, value, place, offset, None);
        self.registers.release(place);
    }

    /// Where an element lies that is there, as an operand's own register and an offset from what is in the scratch register.
    /// `between` is done with the array's reference once the index is checked, and with a register that it may overwrite.
    fn element_place(
        &mut self,
        element: FieldType,
        array: Operand,
        index: Operand,
        between: impl FnOnce(&mut Self, Reg, Reg),
    ) -> (Reg, i32) {
        let array = self.read(array);
        self.registers.locked |= array.reg.bit();
        let index = self.read(index);
        self.registers.locked |= index.reg.bit();
        let place = self.allocate(false);
        let header = self.in_region(array.reg, place);
        self.load_heap_base();
        self.compare_with_length(index.reg, header);
        self.trap_if(Cond::AboveOrEqual, TrapCode::ArrayOutOfBounds);
        between(self, array.reg, place);
        self.scaled_sum(place, array.reg, index.reg, element_log2(element));
        self.in_region(place, place);
        self.load_heap_base();
        self.done(index);
        self.done(array);
        (place, ELEMENTS)
    }

    pub fn array_len(&mut self) {
        let array = self.pop();
        if !self.env.info.has_object_types {
            return self.foreign_length(array);
        }
        let held = self.read(array);
        let held = self.held_in_region(held);
        self.load_heap_base();
        let to = self.reuse(held, false);
        self.load_from(Load::Whole32, Ty::I32, to, SCRATCH, held.reg, LENGTH_OFFSET as i32, Some(TrapCode::NullArray));
        self.push_reg(to, Ty::I32);
    }

    /// The length of an array of another module's. There may be no heap whose null page faults.
    fn foreign_length(&mut self, array: Operand) {
        let reg = self.own(array);
        self.test_zero(reg, false);
        self.trap_if(Cond::Equal, TrapCode::NullArray);
        let back = self.asm.new_label();
        let describe = self.rare_call(Libcall::GcDescribe, &[Arg::Reg(reg)], (reg, Ty::I64), None, back);
        self.asm.jmp(describe);
        self.asm.bind(back);
        self.push_reg(reg, Ty::I64);
        self.i64_const(32);
        self.shift(Ty::I64, Shift::RightUnsigned);
        self.wrap();
    }
}

/// Many elements at once.
impl Translator<'_> {
    pub fn array_fill(&mut self, ty: u32) {
        let element = self.element(ty);
        let log2 = element_log2(element);
        let first = self.stack.len() - 4;
        let array = self.allocate(false);
        self.copy_into(self.stack[first], array);
        let start = self.allocate(false);
        self.copy_into(self.stack[first + 1], start);
        let end = self.allocate(false);
        self.checked_range(array, start, first + 3, end);
        let is_const = matches!(self.stack[first + 2].place, Place::Const(_));
        self.mark_card(array, element.storage, is_const, end);
        self.range_start(array, start, log2);
        self.copy_into(self.stack[first + 3], end);
        if element.storage == StorageType::I8 {
            return self.fill_bytes(first, array, start, end);
        }
        self.registers.release(array);
        self.fill_elements(element.storage, first + 2, start, end, log2);
        self.registers.release(start);
        self.registers.release(end);
        self.truncate(first);
    }

    /// Fills bytes from an address on, by fixed code.
    fn fill_bytes(&mut self, first: usize, value: Reg, start: Reg, length: Reg) {
        self.copy_into(self.stack[first + 2], value);
        self.add_const(start, start, ELEMENTS);
        self.truncate(first);
        self.bulk(BulkRoutine::Fill, [start, value, length]);
    }

    pub fn array_copy(&mut self, dst_ty: u32, _: u32) {
        let element = self.element(dst_ty);
        if matches!(element.storage, StorageType::Val(ValType::Ref(_))) {
            // A reference must never be half copied, and fixed code that moves bytes may be stopped between two of them.
            return self.libcall(Libcall::GcArrayCopy, &[], 5, None);
        }
        let log2 = element_log2(element);
        let first = self.stack.len() - 5;
        let to = self.range(first, first + 4, log2);
        self.registers.locked |= to.bit();
        let from = self.range(first + 2, first + 4, log2);
        self.registers.locked |= from.bit();
        let bytes = self.allocate(false);
        self.copy_into(self.stack[first + 4], bytes);
        self.shift_left(bytes, log2);
        self.truncate(first);
        self.bulk(BulkRoutine::Copy, [to, from, bytes]);
    }

    /// The address of the first element of a checked range. Array, index and length are operands.
    fn range(&mut self, array: usize, length: usize, log2: u8) -> Reg {
        let [start, end, object] = std::array::from_fn(|_| self.allocate(false));
        self.copy_into(self.stack[array], object);
        self.copy_into(self.stack[array + 1], start);
        self.checked_range(object, start, length, end);
        self.range_start(object, start, log2);
        self.add_const(start, start, ELEMENTS);
        self.registers.release(object);
        self.registers.release(end);
        start
    }

    /// Traps unless a range lies in an array, whose register has its offset in the region then. `end` is overwritten.
    fn checked_range(&mut self, array: Reg, start: Reg, length: usize, end: Reg) {
        self.copy_into(self.stack[length], end);
        // The sum does not overflow 64 bits.
        self.add_wide(end, end, start);
        self.in_region(array, array);
        self.load_heap_base();
        let offset = LENGTH_OFFSET as i32;
        self.load_from(Load::Whole32, Ty::I32, SCRATCH, SCRATCH, array, offset, Some(TrapCode::NullArray));
        self.compare_wide(end, SCRATCH);
        self.trap_if(Cond::Above, TrapCode::ArrayOutOfBounds);
    }

    /// Makes an index of an element its address, but for the offset of the first one.
    fn range_start(&mut self, array: Reg, index: Reg, log2: u8) {
        // In 32 bits: whatever they are, the sum lies in the region.
        self.scaled_sum(index, array, index, log2);
        self.in_region(index, index);
        self.load_heap_base();
        self.add_wide(index, SCRATCH, index);
    }

    /// Writes elements from an address on, which lacks the offset of the first one. Their number is in `end`; both registers are
    /// overwritten.
    fn fill_elements(&mut self, storage: StorageType, value: usize, at: Reg, end: Reg, log2: u8) {
        let value = self.kept_form(storage, self.stack[value]);
        let (next, done) = (self.asm.new_label(), self.asm.new_label());
        self.shift_left(end, log2);
        self.add_wide(end, end, at);
        self.compare_wide(at, end);
        self.asm.jcc(Cond::AboveOrEqual, done);
        self.asm.bind(next);
        self.store_to(store_of(storage), value, at, None, ELEMENTS, None);
        self.add_const(at, at, 1 << log2);
        self.compare_wide(at, end);
        self.asm.jcc(Cond::Below, next);
        self.asm.bind(done);
    }

    /// Calls fixed code with what is in three registers, which are free then.
    fn bulk(&mut self, routine: BulkRoutine, args: [Reg; 3]) {
        let first = self.stack.len();
        self.spill_registers(first);
        for reg in args {
            self.push_reg(reg, Ty::I64);
        }
        self.register_args(first, &[Slot::Int(0), Slot::Int(1), Slot::Int(2)]);
        self.truncate(first);
        self.emit_call_instruction(Callee::Libcall(routine.slot()));
        self.reload_pins();
    }

    pub fn array_init_from(&mut self, libcall: Libcall, _: u32, segment: u32) {
        self.libcall(libcall, &[u64::from(segment)], 4, None);
    }
}
