//! Types of imports and exports, resolved so that they mean something outside of their module.

use epsilon_abi::{EntityIndex, FuncType, GlobalType, MemoryType, TableType};
use epsilon_runtime::LinkedModule;
use std::fmt;

/// The type of an item that can be imported or exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternType {
    /// A function.
    Func(FuncType),
    /// A table.
    Table(TableType),
    /// A linear memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
    /// An exception tag, with what it carries.
    Tag(FuncType),
}

impl ExternType {
    pub(crate) fn of(module: &LinkedModule, entity: EntityIndex) -> Self {
        let (info, canonical) = (module.info(), |ty| module.canonical(ty));
        match entity {
            EntityIndex::Func(index) => Self::Func(module.func_type(info.functions[index.index()]).clone()),
            EntityIndex::Table(index) => Self::Table(info.tables[index.index()].map_types(&canonical)),
            EntityIndex::Memory(index) => Self::Memory(info.memories[index.index()]),
            EntityIndex::Global(index) => Self::Global(info.globals[index.index()].map_types(&canonical)),
            EntityIndex::Tag(index) => Self::Tag(module.func_type(info.tags[index.index()]).clone()),
        }
    }

    /// The function type, if it is one.
    pub fn func(&self) -> Option<&FuncType> {
        if let Self::Func(ty) = self { Some(ty) } else { None }
    }
}

impl fmt::Display for ExternType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Func(ty) => write!(f, "func {ty}"),
            Self::Table(ty) => ty.fmt(f),
            Self::Memory(ty) => ty.fmt(f),
            Self::Global(ty) => ty.fmt(f),
            Self::Tag(ty) => write!(f, "tag {ty}"),
        }
    }
}

/// An import of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportType<'a> {
    module: &'a str,
    name: &'a str,
    ty: ExternType,
}

impl<'a> ImportType<'a> {
    pub(crate) fn new(module: &LinkedModule, import: &'a epsilon_abi::Import) -> Self {
        Self { module: &import.module, name: &import.name, ty: ExternType::of(module, import.entity) }
    }

    /// The first of its names.
    pub fn module(&self) -> &'a str {
        self.module
    }

    /// The second of its names.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Its type.
    pub fn ty(&self) -> &ExternType {
        &self.ty
    }
}

/// An export of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportType<'a> {
    name: &'a str,
    ty: ExternType,
}

impl<'a> ExportType<'a> {
    pub(crate) fn new(module: &LinkedModule, export: &'a epsilon_abi::Export) -> Self {
        Self { name: &export.name, ty: ExternType::of(module, export.entity) }
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Its type.
    pub fn ty(&self) -> &ExternType {
        &self.ty
    }
}
