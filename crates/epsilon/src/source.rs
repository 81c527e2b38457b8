//! Where a module's functions come from: the cache if they are there and intact, else the compiler.

#[cfg(feature = "cache")]
use crate::artifact::Artifact;
use crate::background::{Likely, Shared};
#[cfg(feature = "cache")]
use crate::cache::CachedModule;
use crate::tiering::{Heat, Tiering};
use crate::watch::{Counting, Watch};
use crate::{BoxedError, Error};
use epsilon_abi::{ByteRange, CodeTier, CompiledFunction, DefinedFuncIndex, EntityIndex, MemoryPlan, ModuleInfo};
use epsilon_compiler::{CompileError, Compiler, ParsedModule, Room, Scratch, thread_count};
use epsilon_runtime::{
    Budget, Charge, Demand, FunctionSource, LinkedModule, ModuleBytes, Trap, host_stack_left_bytes,
    in_guest_float_environment,
};
use std::cell::{Cell, RefCell};
use std::sync::{Arc, Once, OnceLock, Weak};
use std::time::{Duration, Instant};

/// Host stack that compiling a function may take. Where a caller has less, another thread compiles for it.
const COMPILER_STACK_BYTES: usize = 1 << 20;

/// What parsed modules are charged for.
pub const HELD: &str = "modules";

/// What compilations are charged for, and what each is charged at first: it grows as the compiler asks for more.
const COMPILATIONS: &str = "compilations";
const LEAST_COMPILATION_BYTES: usize = 512 << 10;

/// The engine's memory that a compilation may hold.
struct Reserved(RefCell<Charge>);

impl Room for Reserved {
    fn hold(&self, bytes: u64) -> bool {
        let mut charge = self.0.borrow_mut();
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).max(charge.bytes());
        charge.resize(bytes).is_ok()
    }
}

/// Compiles within a budget. What is demanded waits until there is room for what it takes.
pub fn within_budget(
    budget: &Budget,
    is_demanded: bool,
    cancelled: &(dyn Fn() -> bool + Sync),
    mut compile: impl FnMut(&dyn Room) -> Result<CompiledFunction, CompileError>,
) -> Result<Result<CompiledFunction, CompileError>, BoxedError> {
    let mut bytes = LEAST_COMPILATION_BYTES;
    loop {
        let charge = if is_demanded {
            let reserved = budget.reserve_waiting(bytes, COMPILATIONS, cancelled).map_err(Error::from)?;
            reserved.ok_or_else(|| Error::from(Trap::Interrupt))?
        } else {
            budget.reserve_now(bytes, COMPILATIONS).map_err(|refused| refused.to_string())?
        };
        match compile(&Reserved(RefCell::new(charge))) {
            // A thread that has room must not wait for more: all is given back first, and asked for at once.
            Err(CompileError::NoRoom { bytes: needed, .. }) => bytes = (needed as usize).max(bytes + bytes / 2),
            compiled => return Ok(compiled),
        }
    }
}

thread_local! {
    /// What compiling leaves for the next function. `None` while it is in use, and after a panic.
    static SCRATCH: Cell<Option<Scratch>> = const { Cell::new(None) };
}

/// Lets `work` use this thread's scratch. After a panic nobody gets it any more: it may be half-changed.
fn with_scratch<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
    // A destructor of the ending thread may compile when the place is gone: then nothing is kept.
    let mut scratch = SCRATCH.try_with(Cell::take).ok().flatten().unwrap_or_default();
    let result = work(&mut scratch);
    let _ = SCRATCH.try_with(|place| place.set(Some(scratch)));
    result
}

/// Machine code per byte of function body, of both tiers together: what is reserved, not what is used.
const CODE_PER_BODY_BYTE: usize = 16;
const LEAST_ROOM_BYTES: usize = 1 << 20;

/// Address space to reserve for the code of functions that are not compiled yet.
pub fn room_for(body_bytes: usize) -> usize {
    body_bytes.saturating_mul(CODE_PER_BODY_BYTE).saturating_add(LEAST_ROOM_BYTES)
}

