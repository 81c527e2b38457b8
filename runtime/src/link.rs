//! Linking compiled functions into executable memory. The one file that names cranelift-jit.
//!
//! Code is written through the arena's writable view and runs at its executable one. All relocations are relative to
//! the instruction, so that the distance between the two views does not matter (invariant 1).

use crate::code::Arena;
use crate::sys::arch::{JUMP_SLOT_BYTES, jump_slot};
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_jit::{BranchProtection, JITBuilder, JITMemoryKind, JITMemoryProvider, JITModule};
use cranelift_module::{FuncId, Module as _, ModuleReloc, ModuleRelocTarget, ModuleResult};
use epsilon_abi::{CompiledFunction, DefinedFuncIndex, RelocKind, SourceSite, TrapCode, TrapSite};
use std::io;
use std::sync::{Arc, Mutex, OnceLock};

/// Linked machine code of one module. Freed when nothing can run it any more: instances hold it.
pub struct LinkedCode {
    arena: Arc<Mutex<Provider>>,
    executable: usize,
    used_bytes: usize,
    functions: Box<[LinkedFunction]>,
    jump_table: usize,
    /// Holds the declarations and relocations; kept so that functions can be added while others run.
    _jit: Mutex<JITModule>,
}

/// A function where it lies, with its tables.
#[derive(Debug)]
struct LinkedFunction {
    start: u32,
    len_bytes: u32,
    traps: Box<[TrapSite]>,
    sources: Box<[SourceSite]>,
}

/// Where linking can fail.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No memory for code, or too much of it.
    #[error("cannot map machine code")]
    Memory(#[from] io::Error),
    /// The linker refused.
    #[error("cannot link machine code: {0}")]
    Linker(String),
}

impl LinkedCode {
    /// Links all functions of a module, in the order of their indices.
    pub fn new(functions: &[CompiledFunction]) -> Result<Self, LinkError> {
        let arena = Arena::new(needed_bytes(functions))?;
        let (executable, writable) = (arena.executable(), arena.writable());
        let arena = Arc::new(Mutex::new(Provider { arena, used_bytes: 0 }));
        let mut builder = JITBuilder::with_isa(host_isa()?, cranelift_module::default_libcall_names());
        builder.memory_provider(Box::new(SharedProvider(arena.clone())));
        let mut jit = JITModule::new(builder);
        let offset_of = |jit: &JITModule, id: FuncId| jit.get_finalized_function(id) as usize - writable as usize;

        let signature = jit.make_signature();
        let mut declare = || jit.declare_anonymous_function(&signature).map_err(linker_error);
        let ids: Vec<FuncId> = functions.iter().map(|_| declare()).collect::<Result<_, _>>()?;
        let table_id = declare()?;
        for (id, function) in ids.iter().zip(functions) {
            let relocations: Vec<ModuleReloc> = function.relocations.iter().map(|r| module_reloc(r, &ids)).collect();
            jit.define_function_bytes(*id, u64::from(function.align_bytes), &function.code, &relocations)
                .map_err(linker_error)?;
        }
        let table = vec![0; functions.len().max(1) * JUMP_SLOT_BYTES];
        jit.define_function_bytes(table_id, JUMP_SLOT_BYTES as u64, &table, &[]).map_err(linker_error)?;
        jit.finalize_definitions().map_err(linker_error)?;

        let functions: Box<[LinkedFunction]> = ids
            .iter()
            .zip(functions)
            .map(|(id, function)| LinkedFunction {
                start: offset_of(&jit, *id) as u32,
                len_bytes: function.code.len() as u32,
                traps: function.traps.as_slice().into(),
                sources: function.sources.as_slice().into(),
            })
            .collect();
        let jump_table = offset_of(&jit, table_id);
        let mut provider = arena.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for (n, function) in functions.iter().enumerate() {
            provider.write_jump(jump_table + n * JUMP_SLOT_BYTES, function.start as usize);
        }
        let used_bytes = provider.used_bytes;
        provider.arena.seal(used_bytes)?;
        drop(provider);
        Ok(Self { arena, executable, used_bytes, functions, jump_table: executable + jump_table, _jit: Mutex::new(jit) })
    }

    /// Where a function's code lies.
    pub fn function(&self, index: DefinedFuncIndex) -> usize {
        self.executable + self.functions[index.index()].start as usize
    }

    /// The function's slot in the jump table: an address that stays when the function's code is replaced.
    pub fn slot(&self, index: DefinedFuncIndex) -> usize {
        self.jump_table + index.index() * JUMP_SLOT_BYTES
    }

    /// The addresses that hold this module's code.
    pub fn text(&self) -> std::ops::Range<usize> {
        self.executable..self.executable + self.used_bytes
    }

    /// Size of the code of all functions in bytes.
    pub fn code_bytes(&self) -> usize {
        self.functions.iter().map(|function| function.len_bytes as usize).sum()
    }

