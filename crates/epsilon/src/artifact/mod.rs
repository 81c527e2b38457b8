//! Modules compiled ahead of time: one self-contained file with all of the module's code, and all else of
//! it. `file` has its format.
//!
//! Hashes are BLAKE3, keyed where a key was given: the file cannot be made without the key. Functions are read and
//! checked one by one when they are wanted.

mod debug;
mod file;

use crate::background::Likely;
use crate::bytes::Bytes;
use crate::cache::entry::{self, Contents, Entry, Secret};
use crate::cache::write_atomically;
use crate::codec::{self, Reader};
use crate::source::{ModuleSource, Stored, within_budget};
use crate::watch::{Counting, Watch};
use crate::{Engine, Error, Module, Result};
use debug::DebugPart;
use epsilon_abi::DefinedFuncIndex;
use epsilon_compiler::{CodePlaces, CompileError, ModuleParts, Watch as _};
use epsilon_runtime::{ModuleBytes, in_guest_float_environment};
use file::{Header, MAGIC, Sections, damaged};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A key that artifacts are made and loaded with. Anyone who has the key can make artifacts that are loaded with it.
#[derive(Clone)]
pub struct ArtifactKey(Secret);

impl ArtifactKey {
    /// A key from the contents of a key file: any bytes, at least 16 that nobody can guess.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn new(material: &[u8]) -> Result<Self> {
        if material.len() < 16 {
            return Err(Error::misuse(
                "a key must be at least 16 bytes long; use for example 32 bytes of /dev/urandom",
            ));
        }
        Ok(Self(blake3::derive_key("epsilon 2026 artifact key", material)))
    }
}

impl std::fmt::Debug for ArtifactKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ArtifactKey(…)")
    }
}

/// What a precompiled file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precompiled {
    /// A module, with hashes that detect damage.
    Module,
    /// A module, with hashes that cannot be made without the key.
    KeyedModule,
}

/// What an artifact says of itself.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ArtifactContents {
    /// Whether it was made with a key.
    pub is_keyed: bool,
    /// What it was made by and for: the target, the processor, the memory plan and the rest, by name.
    pub settings: Vec<(String, String)>,
    /// The module's binary without its debug information, and with empty bodies of functions.
    pub module: Vec<u8>,
    /// Number of functions that it defines.
    pub functions: usize,
    /// Size of their code in bytes, with its tables.
    pub code_bytes: u64,
    /// Size of the debug information in bytes.
    pub debug_bytes: usize,
}

impl ArtifactContents {
    /// Reads what an artifact says of itself. That takes no key, and no hash is checked: nothing of it should be relied on.
    ///
    /// # Errors
    /// If the bytes are not an artifact of this version.
    pub fn read(bytes: impl Into<ModuleBytes>) -> Result<Self> {
        let header = Header::read(Bytes::memory(bytes.into()))?;
        let section = header.module(None)?;
        let mut module = &section[..];
        let places = file::read_places(&mut module).ok_or_else(|| damaged("module"))?;
        let settings = header.settings(None)?;
        let settings = settings.lines().filter_map(|line| line.split_once(": "));
        Ok(Self {
            is_keyed: header.keyed,
            settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            module: module.to_vec(),
            functions: places.bodies.len(),
            code_bytes: header.code().len(),
            debug_bytes: header.debug_bytes(),
        })
    }
}

/// Stands in for the key where there is none: hashes then detect damage only.
const NO_KEY: Secret = [0; 32];

