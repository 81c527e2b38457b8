//! `epsilon inspect`: what is in a module. `read` finds it out, `show` prints it for people; `--json` prints it as it
//! is.

mod read;
mod show;

use crate::executable::Embedded;
use crate::input::Input;
use anyhow::{Context as _, Result};
use clap::Args;
use epsilon::{ArtifactContents, Engine, Error};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Tell what is in a module: sections, imports, exports, memories, and what made it
#[derive(Args)]
pub struct InspectCommand {
    /// A module in the binary or the text format, or what `compile` or `build-exe` made of one; `-` is the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl InspectCommand {
    /// Prints what is in the module.
    pub fn execute(self) -> Result<i32> {
        let contents = match executable(&self.file)? {
            Some(contents) => contents,
            None => {
                let input = Input::read(&self.file)?;
                let mut contents = match Engine::detect_precompiled(&input.wasm) {
                    Some(_) => artifact(&input.wasm).map_err(|error| input.refused(error))?,
                    None => read::contents(&input.wasm).map_err(|error| input.refused(Error::module(error)))?,
                };
                contents.file = input.name;
                contents
            }
        };
        let text = match self.json {
            true => in_ascii(&serde_json::to_string_pretty(&contents).context("cannot write JSON")?) + "\n",
            false => show::text(&contents),
        };
        crate::output::print(text)?;
        Ok(0)
    }
}

/// What is in an artifact.
fn artifact(bytes: &[u8]) -> epsilon::Result<Contents> {
    let artifact = ArtifactContents::read(bytes)?;
    let mut contents = read::contents(&artifact.module).map_err(Error::module)?;
    contents.size_bytes = bytes.len();
    contents.has_dwarf |= artifact.debug_bytes > 0;
    contents.compiled = Some(Compiled {
        form: "artifact",
        is_keyed: artifact.is_keyed,
        code_bytes: artifact.code_bytes,
        debug_bytes: artifact.debug_bytes,
        settings: artifact.settings.into_iter().collect(),
        options: Vec::new(),
    });
    Ok(contents)
}

/// What is in an executable that `build-exe` made; `None` if the file is not one.
fn executable(path: &Path) -> Result<Option<Contents>> {
    let embedded = File::open(path).ok().filter(|file| file.metadata().is_ok_and(|data| data.is_file()));
    let Some(embedded) = embedded.and_then(Embedded::of_file) else { return Ok(None) };
    let name = path.display().to_string();
    let (bytes, options) = embedded.read().with_context(|| format!("cannot read `{name}`"))?;
    let mut contents =
        artifact(&bytes).map_err(anyhow::Error::from).with_context(|| format!("cannot read the module in `{name}`"))?;
    if let Some(compiled) = &mut contents.compiled {
        compiled.form = "executable";
        compiled.options = options.iter().map(|option| option.to_string_lossy().into_owned()).collect();
    }
    contents.file = name;
    Ok(Some(contents))
}

/// JSON with the characters that act on a terminal as JSON writes them in ASCII. They stand in strings alone: between
/// these there are none but line breaks, and in these line breaks are escaped already.
fn in_ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for char in json.chars() {
        if char != '\n' && epsilon::is_unfit(char) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(char);
        }
    }
    out
}

/// What is in a module.
#[derive(Debug, Default, Serialize)]
struct Contents {
    file: String,
    size_bytes: usize,
    /// What it was compiled to, if it was: then sections lie in the module that is left, with empty bodies.
    compiled: Option<Compiled>,
    /// The module's name, from the `name` section.
    name: Option<String>,
    /// What running it means: `command`, `reactor` or `library`.
    kind: &'static str,
    /// The version of WASI that it imports from.
    wasi: Option<&'static str>,
    functions: Functions,
    sections: Vec<Section>,
    imports: Vec<Import>,
    exports: Vec<Export>,
    /// Types of tables, memories, globals and tags; imported ones first.
    tables: Vec<String>,
    memories: Vec<String>,
    globals: Vec<String>,
    tags: Vec<String>,
    /// Index of the start function.
    start: Option<u32>,
    element_segments: u32,
    data_segments: u32,
    /// Whether functions have names for backtraces.
    has_names: bool,
    /// Whether there is debug information for files and lines.
    has_dwarf: bool,
    producers: Vec<Producer>,
    /// What the compiler was allowed to use.
    target_features: Vec<String>,
}

/// What a module was compiled to ahead of time.
#[derive(Debug, Serialize)]
struct Compiled {
    /// `artifact` or `executable`.
    form: &'static str,
    is_keyed: bool,
    /// Size of machine code with its tables.
    code_bytes: u64,
    debug_bytes: usize,
    /// What it was made by and for.
    settings: BTreeMap<String, String>,
    /// Options of `epsilon run` that an executable has.
    options: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct Functions {
    imported: usize,
    defined: usize,
}

#[derive(Debug, Serialize)]
struct Section {
    /// What it is; of a custom section, `custom`.
    kind: &'static str,
    /// A custom section's name.
    name: Option<String>,
    /// Where its contents begin.
    offset: u64,
    size_bytes: u64,
    /// How many items it has.
    count: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Import {
    module: String,
    name: String,
    #[serde(rename = "type")]
    ty: String,
}

#[derive(Debug, Serialize)]
struct Export {
    name: String,
    #[serde(rename = "type")]
    ty: String,
}

#[derive(Debug, Serialize)]
struct Producer {
    /// `language`, `processed-by` or `sdk`.
    field: String,
    name: String,
    version: String,
}
