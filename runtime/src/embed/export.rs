//! Exports of instances, and of modules: as embedders see them.

use crate::embed::func::Func;
use crate::embed::instance::Extern;
use crate::memory::linear::Memory;
use crate::memory::shared::SharedMemory;
use crate::memory::table::Table;
use crate::module::handle::AsModule;
use crate::module::linked::LinkedModule;
use crate::store::exception::Tag;
use crate::store::global::Global;
use epsilon_abi::EntityIndex;
use std::sync::Arc;

/// An export of an instance.
#[derive(Clone, Debug)]
pub struct Export<'a> {
    name: &'a str,
    item: Extern,
}

impl<'a> Export<'a> {
    pub(crate) fn new(name: &'a str, item: Extern) -> Self {
        Self { name, item }
    }

    /// Its name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The item.
    pub fn into_extern(self) -> Extern {
        self.item
    }

    /// The function, if it is one.
    pub fn into_func(self) -> Option<Func> {
        self.item.into_func()
    }

    /// The table, if it is one.
    pub fn into_table(self) -> Option<Table> {
        self.item.into_table()
    }

    /// The memory of the store, if it is one.
    pub fn into_memory(self) -> Option<Memory> {
        self.item.into_memory()
    }

    /// The memory that threads share, if it is one.
    pub fn into_shared_memory(self) -> Option<SharedMemory> {
        self.item.into_shared_memory()
    }

    /// The global, if it is one.
    pub fn into_global(self) -> Option<Global> {
        self.item.into_global()
    }

    /// The tag, if it is one.
    pub fn into_tag(self) -> Option<Tag> {
        self.item.into_tag()
    }
}

/// An export of a module, with which the instances of the module find it at once.
#[derive(Clone, Debug)]
pub struct ModuleExport {
    module: Arc<LinkedModule>,
    entity: EntityIndex,
}

impl ModuleExport {
    /// The export of a module that has a name.
    #[doc(hidden)]
    pub fn of(module: &impl AsModule, name: &str) -> Option<Self> {
        let module = module.as_module().module();
        Some(Self { module: module.clone(), entity: module.export(name)? })
    }

    /// The entity, in its own module.
    pub(crate) fn entity_in(&self, module: &Arc<LinkedModule>) -> Option<EntityIndex> {
        Arc::ptr_eq(&self.module, module).then_some(self.entity)
    }
}
