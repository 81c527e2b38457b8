//! What libcalls and constant expressions do with objects of the heap: making them, and the bulk operations of arrays.

use crate::base::error::{Error, Result};
use crate::heap::is_object;
use crate::memory::bounds::checked_range;
use crate::memory::bounds::memory_range;
use crate::store::inner::StoreInner;
use epsilon_abi::TrapCode as Trap;
use epsilon_abi::heap::{ELEMENTS_OFFSET, I31_BIT, TypeKind, storage_bytes};
use epsilon_abi::vm::VmFuncRef;
use epsilon_abi::{DataIndex, ElemIndex, ElementItems, HeapType, RefRepr, StorageType, TypeIndex, ValType};
use std::ops::Range;

/// The range of `len` elements at `start`, or the trap.
fn array_range(start: u32, len: u32, size: u32) -> Result<Range<u32>, Trap> {
    match start.checked_add(len) {
        Some(end) if end <= size => Ok(start..end),
        _ => Err(Trap::ArrayOutOfBounds),
    }
}

impl StoreInner {
    /// An array that code passes, or the trap.
    fn array(&self, reference: u32) -> Result<u32, Trap> {
        if is_object(reference) { Ok(reference) } else { Err(Trap::NullArray) }
    }

    /// What code compares to tell a type of an instance's module apart.
    fn type_word(&self, instance: u32, ty: TypeIndex) -> u32 {
        self.instances[instance as usize].module.type_word(ty)
    }

    /// Bytes of the elements of an array type of an instance's module.
    fn element_bytes(&self, instance: u32, ty: TypeIndex) -> u32 {
        storage_bytes(self.instances[instance as usize].module.info().type_array(ty).storage)
    }

    /// `array.new_data`.
    pub(crate) fn array_new_data(
        &mut self,
        instance: u32,
        ty: TypeIndex,
        segment: DataIndex,
        src: u32,
        len: u32,
    ) -> Result<u32> {
        let bytes = u64::from(self.element_bytes(instance, ty)) * u64::from(len);
        let source = memory_range(src.into(), bytes, self.instances[instance as usize].data_bytes(segment).len())?;
        let array = self.new_object(self.type_word(instance, ty), len)?;
        let data = &self.instances[instance as usize];
        self.heap().write(array + ELEMENTS_OFFSET, &data.data_bytes(segment)[source]);
        Ok(array)
    }

    /// `array.init_data`.
    pub(crate) fn array_init_data(
        &mut self,
        instance: u32,
        segment: DataIndex,
        array: u32,
        dst: u32,
        src: u32,
        len: u32,
    ) -> Result<()> {
        let array = self.array(array)?;
        let (size, element_bytes) = (self.heap().len(array), self.heap().record(array).size);
        let target = array_range(dst, len, size)?;
        let bytes = u64::from(element_bytes) * u64::from(len);
        let data = self.instances[instance as usize].data_bytes(segment);
        let source = memory_range(src.into(), bytes, data.len())?;
        self.heap().write(array + ELEMENTS_OFFSET + target.start * element_bytes, &data[source]);
        Ok(())
    }

    /// `array.new_elem`.
    pub(crate) fn array_new_elem(
        &mut self,
        instance: u32,
        ty: TypeIndex,
        segment: ElemIndex,
        src: u32,
        len: u32,
    ) -> Result<u32> {
        let source = checked_range(src.into(), len.into(), self.instances[instance as usize].elements_len(segment))?;
        let array = self.new_object(self.type_word(instance, ty), len)?;
        self.write_elements(instance, segment, source, array, 0)?;
        Ok(array)
    }

    /// `array.init_elem`.
    pub(crate) fn array_init_elem(
        &mut self,
        instance: u32,
        segment: ElemIndex,
        array: u32,
        dst: u32,
        src: u32,
        len: u32,
    ) -> Result<()> {
        let array = self.array(array)?;
        let target = array_range(dst, len, self.heap().len(array))?;
        let source = checked_range(src.into(), len.into(), self.instances[instance as usize].elements_len(segment))?;
        self.write_elements(instance, segment, source, array, target.start)
    }

