//! A linked module: everything that its instances share. And the runtime's part of an engine.

use crate::base::alloc;
use crate::base::budget::{Budget, Charge};
use crate::base::error::{BoxedError, Error, Result};
use crate::base::fault::{Fault, Faults, panic_message};
use crate::base::pool::{Pool, PoolLimits};
use crate::code::link::{LinkError, LinkedCode, Room};
use crate::exit::backtrace::Symbolicate;
use crate::fixed;
use crate::heap::RegionSize;
use crate::module::bytes::ModuleBytes;
use crate::module::signature::{Signatures, TypeIds};
use crate::space::image::MemoryImage;
use crate::space::pool::SpacePool;
use crate::sys::mapping::{Mapping, round_to_pages};
use crate::threads::claims::Claims;
use crate::threads::epoch::Epochs;
use crate::threads::fork;
use crate::threads::sampling::Samples;
use epsilon_abi::{
    Arch, CallLayout, CompiledFunction, CompositeType, DefinedFuncIndex, EntityIndex, FuncIndex, FuncType, MemoryIndex,
    MemoryPlan, ModuleInfo, Slot, TypeDef, TypeIndex, ValType, VmLayout,
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
    /// How many of the guest's frames errors carry: none with 0.
    pub backtrace_frames: usize,
    /// Whether stores begin with a deadline that is reached.
    pub epochs: bool,
    /// How much memory all that belongs to the engine may take; [`UNLIMITED`](crate::UNLIMITED) if there is no limit.
    pub max_memory_bytes: usize,
    /// Whether to note where guests spend their time.
    pub samples: bool,
    /// Bytes of code that a module may have, exactly; for tests.
    pub code_room_bytes: Option<usize>,
    /// How much address space a garbage-collected heap takes at most, if its region is not whole.
    pub gc_heap_reservation_bytes: u64,
    /// Whether frames of errors say where their operators lie in the module's binary.
    pub address_map: bool,
    /// Whether there may be shared memories.
    pub shared_memories: bool,
    /// How large memories may become, whatever their types say.
    pub max_memory_size_bytes: usize,
    /// How much the instances of all stores together may be, if that is limited.
    pub pool: Option<PoolLimits>,
    /// Collects at each so many allocations of objects, and checks the whole heap; for tests. 0 if not.
    pub gc_stress: u32,
    /// What goes wrong; for tests.
    pub fault: Option<Fault>,
}

/// What machine code calls: libcalls, then the routines that move bytes.
fn libcall_table() -> Box<[usize]> {
    fixed::libcall_entries().into_iter().chain(fixed::bulk_routines()).collect()
}

/// The runtime's part of an engine.
pub struct Runtime {
    settings: RuntimeSettings,
    signatures: Arc<Signatures>,
    libcalls: Box<[usize]>,
    memory_spaces: Arc<SpacePool>,
    budget: Budget,
    samples: Option<Arc<Samples>>,
    epochs: Epochs,
    pool: Option<Arc<Pool>>,
    faults: Arc<Faults>,
}

impl Runtime {
    /// The architecture of this program.
    pub const ARCH: Arch = match Arch::HOST {
        Some(arch) => arch,
        None => panic!("Epsilon runs on x86_64 and aarch64"),
    };

    /// With these settings.
    pub fn new(mut settings: RuntimeSettings) -> Self {
        settings.max_wasm_stack_bytes =
            round_to_pages(settings.max_wasm_stack_bytes.min(crate::code::stack::MAX_BYTES));
        let faults = Arc::new(Faults::new(settings.fault));
        let budget = Budget::of_engine(settings.max_memory_bytes);
        Self {
            signatures: Arc::new(Signatures::new(&budget)),
            budget,
            samples: settings.samples.then(Arc::default),
            epochs: Epochs::default(),
            pool: settings.pool.map(Pool::new),
            settings,
            libcalls: libcall_table(),
            memory_spaces: Arc::default(),
            faults,
        }
    }

    /// Whether this process can reserve the address space that guarded memories take: a few of them at least.
    pub fn can_reserve_guarded_memories() -> bool {
        const SEVERAL_MEMORIES_BYTES: usize = 64 << 30;
        Mapping::reserve(SEVERAL_MEMORIES_BYTES).is_ok()
    }

    /// Whether the system grants the address space of several whole garbage-collected heaps.
    pub fn can_reserve_whole_heaps() -> bool {
        RegionSize::can_be_whole()
    }

    /// The settings.
    pub fn settings(&self) -> &RuntimeSettings {
        &self.settings
    }

    /// What counts against [`RuntimeSettings::max_memory_bytes`].
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Where guests spend their time, if that is noted.
    pub fn samples(&self) -> Option<&Arc<Samples>> {
        self.samples.as_ref()
    }

    /// The pool that instances are in, if its size is limited.
    pub fn pool(&self) -> Option<&Arc<Pool>> {
        self.pool.as_ref()
    }

