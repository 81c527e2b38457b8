//! [`Module`]: validated and compiled, ready to be instantiated on any thread.

use crate::background::Likely;
#[cfg(feature = "cache")]
use crate::cache::CachedModule;
use crate::config::Compilation;
use crate::engine::Engine;
use crate::externs::{ExportType, ExternType, ImportType};
#[cfg(feature = "cache")]
use crate::hash;
#[cfg(feature = "cache")]
use crate::source::Stored;
use crate::source::{self, CustomSections, HELD, ModuleSource, SharedSource};
use crate::symbols::Symbols;
use crate::watch::{Progress, Watch};
use crate::{Error, ModuleExport, Result};
use epsilon_abi::DefinedFuncIndex;
use epsilon_compiler::{CompileError, ParsedModule, thread_count};
use epsilon_runtime::{AsModule, Budget, Charge, Demand, LinkedModule, ModuleBytes, ModuleHandle, UNLIMITED};
use std::borrow::Cow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};

/// A compiled module. Cloning is cheap.
#[derive(Clone)]
pub struct Module {
    engine: Engine,
    linked: Arc<LinkedModule>,
    /// The linked module as other crates see it.
    handle: ModuleHandle,
    source: Arc<SourceHandle>,
}

/// What all handles of a module share. The last one that is dropped writes to the cache: a worker may hold the source
/// itself for longer than the process lives.
struct SourceHandle(Arc<ModuleSource>);

impl std::ops::Deref for SourceHandle {
    type Target = ModuleSource;
    fn deref(&self) -> &ModuleSource {
        &self.0
    }
}

impl Drop for SourceHandle {
    fn drop(&mut self) {
        self.0.save();
    }
}

/// What an instance of a module takes: memories and tables that it defines, and the largest sizes that they begin with, in
/// pages and in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourcesRequired {
    /// How many memories.
    pub num_memories: u32,
    /// The largest of their initial sizes; `None` without memories.
    pub max_initial_memory_size: Option<u64>,
    /// How many tables.
    pub num_tables: u32,
    /// The largest of their initial sizes; `None` without tables.
    pub max_initial_table_size: Option<u64>,
}

/// A custom section of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomSection<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its contents.
    pub data: &'a [u8],
}

impl Module {
    /// Compiles a module from the binary format, or from the text format.
    ///
    /// # Errors
    /// If the module is malformed, invalid or unsupported, with the place; or if there is no memory for its code.
    pub fn new(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Self> {
        Self::new_watched(engine, bytes, Watch::new())
    }

    /// As [`Module::new`], watched: with [`Compilation::Eager`] it tells how far it is, and can be ended.
    ///
    /// # Errors
    /// As [`Module::new`], and if it is cancelled.
    pub fn new_watched(engine: &Engine, bytes: impl AsRef<[u8]>, watch: Watch<'_>) -> Result<Self> {
        let wasm = to_binary(engine, bytes.as_ref(), None)?;
        Self::from_bytes_watched(engine, wasm.into_owned(), watch)
    }

    /// Compiles a module from a file in the binary or the text format.
    ///
    /// # Errors
    /// If the file cannot be read; and as [`Module::new`].
    pub fn from_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes =
            ModuleBytes::read(path).map_err(|error| Error::system(format!("read `{}`", path.display()), error))?;
        let converted = match to_binary(engine, &bytes, Some(path))? {
            Cow::Borrowed(_) => None,
            Cow::Owned(wasm) => Some(wasm),
        };
        Self::from_bytes(engine, converted.map_or(bytes, ModuleBytes::from))
    }