    /// The function that `pc` lies in, and the offset inside it.
    pub fn find(&self, pc: usize) -> Option<(DefinedFuncIndex, u32)> {
        let offset = u32::try_from(pc.checked_sub(self.executable)?).ok()?;
        // Functions are linked in the order of their indices.
        let at = self.functions.partition_point(|function| function.start <= offset).checked_sub(1)?;
        let inside = offset - self.functions[at].start;
        (inside <= self.functions[at].len_bytes).then(|| (DefinedFuncIndex::new(at), inside))
    }

    /// The trap that the instruction at `pc` raises.
    pub fn trap_at(&self, pc: usize) -> Option<TrapCode> {
        let (function, offset) = self.find(pc)?;
        let traps = &self.functions[function.index()].traps;
        let at = traps.binary_search_by_key(&offset, |site| site.offset).ok()?;
        Some(traps[at].code)
    }

    /// The offset in the module's binary of the operator that the instruction at `pc` belongs to.
    pub fn source_at(&self, pc: usize) -> Option<u32> {
        let (function, offset) = self.find(pc)?;
        let sources = &self.functions[function.index()].sources;
        let at = sources.partition_point(|site| site.offset <= offset).checked_sub(1)?;
        (sources[at].wasm_offset != SourceSite::NONE).then_some(sources[at].wasm_offset)
    }
}

impl std::fmt::Debug for LinkedCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let arena_bytes = self.arena.lock().map(|provider| provider.arena.len_bytes()).unwrap_or_default();
        f.debug_struct("LinkedCode")
            .field("text", &self.text())
            .field("functions", &self.functions.len())
            .field("arena_bytes", &arena_bytes)
            .finish()
    }
}

/// The linker reserves this much for each call on aarch64, in case its target is far.
const VENEER_BYTES: usize = 24;

fn needed_bytes(functions: &[CompiledFunction]) -> usize {
    let one = |function: &CompiledFunction| {
        let calls = function.relocations.iter().filter(|r| r.kind == RelocKind::Arm64Call).count();
        (function.code.len() + calls * VENEER_BYTES).next_multiple_of(64) + function.align_bytes as usize
    };
    functions.iter().map(one).sum::<usize>() + (functions.len() + 1) * JUMP_SLOT_BYTES + 64
}

fn module_reloc(relocation: &epsilon_abi::Relocation, ids: &[FuncId]) -> ModuleReloc {
    ModuleReloc {
        offset: relocation.offset,
        kind: match relocation.kind {
            RelocKind::X86CallPcRel4 => Reloc::X86CallPCRel4,
            RelocKind::X86PcRel4 => Reloc::X86PCRel4,
            RelocKind::Arm64Call => Reloc::Arm64Call,
            RelocKind::Aarch64AdrPrelPgHi21 => Reloc::Aarch64AdrPrelPgHi21,
            RelocKind::Aarch64AddAbsLo12Nc => Reloc::Aarch64AddAbsLo12Nc,
        },
        name: ModuleRelocTarget::from(ids[relocation.target.index()]),
        addend: relocation.addend,
    }
}

fn linker_error(error: cranelift_module::ModuleError) -> LinkError {
    LinkError::Linker(error.to_string())
}

/// The linker wants an ISA to know alignments and veneers; no code is generated with it.
fn host_isa() -> Result<OwnedTargetIsa, LinkError> {
    static ISA: OnceLock<Result<OwnedTargetIsa, String>> = OnceLock::new();
    let make = || {
        let mut flags = settings::builder();
        flags.set("is_pic", "false").map_err(|error| error.to_string())?;
        let isa = cranelift_codegen::isa::lookup(target_lexicon::Triple::host()).map_err(|error| error.to_string())?;
        isa.finish(settings::Flags::new(flags)).map_err(|error| error.to_string())
    };
    ISA.get_or_init(make).clone().map_err(LinkError::Linker)
}

/// Hands out the arena's writable view, front to back.
struct Provider {
    arena: Arena,
    used_bytes: usize,
}

impl Provider {
    fn write_jump(&mut self, slot: usize, target: usize) {
        let base = self.arena.executable();
        let code = jump_slot(base + slot, base + target).expect("an arena is small enough for near jumps");
        // SAFETY: slots lie in the arena and are aligned to their size; one store replaces the whole instruction.
        unsafe { self.arena.writable().add(slot).cast::<u64>().write(code) };
    }
}

struct SharedProvider(Arc<Mutex<Provider>>);

impl JITMemoryProvider for SharedProvider {
    fn allocate(&mut self, size: usize, align: u64, _kind: JITMemoryKind) -> io::Result<*mut u8> {
        let mut provider = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let start = provider.used_bytes.next_multiple_of(align as usize);
        if start + size > provider.arena.len_bytes() {
            return Err(io::Error::other("the code arena is full"));
        }
        provider.used_bytes = start + size;
        // SAFETY: inside the arena, as just checked.
        Ok(unsafe { provider.arena.writable().add(start) })
    }

    unsafe fn free_memory(&mut self) {
        // The arena is freed with the last `LinkedCode` that holds it.
    }

    fn finalize(&mut self, _protection: BranchProtection) -> ModuleResult<()> {
        Ok(()) // `Arena::seal` does it, once.
    }
}

