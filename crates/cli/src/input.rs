//! Modules as the user names them: a file or the standard input, in the binary or the text format.

use crate::key::KeyOption;
use crate::options;
use crate::progress::Compiling;
use crate::report::{self, Advice};
use anyhow::{Context as _, Result};
use epsilon::{ArtifactKey, CompileError, CompileLimit, Engine, ErrorKind, Module, ModuleBytes, Watch};
use std::borrow::Cow;
use std::io::{self, Read as _};
use std::path::Path;

/// The names of all commands, which somebody may write where a module belongs.
pub const COMMANDS: [&str; 8] = ["run", "compile", "build-exe", "wast", "validate", "inspect", "cache", "completions"];

/// The name that stands for the standard input.
const STDIN: &str = "-";

/// A module that was read, in the binary format.
pub struct Input {
    /// What messages call it.
    pub name: String,
    /// Its bytes; none once it has been compiled.
    pub wasm: ModuleBytes,
    /// Whether it was in the text format.
    is_text: bool,
}

impl Input {
    /// Reads a module, and converts it if it is in the text format.
    pub fn read(path: &Path) -> Result<Self> {
        let is_stdin = path.as_os_str() == STDIN;
        let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
        let bytes = if is_stdin { read_stdin().map(ModuleBytes::from) } else { ModuleBytes::read(path) };
        let bytes = bytes.map_err(|error| cannot_read(&name, path, &error))?;
        let is_text = looks_like_text(&bytes);
        let wasm = match is_text {
            true => {
                let path = (!is_stdin).then_some(path);
                to_binary(&bytes, path).with_context(|| format!("cannot load `{name}`"))?.into()
            }
            false => bytes,
        };
        if wasm.starts_with(b"\0asm") && wasm.get(6..8) == Some(&[1, 0]) {
            return Err(Advice::error(
                format!("cannot load `{name}`: this is a component; Epsilon runs core modules"),
                "build the program for WASI preview 1 (with Rust: `--target wasm32-wasip1`), or extract the core module \
                 from the component",
            ));
        }
        Ok(Self { name, wasm, is_text })
    }

    /// An artifact that is not a file of its own, and is read elsewhere.
    pub fn artifact(name: String) -> Self {
        Self { name, wasm: ModuleBytes::default(), is_text: false }
    }

    /// Compiles it; or loads it, if it was compiled ahead of time. The module keeps the bytes.
    pub fn compile(&mut self, engine: &Engine, key: &KeyOption) -> Result<Module> {
        let wasm = std::mem::take(&mut self.wasm);
        let loaded = match Engine::detect_precompiled(&wasm) {
            None => {
                let bar = Compiling::begin(&self.name);
                Module::from_bytes_watched(engine, wasm, Watch::new().progress(&|progress| bar.show(progress)))
            }
            Some(_) => Module::deserialize_with_key(engine, wasm, &key.key()?),
        };
        loaded.map_err(|error| self.refused(error))
    }

    /// Compiles it to an artifact.
    pub fn precompile(&self, engine: &Engine, key: &ArtifactKey) -> Result<Vec<u8>> {
        let bar = Compiling::begin(&self.name);
        let show = |progress| bar.show(progress);
        let watch = Watch::new().progress(&show);
        engine.precompile_module_watched(&self.wasm, Some(key), watch).map_err(|error| self.refused(error))
    }

    /// Validates it.
    pub fn validate(&self, engine: &Engine) -> Result<()> {
        Module::validate(engine, &self.wasm).map_err(|error| self.refused(error))
    }

    /// Why it is not loaded, and what to do about that.
    pub fn refused(&self, error: epsilon::Error) -> anyhow::Error {
        let what = format!("cannot load `{}`", self.name);
        let ErrorKind::Module(source) = error.kind() else { return anyhow::Error::from(error).context(what) };
        match source.downcast_ref::<CompileError>() {
            Some(CompileError::NotWasm) => Advice::error(
                format!("{what}: {error}"),
                "modules are files in the binary format (.wasm) or in the text format (.wat)",
            ),
            Some(CompileError::Invalid { .. }) if self.is_text => {
                Advice::error(format!("{what}: {error}"), "the offset refers to the binary encoding of the text")
            }
            Some(CompileError::Invalid { .. }) => Advice::error(
                format!("{what}: {error}"),
                "the file is damaged or incomplete, or the tool that produced it has a bug; build or download it again",
            ),
            Some(CompileError::Unsupported { what: used, offset, switch: Some(switch) }) => {
                Advice::error(format!("{what}: {used} (at offset {offset:#x})"), help_with_switch(switch))
            }
            Some(CompileError::Limit(CompileLimit { setting: Some(setting), .. })) => {
                Advice::error(format!("{what}: {error}"), options::help_with_limit(setting))
            }
            _ => anyhow::anyhow!("{what}: {error}"),
        }
    }
}

/// What to do about a module that uses proposals that are off.
fn help_with_switch(proposals: &str) -> String {
    let names: Vec<&str> = proposals.split(", ").collect();
    match names.iter().find(|name| !options::is_wasm_key(name)) {
        Some(unknown) => format!("Epsilon has no `{unknown}` yet; build the module without it"),
        None => {
            let keys: Vec<String> = names.iter().map(|name| format!("{name}=y")).collect();
            format!("switch it on with `-W {}`", keys.join(","))
        }
    }
}

fn read_stdin() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn cannot_read(name: &str, path: &Path, error: &io::Error) -> anyhow::Error {
    let message = format!("cannot read `{name}`: {error}");
    let looks_like_a_command = path.extension().is_none() && path.components().count() == 1;
    match error.kind() {
        io::ErrorKind::NotFound if COMMANDS.contains(&name) => {
            Advice::error(message, format!("the command must precede the options: `epsilon {name} [OPTIONS] …`"))
        }
        io::ErrorKind::NotFound if looks_like_a_command => {
            Advice::error(message, "it is not a command either; `epsilon --help` lists the commands")
        }
        io::ErrorKind::NotFound => {
            Advice::error(message, "check the spelling; paths are relative to the current directory")
        }
        io::ErrorKind::IsADirectory => Advice::error(
            message,
            "this is a directory: name a module file in it; `--dir` gives a guest access to a directory",
        ),
        _ => match report::help_with_system(error) {
            Some(help) => Advice::error(message, help),
            None => anyhow::anyhow!(message),
        },
    }
}

/// Whether the first thing that is neither a byte order mark nor space opens a form or a comment of the text format.
fn looks_like_text(bytes: &[u8]) -> bool {
    let start = without_byte_order_mark(bytes).trim_ascii_start();
    start.starts_with(b"(") || start.starts_with(b";;")
}

fn without_byte_order_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

fn to_binary(text: &[u8], path: Option<&Path>) -> Result<Vec<u8>, wat::Error> {
    wat::Parser::new().parse_bytes(path, without_byte_order_mark(text)).map(Cow::into_owned)
}
