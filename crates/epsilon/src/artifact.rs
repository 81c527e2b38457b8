//! Modules compiled ahead of time: one self-contained file with the module and all of its code.
//!
//! | bytes | section | what |
//! |---|---|---|
//! | 8 | `header` | `EPSLAOT\0` |
//! | 4 | | version of this format |
//! | 4 | | 1 if hashes are keyed, else 0 |
//! | 4, 4 | | length of `settings` *s*; zero |
//! | 8 | | length of `module` *m* |
//! | 32 | | hash of `settings` |
//! | 32 | | hash of `module` |
//! | 32 | | hash of all of the above |
//! | *s* | `settings` | lines `name: value`: all that affects code |
//! | *m* | `module` | the module's binary |
//! | … | `code` | an entry as the cache has them, with every function (see `cache/entry`) |
//!
//! Hashes are BLAKE3, keyed where a key was given: then only who has the key can make the file. Functions are read and
//! checked one by one when they are wanted.

use crate::background::Likely;
use crate::cache::entry::{self, Bytes, Contents, Entry, Secret};
use crate::cache::{key_of, write_atomically};
use crate::codec::{self, Reader};
use crate::hash;
use crate::source::{ModuleSource, Stored};
use crate::watch::{Counting, Watch};
use crate::{Engine, Error, Module, Result};
use epsilon_abi::{DefinedFuncIndex, seeded};
use epsilon_runtime::ModuleBytes;
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"EPSLAOT\0";
const VERSION: u32 = 2;
const HEADER_BYTES: usize = 128;

/// A key that artifacts are made and loaded with: whoever has it can make artifacts that are loaded with it.
#[derive(Clone)]
pub struct ArtifactKey(Secret);

impl ArtifactKey {
    /// A key from the contents of a key file: any bytes, at least 16 that nobody can guess.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn new(material: &[u8]) -> Result<Self> {
        if material.len() < 16 {
            return Err(Error::misuse("a key is at least 16 bytes long, such as 32 bytes of /dev/urandom"));
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
    /// A module, with hashes that only who has the key could make.
    KeyedModule,
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
    pub fn precompile_module(&self, bytes: impl AsRef<[u8]>, key: Option<&ArtifactKey>) -> Result<Vec<u8>> {
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
        let (parsed, _held) = crate::module::parse(self, &wasm, wasm.len())?;
        let watch = Counting::new(watch, parsed.info.defined_functions());
        let functions = compiler.compile_all_watched(&parsed, &wasm, &watch).map_err(Error::module)?;
        let mut contents = Contents::default();
        for (n, function) in functions.iter().enumerate() {
            contents.fresh.insert(DefinedFuncIndex::new(n), codec::encode(function));
        }
        let secret = key.map_or(NO_KEY, |key| key.0);
        let code = entry::to_bytes(&contents, None, functions.len(), &key_of(compiler, &hash::module(&wasm)), &secret);
        let settings: String =
            compiler.fingerprint().iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        let mut file = header(&settings, &wasm, &secret, key.is_some());
        file.extend_from_slice(settings.as_bytes());
        file.extend_from_slice(&wasm);
        file.extend_from_slice(&code);
        Ok(file)
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
}

fn header(settings: &str, wasm: &[u8], secret: &Secret, keyed: bool) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    for number in [VERSION, u32::from(keyed), settings.len() as u32, 0] {
        header.extend_from_slice(&number.to_le_bytes());
    }
    header.extend_from_slice(&(wasm.len() as u64).to_le_bytes());
    header.extend_from_slice(hash::keyed(secret, settings.as_bytes()).as_bytes());
    header.extend_from_slice(hash::keyed(secret, wasm).as_bytes());
    let hash = hash::keyed(secret, &header);
    header.extend_from_slice(hash.as_bytes());
    header
}

impl Module {
    /// The module as an artifact. Compiles every function.
    ///
    /// # Errors
    /// If a function cannot be compiled.
    pub fn serialize(&self, key: Option<&ArtifactKey>) -> Result<Vec<u8>> {
        self.engine().precompile_module(self.wasm(), key)
    }

    /// Loads an artifact that was made with this key.
    ///
    /// # Errors
    /// If the artifact is damaged, was made with another key or none, or for another version, target, processor or
    /// setting; the error names the section or what differs.
    pub fn deserialize_with_key(engine: &Engine, bytes: impl Into<ModuleBytes>, key: &ArtifactKey) -> Result<Self> {
        load(engine, bytes.into(), &key.0, true)
    }

    /// Loads an artifact that was made with this key from a file.
    ///
    /// # Errors
    /// If the file cannot be read; and as [`Module::deserialize_with_key`].
    pub fn deserialize_file_with_key(engine: &Engine, path: impl AsRef<Path>, key: &ArtifactKey) -> Result<Self> {
        load(engine, read(path.as_ref())?, &key.0, true)
    }

