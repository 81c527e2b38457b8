//! Linking compiled functions into executable memory, all at once or one by one while others run. The one file that
//! names cranelift-jit.
//!
//! Code is written through the arena's writable view and runs at its executable one. All relocations are relative to
//! the instruction, so that the distance between the two views does not matter (invariant 1). A call to a function
//! that has no code yet goes to that function's slot in the jump table; once there is code, the slot leads to it, and
//! the call itself is pointed there as well where the processor allows that under way.
//!
//! In a module whose source says so, quick code is for now: optimised code may take its place, once. Calls to it are
//! recorded until then, and whatever else leads to it goes through the slot. It is not freed, and calls that are in it
//! end in it.
//!
//! ```text
//! a batch:   room is there? ─ no ──► refused, nothing has changed
//!              │ yes
//!            placed, relocated ─ error or panic ──► the module is broken: nothing is ever linked again, and what lies
//!              │                                    half-linked is reached by nothing
//!            tables, addresses, slots: none of that can fail
//! ```
//! Calls between functions are resolved from the batch and from what is published; so no code ever leads to a function
//! that is not there as a whole.

use crate::base::budget::{Budget, Charge, Refused};
use crate::base::fault::{Faults, panic_message};
use crate::code::placed::{Placed, PlacedFunctions};
use crate::code::region::{Arena, MAX_ARENA_BYTES};
use crate::fixed::{self, JUMP_SLOT_BYTES};
use crate::sys::mapping;
use crate::threads::fork::{Guard, Mutex};
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_jit::{BranchProtection, JITBuilder, JITMemoryKind, JITMemoryProvider, JITModule};
use cranelift_module::{FuncId, Module as _, ModuleReloc, ModuleRelocTarget, ModuleResult};
use epsilon_abi::{CodeTier, CompiledFunction, DefinedFuncIndex, RelocKind, Relocation};
use std::collections::{HashMap, HashSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock};

/// Linked machine code of one module. Freed when nothing can run it any more: instances hold it.
pub struct LinkedCode {
    executable: usize,
    arena_bytes: usize,
    jump_table: usize,
    /// Whether functions can be linked while others run.
    can_link_late: bool,
    /// Whether optimised code takes the place of quick code.
    replaces: bool,
    /// Address of each function's code; 0 until it is linked. With [`FOR_NOW`] in it, it changes once more.
    addresses: Box<[AtomicUsize]>,
    /// How many of them are not 0, and how many may change.
    linked: AtomicUsize,
    for_now: AtomicUsize,
    placed: PlacedFunctions,
    linker: Mutex<Linker>,
    /// Why nothing can be linked any more. Once set, for ever.
    broken: OnceLock<Box<str>>,
    faults: Arc<Faults>,
}

struct Linker {
    jit: JITModule,
    arena: Arc<std::sync::Mutex<Provider>>,
    table_id: FuncId,
    /// The ids of functions that are published and have their last code, and of no others.
    ids: HashMap<DefinedFuncIndex, FuncId>,
    /// Calls to functions that do not have their last code yet: offsets of their displacements.
    waiting: HashMap<DefinedFuncIndex, Vec<u32>>,
    /// For the slots, and for all that is linked.
    charge: Charge,
}

/// Marks the address of code that may be replaced. Code is aligned to more.
const FOR_NOW: usize = 1;

/// Functions that lie in the arena with their relocations done, and that nothing can reach yet.
struct Batch {
    /// Of those that have their last code.
    ids: HashMap<DefinedFuncIndex, FuncId>,
    /// Calls that go through slots: for which function, and the offset of the displacement.
    through_slots: Vec<(DefinedFuncIndex, u32)>,
    placed: Vec<Placed>,
}

/// How much code a module has room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    /// About so many bytes: as many as calls can reach, and as the system grants address space for.
    AtLeast(usize),
    /// So many bytes and no more: for tests.
    Exactly(usize),
}