/// Exports that programs are entered at.
const ENTRIES: [&str; 2] = ["_initialize", "_start"];

/// Custom sections: the binary that they are part of, and for each its name and where in that its contents lie.
#[derive(Clone, Copy)]
pub struct CustomSections<'a> {
    pub wasm: &'a [u8],
    pub named: &'a [(String, ByteRange)],
}

impl<'a> CustomSections<'a> {
    /// Those of the module's own binary.
    pub fn of(module: &'a LinkedModule) -> Self {
        Self { wasm: module.wasm(), named: &module.info().custom_sections }
    }
}

/// The functions of one module.
pub struct ModuleSource {
    pub compiler: Arc<Compiler>,
    pub parsed: ParsedModule,
    pub wasm: Arc<ModuleBytes>,
    /// The engine's, which compiling is charged to.
    pub budget: Budget,
    /// What the parsed module holds.
    pub _held: Charge,
    /// What replaces quick code, if it is replaced, and how often each function was found running.
    pub tiering: Option<Arc<Tiering>>,
    pub heat: Arc<Heat>,
    pub likely: Likely,
    /// The workers that compile ahead, and the module; set once there is one.
    pub ahead: OnceLock<(Arc<Shared>, Weak<LinkedModule>)>,
    /// Whether they have been asked to.
    pub asked: Once,
    #[cfg(feature = "cache")]
    pub stored: Stored,
}

/// Code of a module that was compiled before.
#[cfg(feature = "cache")]
pub enum Stored {
    /// There is none, and none will be kept.
    Nothing,
    /// An entry of the cache, or the place for one.
    Cache(Box<CachedModule>),
    /// An artifact: all of the module's functions.
    Artifact(Box<Artifact>),
}

#[cfg(feature = "cache")]
impl Stored {
    /// The module's share of the cache, if it has one.
    pub fn cached(&self) -> Option<&CachedModule> {
        if let Self::Cache(cached) = self { Some(cached) } else { None }
    }
}

impl ModuleSource {
    /// Validates all bodies, unless the cache knows that they are valid.
    pub fn validate(&self, watch: Watch<'_>) -> Result<(), Error> {
        #[cfg(feature = "cache")]
        match &self.stored {
            Stored::Cache(cached) if cached.is_hit() => return Ok(()),
            // Made from a module that was compiled as a whole.
            Stored::Artifact(_) => return Ok(()),
            _ => {}
        }
        let watch = Counting::new(watch, self.parsed.info.defined_functions());
        let _working = crate::module::reserve(&self.budget, || self.parsed.validating_bytes(thread_count()))?;
        self.compiler.validate_watched(&self.parsed, &self.wasm, &watch).map_err(Error::module)?;
        #[cfg(feature = "cache")]
        if let Some(cached) = self.stored.cached() {
            cached.validated();
        }
        Ok(())
    }

    /// The tier of the code that is wanted.
    fn tier(&self, demand: Demand) -> CodeTier {
        let tier = self.compiler.settings().tier;
        match demand {
            Demand::Call | Demand::Ahead => tier.first(),
            Demand::Background | Demand::Hot => tier.last(),
        }
    }

    /// Lets the workers begin. Where quick code comes first, a call has it soon enough.
    fn compile_ahead(self: &Arc<Self>) {
        if self.tiering.is_some() {
            return;
        }
        self.asked.call_once(|| {
            let Some((workers, module)) = self.ahead.get() else { return };
            if let Some(module) = module.upgrade() {
                workers.add(&module, self);
            }
        });
    }

    /// Whether nothing of the module was kept, so that workers are needed whatever is called.
    fn is_fresh(&self) -> bool {
        #[cfg(feature = "cache")]
        return match &self.stored {
            Stored::Nothing => true,
            Stored::Cache(cached) => !cached.is_hit(),
            Stored::Artifact(_) => false,
        };
        #[cfg(not(feature = "cache"))]
        true
    }

