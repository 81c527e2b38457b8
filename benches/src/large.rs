//! A module of 16.7 MB, Ruby's interpreter: its first result, cold and cached, and the whole of it compiled ahead.

use crate::Options;
use crate::peers::Peers;
use crate::process::{self, Sample};
use crate::stats::{Spread, median};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// What was done with the module.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// `ruby-show-version` with nothing cached.
    Cold,
    /// The same from the cache.
    Cached,
    /// All of it compiled to a file.
    Compile,
}

/// Pairs of samples: Epsilon's and Wasmtime's.
pub struct Large {
    /// The module's size, in bytes.
    pub size_bytes: u64,
    samples: Vec<(Work, [Sample; 2])>,
}

impl Large {
    /// The kinds of work, with what they are called.
    pub const WORKS: [(Work, &str); 3] = [
        (Work::Cold, "first result, cold"),
        (Work::Cached, "first result, cached"),
        (Work::Compile, "compile all of it to a file"),
    ];

    fn of(&self, work: Work) -> impl Iterator<Item = &[Sample; 2]> {
        self.samples.iter().filter(move |(of, _)| *of == work).map(|(_, pair)| pair)
    }

    /// The medians of a figure, Epsilon's and Wasmtime's.
    pub fn figures(&self, work: Work, figure: fn(&Sample) -> f64) -> [f64; 2] {
        [0, 1].map(|side| median(self.of(work).map(|pair| figure(&pair[side]))))
    }

    /// The median of the pairs' ratios.
    pub fn ratio(&self, work: Work, figure: fn(&Sample) -> f64) -> Spread {
        Spread::of(self.of(work).map(|[ours, theirs]| figure(ours) / figure(theirs)))
    }
}

/// Runs all of it. A cold run of Wasmtime takes seconds, so there are fewer of those.
pub fn measure(peers: &Peers, module: &Path, options: &Options) -> Result<Large> {
    let caches = [tempfile::tempdir()?, tempfile::tempdir()?];
    let mut samples = Vec::new();
    let mut pairs = |work: Work, count: usize, kept: bool| -> Result<()> {
        for round in 0..count {
            let mut pair = [None, None];
            for side in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                let empty = tempfile::tempdir()?;
                let cache = if work == Work::Cached { caches[side].path() } else { empty.path() };
                let (sample, output) = process::run(&mut command(peers, side, work, module, cache)?)?;
                if work != Work::Compile && !output.starts_with(b"ruby 3.") {
                    bail!("Ruby printed {:?}", String::from_utf8_lossy(&output));
                }
                pair[side] = Some(sample);
            }
            if let ([Some(ours), Some(theirs)], true) = (pair, kept) {
                samples.push((work, [ours, theirs]));
            }
        }
        Ok(())
    };
    eprintln!("the large module");
    let few = options.pairs.div_ceil(3);
    pairs(Work::Cached, 2, false)?;
    pairs(Work::Cached, options.pairs, true)?;
    pairs(Work::Cold, few, true)?;
    pairs(Work::Compile, few, true)?;
    Ok(Large { size_bytes: std::fs::metadata(module)?.len(), samples })
}

/// How one side does a kind of work: 0 is Epsilon, 1 is Wasmtime.
pub fn command(peers: &Peers, side: usize, work: Work, module: &Path, cache: &Path) -> Result<Command> {
    // Ruby's exports are those of a component; as the module calls them, they are the names with their types.
    const EXPORT: &str = "ruby-show-version: func() -> ()";
    if work == Work::Compile {
        let mut command = match side {
            0 => peers.epsilon(cache, &["compile"]),
            _ if peers.other_epsilon.is_some() => peers.wasmtime(cache, "compile")?,
            _ => {
                let mut command = Command::new(&peers.wasmtime);
                command.arg("compile");
                command
            }
        };
        command.arg(module).arg("-o").arg(cache.join("compiled"));
        return Ok(command);
    }
    let mut command = if side == 0 { peers.epsilon(cache, &["run"]) } else { peers.wasmtime(cache, "run")? };
    if side == 0 || peers.other_epsilon.is_some() {
        command.arg("--unknown-imports-trap");
    } else {
        command.args(["-W", "unknown-imports-trap=y"]);
    }
    command.args(["--invoke", EXPORT]).arg(module);
    Ok(command)
}