/// Where linking can fail.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No memory for code, or too much of it.
    #[error("cannot map machine code")]
    Memory(#[from] io::Error),
    /// The room for the module's code does not suffice. Nothing has changed.
    #[error(
        "the module's machine code has reached its limit: {needed_bytes} bytes more do not fit into the {left_bytes} \
         that are left of {limit_bytes}; functions that are already compiled continue to work"
    )]
    Full {
        /// What was to be linked.
        needed_bytes: usize,
        /// What is left for it.
        left_bytes: usize,
        /// What the module may have.
        limit_bytes: usize,
    },
    /// The engine may take no more memory. Nothing has changed.
    #[error("{0}")]
    NoMemory(Refused),
    /// The linker refused.
    #[error("cannot link machine code: {0}")]
    Linker(String),
    /// Something has failed half-way before.
    #[error("the module is broken, and no further function of it can be compiled: {0}; create the module again")]
    Broken(Box<str>),
}

/// Room for code that every module has, where address space is not scarce: bodies tell little of how much that is.
const SPACIOUS_BYTES: usize = 64 << 20;

/// Less is not tried for where the system refuses more.
const LEAST_BYTES: usize = 1 << 20;

/// Room for about so much code beside a jump table: only what is used takes memory.
fn spacious_arena(code_bytes: usize, table_bytes: usize, faults: &Faults) -> io::Result<Arena> {
    let is_scarce = mapping::address_space_is_limited();
    let mut bytes = code_bytes.max(if is_scarce { 0 } else { SPACIOUS_BYTES });
    bytes = bytes.min(MAX_ARENA_BYTES.saturating_sub(table_bytes));
    loop {
        match Arena::new(bytes + table_bytes, faults) {
            Ok(arena) if arena.has_alias() || bytes <= LEAST_BYTES => return Ok(arena),
            Err(error) if bytes <= LEAST_BYTES => return Err(error),
            _ => bytes = (bytes / 2).max(code_bytes.min(LEAST_BYTES)),
        }
    }
}

/// The linker reserves this much for each call on aarch64, in case its target is far.
const VENEER_BYTES: usize = 24;

/// What a module's linker is charged with before there is anything to link.
const FIXED_BYTES: usize = 16 << 10;

/// What a linked function is charged with beside its code and tables: what the linker and we know of it.
const FUNCTION_BYTES: usize = 1 << 10;

/// The same for each of its relocations: the linker keeps them, and we remember calls through slots.
const RELOCATION_BYTES: usize = 2 * size_of::<ModuleReloc>();

/// Room that the jump table may take beside its slots: alignment on both ends.
const PADDING_BYTES: usize = 64;