    /// The epoch, and the deadlines of stores.
    pub fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    pub(crate) fn signatures(&self) -> &Arc<Signatures> {
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

/// Stores and modules hold their runtime: without it no guest runs, and nobody is to look for where they are.
impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(samples) = &self.samples {
            samples.end();
        }
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
    type_ids: TypeIds,
    /// Function types, canonical.
    types: Box<[Option<LinkedType>]>,
    images: Box<[Option<Arc<MemoryImage>>]>,
    exports: HashMap<String, EntityIndex>,
    source: Box<dyn FunctionSource>,
    symbols: Box<dyn Symbolicate>,
    /// Functions that some thread is asking the source for.
    in_work: Arc<Claims<DefinedFuncIndex>>,
    /// For all of this but the code, and what the source holds.
    _charge: Charge,
}

/// What a linked module takes, roughly, beside its images, its code and what the parser has made.
fn linked_bytes(info: &ModuleInfo) -> usize {
    let types = info.types.iter().map(|ty| match &ty.composite {
        CompositeType::Func(ty) => (ty.params.len() + ty.results.len()) * (size_of::<ValType>() + size_of::<Slot>()),
        _ => 0,
    });
    let exports = info.exports.iter().map(|export| 2 * size_of::<(String, EntityIndex)>() + export.name.len());
    types.sum::<usize>()
        + info.types.len() * (size_of::<Option<LinkedType>>() + size_of::<u32>())
        + exports.sum::<usize>()
        + info.defined_functions() * size_of::<usize>()
        + size_of::<LinkedModule>()
}

/// Why a function is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Demand {
    /// A guest calls it now.
    Call,
    /// It may be called later, and is waited for.
    Background,
    /// It may be called later, and can be left for later where there is no room for what compiling it takes.
    Ahead,
    /// Guests spend their time in it: the best code is to take the place of what there is. It can be left as well.
    Hot,
}

/// Where a module's functions come from: the compiler, or a cache of its work.
///
/// # Safety
/// What it gives is what will run. All functions must be the compiler's unchanged output for the module that
/// [`Self::wasm`] is, which is valid; for the plan that [`Self::plan`] names; and for this processor (invariants 3 and 6).
/// [`Self::info`] must be what the compiler found in that module. None of the four may ever change.
pub unsafe trait FunctionSource: Send + Sync {
    /// The plan that functions are compiled for.
    fn plan(&self) -> MemoryPlan;

    /// All of the module but its code.
    fn info(&self) -> &Arc<ModuleInfo>;

    /// The module's binary.
    fn wasm(&self) -> &Arc<ModuleBytes>;

    /// The function. A wait for others to end their work ends when it is `cancelled`.
    ///
    /// # Errors
    /// If it cannot be compiled; and the trap of an interruption if it is cancelled.
    fn function(
        &self,
        index: DefinedFuncIndex,
        demand: Demand,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<CompiledFunction, BoxedError>;

    /// Whether quick code is for now: optimised code takes its place when it is asked for ([`Demand::Hot`]).
    fn replaces_code(&self) -> bool {
        false
    }

    /// There is quick code, and nobody looks for what of it is worth to be replaced.
    fn replace_code(&self) {}

    /// Functions that are worth linking before anything runs.
    fn beginning(&self) -> Vec<(DefinedFuncIndex, CompiledFunction)> {
        Vec::new()
    }
}

/// A function type, ready for calls.
struct LinkedType {
    ty: FuncType,
    layout: CallLayout,
    signature: u32,
}

impl LinkedModule {
    /// A module whose functions are linked as `source` gives them: by [`Self::link_beginning`], or each when it is first
    /// called. What vouches for the code is the source ([`FunctionSource`]).
    ///
    /// # Errors
    /// If there is no memory for the code, or the source compiles for another plan than the runtime's.
    pub fn new(
        runtime: &Arc<Runtime>,
        code_bytes: usize,
        source: Box<dyn FunctionSource>,
        symbols: Box<dyn Symbolicate>,
    ) -> Result<Arc<Self>> {
        if source.plan() != runtime.settings.plan {
            return Err(Error::misuse(
                "the module was compiled for a different memory plan from the engine's; compile it with this engine",
            ));
        }
        let (info, wasm) = (source.info().clone(), source.wasm().clone());
        let layout = VmLayout::new(&info);
        if let Some(pool) = &runtime.pool {
            pool.check(&info, layout.size_bytes())?;
        }
        let held_off = fork::hold_off();
        let room = runtime.settings.code_room_bytes.map_or(Room::AtLeast(code_bytes), Room::Exactly);
        let replaces = source.replaces_code();
        let code = LinkedCode::new(info.defined_functions(), room, replaces, &runtime.budget, &runtime.faults)?;
        let type_ids = runtime.signatures().of_module(&info.types)?;
        let types =
            (0..info.types.len()).map(|n| link_type(&type_ids, &info.types[n].composite, type_ids[n])).collect();
        let mut charge = runtime.budget().charge(linked_bytes(&info), "modules")?;
        let mut images = Vec::new();
        alloc::reserve(&mut images, info.memories.len(), "a module")?;
        for n in 0..info.memories.len() {
            images.push(MemoryImage::new(&info, &wasm, MemoryIndex::new(n), &mut charge)?.map(Arc::new));
        }
        let module = Arc::new(Self {
            runtime: runtime.clone(),
            layout,
            code,
            type_ids,
            types,
            images: images.into(),
            exports: info.exports.iter().map(|export| (export.name.clone(), export.entity)).collect(),
            info,
            wasm,
            source,
            symbols,
            in_work: Arc::default(),
            _charge: charge,
        });
        fork::register(&module);
        fork::register_list(module.in_work.waiting());
        drop(held_off);
        Ok(module)
    }

