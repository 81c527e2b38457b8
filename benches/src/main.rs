//! Whole programs, as whole processes: Epsilon against Wasmtime's command line, in one run.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml -- --wasmtime PATH` builds Epsilon, runs every program of
//! `tests/guests` that is named in `programs`, and prints Markdown. Runs of the two alternate; figures are medians of
//! the pairs' ratios and of the times. Outputs are compared: a program that prints something else ends the benchmark.

mod programs;
mod stats;

use anyhow::{Context, Result, bail};
use clap::Parser;
use programs::{PROGRAMS, Program};
use stats::{Sample, median};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is compared, and how often.
#[derive(Parser)]
struct Options {
    /// Wasmtime's command (`cargo install wasmtime-cli --version 48.0.8`).
    #[arg(long, default_value = "wasmtime")]
    wasmtime: PathBuf,
    /// Epsilon's command; built from this checkout if not given.
    #[arg(long)]
    epsilon: Option<PathBuf>,
    /// Pairs of runs for each figure.
    #[arg(long, default_value_t = 11)]
    pairs: usize,
    /// Only programs whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Options for `epsilon run`, to compare settings, such as `-O memory-at-anchor=n`; then both sides are Epsilon, with
    /// these options on the second.
    #[arg(long)]
    against_epsilon_with: Option<String>,
}

/// How a program is started.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Nothing is cached.
    Cold,
    /// The third run and later.
    Cached,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("benches lies in the checkout")?;
    let epsilon = match &options.epsilon {
        Some(path) => path.clone(),
        None => build_epsilon(root)?,
    };
    let bench = Bench { root: root.to_owned(), epsilon, options };
    bench.describe()?;
    for start in [Start::Cached, Start::Cold] {
        bench.table(start)?;
    }
    Ok(())
}

fn build_epsilon(root: &Path) -> Result<PathBuf> {
    let status = Command::new("cargo").args(["build", "--release", "-p", "epsilon-cli"]).current_dir(root).status()?;
    if !status.success() {
        bail!("epsilon does not build");
    }
    Ok(root.join("target/release/epsilon"))
}

struct Bench {
    root: PathBuf,
    epsilon: PathBuf,
    options: Options,
}

impl Bench {
    fn describe(&self) -> Result<()> {
        let version = Command::new(&self.options.wasmtime).arg("--version").output();
        let peer = match (&self.options.against_epsilon_with, version) {
            (Some(with), _) => format!("epsilon {with}"),
            (None, Ok(output)) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            (None, Err(error)) => {
                bail!("cannot run `{}`: {error}; name it with --wasmtime", self.options.wasmtime.display())
            }
        };
        let processors = std::thread::available_parallelism()?;
        println!("Epsilon against {peer}; {processors} processors; medians of {} pairs.", self.options.pairs);
        Ok(())
    }

    fn table(&self, start: Start) -> Result<()> {
        let title = if start == Start::Cold { "Cold: nothing cached" } else { "Cached: the third run and later" };
        println!("\n{title}\n");
        println!("| program | Epsilon | peer | time, ratio | processor time, ratio | memory, Epsilon | memory, peer |");
        println!("|---|---|---|---|---|---|---|");
        let mut ratios = Vec::new();
        for program in PROGRAMS.iter().filter(|program| program.name.contains(&self.options.only)) {
            ratios.push(self.row(program, start)?);
        }
        let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
        println!("| geometric mean | | | {mean:.2} | | | |");
        Ok(())
    }

    fn row(&self, program: &Program, start: Start) -> Result<f64> {
        let expected = std::fs::read(self.root.join("tests/guests/expected").join(program.expected))?;
        let caches = [tempfile::tempdir()?, tempfile::tempdir()?];
        let mut samples: [Vec<Sample>; 2] = Default::default();
        let warm_up = if start == Start::Cached { 2 } else { 0 };
        for round in 0..warm_up + self.options.pairs {
            // The order alternates, so that neither always runs on a machine warmed by the other.
            for side in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                let cold = tempfile::tempdir()?;
                let cache = if start == Start::Cold { cold.path() } else { caches[side].path() };
                let (sample, output) = stats::run(self.command(side, program, cache)?)?;
                if output != expected {
                    bail!("`{}` printed something else than expected", program.name);
                }
                if round >= warm_up {
                    samples[side].push(sample);
                }
            }
        }
        let ratio = |figure: fn(&Sample) -> f64| {
            median(samples[0].iter().zip(&samples[1]).map(|(ours, theirs)| figure(ours) / figure(theirs)))
        };
        let of = |side: usize, figure: fn(&Sample) -> f64| median(samples[side].iter().map(figure));
        let (time, processor) = (ratio(|s| s.wall_s), ratio(|s| s.processor_s));
        println!(
            "| {} | {:.1} ms | {:.1} ms | {time:.2} | {processor:.2} | {:.0} MiB | {:.0} MiB |",
            program.name,
            of(0, |s| s.wall_s) * 1e3,
            of(1, |s| s.wall_s) * 1e3,
            of(0, |s| s.peak_mib),
            of(1, |s| s.peak_mib),
        );
        Ok(time)
    }

    fn command(&self, side: usize, program: &Program, cache: &Path) -> Result<Command> {
        let wasm = self.root.join("tests/guests/prebuilt").join(program.wasm);
        let other = self.options.against_epsilon_with.as_deref();
        if side == 0 || other.is_some() {
            let mut command = Command::new(&self.epsilon);
            command.arg("run").env("EPSILON_CACHE_DIR", cache);
            if side == 1 {
                command.args(other.unwrap_or_default().split_whitespace());
            }
            command.arg(wasm).args(program.args);
            return Ok(command);
        }
        let config = cache.join("wasmtime.toml");
        std::fs::write(&config, format!("[cache]\ndirectory = {:?}\n", cache.join("code")))?;
        let mut command = Command::new(&self.options.wasmtime);
        command.arg("run").arg("-C").arg(format!("cache-config={}", config.display())).arg("-C").arg("cache=y");
        command.arg(wasm).args(program.args);
        Ok(command)
    }
}