impl LinkedCode {
    /// Room for so many functions, and for their code, which is charged to `budget` as it comes. None is linked yet. Whether
    /// optimised code `replaces` quick code.
    pub fn new(
        function_count: usize,
        room: Room,
        replaces: bool,
        budget: &Budget,
        faults: &Arc<Faults>,
    ) -> Result<Self, LinkError> {
        let table_bytes = function_count.max(1) * JUMP_SLOT_BYTES + PADDING_BYTES;
        let fixed_bytes = FIXED_BYTES + table_bytes + function_count * size_of::<AtomicUsize>();
        let charge = budget.charge(fixed_bytes, "compiled functions").map_err(LinkError::NoMemory)?;
        let (Room::AtLeast(code_bytes) | Room::Exactly(code_bytes)) = room;
        let arena = match room {
            Room::Exactly(_) => Arena::new(code_bytes + table_bytes, faults)?,
            Room::AtLeast(_) => spacious_arena(code_bytes, table_bytes, faults)?,
        };
        let (executable, arena_bytes) = (arena.executable(), arena.len_bytes());
        let limit_bytes = if room == Room::Exactly(code_bytes) { code_bytes + table_bytes } else { arena_bytes };
        let can_link_late = arena.has_alias();
        let arena = Arc::new(std::sync::Mutex::new(Provider { arena, used_bytes: 0, limit_bytes }));
        let mut builder = JITBuilder::with_isa(host_isa()?, cranelift_module::default_libcall_names());
        builder.memory_provider(Box::new(SharedProvider(arena.clone())));
        let mut jit = JITModule::new(builder);
        let table: Vec<u8> = (0..function_count as u32).flat_map(fixed::lazy_slot).collect();
        let table = if table.is_empty() { vec![0; JUMP_SLOT_BYTES] } else { table };
        let table_id = jit.declare_anonymous_function(&jit.make_signature()).map_err(linker_error)?;
        jit.define_function_bytes(table_id, JUMP_SLOT_BYTES as u64, &table, &[]).map_err(linker_error)?;
        jit.finalize_definitions().map_err(linker_error)?;
        let linker = Linker { jit, arena, table_id, ids: HashMap::new(), waiting: HashMap::new(), charge };
        let jump_table = executable + linker.offset_of(table_id);
        linker.provider().arena.publish(jump_table - executable, table.len());
        Ok(Self {
            executable,
            arena_bytes,
            jump_table,
            can_link_late,
            replaces: replaces && can_link_late,
            linked: AtomicUsize::new(0),
            for_now: AtomicUsize::new(0),
            addresses: (0..function_count).map(|_| AtomicUsize::new(0)).collect(),
            placed: PlacedFunctions::new(executable),
            linker: Mutex::new(linker),
            broken: OnceLock::new(),
            faults: faults.clone(),
        })
    }

