//! wasmparser's types as ours.

use super::Parse;
use crate::error::CompileError;
use epsilon_abi::{
    CompositeType, FieldType, FuncType, GlobalType, HeapType, Limits, MemoryType, ModuleInfo, RefRepr, RefType,
    StorageType, TableType, TypeDef, TypeIndex, ValType,
};
use wasmparser::{AbstractHeapType, CompositeInnerType, UnpackedIndex};

impl<'w> Parse<'w> {
    pub(super) fn types(&mut self, section: wasmparser::TypeSectionReader<'w>) -> Result<(), CompileError> {
        for group in section.into_iter_with_offsets() {
            let (offset, group) = group?;
            let start = self.info.types.len() as u32;
            let rec_group = start..start + group.types().len() as u32;
            // A function type may name types of its group that come later: first what kind each is, then what it holds.
            for ty in group.types() {
                let composite = match ty.composite_type.inner {
                    CompositeInnerType::Func(_) => CompositeType::Func(FuncType::default()),
                    CompositeInnerType::Struct(_) => CompositeType::Struct([].into()),
                    CompositeInnerType::Array(_) => {
                        CompositeType::Array(FieldType { storage: StorageType::I8, mutable: false })
                    }
                    CompositeInnerType::Cont(_) => {
                        return Err(CompileError::unsupported("continuation types", offset));
                    }
                };
                if ty.composite_type.shared || ty.composite_type.descriptor_idx.is_some() {
                    return Err(CompileError::unsupported("shared and descriptor types", offset));
                }
                let supertype = ty.supertype_idxs.first().and_then(|i| i.as_module_index()).map(TypeIndex);
                let rec_group = rec_group.clone();
                self.info.types.push(TypeDef { is_final: ty.is_final, supertype, rec_group, composite });
            }
            for (at, ty) in (start as usize..).zip(group.types()) {
                let info = &self.info;
                let composite = match &ty.composite_type.inner {
                    CompositeInnerType::Func(func) => CompositeType::Func(func_type(func, info, offset)?),
                    CompositeInnerType::Struct(ty) => {
                        let fields: Result<_, _> = ty.fields.iter().map(|ty| field_type(*ty, info, offset)).collect();
                        CompositeType::Struct(fields?)
                    }
                    CompositeInnerType::Array(ty) => CompositeType::Array(field_type(ty.0, info, offset)?),
                    CompositeInnerType::Cont(_) => continue,
                };
                self.info.types[at].composite = composite;
            }
        }
        Ok(())
    }
}

fn func_type(ty: &wasmparser::FuncType, info: &ModuleInfo, offset: u64) -> Result<FuncType, CompileError> {
    let list = |types: &[wasmparser::ValType]| -> Result<Box<[ValType]>, CompileError> {
        types.iter().map(|ty| val_type(*ty, info, offset)).collect()
    };
    Ok(FuncType { params: list(ty.params())?, results: list(ty.results())? })
}

fn field_type(ty: wasmparser::FieldType, info: &ModuleInfo, offset: u64) -> Result<FieldType, CompileError> {
    let storage = match ty.element_type {
        wasmparser::StorageType::I8 => StorageType::I8,
        wasmparser::StorageType::I16 => StorageType::I16,
        wasmparser::StorageType::Val(ty) => StorageType::Val(val_type(ty, info, offset)?),
    };
    Ok(FieldType { storage, mutable: ty.mutable })
}

/// A value type. `offset` is where to place an error.
pub(crate) fn val_type(ty: wasmparser::ValType, info: &ModuleInfo, offset: u64) -> Result<ValType, CompileError> {
    Ok(match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(ty) => ValType::Ref(ref_type(ty, info, offset)?),
    })
}

pub(super) fn ref_type(ty: wasmparser::RefType, info: &ModuleInfo, offset: u64) -> Result<RefType, CompileError> {
    Ok(RefType { nullable: ty.is_nullable(), heap: heap_type(ty.heap_type(), info, offset)? })
}

pub(crate) fn heap_type(ty: wasmparser::HeapType, info: &ModuleInfo, offset: u64) -> Result<HeapType, CompileError> {
    let index = match ty {
        wasmparser::HeapType::Abstract { shared: false, ty } => return abstract_heap_type(ty, offset),
        wasmparser::HeapType::Concrete(UnpackedIndex::Module(index)) => TypeIndex(index),
        // While a group is read, its own types are named by their place in it, which is validated.
        wasmparser::HeapType::Concrete(UnpackedIndex::RecGroup(place)) => match info.types.last() {
            Some(last) => TypeIndex(last.rec_group.start + place),
            None => return Err(CompileError::unsupported("a type of no recursion group", offset)),
        },
        other => return Err(CompileError::unsupported(format!("heap type {other:?}"), offset)),
    };
    match info.types.get(index.index()).map(|ty| &ty.composite) {
        Some(CompositeType::Func(_)) => Ok(HeapType::ConcreteFunc(index)),
        Some(CompositeType::Struct(_)) => Ok(HeapType::ConcreteStruct(index)),
        Some(CompositeType::Array(_)) => Ok(HeapType::ConcreteArray(index)),
        None => Err(CompileError::unsupported("a reference to a type that comes later", offset)),
    }
}

fn abstract_heap_type(ty: AbstractHeapType, offset: u64) -> Result<HeapType, CompileError> {
    Ok(match ty {
        AbstractHeapType::Func => HeapType::Func,
        AbstractHeapType::Extern => HeapType::Extern,
        AbstractHeapType::Any => HeapType::Any,
        AbstractHeapType::None => HeapType::None,
        AbstractHeapType::NoExtern => HeapType::NoExtern,
        AbstractHeapType::NoFunc => HeapType::NoFunc,
        AbstractHeapType::Eq => HeapType::Eq,
        AbstractHeapType::Struct => HeapType::Struct,
        AbstractHeapType::Array => HeapType::Array,
        AbstractHeapType::I31 => HeapType::I31,
        AbstractHeapType::Exn => HeapType::Exn,
        AbstractHeapType::NoExn => HeapType::NoExn,
        AbstractHeapType::Cont | AbstractHeapType::NoCont => {
            return Err(CompileError::unsupported("continuation references", offset));
        }
    })
}

/// How references to a heap type are represented.
pub(crate) fn ref_repr(ty: wasmparser::HeapType, info: &ModuleInfo, offset: u64) -> Result<RefRepr, CompileError> {
    let heap = heap_type(ty, info, offset)?;
    Ok(RefType { nullable: true, heap }.repr())
}

pub(super) fn table_type(ty: wasmparser::TableType, info: &ModuleInfo, offset: u64) -> Result<TableType, CompileError> {
    if ty.shared {
        return Err(CompileError::unsupported("shared tables", offset));
    }
    let limits = Limits { min: ty.initial, max: ty.maximum };
    Ok(TableType { element: ref_type(ty.element_type, info, offset)?, limits, is_64: ty.table64 })
}

pub(super) fn memory_type(ty: wasmparser::MemoryType) -> MemoryType {
    MemoryType {
        limits: Limits { min: ty.initial, max: ty.maximum },
        is_64: ty.memory64,
        shared: ty.shared,
        page_size_log2: ty.page_size_log2.unwrap_or(16) as u8,
    }
}

pub(super) fn global_type(
    ty: wasmparser::GlobalType,
    info: &ModuleInfo,
    offset: u64,
) -> Result<GlobalType, CompileError> {
    if ty.shared {
        return Err(CompileError::unsupported("shared globals", offset));
    }
    Ok(GlobalType { value: val_type(ty.content_type, info, offset)?, mutable: ty.mutable })
}
