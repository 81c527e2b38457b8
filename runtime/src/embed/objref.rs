//! Structures and arrays of guests, as embedders hold, read, write and make them.

use crate::base::error::{Error, Result};
use crate::embed::rooted::{ArrayRef, Rooted, StructRef};
use crate::embed::value::Val;
use crate::store::inner::{AsContext, AsContextMut, StoreContextMut, StoreId, StoreInner};
use crate::types::{ArrayType, HeapType, StructType};
use epsilon_abi::heap::{ELEMENTS_OFFSET, StructLayout, storage_bytes};
use epsilon_abi::{CompositeType, FieldType, RefRepr, StorageType, TypeIndex, ValType};

macro_rules! made_with {
    ($($(#[$doc:meta])* $pre:ident, $ty:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $pre {
            store: StoreId,
            ty: $ty,
        }

        impl $pre {
            /// For objects of this type.
            ///
            /// # Panics
            /// If the type is of another engine.
            pub fn new(mut store: impl AsContextMut, ty: $ty) -> Self {
                let mut context = store.as_context_mut();
                let inner = context.inner();
                ty.check_engine(inner.runtime.signatures()).unwrap_or_else(|error| panic!("{error}"));
                Self { store: inner.id, ty }
            }
        }
    )*};
}

made_with! {
    /// What structures of a type are made with.
    StructRefPre, StructType;
    /// What arrays of a type are made with.
    ArrayRefPre, ArrayType;
}

impl StructRef {
    /// A new structure with these fields.
    ///
    /// # Errors
    /// If there are not as many as the type has, one is of another type or store, or the heap is full.
    ///
    /// # Panics
    /// If `allocator` is of another store.
    pub fn new(mut store: impl AsContextMut, allocator: &StructRefPre, fields: &[Val]) -> Result<Rooted<Self>> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.assert_owns(allocator.store, "what structures are made with");
        let types = allocator.ty.abi();
        if types.len() != fields.len() {
            let found = format!("{} fields", fields.len());
            return Err(Error::mismatch("structure", format!("{} fields", types.len()), found));
        }
        for (field, value) in types.iter().zip(fields) {
            inner.field_bits(field, value)?;
        }
        let object = inner.new_object_of(allocator.ty.id())?;
        let layout = StructLayout::new(types);
        for (n, (field, value)) in types.iter().zip(fields).enumerate() {
            inner.write_field(object, object + layout.offset(n as u32), field, value)?;
        }
        Ok(inner.hold(object))
    }

    /// The type.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn ty(&self, store: impl AsContext) -> Result<StructType> {
        let context = store.as_context();
        let inner = context.inner();
        let heap = inner.heap_type_of(self.bits(inner)?);
        Ok(HeapType::of_abi(inner.runtime.signatures(), heap).unwrap_concrete_struct().clone())
    }

    /// Whether it is of this type.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn matches_ty(&self, store: impl AsContext, ty: &StructType) -> Result<bool> {
        Ok(self.ty(store)?.matches(ty))
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

    /// The fields' values.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn fields<'a, T: 'static, E: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T, E>>,
    ) -> Result<impl ExactSizeIterator<Item = Val> + 'a> {
        let (mut context, this): (StoreContextMut<'a, T, E>, _) = (store.into(), *self);
        let count = this.ty(&context)?.abi().len();
        Ok((0..count).map(move |index| this.field(&mut context, index).expect("a field of a structure that is held")))
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
        inner.write_field(self.bits(inner)?, at, &field, &value)
    }

    fn place(self, inner: &StoreInner, index: usize) -> Result<(u32, FieldType)> {
        let bits = self.bits(inner)?;
        let CompositeType::Struct(fields) = inner.composite_of(bits) else { unreachable!("a structure") };
        let field = fields.get(index).copied();
        let field = field.ok_or_else(|| Error::misuse(format!("the structure has no field {index}")))?;
        Ok((bits + StructLayout::new(&fields).offset(index as u32), field))
    }
}

