//! [`Module`]: validated and compiled, ready to be instantiated on any thread.

use crate::engine::Engine;
use crate::externs::{ExportType, ExternType, ImportType};
use crate::symbols::Symbols;
use crate::{Error, Result};
use epsilon_runtime::LinkedModule;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// A compiled module. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Module {
    engine: Engine,
    linked: Arc<LinkedModule>,
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
        let wasm = to_binary(bytes.as_ref(), None)?;
        Self::from_binary(engine, &wasm)
    }

    /// Compiles a module from a file in the binary or the text format.
    ///
    /// # Errors
    /// If the file cannot be read; and as [`Module::new`].
    pub fn from_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes =
            std::fs::read(path).map_err(|error| Error::system(format!("read `{}`", path.display()), error))?;
        let wasm = to_binary(&bytes, Some(path))?;
        Self::from_binary(engine, &wasm)
    }

    /// Compiles a module from the binary format alone.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn from_binary(engine: &Engine, wasm: &[u8]) -> Result<Self> {
        let compiler = engine.compiler();
        let parsed = compiler.parse(wasm).map_err(Error::module)?;
        let functions = compiler.compile_all(&parsed, wasm).map_err(Error::module)?;
        let symbols = Box::new(Symbols::default());
        let linked = LinkedModule::new(engine.runtime(), parsed.info.clone(), wasm.into(), &functions, symbols)?;
        Ok(Self { engine: engine.clone(), linked })
    }

    /// Validates a module without compiling it.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn validate(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<()> {
        let wasm = to_binary(bytes.as_ref(), None)?;
        let parsed = engine.compiler().parse(&wasm).map_err(Error::module)?;
        engine.compiler().validate(&parsed, &wasm).map_err(Error::module)
    }

    /// The engine that it was compiled by.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The module's name, from the `name` section.
    pub fn name(&self) -> Option<&str> {
        self.linked.info().name.as_deref()
    }

    /// What it imports, in order.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = ImportType<'_>> {
        let info = self.linked.info();
        info.imports.iter().map(|import| ImportType::new(info, import))
    }

    /// What it exports, in order.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = ExportType<'_>> {
        let info = self.linked.info();
        info.exports.iter().map(|export| ExportType::new(info, export))
    }

    /// The type of the export of this name.
    pub fn get_export(&self, name: &str) -> Option<ExternType> {
        self.exports().find(|export| export.name() == name).map(|export| export.ty().clone())
    }

    /// The custom sections of this name, in order.
    pub fn custom_sections(&self, name: &str) -> impl Iterator<Item = CustomSection<'_>> {
        let wasm = self.linked.wasm();
        let sections = self.linked.info().custom_sections.iter().filter(move |(found, _)| *found == name);
        sections.map(|(name, range)| CustomSection { name, data: &wasm[range.clone()] })
    }

    /// Size of the machine code in bytes.
    pub fn code_size(&self) -> usize {
        self.linked.code_bytes()
    }

    /// Number of functions that the module defines.
    pub fn function_count(&self) -> usize {
        self.linked.info().defined_functions()
    }
}

impl AsRef<Arc<LinkedModule>> for Module {
    fn as_ref(&self) -> &Arc<LinkedModule> {
        &self.linked
    }
}

/// The binary format of a module in either format.
fn to_binary<'a>(bytes: &'a [u8], path: Option<&Path>) -> Result<Cow<'a, [u8]>> {
    if bytes.starts_with(b"\0asm") {
        return Ok(Cow::Borrowed(bytes));
    }
    #[cfg(feature = "wat")]
    if looks_like_text(bytes) {
        return text_to_binary(bytes, path).map(Cow::Owned);
    }
    let _ = path;
    Ok(Cow::Borrowed(bytes))
}

/// Whether the first thing that is neither space nor comment opens a form of the text format.
#[cfg(feature = "wat")]
fn looks_like_text(bytes: &[u8]) -> bool {
    let first = bytes.trim_ascii_start();
    first.starts_with(b"(") || first.starts_with(b";;")
}

#[cfg(feature = "wat")]
fn text_to_binary(bytes: &[u8], path: Option<&Path>) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(bytes).map_err(Error::module)?;
    wat::parse_str(text).map_err(|mut error| {
        if let Some(path) = path {
            error.set_path(path);
        }
        Error::module(error)
    })
}