    /// Compiles a module from the binary format alone.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn from_binary(engine: &Engine, wasm: &[u8]) -> Result<Self> {
        Self::from_bytes(engine, wasm.to_vec())
    }

    /// Compiles a module from the binary format, in bytes that the module keeps: they are not copied.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn from_bytes(engine: &Engine, wasm: impl Into<ModuleBytes>) -> Result<Self> {
        Self::from_bytes_watched(engine, wasm, Watch::new())
    }

    /// As [`Module::from_bytes`], watched as by [`Module::new_watched`].
    ///
    /// # Errors
    /// As [`Module::new_watched`].
    pub fn from_bytes_watched(engine: &Engine, wasm: impl Into<ModuleBytes>, watch: Watch<'_>) -> Result<Self> {
        Self::from_source(engine, open_source(engine, wasm.into())?, watch)
    }

    /// A module whose functions come from `source`.
    pub(crate) fn from_source(engine: &Engine, source: ModuleSource, watch: Watch<'_>) -> Result<Self> {
        engine.check_target()?;
        let source = Arc::new(source);
        source.validate(watch)?;
        let bodies: usize = source.parsed.info.bodies.iter().map(|body| body.len()).sum();
        let room = source::room_for(bodies).max(source.stored_bytes());
        let linked = LinkedModule::new(
            engine.runtime(),
            room,
            Box::new(SharedSource(source.clone())),
            Box::new(Symbols::new(source.clone())),
        )?;
        let handle = ModuleHandle::new(&linked);
        let module = Self { engine: engine.clone(), linked, handle, source: Arc::new(SourceHandle(source)) };
        module.linked.link_beginning()?;
        if let Some(tiering) = &module.source.tiering {
            tiering.track(&module.linked, &module.source.0);
        }
        if engine.compilation() == Compilation::Eager || !module.linked.can_link_late() {
            module.compile_all_watched(watch)?;
            module.linked.seal()?;
        } else {
            let ahead = (engine.workers().shared().clone(), Arc::downgrade(&module.linked));
            assert!(module.source.ahead.set(ahead).is_ok(), "a source serves one module");
            module.source.0.compile_entries_ahead();
        }
        Ok(module)
    }

    /// Whether the module came from the cache, and why not.
    #[cfg(feature = "cache")]
    pub fn cache_status(&self) -> crate::CacheStatus {
        let unused = |reason: &str| crate::CacheStatus::Unused { reason: reason.to_owned() };
        match (&self.source.stored, self.engine.cache()) {
            (Stored::Cache(cached), _) => cached.status(),
            (Stored::Artifact(_), _) => unused("the module was loaded from an artifact"),
            (Stored::Nothing, Ok(_)) => unused("the module is too small to gain from it"),
            (Stored::Nothing, Err(reason)) => unused(reason),
        }
    }

    /// Writes what was compiled to the cache now. This also happens when the last handle of the module is dropped.
    #[cfg(feature = "cache")]
    pub fn save_to_cache(&self) {
        self.source.save();
    }

    /// Compiles every function that has no code yet, on all processors. `progress` is told how many have code.
    ///
    /// # Errors
    /// The first of the functions that cannot be compiled.
    pub fn compile_all(&self, progress: impl Fn(usize) + Sync) -> Result<()> {
        self.compile_all_watched(Watch::new().progress(&|Progress { compiled, .. }| progress(compiled)))
    }

    /// As [`Module::compile_all`], watched.
    ///
    /// # Errors
    /// Likewise, and if it is cancelled; functions that have code then keep it.
    pub fn compile_all_watched(&self, watch: Watch<'_>) -> Result<()> {
        self.linked.check()?;
        let share = Share { module: self, watch, next: AtomicUsize::new(0), failed: Mutex::default() };
        let others = thread_count() - 1;
        std::thread::scope(|scope| {
            let others: Vec<_> = (0..others)
                // Where there are no more threads, there are fewer at work.
                .map_while(|_| std::thread::Builder::new().spawn_scoped(scope, || share.work_off()).ok())
                .collect();
            share.work_off();
            for other in others {
                other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            }
        });
        // A thread that panicked while it held the lock has ended this one as well, above.
        match share.failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some((_, error)) => Err(error),
        }
    }

    /// Validates a module without compiling it.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn validate(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<()> {
        let wasm = to_binary(engine, bytes.as_ref(), None)?;
        let (parsed, _held) = parse(engine, &wasm, 0)?;
        let _working = reserve(engine.runtime().budget(), || parsed.validating_bytes(thread_count()))?;
        engine.compiler().validate(&parsed, &wasm).map_err(Error::module)
    }

    /// The engine that it was compiled by.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn linked(&self) -> &LinkedModule {
        &self.linked
    }

    /// The module's binary; `None` if the module was loaded from an artifact, which does not have all of it.
    pub fn wasm(&self) -> Option<&[u8]> {
        #[cfg(feature = "cache")]
        if let Stored::Artifact(_) = self.stored() {
            return None;
        }
        Some(self.linked.wasm())
    }

    #[cfg(feature = "cache")]
    pub(crate) fn stored(&self) -> &Stored {
        &self.source.stored
    }

    /// Whether instantiating the module calls a function of it, as its start section says.
    pub fn has_start_function(&self) -> bool {
        self.linked.info().start.is_some()
    }

    /// The module's name, from the `name` section.
    pub fn name(&self) -> Option<&str> {
        self.linked.info().name.as_deref()
    }

    /// What it imports, in order.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = ImportType<'_>> {
        let module = &self.linked;
        module.info().imports.iter().map(|import| ImportType::new(module, import))
    }

    /// What it exports, in order.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = ExportType<'_>> {
        let module = &self.linked;
        module.info().exports.iter().map(|export| ExportType::new(module, export))
    }

    /// The type of the export of this name.
    pub fn get_export(&self, name: &str) -> Option<ExternType> {
        self.exports().find(|export| export.name() == name).map(|export| export.ty())
    }

    /// The export of this name, with which instances find it at once:
    /// [`Instance::get_module_export`](crate::Instance::get_module_export).
    pub fn get_export_index(&self, name: &str) -> Option<ModuleExport> {
        ModuleExport::of(self, name)
    }

    /// Whether two handles are of the same module, compiled once.
    pub fn same(a: &Self, b: &Self) -> bool {
        Arc::ptr_eq(&a.linked, &b.linked)
    }

    /// What an instance takes, without what it grows.
    pub fn resources_required(&self) -> ResourcesRequired {
        let info = self.linked.info();
        let (memories, tables) = (&info.memories[info.imported_memories..], &info.tables[info.imported_tables..]);
        ResourcesRequired {
            num_memories: memories.len() as u32,
            max_initial_memory_size: memories.iter().map(|ty| ty.limits.min).max(),
            num_tables: tables.len() as u32,
            max_initial_table_size: tables.iter().map(|ty| ty.limits.min).max(),
        }
    }

    /// Makes the initial contents of memories ready, which making the module has done.
    ///
    /// # Errors
    /// Never.
    pub fn initialize_copy_on_write_image(&self) -> Result<()> {
        Ok(())
    }

    /// The custom sections of this name, in order.
    pub fn custom_sections(&self, name: &str) -> impl Iterator<Item = CustomSection<'_>> {
        let apart = self.source.debug_sections().filter(|_| epsilon_compiler::is_debug_section(name));
        let CustomSections { wasm, named } = apart.unwrap_or_else(|| CustomSections::of(&self.linked));
        let sections = named.iter().filter(move |(found, _)| *found == name);
        sections.map(move |(name, range)| CustomSection { name, data: &wasm[range.clone()] })
    }

    /// Size of the machine code so far, in bytes.
    pub fn code_size(&self) -> usize {
        self.linked.code_bytes()
    }

    /// Number of functions that have machine code so far.
    pub fn compiled_count(&self) -> usize {
        self.linked.linked_functions()
    }

    /// Number of functions that have their last machine code so far: under [`Tier::Auto`](crate::Tier::Auto) those that
    /// Cranelift has compiled, else the same as [`Module::compiled_count`].
    pub fn optimised_count(&self) -> usize {
        self.linked.last_functions()
    }

    /// Number of functions that the module defines.
    pub fn function_count(&self) -> usize {
        self.linked.info().defined_functions()
    }
}

