//! The garbage-collected heap as compiler and runtime agree on it: how references and objects look, and where fields lie.
//!
//! ```text
//! reference   0 null │ …1 i31: value << 1 │ …10 of the host: number << 2 │ …00 offset of an object in the region
//! structure   type record │ fields, from offset 4
//! array       type record │ length │ elements, from offset 8
//! ```
//! All words are of four bytes. References in objects are those words; of functions they are the store's numbers.

use crate::{FieldType, HeapType, StorageType, TypeIndex, ValType};

/// Offset of a structure's first field.
pub const FIELDS_OFFSET: u32 = 4;

/// Offset of an array's length in elements.
pub const LENGTH_OFFSET: u32 = 4;

/// Offset of an array's first element.
pub const ELEMENTS_OFFSET: u32 = 8;

/// Bytes at the beginning of the region that are never accessible, so that null faults.
pub const NULL_BYTES: u32 = 64 << 10;

/// Bytes behind the region that are never accessible: more than the largest static offset.
pub const GUARD_BYTES: u32 = 1 << 20;

/// Objects of more bytes are allocated by the runtime alone.
pub const LARGE_OBJECT_BYTES: u32 = 8 << 10;

/// No object has more bytes than this.
pub const MAX_OBJECT_BYTES: u32 = (1 << 31) - (1 << 20);

/// Objects that begin in the same `1 << CARD_LOG2` bytes share a card.
pub const CARD_LOG2: u32 = 9;

/// Size of a type record.
pub const RECORD_BYTES: u32 = 128;

/// Size of all type records of an engine together.
pub const RECORDS_BYTES: u32 = 128 << 20;

/// What is left of a header before it is used as the offset of a type record.
pub const RECORD_MASK: u32 = RECORDS_BYTES - RECORD_BYTES;

/// How many ancestors a type record names.
pub const DISPLAY_LEN: usize = 16;

/// What a reference to an `i31` has set: the value lies above.
pub const I31_BIT: u32 = 1;

/// The low two bits of references to what is the host's.
pub const HOST_TAG: u32 = 2;

/// A heap as machine code sees it. The store owns it; it does not move while the store lives.
#[repr(C)]
#[derive(Debug)]
pub struct VmHeap {
    /// The address of offset 0 of the region. Constant.
    pub base: *mut u8,
    /// The address of the first card. Constant.
    pub cards: *mut u8,
    /// The address of the type records of the engine. Constant.
    pub records: *const u8,
    /// Offset of the next object that is allocated.
    pub alloc: u32,
    /// Offset at which the memory for new objects ends. It is zero from `alloc` on, whenever code runs.
    pub limit: u32,
    /// The size of the region less one, which is a power of two less one: what is left of a sum of 32 bits before it is used
    /// as an offset under [`crate::HeapPlan::Masked`]. Constant.
    pub mask: u32,
    /// Not used.
    pub rest: u32,
}

/// Kinds of types that objects have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum TypeKind {
    /// A structure.
    Struct = 1,
    /// An array.
    Array = 2,
}

impl TypeKind {
    /// Of a type of objects, with the type of the module that it is, if it is one; `None` of all other types.
    pub const fn of_objects(heap: HeapType) -> Option<(Option<TypeIndex>, Self)> {
        match heap {
            HeapType::Struct => Some((None, Self::Struct)),
            HeapType::Array => Some((None, Self::Array)),
            HeapType::ConcreteStruct(ty) => Some((Some(ty), Self::Struct)),
            HeapType::ConcreteArray(ty) => Some((Some(ty), Self::Array)),
            _ => None,
        }
    }
}

