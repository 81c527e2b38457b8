//! A linked module: everything that its instances share. And the runtime's part of an engine.

use crate::backtrace::Symbolicate;
use crate::budget::Budget;
use crate::bytes::ModuleBytes;
use crate::claims::Claims;
use crate::error::{Error, HostError, Result};
use crate::image::MemoryImage;
use crate::link::LinkedCode;
use crate::signature::Signatures;
use crate::space::SpacePool;
use crate::sys::arch;
use crate::sys::mapping::{Mapping, round_to_pages};
use epsilon_abi::{
    Arch, CallLayout, CompiledFunction, CompositeType, DefinedFuncIndex, EntityIndex, FuncIndex, FuncType, MemoryIndex,
    MemoryPlan, ModuleInfo, TypeIndex, VmLayout,
};
use std::collections::HashMap;
use std::sync::Arc;

/// What an engine fixes for all of its modules and stores.
#[derive(Clone, Debug)]
pub struct RuntimeSettings {
    /// How memories are laid out; generated code depends on it.
    pub plan: MemoryPlan,
    /// Stack for wasm code, per thread that runs any.
    pub max_wasm_stack_bytes: usize,
    /// Whether errors carry the guest's frames.
    pub backtraces: bool,
    /// How much memory all that belongs to the engine may take; [`UNLIMITED`](crate::UNLIMITED) if there is no limit.
    pub max_memory_bytes: usize,
}

/// What machine code calls: libcalls, then the routines that move bytes.
fn libcall_table() -> Box<[usize]> {
    arch::libcall_entries().into_iter().chain(arch::bulk_routines()).collect()
}

/// The runtime's part of an engine.
pub struct Runtime {
    settings: RuntimeSettings,
    signatures: Signatures,
    libcalls: Box<[usize]>,
    memory_spaces: Arc<SpacePool>,
    budget: Budget,
}

impl Runtime {
    /// The architecture of this program.
    pub const ARCH: Arch = match Arch::HOST {
        Some(arch) => arch,
        None => panic!("Epsilon runs on x86_64 and aarch64"),
    };

    /// With these settings.
    pub fn new(mut settings: RuntimeSettings) -> Self {
        settings.max_wasm_stack_bytes = round_to_pages(settings.max_wasm_stack_bytes.min(crate::stack::MAX_BYTES));
        Self {
            budget: Budget::of_engine(settings.max_memory_bytes),
            settings,
            signatures: Signatures::default(),
            libcalls: libcall_table(),
            memory_spaces: Arc::default(),
        }
    }

    /// Whether this process can reserve the address space that guarded memories take: a few of them at least.
    pub fn can_reserve_guarded_memories() -> bool {
        const SEVERAL_MEMORIES_BYTES: usize = 64 << 30;
        Mapping::reserve(SEVERAL_MEMORIES_BYTES).is_ok()
    }

    /// The settings.
    pub fn settings(&self) -> &RuntimeSettings {
        &self.settings
    }

    /// What counts against [`RuntimeSettings::max_memory_bytes`].
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) fn signatures(&self) -> &Signatures {
        &self.signatures
    }

    /// Address space for guarded memories.
    pub(crate) fn memory_spaces(&self) -> &Arc<SpacePool> {
        &self.memory_spaces
    }

    /// What `VmContext::libcalls` points to.
    pub(crate) fn libcalls(&self) -> *const usize {
        self.libcalls.as_ptr()
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A module whose code is linked: ready to be instantiated any number of times, on any thread.
pub struct LinkedModule {
    runtime: Arc<Runtime>,
    info: Arc<ModuleInfo>,
    wasm: Arc<ModuleBytes>,
    layout: VmLayout,
    code: LinkedCode,
    /// The canonical id of each type.
    type_ids: Box<[u32]>,
    /// Function types, canonical.
    types: Box<[Option<LinkedType>]>,
    images: Box<[Option<Arc<MemoryImage>>]>,
    exports: HashMap<String, EntityIndex>,
    source: Box<dyn FunctionSource>,
    symbols: Box<dyn Symbolicate>,
    /// Functions that some thread is asking the source for.
    in_work: Claims<DefinedFuncIndex>,
}

/// Why a function is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Demand {
    /// A guest calls it now.
    Call,
    /// It may be called later.
    Background,
}

/// Where a module's functions come from: the compiler, or a cache of its work.
pub trait FunctionSource: Send + Sync {
    /// The function.
    ///
    /// # Errors
    /// If it cannot be compiled.
    fn function(&self, index: DefinedFuncIndex, demand: Demand) -> Result<CompiledFunction, HostError>;
}

/// A function type, ready for calls.
struct LinkedType {
    ty: FuncType,
    layout: CallLayout,
    signature: u32,
}

impl LinkedModule {
    /// A module whose functions are linked as `source` gives them: by [`Self::link`], or each
    /// when it is first called.
    ///
    /// What `source` gives is what will run: it vouches that the functions are the compiler's unchanged output for
    /// `wasm`, the plan of `runtime` and this processor (invariants 3 and 6). `crates/epsilon` is the one caller.
    ///
    /// # Errors
    /// If there is no memory for the code.
    pub fn new(
        runtime: &Arc<Runtime>,
        info: Arc<ModuleInfo>,
        wasm: Arc<ModuleBytes>,
        code_bytes: usize,
        source: Box<dyn FunctionSource>,
        symbols: Box<dyn Symbolicate>,
    ) -> Result<Arc<Self>> {
        let held_off = crate::fork::hold_off();
        let code = LinkedCode::new(info.defined_functions(), code_bytes)?;
        let type_ids = runtime.signatures().of_module(&info.types);
        let types =
            (0..info.types.len()).map(|n| link_type(&type_ids, &info.types[n].composite, type_ids[n])).collect();
        let image = |n| MemoryImage::new(&info, &wasm, MemoryIndex::new(n)).map(Arc::new);
        let module = Arc::new(Self {
            runtime: runtime.clone(),
            layout: VmLayout::new(&info),
            code,
            type_ids,
            types,
            images: (0..info.memories.len()).map(image).collect(),
            exports: info.exports.iter().map(|export| (export.name.clone(), export.entity)).collect(),
            info,
            wasm,
            source,
            symbols,
            in_work: Claims::default(),
        });
        crate::fork::register(&module);
        drop(held_off);
        Ok(module)
    }

