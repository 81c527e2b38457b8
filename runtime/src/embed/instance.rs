//! Instances: making them, looking into them, and putting them back to where they began.

use crate::TypedFunc;
use crate::base::alloc;
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::pool::{Place, Places};
use crate::call::enter as call;
use crate::call::typed::{WasmParams, WasmResults};
use crate::embed::export::{Export, ModuleExport};
use crate::embed::func::{Func, Resolved};
use crate::fixed::{self, EntryFrame, RegFile};
use crate::memory::linear::Memory;
use crate::memory::shared::SharedMemory;
use crate::memory::table::Table;
use crate::module::handle::AsModule;
use crate::module::linked::LinkedModule;
use crate::serve::hostcall::HostFunc;
use crate::store::exception::{Tag, TagData};
use crate::store::global::Global;
use crate::store::inner::{AsContext, AsContextMut, StoreContextMut, StoreId, StoreInner};
use crate::store::instance::{InstanceData, LISTS, Words, instance_bytes, traced_globals};
use epsilon_abi::layout::GlobalPlace;
use epsilon_abi::vm::{VM_MAGIC, VmContext, VmGlobal, VmMemoryRef, VmTableRef};
use epsilon_abi::{EntityIndex, FuncIndex, GlobalIndex, MemoryIndex, ModuleInfo, TableIndex};
use std::sync::Arc;

/// An item that can be imported or exported.
#[derive(Clone, Debug)]
pub enum Extern {
    /// A function.
    Func(Func),
    /// A table.
    Table(Table),
    /// A linear memory.
    Memory(Memory),
    /// A linear memory that threads share.
    SharedMemory(SharedMemory),
    /// A global.
    Global(Global),
    /// An exception tag.
    Tag(Tag),
}

impl Extern {
    /// The function, if it is one.
    pub fn into_func(self) -> Option<Func> {
        if let Self::Func(func) = self { Some(func) } else { None }
    }

    /// The table, if it is one.
    pub fn into_table(self) -> Option<Table> {
        if let Self::Table(table) = self { Some(table) } else { None }
    }

    /// The memory, if it is one.
    pub fn into_memory(self) -> Option<Memory> {
        if let Self::Memory(memory) = self { Some(memory) } else { None }
    }

    /// The memory, if it is a shared one.
    pub fn into_shared_memory(self) -> Option<SharedMemory> {
        if let Self::SharedMemory(memory) = self { Some(memory) } else { None }
    }

    /// The global, if it is one.
    pub fn into_global(self) -> Option<Global> {
        if let Self::Global(global) = self { Some(global) } else { None }
    }

    /// The tag, if it is one.
    pub fn into_tag(self) -> Option<Tag> {
        if let Self::Tag(tag) = self { Some(tag) } else { None }
    }

    /// What kind of item it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Func(_) => "a function",
            Self::Table(_) => "a table",
            Self::Memory(_) => "a memory",
            Self::SharedMemory(_) => "a shared memory",
            Self::Global(_) => "a global",
            Self::Tag(_) => "a tag",
        }
    }

    /// The store that the item belongs to; `None` if it belongs to none.
    pub(crate) fn store(&self) -> Option<StoreId> {
        match self {
            Self::Func(func) => Some(func.store),
            Self::Table(table) => Some(table.store),
            Self::Memory(memory) => Some(memory.store),
            Self::SharedMemory(_) => None,
            Self::Global(global) => Some(global.store),
            Self::Tag(tag) => Some(tag.store),
        }
    }
}

macro_rules! extern_from {
    ($($ty:ident)*) => {$(
        impl From<$ty> for Extern {
            fn from(item: $ty) -> Self {
                Self::$ty(item)
            }
        }
    )*};
}
extern_from!(Func Table Memory SharedMemory Global Tag);

