//! Linking compiled functions into executable memory, all at once or one by one while others run. The one file that
//! names cranelift-jit.
//!
//! Code is written through the arena's writable view and runs at its executable one. All relocations are relative to
//! the instruction, so that the distance between the two views does not matter (invariant 1). A call to a function
//! that has no code yet goes to that function's slot in the jump table; once there is code, the slot leads to it, and
//! the call itself is pointed there as well where the processor allows that under way.

use crate::code::Arena;
use crate::sys::arch::{self, JUMP_SLOT_BYTES};
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_jit::{BranchProtection, JITBuilder, JITMemoryKind, JITMemoryProvider, JITModule};
use cranelift_module::{FuncId, Module as _, ModuleReloc, ModuleRelocTarget, ModuleResult};
use epsilon_abi::{
    CompiledFunction, DefinedFuncIndex, HandlerSite, InlinedSite, RelocKind, Relocation, SourceSite, TagIndex,
    TrapCode, TrapSite, seeded,
};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock};

/// Linked machine code of one module. Freed when nothing can run it any more: instances hold it.
pub struct LinkedCode {
    executable: usize,
    arena_bytes: usize,
    jump_table: usize,
    /// Address of each function's code; 0 until it is linked. Never changes afterwards.
    addresses: Box<[AtomicUsize]>,
    /// Functions by ascending address: code is placed front to back.
    placed: RwLock<Vec<Placed>>,
    linker: Mutex<Linker>,
}

/// A function where it lies, with its tables.
#[derive(Debug)]
struct Placed {
    index: DefinedFuncIndex,
    start: u32,
    len_bytes: u32,
    traps: Box<[TrapSite]>,
    sources: Box<[SourceSite]>,
    handlers: Box<[HandlerSite]>,
    inlined: Box<[InlinedSite]>,
}

struct Linker {
    jit: JITModule,
    arena: Arc<Mutex<Provider>>,
    table_id: FuncId,
    ids: HashMap<DefinedFuncIndex, FuncId>,
    /// Calls that go through a slot, by the function that they are for: offsets of their displacements.
    waiting: HashMap<DefinedFuncIndex, Vec<u32>>,
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

/// The linker reserves this much for each call on aarch64, in case its target is far.
const VENEER_BYTES: usize = 24;

/// Room that each function may take beside its code: alignment on both ends.
const PADDING_BYTES: usize = 64;

/// Bytes of arena that functions take.
pub fn needed_bytes<'a>(functions: impl IntoIterator<Item = &'a CompiledFunction>) -> usize {
    let one = |function: &CompiledFunction| {
        let calls = function.relocations.iter().filter(|r| r.kind == RelocKind::Arm64Call).count();
        function.code.len() + calls * VENEER_BYTES + function.align_bytes as usize + PADDING_BYTES
    };
    functions.into_iter().map(one).sum()
}

impl LinkedCode {
    /// Room for so many functions, and so many bytes of code. None is linked yet.
    pub fn new(function_count: usize, code_bytes: usize) -> Result<Self, LinkError> {
        let table_bytes = function_count.max(1) * JUMP_SLOT_BYTES;
        let arena = Arena::new(code_bytes + table_bytes + PADDING_BYTES)?;
        let (executable, arena_bytes) = (arena.executable(), arena.len_bytes());
        let arena = Arc::new(Mutex::new(Provider { arena, used_bytes: 0 }));
        let mut builder = JITBuilder::with_isa(host_isa()?, cranelift_module::default_libcall_names());
        builder.memory_provider(Box::new(SharedProvider(arena.clone())));
        let mut jit = JITModule::new(builder);
        let table: Vec<u8> = (0..function_count as u32).flat_map(arch::lazy_slot).collect();
        let table = if table.is_empty() { vec![0; JUMP_SLOT_BYTES] } else { table };
        let table_id = jit.declare_anonymous_function(&jit.make_signature()).map_err(linker_error)?;
        jit.define_function_bytes(table_id, JUMP_SLOT_BYTES as u64, &table, &[]).map_err(linker_error)?;
        jit.finalize_definitions().map_err(linker_error)?;
        let linker = Linker { jit, arena, table_id, ids: HashMap::new(), waiting: HashMap::new() };
        let jump_table = executable + linker.offset_of(table_id);
        linker.provider().arena.publish(jump_table - executable, table.len());
        Ok(Self {
            executable,
            arena_bytes,
            jump_table,
            addresses: (0..function_count).map(|_| AtomicUsize::new(0)).collect(),
            placed: RwLock::default(),
            linker: Mutex::new(linker),
        })
    }

