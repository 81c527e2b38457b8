//! What a module imports, against what it is given.

use crate::base::error::{Error, ErrorKind, Result};
use crate::embed::instance::Extern;
use crate::module::linked::{LinkedModule, Runtime};
use crate::store::inner::{AsContext, StoreInner};
use epsilon_abi::{EntityIndex, FuncType, GlobalType, Import, Limits, MemoryType, TableType};
use std::borrow::Borrow;
use std::sync::Arc;

/// What an import is checked against. Types are canonical, and minima are sizes.
enum ItemType<F> {
    Func { ty: F, signature: u32 },
    Table(TableType),
    Memory(MemoryType),
    Global(GlobalType),
    Tag { ty: F, type_id: u32 },
}

/// An item with its type, which it can be checked by without its store. A memory or a table may have grown since: what
/// could be imported then can be now.
#[derive(Clone)]
pub struct TypedExtern {
    item: Extern,
    ty: Arc<ItemType<FuncType>>,
    runtime: Arc<Runtime>,
}

impl TypedExtern {
    /// An item of a store, or of its engine.
    ///
    /// # Errors
    /// If it is of another one.
    pub fn new(store: &impl AsContext, item: Extern) -> Result<Self> {
        let context = store.as_context();
        let inner = context.inner();
        inner.check_owner(&item)?;
        let ty = match inner.item_type(&item) {
            ItemType::Func { ty, signature } => ItemType::Func { ty: ty.clone(), signature },
            ItemType::Tag { ty, type_id } => ItemType::Tag { ty: ty.clone(), type_id },
            ItemType::Table(ty) => ItemType::Table(ty),
            ItemType::Memory(ty) => ItemType::Memory(ty),
            ItemType::Global(ty) => ItemType::Global(ty),
        };
        Ok(Self { item, ty: Arc::new(ty), runtime: inner.runtime.clone() })
    }

    /// The item.
    pub fn item(&self) -> &Extern {
        &self.item
    }

    /// Whether it belongs to a store, which alone can use it.
    pub fn is_of_a_store(&self) -> bool {
        self.item.store().is_some()
    }

    /// Whether this and another one are of the same store, if both are of one.
    pub fn goes_with(&self, other: &Self) -> bool {
        match (self.item.store(), other.item.store()) {
            (Some(store), Some(other)) => store == other,
            _ => true,
        }
    }

    /// Whether a module can import it as this.
    ///
    /// # Errors
    /// If it is of another engine, or of another type.
    pub fn check(&self, module: &LinkedModule, import: &Import) -> Result<()> {
        if !Arc::ptr_eq(&self.runtime, module.runtime()) {
            let problem = "it belongs to a different engine from the module; use one engine for both";
            return Err(import_error(import, problem.into()));
        }
        check_type(module, import, &self.ty)
    }
}

impl StoreInner {
    /// Refuses items of other stores, and of other types than the module wants.
    pub(crate) fn check_imports(&self, module: &LinkedModule, imports: &[Extern]) -> Result<()> {
        let expected = &module.info().imports;
        if expected.len() != imports.len() {
            let found = format!("{} items", imports.len());
            return Err(Error::mismatch("imports of a module", format!("{} items", expected.len()), found));
        }
        for (import, item) in expected.iter().zip(imports) {
            self.check_owner(item)?;
            check_type(module, import, &self.item_type(item))?;
        }
        Ok(())
    }

    fn check_owner(&self, item: &Extern) -> Result<()> {
        match item {
            Extern::SharedMemory(memory) if !memory.is_of(&self.runtime) => Err(Error::misuse(
                "the shared memory and the store belong to different engines; use one engine for both",
            )),
            item => item.store().map_or(Ok(()), |store| self.check(store, "import")),
        }
    }

    /// The type of an item of this store.
    fn item_type(&self, item: &Extern) -> ItemType<&FuncType> {
        match item {
            Extern::Func(func) => {
                let (ty, _, signature) = self.signature_of(func.entry);
                ItemType::Func { ty, signature }
            }
            Extern::Table(table) => ItemType::Table(self.tables[table.index as usize].ty()),
            Extern::Memory(memory) => ItemType::Memory(self.memories[memory.index as usize].ty()),
            Extern::SharedMemory(memory) => ItemType::Memory(memory.abi_type()),
            Extern::Global(global) => ItemType::Global(self.global_type(global.key)),
            Extern::Tag(tag) => {
                let tag = &self.tags[tag.index as usize];
                ItemType::Tag { ty: &tag.ty, type_id: tag.type_id }
            }
        }
    }
}

