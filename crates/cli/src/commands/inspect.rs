//! `epsilon inspect`: what is in a module. `read` finds it out, `show` prints it for people; `--json` prints it as it
//! is.

mod contents;
mod read;
mod show;

use super::executable::Embedded;
use crate::input::Input;
use anyhow::{Context as _, Result};
use clap::Args;
use contents::{Compiled, Contents};
use epsilon::{ArtifactContents, Engine, Error};
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