    /// Links functions together; their calls to each other are direct. Those that are linked already are passed over.
    pub fn link(&self, batch: &[(DefinedFuncIndex, &CompiledFunction)]) -> Result<(), LinkError> {
        let mut linker = self.linker.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let batch: Vec<_> = batch.iter().filter(|(index, _)| self.address(*index).is_none()).copied().collect();
        if batch.is_empty() {
            return Ok(());
        }
        linker.provider().renew_in_child()?;
        let start = linker.provider().used_bytes;
        linker.define(&batch)?;
        let mut placed = self.placed.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        for (index, function) in &batch {
            placed.push(Placed {
                index: *index,
                start: linker.offset_of(linker.ids[index]) as u32,
                len_bytes: function.code.len() as u32,
                traps: function.traps.as_slice().into(),
                sources: function.sources.as_slice().into(),
                handlers: function.handlers.as_slice().into(),
                inlined: function.inlined.as_slice().into(),
            });
        }
        let first_new = placed.len() - batch.len();
        let provider = linker.provider();
        provider.arena.publish(start, provider.used_bytes - start);
        drop(provider);
        // Only now may anything reach the new code: it is written, published, and its tables are in place.
        for function in &placed[first_new..] {
            self.addresses[function.index.index()].store(self.executable + function.start as usize, Ordering::Release);
        }
        drop(placed);
        for (index, _) in &batch {
            self.lead_to(&mut linker, *index);
        }
        Ok(())
    }

    /// In a child made by `fork`, makes the code its own, as it was when the child began: what the parent may have
    /// linked since is undone.
    ///
    /// # Errors
    /// If there is no memory for a copy.
    pub fn renew_in_child(&self) -> Result<(), LinkError> {
        let linker = self.linker.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !linker.provider().renew_in_child()? {
            return Ok(());
        }
        let writable = linker.provider().arena.writable();
        // SAFETY: as in `lead_to`; slots and displacements of functions without code lead to slots again.
        unsafe {
            for index in (0..self.addresses.len()).map(DefinedFuncIndex::new) {
                if self.address(index).is_none() {
                    let bytes: Vec<u8> = arch::lazy_slot(index.0).into_iter().collect();
                    let slot = writable.add(self.slot(index) - self.executable);
                    slot.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                }
            }
            for (callee, offset) in linker.waiting.iter().flat_map(|(to, at)| at.iter().map(move |at| (*to, *at))) {
                let written = writable.add(offset as usize);
                if arch::can_repoint_call(written) {
                    arch::repoint_call(written, self.executable + offset as usize, self.slot(callee));
                }
            }
        }
        let provider = linker.provider();
        provider.arena.publish(0, provider.used_bytes);
        Ok(())
    }

    /// Ends linking where code cannot be added while other code runs.
    pub fn seal(&self) -> Result<(), LinkError> {
        let linker = self.linker.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        linker.provider().arena.seal().map_err(LinkError::Memory)
    }

    /// Whether functions can be linked while others run.
    pub fn can_link_late(&self) -> bool {
        let linker = self.linker.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        linker.provider().arena.has_alias()
    }

    /// Makes a function's slot, and the calls that wait for it, lead to its code.
    fn lead_to(&self, linker: &mut Linker, index: DefinedFuncIndex) {
        let waiting = linker.waiting.remove(&index).unwrap_or_default();
        let provider = linker.provider();
        let writable = provider.arena.writable();
        let Some(target) = self.address(index) else { return };
        // SAFETY: slots and displacements lie in the arena, at the offsets where the linker put them; the arena is
        // small enough for near jumps. Nothing else writes: the linker is locked.
        unsafe {
            let slot = self.slot(index);
            arch::link_slot(writable.add(slot - self.executable), slot, target);
            provider.arena.publish(slot - self.executable, JUMP_SLOT_BYTES);
            for offset in waiting {
                let written = writable.add(offset as usize);
                if arch::can_repoint_call(written) {
                    arch::repoint_call(written, self.executable + offset as usize, target);
                    provider.arena.publish(offset as usize, 4);
                }
            }
        }
    }