/// What the threads share that compile all of a module.
struct Share<'a> {
    module: &'a Module,
    watch: Watch<'a>,
    /// The next function to take.
    next: AtomicUsize,
    /// The first function that failed.
    failed: Mutex<Option<(usize, Error)>>,
}

impl Share<'_> {
    fn work_off(&self) {
        let (linked, count) = (&self.module.linked, self.module.function_count());
        loop {
            let n = self.next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                return;
            }
            let compiled = match self.watch.is_cancelled() {
                true => Err(Error::module(CompileError::Cancelled)),
                false => linked.materialise(DefinedFuncIndex::new(n), Demand::Background),
            };
            if let Err(error) = compiled {
                self.next.store(count, Ordering::Relaxed);
                return self.note(n, error);
            }
            self.watch.report(Progress { compiled: linked.linked_functions(), functions: count });
        }
    }

    fn note(&self, n: usize, error: Error) {
        let error = match error.downcast_ref::<CompileError>() {
            Some(error) => Error::module(error.clone()),
            None => error,
        };
        // One assignment is all that is done under this lock.
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.as_ref().is_none_or(|(first, _)| n < *first) {
            *failed = Some((n, error));
        }
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Module").field(&self.linked).finish()
    }
}

impl AsModule for Module {
    fn as_module(&self) -> &ModuleHandle {
        &self.handle
    }
}

/// From this size on, a module is hashed on another thread while it is parsed.
#[cfg(feature = "cache")]
const PARALLEL_HASH_BYTES: usize = 1 << 20;