    /// Links what the source has to begin with.
    ///
    /// # Errors
    /// If there is no memory for the code. Not if it exceeds the module's room or the engine's limit: then each function is
    /// linked when it is called, as far as they go.
    pub fn link_beginning(&self) -> Result<()> {
        let _held_off = fork::hold_off();
        let beginning = self.source.beginning();
        let batch: Vec<_> = beginning.iter().map(|(index, function)| (*index, function)).collect();
        match self.code.link(&batch) {
            Err(LinkError::Full { .. } | LinkError::NoMemory(_)) => Ok(()),
            linked => Ok(linked?),
        }
    }

    /// Whether the module can be used.
    ///
    /// # Errors
    /// If something has failed half-way, or panicked, while its functions were compiled or linked.
    pub fn check(&self) -> Result<()> {
        Ok(self.code.check()?)
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
        self.code.len()
    }

    /// Number of functions that have code which nothing takes the place of any more.
    pub fn last_functions(&self) -> usize {
        self.code.len_last()
    }

    /// Whether a function has code.
    pub fn is_linked(&self, index: DefinedFuncIndex) -> bool {
        self.code.address(index).is_some()
    }

    /// Whether a function has code that nothing takes the place of any more.
    pub fn has_last_code(&self, index: DefinedFuncIndex) -> bool {
        self.code.is_last(index)
    }

    /// Whether there is code that may be replaced.
    pub fn has_code_for_now(&self) -> bool {
        self.code.has_code_for_now()
    }

    /// Has the source see to it that somebody looks for what is worth better code: in a child of `fork` nobody does.
    pub(crate) fn see_to_notes(&self) {
        let samples = self.runtime.samples();
        if samples.is_some_and(|samples| !samples.are_wanted()) && self.has_code_for_now() {
            self.source.replace_code();
        }
    }

    /// Where the code begins. No other module's begins there as long as this one lives.
    pub fn code_start(&self) -> usize {
        self.code.text().start
    }

    /// The function whose code `pc` lies in.
    pub fn function_at(&self, pc: usize) -> Option<DefinedFuncIndex> {
        if !self.code.text().contains(&pc) {
            return None;
        }
        self.code.placed().find(pc).map(|(index, _)| index)
    }

    /// Ends the use of a module of which something was left half-done: every later request for more of it gets this error.
    pub fn fail(&self, reason: &str) {
        self.code.break_down(reason);
    }

    /// The function, from the source.
    pub(crate) fn ask_source(
        &self,
        index: DefinedFuncIndex,
        demand: Demand,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<CompiledFunction> {
        self.code.check()?;
        self.runtime.faults.compile(index);
        self.source.function(index, demand, cancelled).map_err(Error::from_boxed)
    }

    /// Functions that some thread is asking the source for.
    pub(crate) fn in_work(&self) -> &Arc<Claims<DefinedFuncIndex>> {
        &self.in_work
    }

    /// A panic of the compiler may have left anything half-done that it shares with later compilations.
    pub(crate) fn break_down(&self, index: DefinedFuncIndex, panic: &(dyn std::any::Any + Send)) -> LinkError {
        let function = self.info.func_index(index).0;
        self.code.break_down(&format!("compiling function {function} panicked ({})", panic_message(panic)))
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
        self.code.placed().code_bytes()
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

    /// The structure and array types of the module, canonical.
    pub(crate) fn object_types(&self) -> impl Iterator<Item = TypeIndex> {
        let is_of_objects = |ty: &TypeDef| !matches!(ty.composite, CompositeType::Func(_));
        self.info
            .types
            .iter()
            .zip(self.type_ids.iter())
            .filter(move |(ty, _)| is_of_objects(ty))
            .map(|(_, id)| TypeIndex(*id))
    }

    /// What code compares to tell a type apart.
    pub(crate) fn type_word(&self, ty: TypeIndex) -> u32 {
        self.type_ids.words()[ty.index()]
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

impl fork::Forked for LinkedModule {
    fn put_right(&self) {
        // Without memory for a copy the code can still run; linking more tries again, and gives the error.
        let _ = self.code().renew_in_child();
        // The threads are not there that were about to compile.
        self.in_work().forget();
        self.runtime().budget().forget_work();
        self.runtime().samples().inspect(|samples| samples.forget());
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