    /// Where a function's code lies, if it is linked.
    #[inline]
    pub fn address(&self, index: DefinedFuncIndex) -> Option<usize> {
        match self.addresses[index.index()].load(Ordering::Acquire) {
            0 => None,
            address => Some(address),
        }
    }

    /// An address to call a function at: its code, or the slot that leads there in time.
    pub fn callable(&self, index: DefinedFuncIndex) -> usize {
        self.address(index).unwrap_or_else(|| self.slot(index))
    }

    /// The function's slot in the jump table.
    fn slot(&self, index: DefinedFuncIndex) -> usize {
        self.jump_table + index.index() * JUMP_SLOT_BYTES
    }

    /// The addresses that hold this module's code.
    pub fn text(&self) -> std::ops::Range<usize> {
        self.executable..self.executable + self.arena_bytes
    }

    /// Size of the code of all linked functions in bytes.
    pub fn code_bytes(&self) -> usize {
        let placed = self.placed.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        placed.iter().map(|function| function.len_bytes as usize).sum()
    }

    /// Number of linked functions.
    pub fn linked_functions(&self) -> usize {
        self.placed.read().unwrap_or_else(|poisoned| poisoned.into_inner()).len()
    }

    fn with_function<R>(&self, pc: usize, f: impl FnOnce(&Placed, u32) -> Option<R>) -> Option<R> {
        let offset = u32::try_from(pc.checked_sub(self.executable)?).ok()?;
        let placed = self.placed.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let at = placed.partition_point(|function| function.start <= offset).checked_sub(1)?;
        let inside = offset - placed[at].start;
        if inside <= placed[at].len_bytes { f(&placed[at], inside) } else { None }
    }

    /// The function that `pc` lies in, and the offset inside it.
    pub fn find(&self, pc: usize) -> Option<(DefinedFuncIndex, u32)> {
        self.with_function(pc, |function, offset| Some((function.index, offset)))
    }

    /// The trap that the instruction at `pc` raises.
    pub fn trap_at(&self, pc: usize) -> Option<TrapCode> {
        self.with_function(pc, |function, offset| {
            let at = function.traps.binary_search_by_key(&offset, |site| site.offset).ok()?;
            let at = if seeded::bug("trap-code") { at.saturating_sub(1) } else { at };
            Some(function.traps[at].code)
        })
    }

    /// The first clause of the call that returns to `pc` which catches everything or a tag that `catches`, and the
    /// address of its handler.
    pub fn handler_at(&self, pc: usize, catches: impl Fn(TagIndex) -> bool) -> Option<(usize, HandlerSite)> {
        // The call itself is what must lie in the function.
        self.with_function(pc - 1, |function, offset| {
            let return_offset = offset + 1;
            let first = function.handlers.partition_point(|site| site.return_offset < return_offset);
            let clauses = function.handlers[first..].iter().take_while(|site| site.return_offset == return_offset);
            let passed_over = usize::from(seeded::bug("handler-off-by-one"));
            let clause = clauses.into_iter().skip(passed_over).find(|site| site.tag.is_none_or(&catches))?;
            Some((self.executable + (function.start + clause.handler_offset) as usize, *clause))
        })
    }

    /// The offsets in the module's binary of the operator that the instruction at `pc` belongs to, and of the inlined
    /// calls around it, innermost first.
    pub fn sources_at(&self, pc: usize) -> Vec<u32> {
        let found = self.with_function(pc, |function, offset| {
            let offset = if seeded::bug("source-position") { offset.saturating_sub(1) } else { offset };
            let at = function.sources.partition_point(|site| site.offset <= offset).checked_sub(1)?;
            Some(function.sources[at].position.offsets(&function.inlined).collect())
        });
        found.unwrap_or_default()
    }
}