    /// Loads an artifact that was made without a key.
    ///
    /// # Errors
    /// As [`Module::deserialize_with_key`].
    ///
    /// # Safety
    /// Everything is checked but who made the artifact: its code will run with all rights of this process. The bytes
    /// must come from [`Engine::precompile_module`] or [`Module::serialize`], by way of nobody who might change them.
    #[allow(unsafe_code)]
    pub unsafe fn deserialize(engine: &Engine, bytes: impl Into<ModuleBytes>) -> Result<Self> {
        load(engine, bytes.into(), &NO_KEY, false)
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

fn read(path: &Path) -> Result<ModuleBytes> {
    ModuleBytes::read(path).map_err(|error| Error::system(format!("read `{}`", path.display()), error))
}

/// A reason why an artifact is not loaded.
fn refuse(reason: impl Into<String>) -> Error {
    Error::module(reason.into())
}

fn damaged(section: &str) -> Error {
    refuse(format!("the artifact is damaged: its section `{section}` does not match its hash"))
}

fn load(engine: &Engine, bytes: ModuleBytes, secret: &Secret, keyed: bool) -> Result<Module> {
    let bytes = Arc::new(bytes);
    let downgrades = Engine::detect_precompiled(&bytes) == Some(Precompiled::Module);
    let (secret, keyed) =
        if downgrades && seeded::bug("artifact-key-unchecked") { (&NO_KEY, false) } else { (secret, keyed) };
    let sections = Sections::read(&bytes, secret, keyed)?;
    check_settings(engine, sections.settings)?;
    let wasm = sections.wasm;
    let compiler = engine.compiler();
    let (parsed, held) = crate::module::parse(engine, wasm, bytes.len())?;
    let key = artifact_key(sections.settings, wasm);
    let code = Bytes::memory(bytes.clone(), sections.code_start as u64);
    let entry = Entry::read(code, &key, secret).map_err(|_| damaged("code"))?;
    if entry.len() != parsed.info.defined_functions() {
        return Err(damaged("code"));
    }
    let source = ModuleSource {
        compiler: compiler.clone(),
        _held: held,
        budget: engine.runtime().budget().clone(),
        parsed,
        wasm: Arc::new(ModuleBytes::part(&bytes, sections.code_start - wasm.len()..sections.code_start)),
        tiering: None,
        heat: Arc::default(),
        likely: Likely::default(),
        ahead: Default::default(),
        asked: std::sync::Once::new(),
        stored: Stored::Artifact(entry),
    };
    Module::from_source(engine, source, Watch::new())
}

/// What the code of an artifact is for: as for entries of the cache, under the settings that it was made with.
fn artifact_key(settings: &str, wasm: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(hash::module(wasm).as_bytes());
    hasher.update(settings.as_bytes());
    *hasher.finalize().as_bytes()
}

struct Sections<'a> {
    settings: &'a str,
    wasm: &'a [u8],
    code_start: usize,
}

impl<'a> Sections<'a> {
    fn read(bytes: &'a [u8], secret: &Secret, keyed: bool) -> Result<Self> {
        let truncated = || refuse("the artifact is truncated");
        let mut reader = Reader(bytes);
        if reader.take(8) != Some(MAGIC) {
            return Err(refuse("not an artifact of Epsilon: it does not begin with `EPSLAOT`"));
        }
        let mut number = || reader.u32().ok_or_else(truncated);
        let (version, is_keyed, settings_len, _zero) = (number()?, number()?, number()?, number()?);
        if version != VERSION {
            return Err(refuse(format!("the artifact has format {version}; this version of Epsilon reads {VERSION}")));
        }
        match (is_keyed != 0, keyed) {
            (true, false) => return Err(refuse("the artifact was made with a key; load it with that key")),
            (false, true) => return Err(refuse("the artifact was made without a key; make it again with the key")),
            _ => {}
        }
        let wasm_len = reader.u64().ok_or_else(truncated)?;
        let (settings_hash, wasm_hash) = (reader.hash().ok_or_else(truncated)?, reader.hash().ok_or_else(truncated)?);
        let hash = reader.hash().ok_or_else(truncated)?;
        if hash::keyed(secret, &bytes[..HEADER_BYTES - 32]) != hash {
            return Err(if keyed {
                refuse("the artifact is damaged, or was made with another key")
            } else {
                damaged("header")
            });
        }
        let settings = reader.take(settings_len as usize).ok_or_else(truncated)?;
        let wasm = usize::try_from(wasm_len).ok().and_then(|len| reader.take(len)).ok_or_else(truncated)?;
        if hash::keyed(secret, settings) != settings_hash {
            return Err(damaged("settings"));
        }
        if hash::keyed(secret, wasm) != wasm_hash {
            return Err(damaged("module"));
        }
        let settings = std::str::from_utf8(settings).map_err(|_| damaged("settings"))?;
        Ok(Self { settings, wasm, code_start: bytes.len() - reader.0.len() })
    }
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