    /// Links functions together; their calls to each other are direct. Those that are linked already are passed over,
    /// unless better code takes the place of what was there for now.
    ///
    /// # Errors
    /// If there is no room: then nothing has changed. Any other error once code is being placed breaks the module.
    pub fn link(&self, batch: &[(DefinedFuncIndex, &CompiledFunction)]) -> Result<(), LinkError> {
        let mut linker = self.linker()?;
        let mut seen = HashSet::new();
        let batch = batch.iter().filter(|(index, function)| self.is_wanted(*index, function) && seen.insert(*index));
        let batch: Vec<_> = batch.copied().collect();
        if batch.is_empty() {
            return Ok(());
        }
        self.renew(&linker)?;
        linker.check(&batch, self.addresses.len())?;
        let more: usize = batch.iter().map(|(_, function)| held_bytes(function)).sum();
        let held = linker.charge.bytes();
        linker.charge.resize(held.saturating_add(more)).map_err(LinkError::NoMemory)?;
        match catch_unwind(AssertUnwindSafe(|| self.place(&mut linker, &batch))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.break_down(&format!("linking failed half-way ({error})"))),
            Err(panic) => Err(self.break_down(&format!("linking panicked half-way ({})", panic_message(&*panic)))),
        }
    }

    /// Places functions that there is room for, and publishes them.
    fn place(&self, linker: &mut Linker, batch: &[(DefinedFuncIndex, &CompiledFunction)]) -> Result<(), LinkError> {
        let start = linker.provider().used_bytes;
        let is_last = |function: &CompiledFunction| !self.is_for_now(function);
        let batch = linker.define(batch, &is_last, &self.faults)?;
        self.placed.reserve(batch.placed.len());
        self.lead_to_present(linker, &batch);
        {
            let provider = linker.provider();
            provider.arena.publish(start, provider.used_bytes - start);
        }
        self.faults.link_step()?;
        // Nothing from here on can fail. Only now may anything reach the new code: it is written, relocated and published,
        // and its tables are in place before its address is.
        let Batch { ids, through_slots, placed } = batch;
        let addresses: Vec<_> = placed.iter().map(|placed| (placed.index(), placed.start() as usize)).collect();
        self.placed.append(placed);
        for (index, offset) in &addresses {
            let for_now = if ids.contains_key(index) { 0 } else { FOR_NOW };
            let before = self.addresses[index.index()].swap((self.executable + offset) | for_now, Ordering::AcqRel);
            self.linked.fetch_add(usize::from(before == 0), Ordering::Relaxed);
            self.for_now.fetch_add(for_now, Ordering::Relaxed);
            self.for_now.fetch_sub(before & FOR_NOW, Ordering::Relaxed);
        }
        for (callee, offset) in through_slots {
            linker.waiting.entry(callee).or_default().push(offset);
        }
        for (index, _) in addresses {
            self.lead_to(linker, index);
        }
        linker.ids.extend(ids);
        Ok(())
    }

    /// Whether a function's code may be replaced.
    fn is_for_now(&self, function: &CompiledFunction) -> bool {
        self.replaces && function.tier == CodeTier::Quick
    }

    /// Whether code is better than what its function has.
    fn is_wanted(&self, index: DefinedFuncIndex, function: &CompiledFunction) -> bool {
        match self.address(index) {
            None => true,
            Some(_) => !self.is_last(index) && !self.is_for_now(function),
        }
    }

    /// Points calls in code that nothing reaches yet at the code that their functions have, though it is not their last.
    fn lead_to_present(&self, linker: &Linker, batch: &Batch) {
        if !self.replaces {
            return;
        }
        let new = batch.placed.iter().map(|placed| (placed.index(), self.executable + placed.start() as usize));
        let new: HashMap<DefinedFuncIndex, usize> = new.collect();
        let provider = linker.provider();
        for (callee, offset) in &batch.through_slots {
            let Some(target) = new.get(callee).copied().or_else(|| self.address(*callee)) else { continue };
            // SAFETY: the linker put the displacement there when it placed this batch, the target is in this arena, and the caller
            // holds the linker's lock (invariant 18).
            unsafe { self.point_call(provider.arena.writable(), *offset, target) };
        }
    }

    /// Points the call whose displacement lies at an offset behind `writable` at a target, if it can be pointed elsewhere.
    /// Returns whether it can.
    ///
    /// # Safety
    /// The arena's code must be writable from `writable` on, with a displacement that the linker has put at the offset; the target
    /// must lie in the arena, and the linker must be locked.
    unsafe fn point_call(&self, writable: *mut u8, offset: u32, target: usize) -> bool {
        let offset = offset as usize;
        // SAFETY: the caller promises an offset in the arena (invariant 16).
        let written = unsafe { writable.add(offset) };
        let can = fixed::can_repoint_call(written);
        if can {
            // SAFETY: a displacement lies there, which threads may be running, and which only the holder of the lock writes
            // (invariant 18). The target is in the same arena, and no arena is larger than calls reach.
            unsafe { fixed::repoint_call(written, self.executable + offset, target) };
        }
        can
    }

    /// The linker, as long as the module is not broken.
    fn linker(&self) -> Result<Guard<MutexGuard<'_, Linker>>, LinkError> {
        let linker = self.linker.lock();
        self.check()?;
        // What was under way when a thread panicked may be half-done.
        linker.map_err(|_| self.break_down("a thread panicked while it was linking"))
    }

    /// Whether the module can go on.
    ///
    /// # Errors
    /// If it is broken.
    pub fn check(&self) -> Result<(), LinkError> {
        match self.broken.get() {
            Some(reason) => Err(LinkError::Broken(reason.clone())),
            None => Ok(()),
        }
    }

    /// Ends all linking for good; every later request gets an error that says so. Code that is published goes on.
    pub fn break_down(&self, reason: &str) -> LinkError {
        LinkError::Broken(self.broken.get_or_init(|| reason.into()).clone())
    }

    /// In a child made by `fork`, makes the code its own, as it was when the child began: what the parent may have
    /// linked since is undone.
    ///
    /// # Errors
    /// If there is no memory for a copy.
    pub fn renew_in_child(&self) -> Result<(), LinkError> {
        Ok(self.renew(&*self.linker()?)?)
    }

    /// The same, with the linker locked.
    fn renew(&self, linker: &Linker) -> io::Result<()> {
        let mut provider = linker.provider();
        let Provider { arena, used_bytes, .. } = &mut *provider;
        if arena.renew_in_child(*used_bytes, |writable| self.put_back(linker, writable))? {
            arena.publish(0, *used_bytes);
        }
        Ok(())
    }

    /// Lets slots and displacements of a copy of the code, which begins at `writable` and which nothing can run yet, lead to the
    /// code that this process knows of, or to slots again: its parent may have linked more since, or replaced code.
    fn put_back(&self, linker: &Linker, writable: *mut u8) {
        for index in (0..self.addresses.len()).map(DefinedFuncIndex::new) {
            let slot = self.slot(index);
            // SAFETY: the jump table lies in the arena, with a slot for each function (invariant 16).
            let written = unsafe { writable.add(slot - self.executable) };
            match self.address(index) {
                None => {
                    let bytes: Vec<u8> = fixed::lazy_slot(index.0).into_iter().collect();
                    // SAFETY: a slot is as long; nothing runs the copy yet, and the linker is locked (invariant 18).
                    unsafe { written.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
                }
                Some(address) if !self.is_last(index) => {
                    // SAFETY: a slot lies there, the address is in the same arena, which is small enough for near jumps, and
                    // the linker is locked (invariant 18).
                    unsafe { fixed::link_slot(written, slot, address) };
                }
                Some(_) => {}
            }
        }
        for (callee, offset) in linker.waiting.iter().flat_map(|(to, at)| at.iter().map(move |at| (*to, *at))) {
            let target = self.address(callee).unwrap_or_else(|| self.slot(callee));
            // SAFETY: the linker put a displacement there and recorded it, the target is in this arena, and the linker is locked
            // (invariant 18).
            unsafe { self.point_call(writable, offset, target) };
        }
    }

    /// Ends linking where code cannot be added while other code runs.
    pub fn seal(&self) -> Result<(), LinkError> {
        let linker = self.linker()?;
        let sealed = linker.provider().arena.seal();
        sealed.map_err(LinkError::Memory)
    }

    /// Whether functions can be linked while others run.
    pub fn can_link_late(&self) -> bool {
        self.can_link_late
    }

    /// Makes a function's slot, and the calls that are recorded for it, lead to its code.
    fn lead_to(&self, linker: &mut Linker, index: DefinedFuncIndex) {
        let waiting = linker.waiting.remove(&index).unwrap_or_default();
        let Some(target) = self.address(index) else { return };
        let provider = linker.provider();
        let writable = provider.arena.writable();
        let slot = self.slot(index);
        // SAFETY: the function's slot lies in the arena (invariant 16), which is small enough for near jumps, and is aligned to
        // its size; threads may run it meanwhile, and nothing else writes: the linker is locked (invariant 18).
        unsafe { fixed::link_slot(writable.add(slot - self.executable), slot, target) };
        provider.arena.publish(slot - self.executable, JUMP_SLOT_BYTES);
        for offset in &waiting {
            // SAFETY: the linker put a displacement there and recorded it, the target is in this arena, and the linker is locked
            // (invariant 18).
            if unsafe { self.point_call(writable, *offset, target) } {
                provider.arena.publish(*offset as usize, 4);
            }
        }
        drop(provider);
        if !self.is_last(index) && !waiting.is_empty() {
            linker.waiting.insert(index, waiting);
        }
    }

    /// Where a function's code lies, if it is linked.
    #[inline]
    pub fn address(&self, index: DefinedFuncIndex) -> Option<usize> {
        match self.addresses[index.index()].load(Ordering::Acquire) & !FOR_NOW {
            0 => None,
            address => Some(address),
        }
    }

    /// Where a function's code lies, if it is not replaced any more.
    #[inline]
    pub fn last_address(&self, index: DefinedFuncIndex) -> Option<usize> {
        let address = self.addresses[index.index()].load(Ordering::Acquire);
        (address != 0 && address & FOR_NOW == 0).then_some(address)
    }

    /// Whether a function has code that is not replaced any more.
    #[inline]
    pub fn is_last(&self, index: DefinedFuncIndex) -> bool {
        self.last_address(index).is_some()
    }

    /// An address to call a function at: its last code, or the slot that leads there in time.
    pub fn callable(&self, index: DefinedFuncIndex) -> usize {
        self.last_address(index).unwrap_or_else(|| self.slot(index))
    }

    /// How many functions have code that is not replaced any more.
    pub fn len_last(&self) -> usize {
        self.len().saturating_sub(self.for_now.load(Ordering::Relaxed))
    }

    /// Whether there is code that may be replaced.
    pub fn has_code_for_now(&self) -> bool {
        self.for_now.load(Ordering::Relaxed) > 0
    }

    /// How many functions have code.
    pub fn len(&self) -> usize {
        self.linked.load(Ordering::Relaxed)
    }

    /// The function's slot in the jump table.
    fn slot(&self, index: DefinedFuncIndex) -> usize {
        self.jump_table + index.index() * JUMP_SLOT_BYTES
    }

    /// The addresses that hold this module's code.
    pub fn text(&self) -> std::ops::Range<usize> {
        self.executable..self.executable + self.arena_bytes
    }

    /// All functions that have code, with their tables.
    pub fn placed(&self) -> &PlacedFunctions {
        &self.placed
    }
}

