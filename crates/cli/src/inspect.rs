//! `epsilon inspect`: what is in a module. `read` finds it out, `show` prints it for people; `--json` prints it as it
//! is.

mod read;
mod show;

use crate::input::Input;
use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Tell what is in a module: sections, imports, exports, memories, and what made it
#[derive(Args)]
pub struct InspectCommand {
    /// A module in the binary or the text format; `-` is the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl InspectCommand {
    /// Prints what is in the module.
    pub fn execute(self) -> Result<i32> {
        let input = Input::read(&self.file)?;
        let mut contents = read::contents(&input.wasm).map_err(|error| input.refused(epsilon::Error::module(error)))?;
        contents.file = input.name;
        let text = match self.json {
            true => in_ascii(&serde_json::to_string_pretty(&contents).context("cannot write JSON")?) + "\n",
            false => show::text(&contents),
        };
        crate::output::print(text)?;
        Ok(0)
    }
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
