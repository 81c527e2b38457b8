//! Structures: `struct.new`, `struct.get`, `struct.set`.

use super::heap::{Extend, Kind, Place};
use super::{FuncTranslator, Translated};
use crate::trap::clif_trap;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use epsilon_abi::heap::NULL_BYTES;
use epsilon_abi::{FieldType, TrapCode, TypeIndex};

/// More bytes than any field has.
const FIELD_BYTES: u32 = 16;

impl FuncTranslator<'_> {
    pub(super) fn struct_new(&mut self, ty: u32) -> Translated {
        let ty = TypeIndex(ty);
        let fields = self.env.info.type_struct(ty);
        let layout = self.struct_layout(ty);
        self.charge(fields.len())?;
        let at = self.stack.len() - fields.len();
        // What has branches of its own comes first: nothing is half made while they run.
        for (n, field) in fields.iter().enumerate() {
            self.stack[at + n] = self.stored_value(field.storage, self.stack[at + n]);
        }
        let object = self.allocate(ty, layout.size_bytes().into(), None);
        let address = self.object_address(object.reference);
        for (n, field) in fields.iter().enumerate() {
            let offset = layout.offset(n as u32);
            let flags = self.place_flags(Place::Field(offset, Kind::of(field.storage)));
            self.store_storage(field.storage, self.stack[at + n], flags, address, offset as i32);
        }
        self.commit(&object);
        self.stack.truncate(at);
        self.push(object.reference);
        Ok(())
    }

    pub(super) fn struct_new_default(&mut self, ty: u32) -> Translated {
        let layout = self.struct_layout(TypeIndex(ty));
        let object = self.allocate(TypeIndex(ty), layout.size_bytes().into(), None);
        self.commit(&object);
        self.push(object.reference);
        Ok(())
    }

    pub(super) fn struct_get(&mut self, ty: u32, field: u32) -> Translated {
        self.struct_get_as(ty, field, Extend::No)
    }

    pub(super) fn struct_get_s(&mut self, ty: u32, field: u32) -> Translated {
        self.struct_get_as(ty, field, Extend::Signed)
    }

    pub(super) fn struct_get_u(&mut self, ty: u32, field: u32) -> Translated {
        self.struct_get_as(ty, field, Extend::Unsigned)
    }

    fn struct_get_as(&mut self, ty: u32, field: u32, extend: Extend) -> Translated {
        let object = self.pop();
        let (field, flags, address, offset) = self.field_place(ty, field, object, 0);
        let value = self.load_storage(field.storage, extend, flags, address, offset);
        self.push(value);
        Ok(())
    }

    pub(super) fn struct_set(&mut self, ty: u32, field: u32) -> Translated {
        let (object, value) = self.pop2();
        let storage = self.env.info.type_struct(TypeIndex(ty))[field as usize].storage;
        let value = self.stored_value(storage, value);
        let (field, flags, address, offset) = self.field_place(ty, field, object, 1);
        self.mark_card(object, field, value);
        self.store_storage(storage, value, flags, address, offset);
        Ok(())
    }

    /// Where a field lies in an object, the operand with this number from the top.
    fn field_place(
        &mut self,
        ty: u32,
        field: u32,
        object: Value,
        operand: usize,
    ) -> (FieldType, MemFlagsData, Value, i32) {
        let offset = self.struct_layout(TypeIndex(ty)).offset(field);
        let field = self.env.info.type_struct(TypeIndex(ty))[field as usize];
        if offset + FIELD_BYTES > NULL_BYTES && !self.is_never_null(operand) {
            // So far from null there may be memory.
            self.ins().trapz(object, clif_trap(TrapCode::NullStruct));
        }
        let flags = self.faulting_flags(Place::Field(offset, Kind::of(field.storage)), operand, TrapCode::NullStruct);
        let address = self.object_address(object);
        (field, flags, address, offset as i32)
    }
}