/// What an import is given: an item of the store, or a host function that becomes one.
#[doc(hidden)]
pub enum ImportItem<'a, T: 'static> {
    /// An item of the store.
    Item(&'a Extern),
    /// A host function, usable in any store.
    Host(&'a HostFunc<T>),
}

impl<T: 'static> ImportItem<'_, T> {
    fn add_to(&self, store: &mut StoreInner) -> Result<Extern> {
        match self {
            Self::Item(item) => Ok((*item).clone()),
            Self::Host(func) => func.add_to(store).map(Extern::Func),
        }
    }
}

/// An instance of a module in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instance {
    store: StoreId,
    index: u32,
}

impl Instance {
    /// Instantiates a module: `imports` in the order of the module's imports. Runs the start function.
    ///
    /// # Errors
    /// If an import is missing, of another store, or of another type; if limits are reached; or if a segment does not
    /// fit or the start function traps, in which case what was already written to imported items stays written
    /// (specification section 4.5.4). The store then holds what it held before, unless something may still refer to the
    /// instance: an imported table, say, or what a host function was given while the start function ran.
    pub fn new(mut store: impl AsContextMut, module: &impl AsModule, imports: &[Extern]) -> Result<Self> {
        let module = module.as_module().module();
        let mut context = store.as_context_mut();
        let inner = context.inner();
        check_engine(inner, module)?;
        let mark = inner.mark();
        inner.make_instance(&mark, module, imports).map(|index| Self { store: inner.id, index })
    }

    /// As [`Instance::new`], with imports that may be host functions of no store yet: they become the store's here, and
    /// if the instance cannot be made, the store drops them again. Nothing else is made meanwhile, so that no handle leads
    /// to what is dropped.
    ///
    /// # Errors
    /// As [`Instance::new`], and if a host function is of another engine.
    #[doc(hidden)]
    pub fn new_with<'a, T: 'static>(
        mut store: impl AsContextMut<Data = T>,
        module: &impl AsModule,
        imports: impl IntoIterator<Item = ImportItem<'a, T>>,
    ) -> Result<Self> {
        let module = module.as_module().module();
        let mut context = store.as_context_mut();
        let inner = context.inner();
        check_engine(inner, module)?;
        let mark = inner.mark();
        let imports: Result<Vec<Extern>> = imports.into_iter().map(|import| import.add_to(inner)).collect();
        match imports {
            Ok(imports) => {
                let index = inner.make_instance(&mark, module, &imports)?;
                Ok(Self { store: inner.id, index })
            }
            Err(error) => {
                inner.drop_since(&mark);
                Err(error)
            }
        }
    }

    /// Whether the instance is of this store.
    pub fn is_of(&self, store: impl AsContext) -> bool {
        store.as_context().inner().id == self.store
    }

    /// The export of this name.
    ///
    /// # Panics
    /// If the instance is of another store.
    pub fn get_export(&self, mut store: impl AsContextMut, name: &str) -> Option<Extern> {
        let mut context = store.as_context_mut();
        context.inner().assert_owns(self.store, "instance");
        context.inner().export_of(self.index, name)
    }

    /// The exported function of this name.
    ///
    /// # Panics
    /// If the instance is of another store.
    pub fn get_func(&self, store: impl AsContextMut, name: &str) -> Option<Func> {
        self.get_export(store, name)?.into_func()
    }

    /// The exported memory of this name.
    ///
    /// # Panics
    /// If the instance is of another store.
    pub fn get_memory(&self, store: impl AsContextMut, name: &str) -> Option<Memory> {
        self.get_export(store, name)?.into_memory()
    }

    /// The exported shared memory of this name.
    ///
    /// # Panics
    /// If the instance is of another store.
    pub fn get_shared_memory(&self, store: impl AsContextMut, name: &str) -> Option<SharedMemory> {
        self.get_export(store, name)?.into_shared_memory()
    }

    /// The exported table of this name.
    ///
    /// # Panics
    /// If the instance is of another store.
    pub fn get_table(&self, store: impl AsContextMut, name: &str) -> Option<Table> {
        self.get_export(store, name)?.into_table()
    }

