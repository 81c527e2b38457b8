//! Structures and arrays of guests, as embedders hold, read, write and make them.

use crate::base::error::{Error, Result};
use crate::embed::anyref::AnyRef;
use crate::embed::types::{ArrayType, StructType};
use crate::embed::value::Val;
use crate::store::inner::{AsContext, AsContextMut, StoreInner};
use epsilon_abi::heap::{ELEMENTS_OFFSET, StructLayout, storage_bytes};
use epsilon_abi::{CompositeType, FieldType, RefRepr, StorageType, TypeIndex, ValType};

/// A reference to a structure. Held as [`AnyRef`]s are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StructRef(AnyRef);

/// A reference to an array. Held as [`AnyRef`]s are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayRef(AnyRef);

impl AnyRef {
    /// The structure, if it is a reference to one.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn as_struct(&self, store: impl AsContext) -> Result<Option<StructRef>> {
        Ok(self.is_struct(store)?.then_some(StructRef(*self)))
    }

    /// The array, if it is a reference to one.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn as_array(&self, store: impl AsContext) -> Result<Option<ArrayRef>> {
        Ok(self.is_array(store)?.then_some(ArrayRef(*self)))
    }
}

impl StructRef {
    /// A new structure with these fields.
    ///
    /// # Errors
    /// If there are not as many as the type has, one is of another type or store, the type is of another engine, or the heap
    /// is full.
    pub fn new(mut store: impl AsContextMut, ty: &StructType, fields: &[Val]) -> Result<Self> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        ty.check_engine(inner.runtime.signatures())?;
        let types = ty.abi();
        if types.len() != fields.len() {
            let found = format!("{} fields", fields.len());
            return Err(Error::mismatch("structure", format!("{} fields", types.len()), found));
        }
        for (field, value) in types.iter().zip(fields) {
            inner.field_bits(field, value)?;
        }
        let object = inner.new_object_of(ty.id())?;
        let layout = StructLayout::new(types);
        for (n, (field, value)) in types.iter().zip(fields).enumerate() {
            inner.write_field(object, object + layout.offset(n as u32), field, value)?;
        }
        Ok(Self(inner.hold_any(object)))
    }

    /// As a reference to anything.
    pub fn to_anyref(&self) -> AnyRef {
        self.0
    }

    /// A field's value. Small integers are zero-extended.
    ///
    /// # Errors
    /// If there is no such field, the reference is of another store, or it is no longer held.
    pub fn field(&self, mut store: impl AsContextMut, index: usize) -> Result<Val> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let (at, field) = self.place(inner, index)?;
        inner.value_of_field(at, field.storage)
    }

    /// Sets a field. Of an integer too large for it, the low bits.
    ///
    /// # Errors
    /// If there is no such field, it is immutable, the value is of another type or store, the reference is of another
    /// store, or it is no longer held.
    pub fn set_field(&self, mut store: impl AsContextMut, index: usize, value: Val) -> Result<()> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let (at, field) = self.place(inner, index)?;
        if !field.mutable {
            return Err(Error::misuse(format!("field {index} of the structure cannot be set: it is immutable")));
        }
        inner.write_field(self.0.bits(inner)?, at, &field, &value)
    }

    fn place(self, inner: &StoreInner, index: usize) -> Result<(u32, FieldType)> {
        let bits = self.0.bits(inner)?;
        let CompositeType::Struct(fields) = inner.composite_of(bits) else { unreachable!("a structure") };
        let field = fields.get(index).copied();
        let field = field.ok_or_else(|| Error::misuse(format!("the structure has no field {index}")))?;
        Ok((bits + StructLayout::new(&fields).offset(index as u32), field))
    }
}