    /// Writes elements of a segment into an array. Nothing is allocated in the heap, so that the array stays where it is.
    fn write_elements(
        &mut self,
        instance: u32,
        segment: ElemIndex,
        source: Range<usize>,
        array: u32,
        dst: u32,
    ) -> Result<()> {
        let first = array + ELEMENTS_OFFSET + 4 * dst;
        let module = self.instances[instance as usize].module.clone();
        for (at, from) in (first..).step_by(4).zip(source) {
            let data = &self.instances[instance as usize];
            let word = match (data.segment(segment), &module.info().elements[segment.index()].items) {
                (Some(references), _) => references[from],
                (None, ElementItems::Functions(functions)) => data.entry_of(functions[from]),
                (None, ElementItems::Exprs(exprs)) => {
                    let bits = self.evaluate(instance, &exprs[from])?;
                    // SAFETY: the expression is of a function type, which has a reference of this store as its value
                    // (invariant 17).
                    unsafe { number_of_func(bits as u64) }
                }
            };
            self.heap().set(at, 4, word.into());
        }
        self.heap().wrote_reference(array);
        Ok(())
    }

    /// `array.copy` of words.
    pub(crate) fn array_copy(&mut self, dst_array: u32, dst: u32, src_array: u32, src: u32, len: u32) -> Result<()> {
        let (to, from) = (self.array(dst_array)?, self.array(src_array)?);
        let heap = self.heap();
        let target = array_range(dst, len, heap.len(to))?;
        let source = array_range(src, len, heap.len(from))?;
        heap.copy(to + ELEMENTS_OFFSET + 4 * target.start, from + ELEMENTS_OFFSET + 4 * source.start, 4 * len);
        if len > 0 {
            heap.wrote_reference(to);
        }
        Ok(())
    }

    /// The kind of an object, and above 32 bits its length if it is an array; 0 for what is not an object.
    pub(crate) fn describe_object(&self, reference: u32) -> u64 {
        let Some(heap) = self.heap.as_ref().filter(|_| is_object(reference)) else { return 0 };
        let kind = heap.record(reference).kind;
        let length = if kind == TypeKind::Array as u32 { heap.len(reference) } else { 0 };
        u64::from(length) << 32 | u64::from(kind)
    }

    /// The reference to the function that a field names: 0 for 0.
    pub(crate) fn func_of_number(&mut self, number: u32) -> Result<u64> {
        match number {
            0 => Ok(0),
            number if number < self.next_entry() => Ok(self.func_ref(number)? as u64),
            number => Err(Error::misuse(format!("a field names function {number}, which is not there"))),
        }
    }

    /// What a field of this storage holds for a value.
    ///
    /// # Safety
    /// The bits must have been made as this type by this store: function references are followed.
    pub(crate) unsafe fn field_of_bits(storage: StorageType, bits: u128) -> u128 {
        match storage {
            StorageType::Val(ValType::Ref(ty)) if ty.repr() == RefRepr::Func => {
                // SAFETY: as the caller promises (invariant 17).
                unsafe { number_of_func(bits as u64) }.into()
            }
            _ => bits,
        }
    }

    /// Whether a reference, not null, of the family of `anyref` is to something of this type, which is canonical.
    pub(crate) fn is_of_type(&self, reference: u32, heap: HeapType) -> bool {
        let record = || is_object(reference).then(|| self.heap().record(reference));
        let is_kind = |kind: TypeKind| record().is_some_and(|record| record.kind == kind as u32);
        let is_i31 = reference & I31_BIT != 0;
        match heap {
            HeapType::Any => true,
            HeapType::Eq => is_i31 || is_object(reference),
            HeapType::I31 => is_i31,
            HeapType::Struct => is_kind(TypeKind::Struct),
            HeapType::Array => is_kind(TypeKind::Array),
            HeapType::ConcreteStruct(ty) | HeapType::ConcreteArray(ty) => {
                is_object(reference) && {
                    let heap = self.heap();
                    heap.records().is_subtype(heap.type_of(reference), self.runtime.signatures().word(ty.0))
                }
            }
            _ => false,
        }
    }
}

/// The store's number of the function that a reference is to; 0 for null.
///
/// # Safety
/// `bits` must be 0 or the address of a function reference of a store that lives.
unsafe fn number_of_func(bits: u64) -> u32 {
    if bits == 0 {
        return 0;
    }
    // SAFETY: as the caller promises; it lives as long as something leads to it (invariant 14).
    unsafe { (*(bits as *const VmFuncRef)).entry }
}