    /// The exported global of this name.
    ///
    /// # Panics
    /// If the instance is of another store.
    pub fn get_global(&self, store: impl AsContextMut, name: &str) -> Option<Global> {
        self.get_export(store, name)?.into_global()
    }

    /// The exported tag of this name.
    ///
    /// # Panics
    /// If the instance is of another store.
    pub fn get_tag(&self, store: impl AsContextMut, name: &str) -> Option<Tag> {
        self.get_export(store, name)?.into_tag()
    }

    /// The exported function of this name and type.
    ///
    /// # Errors
    /// If there is no such function, or its type is another one.
    pub fn get_typed_func<P: WasmParams, R: WasmResults>(
        &self,
        mut store: impl AsContextMut,
        name: &str,
    ) -> Result<TypedFunc<P, R>> {
        let mut context = store.as_context_mut();
        context.inner().check(self.store, "instance")?;
        let Some(func) = self.get_func(&mut context, name) else {
            let module = context.inner().instances[self.index as usize].module.clone();
            return Err(Error::new(ErrorKind::Missing {
                what: format!("an exported function `{name}`"),
                hint: exported_functions(&module),
            }));
        };
        func.typed_as(&format!("exported function `{name}`"), &context)
    }

    /// All exports, in the order of the module.
    ///
    /// # Panics
    /// If the instance is of another store.
    pub fn exports<'a, T: 'static, E: 'static>(
        &'a self,
        store: impl Into<StoreContextMut<'a, T, E>>,
    ) -> impl ExactSizeIterator<Item = Export<'a>> + 'a {
        let inner = &mut store.into().into_box().inner;
        inner.assert_owns(self.store, "instance");
        inner.handed_out += 1;
        let info = inner.instances[self.index as usize].module.info().clone();
        let items: Vec<Extern> = info.exports.iter().map(|export| inner.item(self.index, export.entity)).collect();
        let inner = &*inner;
        let names = inner.instances[self.index as usize].module.info().exports.iter();
        names.zip(items).map(|(export, item)| Export::new(&export.name, item))
    }

    /// An export that [`ModuleExport`] names, without a search for its name. `None` if it is of another module.
    ///
    /// # Panics
    /// If the instance is of another store.
    pub fn get_module_export(&self, mut store: impl AsContextMut, export: &ModuleExport) -> Option<Extern> {
        let mut context = store.as_context_mut();
        context.inner().assert_owns(self.store, "instance");
        context.inner().module_export_of(self.index, export)
    }

    /// Puts the instance back to where it was after instantiation: memories, tables and globals that it defines, and
    /// dropped segments; then the active segments and the start function run again. Imported items are not touched.
    ///
    /// # Errors
    /// While the store runs wasm; or as [`Instance::new`].
    pub fn reset(&self, mut store: impl AsContextMut) -> Result<()> {
        let mut context = store.as_context_mut();
        let inner = context.inner();
        inner.check(self.store, "instance")?;
        if inner.is_running() {
            return Err(Error::misuse("an instance cannot be reset from a host function: its store still runs wasm"));
        }
        inner.reset_instance(self.index)
    }
}

fn check_engine(inner: &StoreInner, module: &LinkedModule) -> Result<()> {
    match Arc::ptr_eq(&inner.runtime, module.runtime()) {
        true => module.check(),
        false => Err(Error::misuse("the module and the store belong to different engines; use one engine for both")),
    }
}

fn exported_functions(module: &LinkedModule) -> String {
    let functions = module.info().exports.iter().filter(|export| matches!(export.entity, EntityIndex::Func(_)));
    let names: Vec<_> = functions.take(8).map(|export| format!("`{}`", export.name)).collect();
    match names.len() {
        0 => "the module exports no functions".into(),
        _ => format!("the module exports {}", names.join(", ")),
    }
}