impl ArrayRef {
    /// A new array with so many elements, which are all alike.
    ///
    /// # Errors
    /// If the element is of another type or store, or the heap is full.
    ///
    /// # Panics
    /// If `allocator` is of another store.
    pub fn new(mut store: impl AsContextMut, allocator: &ArrayRefPre, elem: &Val, len: u32) -> Result<Rooted<Self>> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.assert_owns(allocator.store, "what arrays are made with");
        let field = allocator.ty.abi();
        inner.field_bits(&field, elem)?;
        let array = inner.new_array_of(allocator.ty.id(), len)?;
        let (bits, bytes) = (inner.field_bits(&field, elem)?, storage_bytes(field.storage));
        for n in 0..len {
            inner.heap().set(array + ELEMENTS_OFFSET + n * bytes, bytes, bits);
        }
        inner.heap().wrote_reference(array);
        Ok(inner.hold(array))
    }

    /// A new array with these elements.
    ///
    /// # Errors
    /// If an element is of another type or store, or the heap is full.
    ///
    /// # Panics
    /// If `allocator` is of another store.
    pub fn new_fixed(mut store: impl AsContextMut, allocator: &ArrayRefPre, elems: &[Val]) -> Result<Rooted<Self>> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.assert_owns(allocator.store, "what arrays are made with");
        let field = allocator.ty.abi();
        for value in elems {
            inner.field_bits(&field, value)?;
        }
        let array = inner.new_array_of(allocator.ty.id(), array_len(elems.len())?)?;
        for (n, value) in (0..).zip(elems) {
            inner.write_field(array, array + ELEMENTS_OFFSET + n * storage_bytes(field.storage), &field, value)?;
        }
        Ok(inner.hold(array))
    }

    /// A new array of bytes.
    ///
    /// # Errors
    /// If the elements are not of 8 bits, or the heap is full.
    ///
    /// # Panics
    /// If `allocator` is of another store.
    pub fn new_from_i8_slice(
        mut store: impl AsContextMut,
        allocator: &ArrayRefPre,
        elems: &[u8],
    ) -> Result<Rooted<Self>> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.assert_owns(allocator.store, "what arrays are made with");
        check_bytes(&allocator.ty.abi())?;
        let array = inner.new_array_of(allocator.ty.id(), array_len(elems.len())?)?;
        inner.heap().write(array + ELEMENTS_OFFSET, elems);
        Ok(inner.hold(array))
    }

    /// The type.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn ty(&self, store: impl AsContext) -> Result<ArrayType> {
        let context = store.as_context();
        let inner = context.inner();
        let heap = inner.heap_type_of(self.bits(inner)?);
        Ok(HeapType::of_abi(inner.runtime.signatures(), heap).unwrap_concrete_array().clone())
    }

    /// Whether it is of this type.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn matches_ty(&self, store: impl AsContext, ty: &ArrayType) -> Result<bool> {
        Ok(self.ty(store)?.matches(ty))
    }

    /// How many elements it has.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn len(&self, store: impl AsContext) -> Result<u32> {
        let context = store.as_context();
        let inner = context.inner();
        Ok(inner.heap().len(self.bits(inner)?))
    }

    /// The elements.
    ///
    /// # Errors
    /// If the reference is of another store, or no longer held.
    pub fn elems<'a, T: 'static, E: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T, E>>,
    ) -> Result<impl ExactSizeIterator<Item = Val> + 'a> {
        let (mut context, this): (StoreContextMut<'a, T, E>, _) = (store.into(), *self);
        let count = this.len(&context)? as usize;
        Ok((0..count).map(move |n| this.get(&mut context, n as u32).expect("an element of an array that is held")))
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
        inner.write_field(self.bits(inner)?, at, &field, &value)
    }

    /// Copies all elements of an array of bytes.
    ///
    /// # Errors
    /// If the elements are not of 8 bits, there are more or fewer than `dst` has, the reference is of another store, or it is no
    /// longer held.
    pub fn copy_to_i8_slice(&self, mut store: impl AsContextMut, dst: &mut [u8]) -> Result<()> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        let (at, field) = self.place(inner, 0, 0)?;
        check_bytes(&field)?;
        let len = inner.heap().len(self.bits(inner)?) as usize;
        if len != dst.len() {
            return Err(Error::misuse(format!("the array has {len} elements, and the slice {}", dst.len())));
        }
        inner.heap().read(at, dst);
        Ok(())
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
        let bits = self.bits(inner)?;
        let len = inner.heap().len(bits);
        if index.checked_add(count).is_none_or(|end| end > len) {
            return Err(Error::misuse(format!("the array of {len} elements has no {count} from {index} on")));
        }
        let CompositeType::Array(field) = inner.composite_of(bits) else { unreachable!("an array") };
        Ok((bits + ELEMENTS_OFFSET + index * storage_bytes(field.storage), field))
    }
}

/// As the length of an array.
fn array_len(len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| Error::limit("an array has fewer than 2^32 elements"))
}

/// Refuses elements that are not bytes.
fn check_bytes(field: &FieldType) -> Result<()> {
    match field.storage {
        StorageType::I8 => Ok(()),
        StorageType::I16 | StorageType::Val(_) => Err(Error::misuse("the elements of the array are not of 8 bits")),
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