impl Engine {
    /// Compiles a module to an artifact, for this machine or for the one that [`crate::Config::target`] names.
    ///
    /// The same module and settings give the same bytes, on any number of threads.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn precompile_module(&self, bytes: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        self.precompile_module_with_key(bytes, None)
    }

    /// As [`Engine::precompile_module`]; with a key, the artifact can be loaded safely by every engine that has the same key.
    ///
    /// # Errors
    /// As [`Engine::precompile_module`].
    pub fn precompile_module_with_key(&self, bytes: impl AsRef<[u8]>, key: Option<&ArtifactKey>) -> Result<Vec<u8>> {
        self.precompile_module_watched(bytes, key, Watch::new())
    }

    /// As [`Engine::precompile_module`], watched.
    ///
    /// # Errors
    /// Likewise, and if it is cancelled.
    pub fn precompile_module_watched(
        &self,
        bytes: impl AsRef<[u8]>,
        key: Option<&ArtifactKey>,
        watch: Watch<'_>,
    ) -> Result<Vec<u8>> {
        let wasm = crate::module::to_binary(self, bytes.as_ref(), None)?;
        let compiler = self.compiler();
        let (parsed, mut held) = crate::module::parse(self, &wasm, wasm.len())?;
        let watch = Counting::new(watch, parsed.info.defined_functions());
        let budget = self.runtime().budget();
        let (cancelled, tier) = (|| watch.is_cancelled(), compiler.settings().tier.last());
        let kept = Mutex::new(budget.charge(0, "compiled functions")?);
        let functions = compiler.for_each_function(&parsed, |scratch, index| -> Result<Vec<u8>> {
            if watch.is_cancelled() {
                return Err(Error::module(CompileError::Cancelled));
            }
            let compiled = within_budget(budget, true, &cancelled, |room| {
                in_guest_float_environment(|| {
                    compiler.compile_function_within(tier, &parsed, &wasm, index, scratch, room)
                })
            });
            let function = match compiled {
                Err(_) if watch.is_cancelled() => return Err(Error::module(CompileError::Cancelled)),
                compiled => codec::encode(&compiled.map_err(Error::from_boxed)?.map_err(Error::module)?),
            };
            // Half-way through a panic a charge may be out of step: then this panics too, and nothing is made.
            let mut kept = kept.lock().expect("another thread has panicked");
            let held = kept.bytes();
            kept.cover(held.saturating_add(function.len()))?;
            watch.compiled_one();
            Ok(function)
        })?;
        let functions = functions.into_iter().enumerate().map(|(n, code)| (DefinedFuncIndex::new(n), code));
        let contents = Contents { fresh: functions.collect(), ..Contents::default() };
        let settings: String =
            compiler.fingerprint().iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let parts = ModuleParts::of(&wasm).map_err(Error::module)?;
        let module = file::module_section(&CodePlaces::of(&parsed.info), &parts.module);
        let so_far = held.bytes();
        held.resize(so_far.saturating_add(module.len()).saturating_add(parts.debug.len()))?;
        Ok(assemble(&settings, &module, &parts.debug, &contents, key))
    }

    /// What kind of artifact the bytes begin like; `None` if like none.
    pub fn detect_precompiled(bytes: &[u8]) -> Option<Precompiled> {
        let mut reader = Reader(bytes);
        if reader.take(8)? != MAGIC {
            return None;
        }
        let (_version, keyed) = (reader.u32()?, reader.u32()?);
        Some(if keyed == 0 { Precompiled::Module } else { Precompiled::KeyedModule })
    }

    /// As [`Engine::detect_precompiled`], of a file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn detect_precompiled_file(path: impl AsRef<Path>) -> Result<Option<Precompiled>> {
        use std::io::Read;
        let path = path.as_ref();
        let mut beginning = Vec::new();
        let read = File::open(path).and_then(|file| file.take(DETECTED_BYTES).read_to_end(&mut beginning));
        read.map_err(|error| Error::system(format!("read `{}`", path.display()), error))?;
        Ok(Self::detect_precompiled(&beginning))
    }
}

/// An artifact's file.
fn assemble(settings: &str, module: &[u8], debug: &[u8], functions: &Contents, key: Option<&ArtifactKey>) -> Vec<u8> {
    let secret = key.map_or(NO_KEY, |key| key.0);
    let code = |code_key: &_| entry::to_bytes(functions, None, functions.fresh.len(), code_key, &secret);
    Sections { settings, module, debug }.to_bytes(&secret, key.is_some(), code)
}

/// An artifact that was loaded.
pub struct Artifact {
    /// All of the module's functions.
    pub code: Entry,
    /// What they were made with.
    settings: String,
    /// The section `module`.
    module: Arc<ModuleBytes>,
    pub debug: Option<Arc<DebugPart>>,
}

