//! Starts the package `inside`, which measures within one process, and reads the lines of words that it prints.

use crate::Options;
use crate::large;
use crate::peers::{Contender, Peers, run_visibly};
use crate::process::{self, Sample};
use crate::programs::{PROGRAMS, Program};
use crate::stats::median;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The phases of one program.
pub struct Phases {
    /// The program.
    pub program: &'static Program,
    /// The module's size, in bytes.
    pub size_bytes: u64,
    /// Each phase, in the order in which `inside` prints them.
    pub figures: Vec<Phase>,
}

/// A phase: seconds, or bytes of code.
pub struct Phase {
    /// What it is called.
    pub name: String,
    /// The median of Epsilon's, and of Wasmtime's.
    pub medians: [f64; 2],
    /// The median of the rounds' ratios.
    pub ratio: f64,
}

/// A micro cost.
pub struct Micro {
    /// The words of its row, but for the name.
    pub words: Vec<String>,
    /// What is done.
    pub name: String,
    /// The ratios of Epsilon, of Wasmtime with a pool, and of Wasmtime with epochs to Wasmtime.
    pub ratios: Vec<f64>,
}

/// The share of hashes in a start from the cache.
pub struct Hashes {
    /// What starts.
    pub name: String,
    /// Processor time of the whole process, in seconds.
    pub start_s: f64,
    /// Time for checking compiled code.
    pub code_s: f64,
    /// Time for hashing the module.
    pub module_s: f64,
}

/// The command that measures, built.
pub struct Inside(PathBuf);

impl Inside {
    /// Builds it.
    pub fn build(peers: &Peers) -> Result<Self> {
        let benches = peers.root.join("benches");
        let mut build = Command::new("cargo");
        build.args(["build", "--release", "-p", "epsilon-benches-inside", "--target-dir", "target"]);
        build.current_dir(&benches);
        run_visibly(build)?;
        Ok(Self(benches.join("target/release/epsilon-benches-inside")))
    }

    /// Measures the phases of every selected program.
    pub fn phases(&self, peers: &Peers, options: &Options) -> Result<Vec<Phases>> {
        let measure = |program: &'static Program| {
            let module = peers.module(program);
            eprintln!("{}, its phases", program.name);
            let mut command = Command::new(&self.0);
            command.arg("phases").arg("--rounds").arg(options.pairs.div_ceil(2).to_string());
            command.arg("--expected").arg(peers.expected(program));
            command.arg(&module).args(program.args);
            let figures = lines_of(command)?.iter().map(|line| phase(line)).collect::<Option<_>>();
            let size_bytes = std::fs::metadata(module)?.len();
            Ok(Phases { program, size_bytes, figures: figures.context("figures of phases")? })
        };
        PROGRAMS.iter().filter(|program| program.name.contains(&options.only)).map(measure).collect()
    }

    /// Measures the micro costs.
    pub fn micro(&self, options: &Options) -> Result<Vec<Micro>> {
        let mut command = Command::new(&self.0);
        command.arg("micro").arg("--rounds").arg((2 * options.pairs).to_string());
        eprintln!("micro costs");
        lines_of(command)?.iter().map(|line| micro(line).context("a line of micro costs")).collect()
    }

    /// Measures the kernels: the words of their rows.
    pub fn kernels(&self, options: &Options) -> Result<Vec<Vec<String>>> {
        let mut command = Command::new(&self.0);
        command.arg("kernels").arg("--rounds").arg(options.pairs.to_string()).arg("--only").arg(&options.only);
        eprintln!("kernels");
        lines_of(command)
    }

    /// Measures what hashes take of cached starts: that of hello, and that of the large module.
    pub fn hashes(&self, peers: &Peers, options: &Options) -> Result<Vec<Hashes>> {
        let mut all = Vec::new();
        for program in PROGRAMS.iter().filter(|program| program.is_start_alone()) {
            let start = |cache: &Path| Ok(peers.command(Contender::EpsilonCached, program, cache)?.expect("Epsilon"));
            all.push(self.hashes_of(program.name, &peers.module(program), options.pairs, start)?);
        }
        if let Some(module) = &peers.ruby {
            let start = |cache: &Path| large::command(peers, 0, large::Work::Cached, module, cache);
            all.push(self.hashes_of("16.7 MB, first result", module, options.pairs, start)?);
        }
        Ok(all)
    }

    fn hashes_of(
        &self,
        name: &str,
        module: &Path,
        rounds: usize,
        start: impl Fn(&Path) -> Result<Command>,
    ) -> Result<Hashes> {
        eprintln!("{name}, its hashes");
        let cache = tempfile::tempdir()?;
        let run = || -> Result<Sample> { Ok(process::run(&mut start(cache.path())?)?.0) };
        run()?;
        run()?;
        let mut samples: Vec<[f64; 3]> = Vec::new();
        for _ in 0..rounds {
            let started = run()?;
            let mut command = Command::new(&self.0);
            command.arg("hashes").arg("--cache").arg(cache.path()).arg(module);
            let lines = lines_of(command)?;
            let time = |n: usize| lines.first()?.get(n)?.parse::<f64>().ok();
            let (code_s, module_s) = time(0).zip(time(1)).context("times of hashes")?;
            samples.push([started.processor_s, code_s, module_s]);
        }
        let [start_s, code_s, module_s] = [0, 1, 2].map(|n| median(samples.iter().map(|sample| sample[n])));
        Ok(Hashes { name: name.into(), start_s, code_s, module_s })
    }
}

fn phase(line: &[String]) -> Option<Phase> {
    let [name, ours, theirs, ratio] = line else { return None };
    let medians = [ours.parse().ok()?, theirs.parse().ok()?];
    Some(Phase { name: name.clone(), medians, ratio: ratio.parse().ok()? })
}

/// The name, seven words of the row, and up to three ratios.
fn micro(line: &[String]) -> Option<Micro> {
    let (name, rest) = line.split_first()?;
    let (words, ratios) = rest.split_at_checked(7)?;
    let ratios = ratios.iter().filter(|ratio| !ratio.is_empty()).map(|ratio| ratio.parse().ok());
    Some(Micro { name: name.clone(), words: words.to_vec(), ratios: ratios.collect::<Option<_>>()? })
}

/// What a command prints: lines of words with tabs between them.
fn lines_of(mut command: Command) -> Result<Vec<Vec<String>>> {
    let (_, output) = process::run(&mut command)?;
    let text = String::from_utf8(output)?;
    Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}
