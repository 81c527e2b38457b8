//! What a module imports, against what it is given.

use crate::error::{Error, ErrorKind, Result};
use crate::instance::Extern;
use crate::module::LinkedModule;
use crate::store::StoreInner;
use epsilon_abi::{EntityIndex, Import, Limits, MemoryType, TableType, seeded};

impl StoreInner {
    /// Refuses items of other stores, and of other types than the module wants.
    pub(crate) fn check_imports(&self, module: &LinkedModule, imports: &[Extern]) -> Result<()> {
        let expected = &module.info().imports;
        if expected.len() != imports.len() {
            let found = format!("{} items", imports.len());
            return Err(Error::mismatch("imports of a module", format!("{} items", expected.len()), found));
        }
        for (import, item) in expected.iter().zip(imports) {
            if let Some(store) = item.store() {
                self.check(store, "import")?;
            }
            self.check_import(module, import, item)?;
        }
        Ok(())
    }

    fn check_import(&self, module: &LinkedModule, import: &Import, item: &Extern) -> Result<()> {
        let info = module.info();
        let mismatch = |expected: String, found: String| {
            Err(Error::new(ErrorKind::Import {
                module: import.module.clone(),
                name: import.name.clone(),
                problem: format!("expected {expected}, found {found}"),
            }))
        };
        match (import.entity, item) {
            (EntityIndex::Func(index), Extern::Func(func)) => {
                let (ty, _, signature) = self.signature_of(func.entry);
                let want = info.functions[index.index()];
                if !self.runtime.signatures().is_subtype(signature, module.type_id(want)) {
                    return mismatch(format!("a function {}", module.func_type(want)), format!("a function {ty}"));
                }
            }
            (EntityIndex::Table(index), Extern::Table(table)) => {
                let want = info.tables[index.index()].map_types(&|ty| module.canonical(ty));
                let have = self.tables[table.index as usize].ty();
                if !table_matches(&want, &have) {
                    return mismatch(format!("a {want}"), format!("a {have}"));
                }
            }
            (EntityIndex::Memory(index), Extern::Memory(memory)) => {
                let (want, have) = (info.memories[index.index()], self.memories[memory.index as usize].ty());
                if !memory_matches(&want, &have) {
                    return mismatch(format!("a {want}"), format!("a {have}"));
                }
            }
            (EntityIndex::Memory(index), Extern::SharedMemory(memory)) => {
                if !memory.is_of(&self.runtime) {
                    return Err(Error::misuse(
                        "the shared memory is of another engine than the store; use one for both",
                    ));
                }
                let (want, have) = (info.memories[index.index()], memory.ty());
                if !memory_matches(&want, &have) {
                    return mismatch(format!("a {want}"), format!("a {have}"));
                }
            }
            (EntityIndex::Global(index), Extern::Global(global)) => {
                let want = info.globals[index.index()].map_types(&|ty| module.canonical(ty));
                let mut have = self.global_type(global.key);
                if seeded::bug("mutability-unchecked") {
                    have.mutable = want.mutable;
                }
                // What is only read may be more special than what is wanted.
                let matches = match want.mutable {
                    true => want == have,
                    false => !have.mutable && self.runtime.signatures().value_matches(have.value, want.value),
                };
                if !matches {
                    return mismatch(format!("a {want}"), format!("a {have}"));
                }
            }
            (EntityIndex::Tag(index), Extern::Tag(tag)) => {
                let (want, have) = (info.tags[index.index()], &self.tags[tag.index as usize]);
                if have.type_id != module.type_id(want) {
                    return mismatch(format!("a tag {}", module.func_type(want)), format!("a tag {}", have.ty));
                }
            }
            (entity, item) => return mismatch(kind_of(entity).into(), item.kind().into()),
        }
        Ok(())
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
