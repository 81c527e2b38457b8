//! A linked module: everything that its instances share. And the runtime's part of an engine.

use crate::backtrace::Symbolicate;
use crate::error::{Error, Result};
use crate::image::MemoryImage;
use crate::link::LinkedCode;
use crate::signature::Signatures;
use crate::sys::arch;
use epsilon_abi::{
    Arch, CallLayout, CompiledFunction, CompositeType, EntityIndex, FuncIndex, FuncType, Libcall, MemoryIndex,
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
}

/// The runtime's part of an engine.
pub struct Runtime {
    settings: RuntimeSettings,
    signatures: Signatures,
    libcalls: Box<[usize; Libcall::ALL.len()]>,
}

impl Runtime {
    /// The architecture of this program.
    pub const ARCH: Arch = match Arch::HOST {
        Some(arch) => arch,
        None => panic!("Epsilon runs on x86_64 and aarch64"),
    };

    /// With these settings.
    pub fn new(settings: RuntimeSettings) -> Self {
        Self { settings, signatures: Signatures::default(), libcalls: Box::new(arch::libcall_entries()) }
    }

    /// Whether this process can reserve the address space that guarded memories take: a few of them at least.
    pub fn can_reserve_guarded_memories() -> bool {
        const SEVERAL_MEMORIES_BYTES: usize = 64 << 30;
        crate::sys::mapping::Mapping::reserve(SEVERAL_MEMORIES_BYTES).is_ok()
    }

    /// The settings.
    pub fn settings(&self) -> &RuntimeSettings {
        &self.settings
    }

    pub(crate) fn signatures(&self) -> &Signatures {
        &self.signatures
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
    wasm: Arc<[u8]>,
    layout: VmLayout,
    code: LinkedCode,
    types: Box<[Option<LinkedType>]>,
    images: Box<[Option<Arc<MemoryImage>>]>,
    exports: HashMap<String, EntityIndex>,
    symbols: Box<dyn Symbolicate>,
}

/// A function type, ready for calls.
struct LinkedType {
    ty: FuncType,
    layout: CallLayout,
    signature: u32,
}

impl LinkedModule {
    /// Links the functions of a module.
    ///
    /// `functions` are those that the module defines, in order. They are what will run: whoever calls this vouches that
    /// they are the compiler's unchanged output for `wasm`, the plan of `runtime` and this processor (invariants 3
    /// and 6). `crates/epsilon` is the one caller.
    ///
    /// # Errors
    /// If there is no memory for the code.
    pub fn new(
        runtime: &Arc<Runtime>,
        info: Arc<ModuleInfo>,
        wasm: Arc<[u8]>,
        functions: &[CompiledFunction],
        symbols: Box<dyn Symbolicate>,
    ) -> Result<Arc<Self>> {
        if functions.len() != info.defined_functions() {
            let expected = format!("{} functions", info.defined_functions());
            return Err(Error::mismatch("compiled module", expected, functions.len()));
        }
        let code = LinkedCode::new(functions)?;
        let types = info.types.iter().map(|def| link_type(runtime, &def.composite)).collect();
        let image = |n| MemoryImage::new(&info, &wasm, MemoryIndex::new(n)).map(Arc::new);
        Ok(Arc::new(Self {
            runtime: runtime.clone(),
            layout: VmLayout::new(&info),
            code,
            types,
            images: (0..info.memories.len()).map(image).collect(),
            exports: info.exports.iter().map(|export| (export.name.clone(), export.entity)).collect(),
            info,
            wasm,
            symbols,
        }))
    }

    /// All of the module but its code.
    pub fn info(&self) -> &Arc<ModuleInfo> {
        &self.info
    }

    /// The module's binary.
    pub fn wasm(&self) -> &Arc<[u8]> {
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

    /// The canonical id of a type; 0 if it is not a function type.
    pub(crate) fn signature_id(&self, ty: TypeIndex) -> u32 {
        self.types[ty.index()].as_ref().map_or(0, |linked| linked.signature)
    }

    pub(crate) fn signature_of(&self, func: FuncIndex) -> (&FuncType, &CallLayout, u32) {
        let linked = self.types[self.info.functions[func.index()].index()].as_ref();
        let linked = linked.expect("validated: functions have function types");
        (&linked.ty, &linked.layout, linked.signature)
    }
}

fn link_type(runtime: &Runtime, ty: &CompositeType) -> Option<LinkedType> {
    let CompositeType::Func(ty) = ty else { return None };
    Some(LinkedType {
        layout: CallLayout::new(ty, Runtime::ARCH),
        signature: runtime.signatures().id(ty),
        ty: ty.clone(),
    })
}

impl std::fmt::Debug for LinkedModule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkedModule").field("name", &self.info.name).field("code", &self.code).finish_non_exhaustive()
    }
}
