//! Where modules come from: wasm-smith, generators of our own, or binaryen's fuzzer, which is another program and need
//! not be there.

use crate::case::{Rng, Tally};
use crate::{directed, generate, legacy, programs};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Who will judge a module, which decides what may be in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Judge {
    Wasmi,
    V8,
}

/// A source of modules.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Source {
    /// All that need no other program, by turns.
    Mixed,
    /// wasm-smith.
    Smith,
    /// Given opcodes, again and again.
    Directed,
    /// Call graphs, tables, references, exceptions.
    Programs,
    /// The exception instructions that came before those of the specification, for V8.
    Legacy,
    /// `wasm-opt --translate-to-fuzz`, found through the variable `WASM_OPT` or on the path.
    Binaryen,
}

impl Source {
    /// The source of a name that [`Self::suffix`] gave.
    pub fn of_suffix(suffix: &str) -> Option<Self> {
        [Self::Mixed, Self::Smith, Self::Directed, Self::Programs, Self::Legacy, Self::Binaryen]
            .into_iter()
            .find(|source| source.suffix() == suffix)
    }

    /// What the name of a check with this source ends with.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Mixed => "",
            Self::Smith => ".smith",
            Self::Directed => ".directed",
            Self::Programs => ".programs",
            Self::Legacy => ".legacy",
            Self::Binaryen => ".binaryen",
        }
    }

    /// The module of a seed; `None` for the few that cannot be made.
    pub fn module(self, seed: u64, judge: Judge, folder: &Path, tally: &mut Tally) -> Option<Vec<u8>> {
        let source = match (self, seed % 8) {
            (Self::Mixed, 0) => Self::Directed,
            (Self::Mixed, 1 | 2) => Self::Programs,
            (Self::Mixed, _) => Self::Smith,
            (source, _) => source,
        };
        tally.count(&format!("modules of {}", source.name()));
        match source {
            // Each by its place among those of its kind, so that opcodes take their turns.
            Self::Directed => Some(directed::module(if self == Self::Mixed { seed / 8 } else { seed }, judge)),
            Self::Programs => programs::module(seed, judge),
            Self::Legacy => {
                if judge == Judge::V8 {
                    legacy::module(seed)
                } else {
                    None
                }
            }
            Self::Binaryen => binaryen(seed, judge, folder),
            Self::Smith | Self::Mixed => generate::module(seed, judge),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Mixed | Self::Smith => "wasm-smith",
            Self::Directed => "directed opcodes",
            Self::Programs => "programs",
            Self::Legacy => "legacy exceptions",
            Self::Binaryen => "binaryen",
        }
    }
}

/// Sizes of the input that binaryen makes a module of.
const INPUT_BYTES: [usize; 4] = [200, 1000, 3000, 8000];
/// Features for every judge. Those of [`BINARYEN_V8`] come on top for V8.
const BINARYEN: [&str; 11] = [
    "--mvp-features",
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--fuzz-passes",
    "--denan",
    "--translate-to-fuzz",
];
const BINARYEN_V8: [&str; 1] = ["--enable-tail-call"];

/// The program, and its version.
///
/// # Errors
/// Why there is none.
pub fn wasm_opt() -> Result<(std::ffi::OsString, String), String> {
    let program = std::env::var_os("WASM_OPT").unwrap_or_else(|| "wasm-opt".into());
    let output = Command::new(&program).arg("--version").output();
    let output = output.map_err(|error| format!("`{}` cannot be started: {error}", program.display()))?;
    Ok((program, String::from_utf8_lossy(&output.stdout).trim().to_owned()))
}

fn binaryen(seed: u64, judge: Judge, folder: &Path) -> Option<Vec<u8>> {
    let (input, output) = (folder.join("fuzz.bytes"), folder.join("fuzz.wasm"));
    let mut rng = Rng::new(seed ^ 0xb1a4);
    let len = *rng.pick(&INPUT_BYTES);
    fs::write(&input, rng.bytes(len)).ok()?;
    let program = std::env::var_os("WASM_OPT").unwrap_or_else(|| "wasm-opt".into());
    let mut command = Command::new(program);
    command.arg(&input).args(BINARYEN).arg("-o").arg(&output).stdout(Stdio::null()).stderr(Stdio::null());
    if judge == Judge::V8 {
        command.args(BINARYEN_V8);
    }
    if !command.status().ok()?.success() {
        return None;
    }
    fs::read(&output).ok()
}
