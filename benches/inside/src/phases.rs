//! The phases of a program, by turns with each side.

use crate::stats::median;
use crate::{ours, theirs};
use anyhow::{Context, Result, bail};
use std::path::Path;

/// What a program took, and what it printed.
#[derive(Default)]
pub struct Times {
    /// Validation alone.
    pub validate_s: f64,
    /// Until functions can be called: the module is validated, and compiled as far as it must be.
    pub ready_s: f64,
    /// Validation and compilation of everything.
    pub compile_s: f64,
    /// A store and an instance.
    pub instantiate_s: f64,
    /// The program, all compiled.
    pub run_s: f64,
    /// Machine code of all functions.
    pub code_bytes: usize,
    /// What was printed.
    pub output: Vec<u8>,
}

/// A figure's name, and how it is found. Times are in seconds, sizes in bytes.
type Figure = (&'static str, fn(&Times) -> f64);

const FIGURES: [Figure; 6] = [
    ("validate", |times| times.validate_s),
    ("ready", |times| times.ready_s),
    ("compile all", |times| times.compile_s),
    ("instantiate", |times| times.instantiate_s),
    ("run", |times| times.run_s),
    ("code", |times| times.code_bytes as f64),
];

/// Prints a line for each figure: its name, the median of Epsilon's, that of Wasmtime's, the median of the ratios.
pub fn print(rounds: usize, expected: &Path, module: &Path, args: &[String]) -> Result<()> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let (expected, wasm) = (read(expected)?, read(module)?);
    let name = module.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let args = [&[name], args].concat();
    let mut all: [Vec<Times>; 2] = Default::default();
    for round in 0..rounds {
        for side in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            let times = if side == 0 { ours::phases(&wasm, &args)? } else { theirs::phases(&wasm, &args)? };
            if times.output != expected {
                bail!("{} printed something else than expected", args[0]);
            }
            all[side].push(times);
        }
    }
    let [ours, theirs] = &all;
    for (name, figure) in FIGURES {
        let ratio = median(ours.iter().zip(theirs).map(|(ours, theirs)| figure(ours) / figure(theirs)));
        println!("{name}\t{}\t{}\t{ratio}", median(ours.iter().map(figure)), median(theirs.iter().map(figure)));
    }
    Ok(())
}