impl StoreInner {
    pub(crate) fn export_of(&mut self, instance: u32, name: &str) -> Option<Extern> {
        self.handed_out += 1;
        let entity = self.instances[instance as usize].module.export(name)?;
        Some(self.item(instance, entity))
    }

    pub(crate) fn module_export_of(&mut self, instance: u32, export: &ModuleExport) -> Option<Extern> {
        self.handed_out += 1;
        let entity = export.entity_in(&self.instances[instance as usize].module)?;
        Some(self.item(instance, entity))
    }

    fn item(&self, instance: u32, entity: EntityIndex) -> Extern {
        let data = &self.instances[instance as usize];
        let store = self.id;
        match entity {
            EntityIndex::Func(index) => Extern::Func(Func { store, entry: data.entry_of(index) }),
            EntityIndex::Table(index) => Extern::Table(Table { store, index: data.tables[index.index()] }),
            EntityIndex::Memory(index) => {
                let index = data.memories[index.index()];
                match self.memories[index as usize].as_shared() {
                    Some(shared) => Extern::SharedMemory(shared.clone()),
                    None => Extern::Memory(Memory { store, index }),
                }
            }
            EntityIndex::Global(index) => Extern::Global(Global { store, key: data.global_key(index) }),
            EntityIndex::Tag(index) => Extern::Tag(Tag { store, index: data.tags[index.index()] }),
        }
    }

    /// Makes an instance with everything in place but the contents of segments.
    pub(crate) fn allocate_instance(&mut self, module: &Arc<LinkedModule>, imports: &[Extern]) -> Result<u32> {
        let count = self.instances.len();
        if let Some(limiter) = self.limiter()
            && count >= limiter.instances()
        {
            return Err(Error::limit(format!("the store may hold {count} instances")));
        }
        let info = module.info().clone();
        self.charge_item(instance_bytes(module))?;
        let places = self.take_places(&info)?;
        let (mut memories, mut tables) = (Vec::new(), Vec::new());
        let (mut functions, mut globals, mut tags) = (Vec::new(), Vec::new(), Vec::new());
        alloc::reserve(&mut functions, info.imported_functions, LISTS)?;
        alloc::reserve(&mut globals, info.imported_globals, LISTS)?;
        alloc::reserve(&mut tags, info.tags.len(), LISTS)?;
        alloc::reserve(&mut memories, info.memories.len(), LISTS)?;
        alloc::reserve(&mut tables, info.tables.len(), LISTS)?;
        for item in imports {
            match item {
                Extern::Func(func) => functions.push(func.entry),
                Extern::Table(table) => {
                    self.share_table(table.index)?;
                    tables.push(table.index);
                }
                Extern::Memory(memory) => memories.push(memory.index),
                Extern::SharedMemory(memory) => memories.push(self.add_shared_memory(memory)?),
                Extern::Global(global) => globals.push(global.key),
                Extern::Tag(tag) => tags.push(tag.index),
            }
        }
        for ty in info.tags.iter().skip(info.imported_tags) {
            let tag = TagData { ty: module.func_type(*ty).clone(), type_id: module.type_id(*ty), _types: None };
            tags.push(self.new_tag(tag)?.index);
        }
        for (n, ty) in info.memories.iter().enumerate().skip(info.imported_memories) {
            memories.push(self.new_memory(*ty, module.image(MemoryIndex::new(n)))?);
        }
        for ty in info.tables.iter().skip(info.imported_tables) {
            tables.push(self.new_table(ty.map_types(&|ty| module.canonical(ty)))?.index);
        }
        self.limit_to_pool(&info, &memories, &tables);
        let plan = self.runtime.settings().plan;
        let words = if plan.memory_at_anchor(&info, module.layout()) {
            let anchor = self.memories[memories[0] as usize].own_mut().make_head(module.layout().size_bytes())?;
            Words { anchor, layout: None }
        } else {
            Words::allocate(module.layout().size_bytes())?
        };
        let dropped_data = alloc::zeroed(info.data.len(), LISTS)?.into();
        let dropped_elements = alloc::zeroed(info.elements.len(), LISTS)?.into();
        if info.has_object_types {
            self.heap_or_new()?;
        }
        let (index, next) = (count as u32, self.next_entry());
        let first_entry = self.functions.add_instance(index, info.defined_functions(), next)?;
        self.add_instance(Box::new(InstanceData {
            module: module.clone(),
            words,
            index,
            first_entry,
            imported_functions: functions.into(),
            imported_globals: globals.into(),
            memories: memories.into(),
            tables: tables.into(),
            tags: tags.into(),
            dropped_data,
            dropped_elements,
            traced_globals: traced_globals(&info).collect(),
            segments: info.elements.iter().map(|_| None).collect(),
            started: false,
            _places: places,
        }))?;
        self.fill_words(index)?;
        Ok(index)
    }