/// What is known of a structure or array type: casts read it, and so does the collector. The first one is at offset
/// [`RECORD_BYTES`] of their region, so that 0 names none.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TypeRecord {
    /// A [`TypeKind`]; 0 where there is no record.
    pub kind: u32,
    /// How many ancestors the type has.
    pub depth: u32,
    /// Bytes of an object of a structure type, or of an element of an array.
    pub size: u32,
    /// The canonical id.
    pub id: u32,
    /// References that the collector follows. Of a structure: bit *n* is for the word at offset 4 + 4 *n*. Of an array:
    /// bit 0 is for all elements.
    pub ref_info: u64,
    /// References to exceptions, likewise.
    pub exn_info: u64,
    /// Offsets of the records of the ancestors, the outermost first, and of this one at its own depth; else 0.
    pub display: [u32; DISPLAY_LEN],
    /// How many further pairs of maps lie behind the record, for structures of more words than 64.
    pub more: u32,
    /// Offset of the record of the supertype, or 0.
    pub supertype: u32,
    /// Not used.
    pub rest: [u32; 6],
}

const _: () = assert!(size_of::<TypeRecord>() == RECORD_BYTES as usize);

/// Bytes of a field or element in an object.
pub const fn storage_bytes(storage: StorageType) -> u32 {
    match storage {
        StorageType::I8 => 1,
        StorageType::I16 => 2,
        StorageType::Val(ValType::I64 | ValType::F64) => 8,
        StorageType::Val(ValType::V128) => 16,
        StorageType::Val(_) => 4,
    }
}

/// Where the fields of a structure lie.
///
/// A field's place depends on those before it alone: so a type has its supertype's fields where that has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructLayout {
    offsets: Box<[u32]>,
    size_bytes: u32,
}

impl StructLayout {
    /// The layout of a structure with these fields.
    pub fn new(fields: &[FieldType]) -> Self {
        let mut end = FIELDS_OFFSET;
        // What is left of the last word that small fields were put in.
        let mut left = 0..0_u32;
        let mut place = |field: &FieldType| {
            let bytes = storage_bytes(field.storage);
            if bytes >= 4 {
                end += bytes;
                return end - bytes;
            }
            let aligned = left.start.next_multiple_of(bytes);
            if aligned + bytes <= left.end {
                left.start = aligned + bytes;
                return aligned;
            }
            end += 4;
            left = end - 4 + bytes..end;
            end - 4
        };
        let offsets = fields.iter().map(&mut place).collect();
        Self { offsets, size_bytes: end }
    }

    /// The offset of a field in the object.
    pub fn offset(&self, field: u32) -> u32 {
        self.offsets[field as usize]
    }

    /// The offsets of all fields, in their order.
    pub fn offsets(&self) -> impl Iterator<Item = u32> {
        self.offsets.iter().copied()
    }

    /// Size of an object in bytes, a multiple of four.
    pub const fn size_bytes(&self) -> u32 {
        self.size_bytes
    }
}

/// Size of an array in bytes, a multiple of four.
pub const fn array_bytes(element_bytes: u32, len: u32) -> u64 {
    (ELEMENTS_OFFSET as u64 + element_bytes as u64 * len as u64).next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(storage: StorageType) -> FieldType {
        FieldType { storage, mutable: true }
    }

    #[test]
    fn fields_keep_their_places_in_subtypes() {
        use StorageType::{I8, I16, Val};
        let all = [I8, Val(ValType::I64), I16, I8, Val(ValType::V128), I16, I8, I8, Val(ValType::I32)].map(field);
        let layout = StructLayout::new(&all);
        assert_eq!(layout.offsets().collect::<Vec<_>>(), [4, 8, 6, 16, 20, 18, 36, 37, 40]);
        assert_eq!(layout.size_bytes(), 44);
        for len in 0..all.len() {
            let supertype = StructLayout::new(&all[..len]);
            assert_eq!(supertype.offsets().collect::<Vec<_>>(), layout.offsets().take(len).collect::<Vec<_>>());
            assert!(supertype.size_bytes() <= layout.size_bytes());
        }
    }

    #[test]
    fn arrays_end_with_their_words() {
        assert_eq!([array_bytes(1, 0), array_bytes(1, 5), array_bytes(2, 3)], [8, 16, 16]);
        assert_eq!(array_bytes(16, u32::MAX), 8 + 16 * u64::from(u32::MAX));
    }
}