    /// Lets the workers begin with what programs are entered at, if nothing of the module was kept.
    pub fn compile_entries_ahead(self: &Arc<Self>) {
        let info = &self.parsed.info;
        let entries = info.exports.iter().filter(|export| ENTRIES.contains(&&*export.name));
        let entries = entries.filter_map(|export| match export.entity {
            EntityIndex::Func(func) => info.defined(func),
            _ => None,
        });
        let entries: Vec<_> = info.start.and_then(|start| info.defined(start)).into_iter().chain(entries).collect();
        if !entries.is_empty() && self.is_fresh() {
            self.likely.add_later(entries.into_iter());
            self.compile_ahead();
        }
    }

    /// Debug information that lies apart from the module.
    pub fn debug_sections(&self) -> Option<CustomSections<'_>> {
        #[cfg(feature = "cache")]
        if let Stored::Artifact(artifact) = &self.stored {
            return Some(artifact.debug.as_ref()?.sections());
        }
        None
    }

    /// Writes what is new to the cache.
    pub fn save(&self) {
        #[cfg(feature = "cache")]
        if let Some(cached) = self.stored.cached() {
            cached.save();
        }
    }

    /// The most that all code can take that an artifact holds; 0 if it is not all there.
    pub fn stored_bytes(&self) -> usize {
        #[cfg(feature = "cache")]
        if let Stored::Artifact(artifact) = &self.stored {
            return artifact.code.code_bytes();
        }
        0
    }

    /// The function as it was compiled before, if it is there.
    fn stored(&self, index: DefinedFuncIndex, tier: CodeTier) -> Result<Option<CompiledFunction>, BoxedError> {
        #[cfg(feature = "cache")]
        match &self.stored {
            Stored::Nothing => {}
            Stored::Cache(cached) => return Ok(cached.function(index).filter(|function| function.tier >= tier)),
            Stored::Artifact(artifact) => {
                let damaged = || format!("the artifact is damaged: function {} in its section `code`", index.0);
                return artifact.code.function(index).map(Some).ok_or_else(|| damaged().into());
            }
        }
        let _ = (index, tier);
        Ok(None)
    }

    /// Compiles a function within the engine's budget: waits until there is room for what that takes, but not where it is
    /// not needed yet.
    fn compile(
        &self,
        index: DefinedFuncIndex,
        demand: Demand,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<CompiledFunction, BoxedError> {
        let is_demanded = !matches!(demand, Demand::Ahead | Demand::Hot);
        let compiled = within_budget(&self.budget, is_demanded, cancelled, |room| {
            let compile = |scratch: &mut Scratch| {
                self.compiler.compile_function_within(self.tier(demand), &self.parsed, &self.wasm, index, scratch, room)
            };
            with_scratch(|scratch| in_guest_float_environment(|| compile(scratch)))
        })?;
        Ok(compiled.map_err(Error::new)?)
    }

    /// Compiles on this thread's stack, or on another one where this is short.
    fn compile_somewhere(
        &self,
        index: DefinedFuncIndex,
        demand: Demand,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<CompiledFunction, BoxedError> {
        if host_stack_left_bytes() >= COMPILER_STACK_BYTES {
            return self.compile(index, demand, cancelled);
        }
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(4 * COMPILER_STACK_BYTES);
            // This thread holds off forks and waits for the other one, which so has to be able to go on.
            let compile = || {
                let _held_off = epsilon_runtime::hold_off_for_spawner();
                self.compile(index, demand, cancelled)
            };
            let compilation = thread.spawn_scoped(scope, compile).map_err(|error| {
                let needed = COMPILER_STACK_BYTES >> 10;
                Error::system(
                    format!("start a thread to compile on, as this one has less than {needed} KiB of stack left"),
                    error,
                )
            })?;
            compilation.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
        })
    }
}