    /// The places of the engine's pool that an instance takes, if the engine has one.
    fn take_places(&self, info: &ModuleInfo) -> Result<Option<Places>> {
        let Some(pool) = self.runtime.pool() else { return Ok(None) };
        let memories = info.memories.len() - info.imported_memories;
        let tables = info.tables.len() - info.imported_tables;
        Ok(Some(pool.take(&[(Place::Instance, 1), (Place::Memory, memories), (Place::Table, tables)])?))
    }

    /// Keeps memories and tables that an instance defines as small as the engine's pool wants them.
    fn limit_to_pool(&mut self, info: &ModuleInfo, memories: &[u32], tables: &[u32]) {
        let Some(pool) = self.runtime.pool() else { return };
        let limits = *pool.limits();
        for memory in &memories[info.imported_memories..] {
            if let Some(memory) = self.memories[*memory as usize].as_own() {
                memory.limit_to(limits.memory_bytes);
            }
        }
        for table in &tables[info.imported_tables..] {
            self.tables[*table as usize].limit_to(limits.table_elements);
        }
    }

    /// Writes everything that machine code reads but the values of globals.
    fn fill_words(&mut self, index: u32) -> Result<()> {
        let imported = self.instances[index as usize].imported_functions.len();
        let mut codes = Vec::new();
        alloc::reserve(&mut codes, imported, LISTS)?;
        for n in 0..imported {
            let entry = self.instances[index as usize].imported_functions[n];
            codes.push(self.switching_code(entry)?);
        }
        let data = &self.instances[index as usize];
        let (info, layout, words) = (data.module.info(), data.module.layout(), &data.words);
        let heap = self.heap.as_ref().filter(|_| info.has_object_types).map(|heap| heap.vm());
        // SAFETY: all offsets are the instance's `VmLayout`'s, of words of these types, and what is written there are addresses of
        // what lives as long as the store (invariant 13). The store is borrowed exclusively (invariant 12), and nothing runs
        // under this anchor yet (invariant 11).
        unsafe {
            VmContext::of_anchor(data.anchor()).write(VmContext {
                store: Arc::as_ptr(&self.vm).cast_mut().cast(),
                libcalls: self.runtime.libcalls(),
                instance: (&raw const **data).cast_mut().cast(),
                materialise: fixed::materialise_address(),
                heap: heap.unwrap_or(std::ptr::null_mut()),
                magic: VM_MAGIC,
            });
            for (n, code) in codes.into_iter().enumerate() {
                words.at::<usize>(layout.imported_function(FuncIndex::new(n))).write(code);
            }
            for (n, memory) in data.memories.iter().enumerate() {
                let memory = &self.memories[*memory as usize];
                let at = words.at::<VmMemoryRef>(layout.memory(MemoryIndex::new(n)));
                at.write(VmMemoryRef { base: memory.base(), def: memory.def() });
            }
            for (n, table) in data.tables.iter().enumerate() {
                let at = words.at::<VmTableRef>(layout.table(TableIndex::new(n)));
                let table = &self.tables[*table as usize];
                at.write(VmTableRef { base: table.base(), def: table.def() });
            }
            for (n, key) in data.imported_globals.iter().enumerate() {
                let GlobalPlace::Pointer(offset) = layout.global(GlobalIndex::new(n)) else {
                    unreachable!("imported globals are behind pointers")
                };
                words.at::<*mut VmGlobal>(offset).write(self.global_address(*key));
            }
            for n in 0..info.types.len() {
                let ty = epsilon_abi::TypeIndex::new(n);
                words.at::<u32>(layout.signature(ty)).write(data.module.type_word(ty));
            }
        }
        let anchor = data.anchor();
        for table in &data.tables[info.imported_tables..] {
            self.tables[*table as usize].make_private(anchor);
        }
        Ok(())
    }