impl ArrayRef {
    /// A new array with these elements.
    ///
    /// # Errors
    /// If an element is of another type or store, the type is of another engine, or the heap is full.
    pub fn new_fixed(mut store: impl AsContextMut, ty: &ArrayType, elements: &[Val]) -> Result<Self> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        ty.check_engine(inner.runtime.signatures())?;
        let field = ty.abi();
        for value in elements {
            inner.field_bits(&field, value)?;
        }
        let len = u32::try_from(elements.len()).map_err(|_| Error::limit("an array has fewer than 2^32 elements"))?;
        let array = inner.new_array_of(ty.id(), len)?;
        for (n, value) in (0..).zip(elements) {
            inner.write_field(array, array + ELEMENTS_OFFSET + n * storage_bytes(field.storage), &field, value)?;
        }
        Ok(Self(inner.hold_any(array)))
    }

    /// As a reference to anything.
    pub fn to_anyref(&self) -> AnyRef {
        self.0
    }

    /// How many elements it has.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn len(&self, store: impl AsContext) -> Result<u32> {
        let context = store.as_context();
        let inner = context.inner();
        Ok(inner.heap().len(self.0.bits(inner)?))
    }

    /// An element. Small integers are zero-extended.
    ///
    /// # Errors
    /// If there is no such element, the reference is of another store, or it is no longer held.
    pub fn get(&self, mut store: impl AsContextMut, index: u32) -> Result<Val> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let (at, field) = self.place(inner, index, 1)?;
        inner.value_of_field(at, field.storage)
    }

    /// Sets an element. Of an integer too large for it, the low bits.
    ///
    /// # Errors
    /// If there is no such element, elements are immutable, the value is of another type or store, the reference is of
    /// another store, or it is no longer held.
    pub fn set(&self, mut store: impl AsContextMut, index: u32, value: Val) -> Result<()> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let (at, field) = self.place(inner, index, 1)?;
        if !field.mutable {
            return Err(Error::misuse("elements of the array cannot be set: they are immutable"));
        }
        inner.write_field(self.0.bits(inner)?, at, &field, &value)
    }

    /// Copies the bytes of elements that are numbers, little-endian, from element `start` on.
    ///
    /// # Errors
    /// If the elements are references, or `bytes` is not of whole elements that the array has; if the reference is of another
    /// store, or no longer held.
    pub fn copy_to_slice(&self, store: impl AsContext, start: u32, bytes: &mut [u8]) -> Result<()> {
        let context = store.as_context();
        let inner = context.inner();
        let at = self.place_of_bytes(inner, start, bytes.len())?.0;
        inner.heap().read(at, bytes);
        Ok(())
    }

    /// Sets the bytes of elements that are numbers, little-endian, from element `start` on.
    ///
    /// # Errors
    /// As [`Self::copy_to_slice`], and if elements are immutable.
    pub fn copy_from_slice(&self, mut store: impl AsContextMut, start: u32, bytes: &[u8]) -> Result<()> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let (at, field) = self.place_of_bytes(inner, start, bytes.len())?;
        if !field.mutable {
            return Err(Error::misuse("elements of the array cannot be set: they are immutable"));
        }
        inner.heap().write(at, bytes);
        Ok(())
    }

    fn place_of_bytes(self, inner: &StoreInner, start: u32, len_bytes: usize) -> Result<(u32, FieldType)> {
        let (_, field) = self.place(inner, 0, 0)?;
        if matches!(field.storage, StorageType::Val(ValType::Ref(_))) {
            return Err(Error::misuse("elements that are references have no bytes"));
        }
        let bytes = storage_bytes(field.storage) as usize;
        if !len_bytes.is_multiple_of(bytes) {
            return Err(Error::misuse(format!("{len_bytes} bytes are not whole elements of {bytes} bytes")));
        }
        let count = u32::try_from(len_bytes / bytes).unwrap_or(u32::MAX);
        self.place(inner, start, count)
    }

    /// Where so many elements lie from one on.
    fn place(self, inner: &StoreInner, index: u32, count: u32) -> Result<(u32, FieldType)> {
        let bits = self.0.bits(inner)?;
        let len = inner.heap().len(bits);
        if index.checked_add(count).is_none_or(|end| end > len) {
            return Err(Error::misuse(format!("the array of {len} elements has no {count} from {index} on")));
        }
        let CompositeType::Array(field) = inner.composite_of(bits) else { unreachable!("an array") };
        Ok((bits + ELEMENTS_OFFSET + index * storage_bytes(field.storage), field))
    }
}

impl StoreInner {
    /// The structure of an object's type, canonical.
    fn composite_of(&self, object: u32) -> CompositeType {
        let id = self.heap().record(object).id;
        let (_kept, ty) = self.runtime.signatures().keep(id).expect("an object's type is there");
        ty.composite
    }

    /// A new structure of a canonical type, which the store keeps from now on.
    fn new_object_of(&mut self, id: u32) -> Result<u32> {
        self.new_array_of(id, 0)
    }

    fn new_array_of(&mut self, id: u32, len: u32) -> Result<u32> {
        self.keep_type(TypeIndex(id))?;
        let record = self.runtime.signatures().word(id);
        self.new_object(record, len)
    }

    /// What a field holds for a value.
    fn field_bits(&mut self, field: &FieldType, value: &Val) -> Result<u128> {
        let ty = match field.storage {
            StorageType::Val(ty) => ty,
            StorageType::I8 | StorageType::I16 => ValType::I32,
        };
        let bits = self.val_to_bits(value, ty, || "value of a field".into())?;
        // SAFETY: `val_to_bits` has made the bits as this type, in this store (invariant 17).
        Ok(unsafe { Self::field_of_bits(field.storage, bits) })
    }

    /// Writes a value to a field or element that lies at `at` in an object. Nothing moves meanwhile.
    fn write_field(&mut self, object: u32, at: u32, field: &FieldType, value: &Val) -> Result<()> {
        let bits = self.field_bits(field, value)?;
        self.heap().set(at, storage_bytes(field.storage), bits);
        self.heap().wrote_reference(object);
        Ok(())
    }

    /// The value in a field, held by the host if it is a reference.
    fn value_of_field(&mut self, at: u32, storage: StorageType) -> Result<Val> {
        let mut bits = self.heap().get(at, storage_bytes(storage));
        let ty = match storage {
            StorageType::I8 | StorageType::I16 => ValType::I32,
            StorageType::Val(ty) => ty,
        };
        if let ValType::Ref(ty) = ty
            && ty.repr() == RefRepr::Func
        {
            bits = self.func_of_number(bits as u32)?.into();
        }
        // SAFETY: validated code, or `field_bits`, has written the field as its type, in this store (invariant 17).
        Ok(unsafe { self.val_from_bits(bits, ty) })
    }
}
