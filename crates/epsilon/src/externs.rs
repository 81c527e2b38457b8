//! Types of imports and exports, resolved so that they mean something outside of their module.

use crate::{
    AsContextMut, Error, Extern, Func, FuncType, Global, GlobalType, Memory, MemoryType, Result, SharedMemory, Table,
    TableType, Tag, TagType, Val, ValType,
};
use epsilon_abi::EntityIndex;
use epsilon_runtime::{AsEngine, LinkedModule};
use std::fmt;

/// The type of an item that can be imported or exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternType {
    /// A function.
    Func(FuncType),
    /// A global.
    Global(GlobalType),
    /// A table.
    Table(TableType),
    /// A linear memory.
    Memory(MemoryType),
    /// An exception tag, with what it carries.
    Tag(TagType),
}

macro_rules! kinds {
    ($($variant:ident $ty:ident $get:ident $unwrap:ident $what:literal;)*) => {
        impl ExternType {$(
            #[doc = concat!("The type, if it is that of ", $what, ".")]
            pub fn $get(&self) -> Option<&$ty> {
                if let Self::$variant(ty) = self { Some(ty) } else { None }
            }

            #[doc = concat!("The type.\n\n# Panics\nIf it is not that of ", $what, ".")]
            pub fn $unwrap(&self) -> &$ty {
                self.$get().expect(concat!("expected the type of ", $what))
            }
        )*}

        $(impl From<$ty> for ExternType {
            fn from(ty: $ty) -> Self {
                Self::$variant(ty)
            }
        })*
    };
}

kinds! {
    Func FuncType func unwrap_func "a function";
    Global GlobalType global unwrap_global "a global";
    Table TableType table unwrap_table "a table";
    Memory MemoryType memory unwrap_memory "a memory";
    Tag TagType tag unwrap_tag "a tag";
}

impl ExternType {
    pub(crate) fn of(module: &LinkedModule, entity: EntityIndex) -> Self {
        let info = module.info();
        match entity {
            EntityIndex::Func(index) => Self::Func(FuncType::of_module(module, info.functions[index.index()])),
            EntityIndex::Table(index) => Self::Table(TableType::of_module(module, &info.tables[index.index()])),
            EntityIndex::Memory(index) => Self::Memory(MemoryType::of_abi(info.memories[index.index()])),
            EntityIndex::Global(index) => Self::Global(GlobalType::of_module(module, &info.globals[index.index()])),
            EntityIndex::Tag(index) => Self::Tag(TagType::new(FuncType::of_module(module, info.tags[index.index()]))),
        }
    }

    /// An item of this type that does nothing: a function returns zeros and nulls; a memory, a table and a global have their
    /// least size and contain zeros and nulls.
    ///
    /// # Errors
    /// If a type has no such value, such as a reference that cannot be null; or limits are reached.
    pub fn default_value<E: AsEngine + 'static>(&self, mut store: impl AsContextMut<Engine = E>) -> Result<Extern> {
        let default = |ty: &ValType| {
            ty.default_value()
                .ok_or_else(|| Error::misuse(format!("a reference that cannot be null has no default: {ty}")))
        };
        Ok(match self {
            Self::Func(ty) => {
                let values: Vec<Val> = ty.results().map(|ty| default(&ty)).collect::<Result<_>>()?;
                let body = move |_: epsilon_runtime::Caller<'_, _, E>, _: &[Val], results: &mut [Val]| {
                    results.clone_from_slice(&values);
                    Ok(())
                };
                Func::try_new(store, ty.clone(), body)?.into()
            }
            Self::Global(ty) => Global::new(&mut store, ty.clone(), default(ty.content())?)?.into(),
            Self::Memory(ty) if ty.is_shared() => {
                SharedMemory::new(store.as_context_mut().engine(), ty.clone())?.into()
            }
            Self::Memory(ty) => Memory::new(&mut store, ty.clone())?.into(),
            Self::Table(ty) => {
                let value = default(&ty.element().clone().into())?.ref_().expect("a reference");
                Table::new(&mut store, ty.clone(), value)?.into()
            }
            Self::Tag(ty) => Tag::new(&mut store, ty)?.into(),
        })
    }
}

impl fmt::Display for ExternType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Func(ty) => write!(f, "func {ty}"),
            Self::Table(ty) => ty.fmt(f),
            Self::Memory(ty) => ty.fmt(f),
            Self::Global(ty) => ty.fmt(f),
            Self::Tag(ty) => ty.fmt(f),
        }
    }
}

/// An import of a module.
#[derive(Clone, Copy)]
pub struct ImportType<'a> {
    of: &'a LinkedModule,
    import: &'a epsilon_abi::Import,
}

impl<'a> ImportType<'a> {
    #[cfg(feature = "compiler")]
    pub(crate) fn new(of: &'a LinkedModule, import: &'a epsilon_abi::Import) -> Self {
        Self { of, import }
    }

    /// The first of its names.
    pub fn module(&self) -> &'a str {
        &self.import.module
    }

    /// The second of its names.
    pub fn name(&self) -> &'a str {
        &self.import.name
    }

    /// Its type.
    pub fn ty(&self) -> ExternType {
        ExternType::of(self.of, self.import.entity)
    }
}

impl fmt::Debug for ImportType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (module, name) = (self.module(), self.name());
        f.debug_struct("ImportType").field("module", &module).field("name", &name).field("ty", &self.ty()).finish()
    }
}

/// An export of a module.
#[derive(Clone, Copy)]
pub struct ExportType<'a> {
    of: &'a LinkedModule,
    export: &'a epsilon_abi::Export,
}

impl<'a> ExportType<'a> {
    #[cfg(feature = "compiler")]
    pub(crate) fn new(of: &'a LinkedModule, export: &'a epsilon_abi::Export) -> Self {
        Self { of, export }
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        &self.export.name
    }

    /// Its type.
    pub fn ty(&self) -> ExternType {
        ExternType::of(self.of, self.export.entity)
    }
}

impl fmt::Debug for ExportType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportType").field("name", &self.name()).field("ty", &self.ty()).finish()
    }
}