/// Whether a module can import a host function as this.
pub fn check_host_func(module: &LinkedModule, import: &Import, ty: &FuncType, signature: u32) -> Result<()> {
    check_type(module, import, &ItemType::Func { ty, signature })
}

fn check_type<F: Borrow<FuncType>>(module: &LinkedModule, import: &Import, item: &ItemType<F>) -> Result<()> {
    let (info, signatures) = (module.info(), module.runtime().signatures());
    let mismatch =
        |expected: String, found: String| Err(import_error(import, format!("expected {expected}, found {found}")));
    match (import.entity, item) {
        (EntityIndex::Func(index), ItemType::Func { ty, signature }) => {
            let want = info.functions[index.index()];
            if !signatures.is_subtype(*signature, module.type_id(want)) {
                let ty = ty.borrow();
                return mismatch(format!("a function {}", module.func_type(want)), format!("a function {ty}"));
            }
        }
        (EntityIndex::Table(index), ItemType::Table(have)) => {
            let want = info.tables[index.index()].map_types(&|ty| module.canonical(ty));
            if !table_matches(&want, have) {
                return mismatch(format!("a {want}"), format!("a {have}"));
            }
        }
        (EntityIndex::Memory(index), ItemType::Memory(have)) => {
            let want = info.memories[index.index()];
            if !memory_matches(&want, have) {
                return mismatch(format!("a {want}"), format!("a {have}"));
            }
        }
        (EntityIndex::Global(index), ItemType::Global(have)) => {
            let want = info.globals[index.index()].map_types(&|ty| module.canonical(ty));
            let have = *have;
            // What is only read may be more special than what is wanted.
            let matches = match want.mutable {
                true => want == have,
                false => !have.mutable && signatures.value_matches(have.value, want.value),
            };
            if !matches {
                return mismatch(format!("a {want}"), format!("a {have}"));
            }
        }
        (EntityIndex::Tag(index), ItemType::Tag { ty, type_id }) => {
            let want = info.tags[index.index()];
            if *type_id != module.type_id(want) {
                return mismatch(format!("a tag {}", module.func_type(want)), format!("a tag {}", ty.borrow()));
            }
        }
        (entity, item) => return mismatch(kind_of(entity).into(), kind_of_item(item).into()),
    }
    Ok(())
}

#[cold]
fn import_error(import: &Import, problem: String) -> Error {
    Error::new(ErrorKind::Import { module: import.module.clone(), name: import.name.clone(), problem })
}

fn kind_of_item<F>(item: &ItemType<F>) -> &'static str {
    match item {
        ItemType::Func { .. } => "a function",
        ItemType::Table(_) => "a table",
        ItemType::Memory(_) => "a memory",
        ItemType::Global(_) => "a global",
        ItemType::Tag { .. } => "a tag",
    }
}

fn kind_of(entity: EntityIndex) -> &'static str {
    match entity {
        EntityIndex::Func(_) => "a function",
        EntityIndex::Table(_) => "a table",
        EntityIndex::Memory(_) => "a memory",
        EntityIndex::Global(_) => "a global",
        EntityIndex::Tag(_) => "a tag",
    }
}

/// Import matching of limits (specification section 4.5.3): at least as large now, and bounded at least as tightly.
fn limits_match(want: &Limits, have: &Limits) -> bool {
    have.min >= want.min && want.max.is_none_or(|want| have.max.is_some_and(|have| have <= want))
}

fn table_matches(want: &TableType, have: &TableType) -> bool {
    want.element == have.element && want.is_64 == have.is_64 && limits_match(&want.limits, &have.limits)
}

fn memory_matches(want: &MemoryType, have: &MemoryType) -> bool {
    want.is_64 == have.is_64
        && want.shared == have.shared
        && want.page_size_log2 == have.page_size_log2
        && limits_match(&want.limits, &have.limits)
}