fn open_source(engine: &Engine, wasm: ModuleBytes) -> Result<ModuleSource> {
    let parse = || parse(engine, &wasm, wasm.len());
    #[cfg(feature = "cache")]
    let (parsed, hash) = match wasm.len() >= PARALLEL_HASH_BYTES && engine.cache().is_ok() {
        true => std::thread::scope(|scope| {
            let hash = std::thread::Builder::new().spawn_scoped(scope, || hash::module(&wasm));
            // Without a thread, or if it panicked, this one hashes: the panic, if it is one, then comes to light here.
            (parse(), hash.ok().and_then(|hash| hash.join().ok()))
        }),
        false => (parse(), None),
    };
    #[cfg(not(feature = "cache"))]
    let parsed = parse();
    let (parsed, held) = parsed?;
    #[cfg(feature = "cache")]
    let cached =
        engine.cache().ok().filter(|cache| CachedModule::is_worth_it(cache, &parsed.info.bodies)).map(|cache| {
            let hash = hash.unwrap_or_else(|| hash::module(&wasm));
            let budget = engine.runtime().budget();
            CachedModule::open(cache, engine.compiler(), &hash, parsed.info.bodies.len(), budget)
        });
    Ok(ModuleSource {
        compiler: engine.compiler().clone(),
        _held: held,
        budget: engine.runtime().budget().clone(),
        parsed,
        wasm: Arc::new(wasm),
        tiering: engine.tiering().cloned(),
        #[cfg(feature = "cache")]
        heat: cached.as_ref().map(|cached| cached.heat().clone()).unwrap_or_default(),
        #[cfg(not(feature = "cache"))]
        heat: Arc::default(),
        likely: Likely::default(),
        ahead: OnceLock::new(),
        asked: Once::new(),
        #[cfg(feature = "cache")]
        stored: cached.map_or(Stored::Nothing, |cached| Stored::Cache(Box::new(cached))),
    })
}

/// What parsing and validating are charged for while they are in work.
const WORK: &str = "reading modules";

/// Parses a module within the engine's memory; what it holds is charged, with `kept_bytes` for its binary.
pub(crate) fn parse(engine: &Engine, wasm: &[u8], kept_bytes: usize) -> Result<(ParsedModule, Charge)> {
    parse_with(engine, wasm, kept_bytes, |wasm| engine.compiler().parse(wasm))
}

/// As [`parse`], by a method of the compiler.
pub(crate) fn parse_with(
    engine: &Engine,
    wasm: &[u8],
    kept_bytes: usize,
    parse: impl FnOnce(&[u8]) -> std::result::Result<ParsedModule, CompileError>,
) -> Result<(ParsedModule, Charge)> {
    let budget = engine.runtime().budget();
    let mut held = budget.charge(kept_bytes, HELD)?;
    let parsing = reserve(budget, || engine.compiler().parsing_bytes(wasm))?;
    let parsed = parse(wasm).map_err(Error::module)?;
    drop(parsing);
    held.resize(kept_bytes.saturating_add(parsed.held_bytes()))?;
    Ok((parsed, held))
}

/// Reserves memory for reading a module, until that is done. Waits for others that compile or read.
pub(crate) fn reserve(budget: &Budget, bytes: impl FnOnce() -> usize) -> Result<Option<Charge>> {
    // The estimate takes time as well.
    match budget.limit_bytes() {
        UNLIMITED => Ok(None),
        _ => Ok(budget.reserve_waiting(bytes(), WORK, &|| false)?),
    }
}

/// The binary format of a module in either format.
pub(crate) fn to_binary<'a>(engine: &Engine, bytes: &'a [u8], path: Option<&Path>) -> Result<Cow<'a, [u8]>> {
    if bytes.starts_with(b"\0asm") {
        return Ok(Cow::Borrowed(bytes));
    }
    #[cfg(feature = "wat")]
    if looks_like_text(bytes) {
        let _reading = reserve(engine.runtime().budget(), || bytes.len().saturating_mul(TEXT_BYTE))?;
        return text_to_binary(bytes, path).map(Cow::Owned);
    }
    let _ = (engine, path);
    Ok(Cow::Borrowed(bytes))
}

/// What a byte of the text format becomes at most while it is read: `(func)` is a whole function.
#[cfg(feature = "wat")]
const TEXT_BYTE: usize = 100;

/// Whether the first thing that is neither a byte order mark nor space opens a form or a comment of the text format.
#[cfg(feature = "wat")]
fn looks_like_text(bytes: &[u8]) -> bool {
    let first = without_byte_order_mark(bytes).trim_ascii_start();
    first.starts_with(b"(") || first.starts_with(b";;")
}

#[cfg(feature = "wat")]
fn without_byte_order_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// Numbers in the text are read as everywhere, whatever the thread's rounding is.
#[cfg(feature = "wat")]
fn text_to_binary(bytes: &[u8], path: Option<&Path>) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(without_byte_order_mark(bytes)).map_err(Error::module)?;
    epsilon_runtime::in_guest_float_environment(|| wat::parse_str(text)).map_err(|mut error| {
        if let Some(path) = path {
            error.set_path(path);
        }
        Error::module(error)
    })
}
