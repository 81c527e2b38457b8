//! What `epsilon inspect` tells of a module, as `--json` prints it.

use serde::Serialize;
use std::collections::BTreeMap;

/// What is in a module.
#[derive(Debug, Default, Serialize)]
pub struct Contents {
    pub file: String,
    pub size_bytes: usize,
    /// What it was compiled to, if it was: then sections lie in the module that is left, with empty bodies.
    pub compiled: Option<Compiled>,
    /// The module's name, from the `name` section.
    pub name: Option<String>,
    /// What running it means: `command`, `reactor` or `library`.
    pub kind: &'static str,
    /// The version of WASI that it imports from.
    pub wasi: Option<&'static str>,
    pub functions: Functions,
    pub sections: Vec<Section>,
    pub imports: Vec<Import>,
    pub exports: Vec<Export>,
    /// Types of tables, memories, globals and tags; imported ones first.
    pub tables: Vec<String>,
    pub memories: Vec<String>,
    pub globals: Vec<String>,
    pub tags: Vec<String>,
    /// Index of the start function.
    pub start: Option<u32>,
    pub element_segments: u32,
    pub data_segments: u32,
    /// Whether functions have names for backtraces.
    pub has_names: bool,
    /// Whether there is debug information for files and lines.
    pub has_dwarf: bool,
    pub producers: Vec<Producer>,
    /// What the compiler was allowed to use.
    pub target_features: Vec<String>,
}

/// What a module was compiled to ahead of time.
#[derive(Debug, Serialize)]
pub struct Compiled {
    /// `artifact` or `executable`.
    pub form: &'static str,
    pub is_keyed: bool,
    /// Size of machine code with its tables.
    pub code_bytes: u64,
    pub debug_bytes: usize,
    /// What it was made by and for.
    pub settings: BTreeMap<String, String>,
    /// Options of `epsilon run` that an executable has.
    pub options: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
pub struct Functions {
    pub imported: usize,
    pub defined: usize,
}

#[derive(Debug, Serialize)]
pub struct Section {
    /// What it is; of a custom section, `custom`.
    pub kind: &'static str,
    /// A custom section's name.
    pub name: Option<String>,
    /// Where its contents begin.
    pub offset: u64,
    pub size_bytes: u64,
    /// How many items it has.
    pub count: Option<u32>,
}

#[derive(Debug, Serialize)]
pub struct Import {
    pub module: String,
    pub name: String,
    #[serde(rename = "type")]
    pub ty: String,
}

#[derive(Debug, Serialize)]
pub struct Export {
    pub name: String,
    #[serde(rename = "type")]
    pub ty: String,
}

#[derive(Debug, Serialize)]
pub struct Producer {
    /// `language`, `processed-by` or `sdk`.
    pub field: String,
    pub name: String,
    pub version: String,
}
