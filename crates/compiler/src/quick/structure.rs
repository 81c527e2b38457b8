//! Structures: `struct.new`, `struct.get`, `struct.set`.

use super::Ty;
use super::heap::{Extend, NewSize};
use super::machine::{Cond, Reg};
use super::operand::Held;
use super::translator::Translator;
use epsilon_abi::heap::{NULL_BYTES, StructLayout};
use epsilon_abi::{HeapPlan, TrapCode, TypeIndex};
use std::rc::Rc;

/// More bytes than any field has.
const FIELD_BYTES: i32 = 16;

impl Translator<'_> {
    /// Where the fields of a structure type lie.
    pub fn struct_layout(&mut self, ty: TypeIndex) -> Rc<StructLayout> {
        let info = self.env.info;
        let make = || Rc::new(StructLayout::new(info.type_struct(ty)));
        self.struct_layouts.entry(ty).or_insert_with(make).clone()
    }

    pub fn struct_new(&mut self, ty: u32) {
        let ty = TypeIndex(ty);
        let fields = self.env.info.type_struct(ty);
        self.charge(fields.len());
        let layout = self.struct_layout(ty);
        let object = self.new_object(ty, NewSize::Fixed { bytes: layout.size_bytes().into(), length: None });
        let first = self.stack.len() - fields.len();
        for (n, (field, offset)) in fields.iter().zip(layout.offsets()).enumerate() {
            self.initialise(field.storage, self.stack[first + n], object.address, offset as i32);
        }
        self.commit(object);
        self.registers.release(object.address);
        self.truncate(first);
        self.push_reg(object.reference, Ty::Ref);
    }

    pub fn struct_new_default(&mut self, ty: u32) {
        let ty = TypeIndex(ty);
        let bytes = self.struct_layout(ty).size_bytes().into();
        let object = self.new_object(ty, NewSize::Fixed { bytes, length: None });
        self.commit(object);
        self.registers.release(object.address);
        self.push_reg(object.reference, Ty::Ref);
    }

    pub fn struct_get(&mut self, extend: Extend, ty: u32, field: u32) {
        let (field, offset) = self.field(ty, field);
        let object = self.pop();
        let object = self.read(object);
        self.registers.locked |= object.reg.bit();
        self.check_far_field(object.reg, offset);
        let object = self.held_in_region(object);
        self.load_heap_base();
        self.push_storage(field.storage, extend, object, offset, Some(TrapCode::NullStruct));
    }

    pub fn struct_set(&mut self, ty: u32, field: u32) {
        let (field, offset) = self.field(ty, field);
        let (value, object) = (self.pop(), self.pop());
        let object = self.read(object);
        self.registers.locked |= object.reg.bit();
        let value = self.stored(field.storage, value);
        self.check_far_field(object.reg, offset);
        let other = self.allocate(false);
        self.mark_card(object.reg, field.storage, value.is_err(), other);
        let place = self.in_region(object.reg, other);
        self.load_heap_base();
        self.store_stored(field.storage, value, place, offset, Some(TrapCode::NullStruct));
        self.registers.release(other);
        self.done(object);
    }

    /// A reference as an offset in the region, in the same register or in one of its own.
    pub fn held_in_region(&mut self, object: Held) -> Held {
        match self.env.plan.heap {
            HeapPlan::Whole => object,
            HeapPlan::Masked => {
                let reg = self.reuse(object, false);
                Held { reg: self.in_region(object.reg, reg), owned: true }
            }
        }
    }

    /// Traps if a structure is null and its field lies so far from null that there may be memory.
    fn check_far_field(&mut self, object: Reg, offset: i32) {
        if offset + FIELD_BYTES > NULL_BYTES as i32 {
            self.test_zero(object, false);
            self.trap_if(Cond::Equal, TrapCode::NullStruct);
        }
    }
}