    /// Links functions that are there already.
    ///
    /// # Errors
    /// If there is no memory for the code.
    pub fn link(&self, functions: &[(DefinedFuncIndex, &CompiledFunction)]) -> Result<()> {
        let _held_off = crate::fork::hold_off();
        Ok(self.code.link(functions)?)
    }

    /// Ends linking where functions cannot be added while others run; [`Self::can_link_late`] tells.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn seal(&self) -> Result<()> {
        Ok(self.code.seal()?)
    }

    /// Whether functions can be linked while others run.
    pub fn can_link_late(&self) -> bool {
        self.code.can_link_late()
    }

    /// Number of functions that have code.
    pub fn linked_functions(&self) -> usize {
        self.code.linked_functions()
    }

    /// Whether a function has code.
    pub fn is_linked(&self, index: DefinedFuncIndex) -> bool {
        self.code.address(index).is_some()
    }

    /// The address of a function's code, which is asked for from the source if it is not there yet. Threads that want
    /// the same function wait for one of them; nobody waits for another function.
    ///
    /// # Errors
    /// Those of the source, or if there is no memory for the code.
    pub fn materialise(&self, index: DefinedFuncIndex, demand: Demand) -> Result<usize> {
        // A child of a fork in between would wait for threads that it does not have.
        let _held_off = crate::fork::hold_off();
        let _claim = match self.in_work.claim(index, || self.code.address(index)) {
            Ok(address) => return Ok(address),
            Err(claim) => claim,
        };
        self.materialise_claimed(index, demand)
    }

    /// As [`Self::materialise`], for who does not need the function now: nothing is done if another thread is at it.
    ///
    /// # Errors
    /// As for [`Self::materialise`].
    pub fn materialise_ahead(&self, index: DefinedFuncIndex) -> Result<()> {
        let _held_off = crate::fork::hold_off();
        match self.in_work.try_claim(index) {
            Some(_claim) if !self.is_linked(index) => self.materialise_claimed(index, Demand::Background).map(drop),
            _ => Ok(()),
        }
    }

    /// Links a function that this thread has claimed.
    fn materialise_claimed(&self, index: DefinedFuncIndex, demand: Demand) -> Result<usize> {
        let function = self.source.function(index, demand).map_err(Error::host)?;
        self.code.link(&[(index, &function)])?;
        Ok(self.code.address(index).expect("just linked"))
    }

    /// All of the module but its code.
    pub fn info(&self) -> &Arc<ModuleInfo> {
        &self.info
    }

    /// The module's binary.
    pub fn wasm(&self) -> &Arc<ModuleBytes> {
        &self.wasm
    }

    /// Size of the machine code in bytes.
    pub fn code_bytes(&self) -> usize {
        self.code.code_bytes()
    }

    /// The runtime that it was linked for.
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    pub(crate) fn code(&self) -> &LinkedCode {
        &self.code
    }

    pub(crate) fn layout(&self) -> &VmLayout {
        &self.layout
    }

    pub(crate) fn image(&self, memory: MemoryIndex) -> Option<&Arc<MemoryImage>> {
        self.images[memory.index()].as_ref()
    }

    pub(crate) fn export(&self, name: &str) -> Option<EntityIndex> {
        self.exports.get(name).copied()
    }

    pub(crate) fn symbols(&self) -> &dyn Symbolicate {
        &*self.symbols
    }

    /// The canonical id of a type.
    pub(crate) fn type_id(&self, ty: TypeIndex) -> u32 {
        self.type_ids[ty.index()]
    }

    /// The canonical name of a type: what `map_types` takes to make a type of the module one of the engine.
    pub fn canonical(&self, ty: TypeIndex) -> TypeIndex {
        TypeIndex(self.type_ids[ty.index()])
    }

    /// A function type of the module, canonical.
    ///
    /// # Panics
    /// If the index names no function type.
    pub fn func_type(&self, ty: TypeIndex) -> &FuncType {
        &self.types[ty.index()].as_ref().expect("validated: a function type").ty
    }

    pub(crate) fn signature_of(&self, func: FuncIndex) -> (&FuncType, &CallLayout, u32) {
        let linked = self.types[self.info.functions[func.index()].index()].as_ref();
        let linked = linked.expect("validated: functions have function types");
        (&linked.ty, &linked.layout, linked.signature)
    }
}

impl Drop for LinkedModule {
    fn drop(&mut self) {
        self.runtime.memory_spaces.forget(&self.images);
    }
}

fn link_type(ids: &[u32], ty: &CompositeType, signature: u32) -> Option<LinkedType> {
    let CompositeType::Func(ty) = ty else { return None };
    let ty = ty.map_types(&|index| TypeIndex(ids[index.index()]));
    Some(LinkedType { layout: CallLayout::new(&ty, Runtime::ARCH), signature, ty })
}

impl std::fmt::Debug for LinkedModule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkedModule").field("name", &self.info.name).field("code", &self.code).finish_non_exhaustive()
    }
}