/// What the runtime asks, for the source that the module shares.
pub struct SharedSource(pub Arc<ModuleSource>);

// A promise about what will run, listed in tests/tidy/unsafety.rs.
#[allow(unsafe_code)]
// SAFETY: functions come from the compiler, for the module that `ModuleSource` was made with and by the plan of the
// engine's settings; or from the cache or an artifact, where the key names both and hashes say that they are unchanged
// (invariants 3 and 9). Nothing of a `ModuleSource` that is asked for here can be changed.
unsafe impl FunctionSource for SharedSource {
    fn plan(&self) -> MemoryPlan {
        self.0.compiler.settings().plan
    }

    fn info(&self) -> &Arc<ModuleInfo> {
        &self.0.parsed.info
    }

    fn wasm(&self) -> &Arc<ModuleBytes> {
        &self.0.wasm
    }

    fn replaces_code(&self) -> bool {
        self.0.tiering.is_some()
    }

    fn replace_code(&self) {
        if let Some(tiering) = &self.0.tiering {
            tiering.begin();
        }
    }

    fn beginning(&self) -> Vec<(DefinedFuncIndex, CompiledFunction)> {
        #[cfg(feature = "cache")]
        if let Some(cached) = self.0.stored.cached() {
            let (mut functions, tier) = (cached.beginning(), self.0.tier(Demand::Call));
            functions.retain(|(_, function)| function.tier >= tier);
            return functions;
        }
        Vec::new()
    }

    fn function(
        &self,
        index: DefinedFuncIndex,
        demand: Demand,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<CompiledFunction, BoxedError> {
        if let Some(function) = self.0.stored(index, self.0.tier(demand))? {
            self.note(index, &function, demand, None);
            return Ok(function);
        }
        let started = Instant::now();
        let function = self.0.compile_somewhere(index, demand, cancelled)?;
        self.note(index, &function, demand, Some(started.elapsed()));
        Ok(function)
    }
}

impl SharedSource {
    /// Tells the workers and the cache what is about to be linked, and what it took to compile it.
    fn note(
        &self,
        index: DefinedFuncIndex,
        function: &CompiledFunction,
        demand: Demand,
        compiled_in: Option<Duration>,
    ) {
        match &self.0.tiering {
            Some(tiering) if function.tier == CodeTier::Quick => tiering.expect(index, &self.0.heat),
            Some(_) => {}
            None => self.note_callees(function, demand, compiled_in.is_some()),
        }
        #[cfg(feature = "cache")]
        if let Some(cached) = self.0.stored.cached()
            && cached.linked(index, function, compiled_in, demand)
        {
            self.save_aside();
        }
        let _ = (index, compiled_in);
    }

    /// Tells the workers that compile ahead what a function calls.
    fn note_callees(&self, function: &CompiledFunction, demand: Demand, is_new: bool) {
        let callees = function.relocations.iter().map(|relocation| relocation.target);
        match demand {
            Demand::Call => {
                self.0.compile_ahead();
                self.0.likely.add_soon(callees);
            }
            Demand::Background | Demand::Ahead if is_new => self.0.likely.add_later(callees),
            Demand::Background | Demand::Ahead | Demand::Hot => {}
        }
    }

    /// Writes to the cache on a thread of its own: neither a guest nor a worker waits for the disk.
    #[cfg(feature = "cache")]
    fn save_aside(&self) {
        let source = self.0.clone();
        // Without a thread, the end of the module is soon enough.
        drop(std::thread::Builder::new().name("epsilon-save".into()).spawn(move || source.save()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_scratch_that_panicked_is_not_used_again() {
        with_scratch(|_| ());
        let panicked = catch_unwind(AssertUnwindSafe(|| with_scratch(|_| panic!("half-way"))));
        panicked.expect_err("the panic comes through");
        assert!(SCRATCH.take().is_none(), "nothing is left of it");
        with_scratch(|_| ());
        assert!(SCRATCH.take().is_some(), "a new one is kept");
    }
}