    /// Globals, then element and data segments, then the start function (specification section 4.5.4).
    pub(crate) fn initialize(&mut self, index: u32) -> Result<()> {
        let info = self.instances[index as usize].module.info().clone();
        for (n, init) in info.global_inits.iter().enumerate() {
            let bits = self.evaluate(index, init)?;
            // SAFETY: the words are those of a global of this instance (invariant 13); the store is borrowed exclusively, and no wasm
            // of it runs that could use this instance: it is new, or is being reset (invariant 12).
            unsafe { (*self.instances[index as usize].defined_global(n as u32)).bytes = bits.to_le_bytes() };
        }
        for (n, init) in info.table_inits.iter().enumerate() {
            let Some(init) = init else { continue };
            let bits = self.evaluate(index, init)? as u64;
            let table = self.instances[index as usize].tables[info.imported_tables + n];
            let len = self.tables[table as usize].len() as u64;
            self.fill_table(table, 0, bits, len)?;
        }
        self.evaluate_segments(index)?;
        self.initialize_tables(index)?;
        self.initialize_memories(index)?;
        if let Some(start) = info.start {
            self.run_start(index, start)?;
        }
        Ok(())
    }

    fn run_start(&mut self, index: u32, start: FuncIndex) -> Result<()> {
        self.instances[index as usize].started = true;
        let entry = self.instances[index as usize].entry_of(start);
        let mut point = self.entry_point(entry);
        if matches!(self.resolve(entry), Resolved::Host(_)) {
            // The instance is its caller, as of any function that it imports.
            point.anchor = self.instances[index as usize].anchor();
        }
        let mut frame = EntryFrame {
            regs: RegFile::ZERO,
            anchor: point.anchor,
            code: point.code,
            stack_args: std::ptr::null(),
            stack_args_bytes: 0,
            stack_top: 0,
            flags: 0,
        };
        // SAFETY: code and anchor are the function's own, or those of a thunk, which any anchor may call; the store keeps the
        // function (invariant 14). A start function is validated to have neither parameters nor results (invariant 17).
        self.told(|store| unsafe { call::invoke(store, &mut frame) })
    }

    fn reset_instance(&mut self, index: u32) -> Result<()> {
        let module = self.instances[index as usize].module.clone();
        let info = module.info();
        if info.memories[info.imported_memories..].iter().any(|ty| ty.shared) {
            return Err(Error::misuse(
                "an instance that defines a shared memory cannot be reset: other threads or instances may use the memory",
            ));
        }
        for (n, ty) in info.memories.iter().enumerate().skip(info.imported_memories) {
            let memory = self.instances[index as usize].memories[n];
            self.memories[memory as usize].own_mut().reset(ty.limits.min)?;
        }
        for (n, ty) in info.tables.iter().enumerate().skip(info.imported_tables) {
            let table = self.instances[index as usize].tables[n];
            self.tables[table as usize].reset(ty.limits.min as usize);
        }
        let data = &mut self.instances[index as usize];
        data.dropped_data.fill(false);
        data.dropped_elements.fill(false);
        self.initialize(index)
    }
}