impl Artifact {
    /// The artifact again, with another key.
    fn serialize(&self, key: Option<&ArtifactKey>) -> Result<Vec<u8>> {
        let functions = (0..self.code.len()).map(DefinedFuncIndex::new);
        let read =
            |function| self.code.bytes_of(function).map(|bytes| (function, bytes)).ok_or_else(|| damaged("code"));
        let contents = Contents { fresh: functions.map(read).collect::<Result<_>>()?, ..Contents::default() };
        let debug = self.debug.as_ref().map_or(&[][..], |debug| debug.sections().wasm);
        Ok(assemble(&self.settings, &self.module, debug, &contents, key))
    }
}

impl Module {
    /// The module as an artifact. Compiles every function, unless the module was loaded from an artifact.
    ///
    /// # Errors
    /// If a function cannot be compiled; and if the module was loaded from an artifact that is damaged.
    pub fn serialize(&self) -> Result<Vec<u8>> {
        self.serialize_with_key(None)
    }

    /// As [`Module::serialize`], with a key as for [`Engine::precompile_module_with_key`].
    ///
    /// # Errors
    /// As [`Module::serialize`].
    pub fn serialize_with_key(&self, key: Option<&ArtifactKey>) -> Result<Vec<u8>> {
        match (self.wasm(), self.stored()) {
            (Some(wasm), _) => self.engine().precompile_module_with_key(wasm, key),
            (None, Stored::Artifact(artifact)) => artifact.serialize(key),
            (None, _) => unreachable!("a module that has no bytes was loaded from an artifact"),
        }
    }

    /// Loads an artifact that was made with this key.
    ///
    /// # Errors
    /// If the artifact is damaged, was made with another key or none, or for another version, target, processor or
    /// setting; the error names the section or what differs.
    pub fn deserialize_with_key(engine: &Engine, bytes: impl Into<ModuleBytes>, key: &ArtifactKey) -> Result<Self> {
        load(engine, Bytes::memory(bytes.into()), &key.0, true)
    }

    /// Loads an artifact that was made with this key from a file. A large one stays open, and code is read from it when it
    /// is first called: the file may be replaced or removed meanwhile, and if it is changed, functions are refused.
    ///
    /// # Errors
    /// If the file cannot be read; and as [`Module::deserialize_with_key`].
    pub fn deserialize_file_with_key(engine: &Engine, path: impl AsRef<Path>, key: &ArtifactKey) -> Result<Self> {
        load(engine, read(path.as_ref())?, &key.0, true)
    }

    /// Loads an artifact that was made with this key and lies in a file from an offset in bytes on to the end, perhaps with
    /// something behind it. As for [`Module::deserialize_file_with_key`].
    ///
    /// # Errors
    /// Likewise.
    pub fn deserialize_open_file_with_key(engine: &Engine, file: File, start: u64, key: &ArtifactKey) -> Result<Self> {
        let bytes = Bytes::file(file, start).map_err(|error| Error::system("read an artifact", error))?;
        load(engine, bytes, &key.0, true)
    }

    /// Loads an artifact that was made without a key.
    ///
    /// # Errors
    /// As [`Module::deserialize_with_key`].
    ///
    /// # Safety
    /// Nothing proves who made the artifact, and its code will run with all rights of this process. The bytes must come
    /// from [`Engine::precompile_module`] or [`Module::serialize`], and nobody may have changed them since.
    #[allow(unsafe_code)]
    pub unsafe fn deserialize(engine: &Engine, bytes: impl Into<ModuleBytes>) -> Result<Self> {
        load(engine, Bytes::memory(bytes.into()), &NO_KEY, false)
    }

    /// Loads an artifact that was made without a key from a file.
    ///
    /// # Errors
    /// If the file cannot be read; and as [`Module::deserialize_with_key`].
    ///
    /// # Safety
    /// As for [`Module::deserialize`].
    #[allow(unsafe_code)]
    pub unsafe fn deserialize_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Self> {
        load(engine, read(path.as_ref())?, &NO_KEY, false)
    }

