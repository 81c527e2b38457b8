//! Epsilon against Wasmtime, V8 and native code, in one run.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml` builds Epsilon, finds the peers, runs everything, and prints
//! Markdown; README.md tells how to read it. Whole programs are run as whole processes (`whole`, `large`); what lies
//! inside of a process is measured by the package `inside`, which this one starts. Outputs are compared: a program that
//! prints something else ends the benchmark.

mod inside;
mod large;
mod peers;
mod plot;
mod process;
mod programs;
mod report;
mod stats;
mod targets;
mod whole;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use inside::{Inside, Micro, Phases};
use peers::Peers;
use report::Report;
use std::path::{Path, PathBuf};

/// What is compared, and how often.
#[derive(Parser)]
pub struct Options {
    /// Wasmtime's command [default: as --install-peers left it, else `wasmtime` on the PATH].
    #[arg(long, env = "EPSILON_BENCH_WASMTIME", value_name = "PATH")]
    wasmtime: Option<PathBuf>,
    /// Node's command, likewise; without it there is no column for V8.
    #[arg(long, env = "EPSILON_BENCH_NODE", value_name = "PATH")]
    node: Option<PathBuf>,
    /// `ruby.wasm` of the npm package `@ruby/3.4-wasm-wasi`; without it the large module is left out.
    #[arg(long, env = "EPSILON_BENCH_RUBY", value_name = "PATH")]
    ruby: Option<PathBuf>,
    /// The folder of the native programs [default: target/native-guests]. Those that are not there have no figure.
    #[arg(long, env = "EPSILON_NATIVE_DIR", value_name = "FOLDER")]
    native: Option<PathBuf>,
    /// Epsilon's command; built from this checkout if not given.
    #[arg(long, value_name = "PATH")]
    epsilon: Option<PathBuf>,
    /// Fetch and build the peers into benches/target/peers first, and the native programs (benches/peers.sh).
    #[arg(long)]
    install_peers: bool,
    /// Rounds of each measurement; each contender runs once a round.
    #[arg(long, default_value_t = 11)]
    pairs: usize,
    /// Only programs whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// What to measure.
    #[arg(long, value_delimiter = ',', default_values_t = Section::ALL)]
    sections: Vec<Section>,
    /// Another build of Epsilon, which takes the place of Wasmtime.
    #[arg(long, value_name = "PATH")]
    against_epsilon: Option<PathBuf>,
    /// Options for `epsilon run`, to compare settings, such as "-O memory-at-anchor=n"; then Epsilon with these options
    /// takes the place of Wasmtime.
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    against_epsilon_with: Option<String>,
    /// Write the tables here as well.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Draw plots here.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// A part of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Section {
    /// Programs as whole processes, cold and cached.
    Whole,
    /// A module of 16.7 MB.
    Large,
    /// Validation, compilation, instantiation and the run of each program, inside of a process, and its code.
    Phases,
    /// Calls, traps, instances and the like.
    Micro,
    /// Counting loops, one for each thing that code does.
    Kernels,
    /// What hashes take of a start from the cache.
    Hashes,
}

impl Section {
    const INSIDE: [Section; 4] = [Section::Phases, Section::Micro, Section::Kernels, Section::Hashes];
    const ALL: [Section; 6] =
        [Section::Whole, Section::Large, Section::Phases, Section::Micro, Section::Kernels, Section::Hashes];
}

impl std::fmt::Display for Section {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.to_possible_value().expect("no section is hidden").get_name())
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("benches lies in the checkout")?;
    let peers = Peers::find(root, &options)?;
    let mut report = Report::new(&options);
    report.heading(&peers)?;
    let wants = |section| options.sections.contains(&section);
    let mut rows = Vec::new();
    if wants(Section::Whole) {
        let selected = programs::PROGRAMS.iter().filter(|program| program.name.contains(&options.only));
        for program in selected {
            rows.push(whole::measure(&peers, program, &options)?);
        }
        report.whole(&rows);
    }
    let large = match &peers.ruby {
        Some(module) if wants(Section::Large) => Some(large::measure(&peers, module, &options)?),
        _ => None,
    };
    large.iter().for_each(|large| report.large(large));
    let targets = targets::of(&rows, large.as_ref());
    if peers.other_epsilon.is_none() && !targets.is_empty() {
        report.targets(&targets);
    }
    let (phases, micro) = match Section::INSIDE.into_iter().any(wants) && peers.other_epsilon.is_none() {
        true => measure_inside(&peers, &options, &mut report)?,
        false => Default::default(),
    };
    if let Some(path) = &options.markdown {
        std::fs::write(path, report.text())?;
    }
    if let Some(path) = &options.svg {
        std::fs::write(path, plot::draw(&[plot::whole(&rows), plot::phases(&phases), plot::micro(&micro)]))?;
    }
    Ok(())
}

/// What lies inside of a process: Wasmtime's crate is what it is compared with.
fn measure_inside(peers: &Peers, options: &Options, report: &mut Report) -> Result<(Vec<Phases>, Vec<Micro>)> {
    let wants = |section| options.sections.contains(&section);
    let inside = Inside::build(peers)?;
    let (mut phases, mut micro) = Default::default();
    if wants(Section::Phases) {
        phases = inside.phases(peers, options)?;
        report.phases(&phases);
    }
    if wants(Section::Micro) {
        micro = inside.micro(options)?;
        report.micro(&micro);
    }
    if wants(Section::Kernels) {
        report.kernels(&inside.kernels(options)?);
    }
    if wants(Section::Hashes) {
        report.hashes(&inside.hashes(peers, options)?);
    }
    Ok((phases, micro))
}