impl Linker {
    fn provider(&self) -> MutexGuard<'_, Provider> {
        self.arena.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Where a defined function lies in the arena.
    fn offset_of(&self, id: FuncId) -> usize {
        self.jit.get_finalized_function(id) as usize - self.provider().arena.writable() as usize
    }

    fn define(&mut self, batch: &[(DefinedFuncIndex, &CompiledFunction)]) -> Result<(), LinkError> {
        for (index, _) in batch {
            let id = self.jit.declare_anonymous_function(&self.jit.make_signature()).map_err(linker_error)?;
            self.ids.insert(*index, id);
        }
        let mut through_slots = Vec::new();
        for (index, function) in batch {
            let relocations: Vec<ModuleReloc> = function.relocations.iter().map(|r| self.resolve(r)).collect();
            self.jit
                .define_function_bytes(self.ids[index], u64::from(function.align_bytes), &function.code, &relocations)
                .map_err(linker_error)?;
            let waiting = function.relocations.iter().filter(|r| !self.ids.contains_key(&r.target));
            through_slots.extend(waiting.filter(|r| is_call(r.kind)).map(|r| (*index, r.target, r.offset)));
        }
        self.jit.finalize_definitions().map_err(linker_error)?;
        for (caller, callee, offset) in through_slots {
            let offset = self.offset_of(self.ids[&caller]) as u32 + offset;
            self.waiting.entry(callee).or_default().push(offset);
        }
        Ok(())
    }

    /// The relocation as the linker wants it: to the function if it has code or gets it now, else to its slot.
    fn resolve(&self, relocation: &Relocation) -> ModuleReloc {
        let (target, slot) = match self.ids.get(&relocation.target) {
            Some(id) => (*id, 0),
            None => (self.table_id, relocation.target.index() * JUMP_SLOT_BYTES),
        };
        ModuleReloc {
            offset: relocation.offset,
            kind: match relocation.kind {
                RelocKind::X86CallPcRel4 => Reloc::X86CallPCRel4,
                RelocKind::X86PcRel4 => Reloc::X86PCRel4,
                RelocKind::Arm64Call => Reloc::Arm64Call,
                RelocKind::Aarch64AdrPrelPgHi21 => Reloc::Aarch64AdrPrelPgHi21,
                RelocKind::Aarch64AddAbsLo12Nc => Reloc::Aarch64AddAbsLo12Nc,
            },
            name: ModuleRelocTarget::from(target),
            addend: relocation.addend + slot as i64,
        }
    }
}

fn is_call(kind: RelocKind) -> bool {
    matches!(kind, RelocKind::X86CallPcRel4 | RelocKind::Arm64Call)
}

impl std::fmt::Debug for LinkedCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkedCode")
            .field("text", &self.text())
            .field("functions", &self.addresses.len())
            .field("linked", &self.linked_functions())
            .finish()
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
    /// In a child made by `fork`, gives the arena pages of its own; whether that was to be done.
    fn renew_in_child(&mut self) -> io::Result<bool> {
        self.arena.renew_in_child(self.used_bytes)
    }
}

struct SharedProvider(Arc<Mutex<Provider>>);

impl JITMemoryProvider for SharedProvider {
    fn allocate(&mut self, size: usize, align: u64, _kind: JITMemoryKind) -> io::Result<*mut u8> {
        let mut provider = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let start = provider.used_bytes.next_multiple_of(align as usize);
        if start + size > provider.arena.len_bytes() {
            let mib = provider.arena.len_bytes() >> 20;
            return Err(io::Error::other(format!("the module's {mib} MiB for machine code are full")));
        }
        provider.used_bytes = start + size;
        // SAFETY: inside the arena, as just checked.
        Ok(unsafe { provider.arena.writable().add(start) })
    }

    unsafe fn free_memory(&mut self) {
        // The arena is freed with the last `LinkedCode` that holds it.
    }

    fn finalize(&mut self, _protection: BranchProtection) -> ModuleResult<()> {
        Ok(()) // `Arena::publish` and `Arena::seal` do it.
    }
}