impl Linker {
    /// What the linker writes to.
    ///
    /// # Panics
    /// If a thread panicked in the midst of it. That has broken the module, whose linker nobody gets any more.
    fn provider(&self) -> MutexGuard<'_, Provider> {
        self.arena.lock().expect("a panic while code is placed breaks the module")
    }

    /// Where a defined function lies in the arena.
    fn offset_of(&self, id: FuncId) -> usize {
        self.jit.get_finalized_function(id) as usize - self.provider().arena.writable() as usize
    }

    /// Whether a batch can be placed: it is well-formed, and there is room for all of it.
    fn check(
        &mut self,
        batch: &[(DefinedFuncIndex, &CompiledFunction)],
        function_count: usize,
    ) -> Result<(), LinkError> {
        for (index, function) in batch {
            let inside = |r: &Relocation| r.offset as usize + 4 <= function.code.len();
            let known = |r: &Relocation| r.target.index() < function_count;
            if !function.relocations.iter().all(|r| inside(r) && known(r)) || !function.align_bytes.is_power_of_two() {
                return Err(LinkError::Linker(format!("function {} is malformed", index.0)));
            }
        }
        let isa = self.jit.isa();
        let provider = self.provider();
        let end = batch.iter().fold(provider.used_bytes, |used, (_, function)| {
            used.next_multiple_of(alignment(isa, function)) + placed_bytes(function)
        });
        if end <= provider.limit_bytes {
            return Ok(());
        }
        let (used, limit_bytes) = (provider.used_bytes, provider.limit_bytes);
        Err(LinkError::Full { needed_bytes: end - used, left_bytes: limit_bytes.saturating_sub(used), limit_bytes })
    }

    /// Places functions and relocates them, where nothing reaches them yet. Whether the code of one `is_last`.
    fn define(
        &mut self,
        batch: &[(DefinedFuncIndex, &CompiledFunction)],
        is_last: &dyn Fn(&CompiledFunction) -> bool,
        faults: &Faults,
    ) -> Result<Batch, LinkError> {
        let mut ids = HashMap::with_capacity(batch.len());
        let mut defined = Vec::with_capacity(batch.len());
        for (index, function) in batch {
            faults.link_step()?;
            let id = self.jit.declare_anonymous_function(&self.jit.make_signature()).map_err(linker_error)?;
            defined.push((*index, *function, id));
            if is_last(function) {
                ids.insert(*index, id);
            }
        }
        for (_, function, id) in &defined {
            faults.link_step()?;
            let relocations: Vec<ModuleReloc> = function.relocations.iter().map(|r| self.resolve(&ids, r)).collect();
            self.jit
                .define_function_bytes(*id, u64::from(function.align_bytes), &function.code, &relocations)
                .map_err(linker_error)?;
        }
        faults.link_step()?;
        self.jit.finalize_definitions().map_err(linker_error)?;
        faults.link_step()?;
        let (mut through_slots, mut placed) = (Vec::new(), Vec::with_capacity(batch.len()));
        for (index, function, id) in &defined {
            let start = self.offset_of(*id) as u32;
            let waiting = function.relocations.iter().filter(|r| is_call(r.kind) && self.id(&ids, r.target).is_none());
            through_slots.extend(waiting.map(|r| (r.target, start + r.offset)));
            placed.push(Placed::new(*index, start, function));
        }
        Ok(Batch { ids, through_slots, placed })
    }

    /// The id of a function that has its last code, or gets it with this batch.
    fn id(&self, batch: &HashMap<DefinedFuncIndex, FuncId>, function: DefinedFuncIndex) -> Option<FuncId> {
        batch.get(&function).or_else(|| self.ids.get(&function)).copied()
    }

    /// The relocation as the linker wants it: to the function if it has its last code or gets it now, else to its slot.
    fn resolve(&self, batch: &HashMap<DefinedFuncIndex, FuncId>, relocation: &Relocation) -> ModuleReloc {
        let (target, slot) = match self.id(batch, relocation.target) {
            Some(id) => (id, 0),
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

/// How the linker aligns a function.
fn alignment(isa: &dyn TargetIsa, function: &CompiledFunction) -> usize {
    let least = u64::from(isa.function_alignment().minimum).max(isa.symbol_alignment());
    u64::from(function.align_bytes).max(least) as usize
}

/// What a function takes in the arena, behind its alignment.
fn placed_bytes(function: &CompiledFunction) -> usize {
    let calls = function.relocations.iter().filter(|r| r.kind == RelocKind::Arm64Call).count();
    function.code.len() + calls * VENEER_BYTES
}

/// What a linked function takes.
fn held_bytes(function: &CompiledFunction) -> usize {
    let relocations = function.relocations.len() * RELOCATION_BYTES;
    FUNCTION_BYTES + placed_bytes(function) + relocations + Placed::table_bytes(function)
}

fn is_call(kind: RelocKind) -> bool {
    matches!(kind, RelocKind::X86CallPcRel4 | RelocKind::Arm64Call)
}

impl std::fmt::Debug for LinkedCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkedCode")
            .field("text", &self.text())
            .field("functions", &self.addresses.len())
            .field("linked", &self.len())
            .field("broken", &self.broken.get())
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
    limit_bytes: usize,
}

struct SharedProvider(Arc<std::sync::Mutex<Provider>>);

impl JITMemoryProvider for SharedProvider {
    fn allocate(&mut self, size: usize, align: u64, _kind: JITMemoryKind) -> io::Result<*mut u8> {
        let mut provider = self.0.lock().expect("a panic while code is placed breaks the module");
        let start = provider.used_bytes.next_multiple_of(align as usize);
        // `Linker::check` has seen to it.
        if start + size > provider.limit_bytes {
            return Err(io::Error::other("more code is placed than there was to be"));
        }
        provider.used_bytes = start + size;
        // SAFETY: `start` is at most `limit_bytes`, as was just checked, which is at most the arena's length (invariant 16).
        Ok(unsafe { provider.arena.writable().add(start) })
    }

    unsafe fn free_memory(&mut self) {
        // The arena is freed with the last `LinkedCode` that holds it.
    }

    fn finalize(&mut self, _protection: BranchProtection) -> ModuleResult<()> {
        Ok(()) // `Arena::publish` and `Arena::seal` do it.
    }
}