    /// As [`Module::deserialize_file`], from a file that is open. It is read from its beginning.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Safety
    /// As for [`Module::deserialize`].
    #[allow(unsafe_code)]
    pub unsafe fn deserialize_open_file(engine: &Engine, file: File) -> Result<Self> {
        let bytes = Bytes::file(file, 0).map_err(|error| Error::system("read an artifact", error))?;
        load(engine, bytes, &NO_KEY, false)
    }

    /// Writes an artifact so that others see all of it or nothing.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_artifact(path: impl AsRef<Path>, artifact: &[u8]) -> Result<()> {
        let path = path.as_ref();
        write_atomically(path, artifact, 0o644)
            .map_err(|error| Error::system(format!("write `{}`", path.display()), error))
    }
}

/// More than [`Engine::detect_precompiled`] looks at.
const DETECTED_BYTES: u64 = 64;

/// From this size on, a file stays open and is read as it is needed.
const LARGE_BYTES: u64 = 4 << 20;

fn read(path: &Path) -> Result<Bytes> {
    let read = || match Bytes::file(File::open(path)?, 0)? {
        large if large.len() >= LARGE_BYTES => Ok(large),
        _ => ModuleBytes::read(path).map(Bytes::memory),
    };
    read().map_err(|error| Error::system(format!("read `{}`", path.display()), error))
}

/// A reason why an artifact is not loaded.
fn refuse(reason: impl Into<String>) -> Error {
    Error::invalid_module(reason)
}

fn load(engine: &Engine, bytes: Bytes, secret: &Secret, keyed: bool) -> Result<Module> {
    let header = Header::read(bytes)?;
    header.check(secret, keyed)?;
    let settings = header.settings(Some(secret))?;
    check_settings(engine, &settings)?;
    let module = Arc::new(ModuleBytes::from(header.module(Some(secret))?));
    let mut wasm = &module[..];
    let places = file::read_places(&mut wasm).ok_or_else(|| damaged("module"))?;
    let wasm = module.len() - wasm.len()..module.len();
    let compiler = engine.compiler();
    let kept_bytes = module.len().saturating_add(header.debug_bytes());
    let parse = |wasm: &[u8]| compiler.parse_without_code(wasm, places);
    let (parsed, held) = crate::module::parse_with(engine, &module[wasm.clone()], kept_bytes, parse)?;
    let code = Entry::read(header.code(), header.code_key(), secret).map_err(|_| damaged("code"))?;
    if code.len() != parsed.info.defined_functions() {
        return Err(damaged("code"));
    }
    let has_debug = header.debug_bytes() > 0;
    let debug = has_debug.then(|| Arc::new(DebugPart::new(header, secret)));
    let source = ModuleSource {
        compiler: compiler.clone(),
        _held: held,
        budget: engine.runtime().budget().clone(),
        parsed,
        wasm: Arc::new(ModuleBytes::part(&module, wasm)),
        tiering: None,
        heat: Arc::default(),
        likely: Likely::default(),
        ahead: Default::default(),
        asked: std::sync::Once::new(),
        stored: Stored::Artifact(Box::new(Artifact { code, settings, module, debug })),
    };
    Module::from_source(engine, source, Watch::new())
}

/// Refuses an artifact made for something else, by the name of what differs.
fn check_settings(engine: &Engine, settings: &str) -> Result<()> {
    let made_with: Vec<(&str, &str)> = settings.lines().filter_map(|line| line.split_once(": ")).collect();
    for (name, here) in engine.compiler().fingerprint() {
        let there = made_with.iter().find(|(found, _)| *found == name).map_or("", |(_, value)| *value);
        let fits = match name {
            "processor" => there.split_whitespace().all(|feature| here.split_whitespace().any(|has| has == feature)),
            _ => there == here,
        };
        if fits {
            continue;
        }
        let problem = match name {
            "processor" => {
                let missing =
                    there.split_whitespace().filter(|feature| !here.split_whitespace().any(|has| has == *feature));
                format!("this processor lacks {}", missing.collect::<Vec<_>>().join(", "))
            }
            _ => format!("its {name} is `{there}`, here it is `{here}`"),
        };
        return Err(refuse(format!("the artifact was made for something else: {problem}; compile the module again")));
    }
    Ok(())
}
