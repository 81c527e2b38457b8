//! Checks that look for what nobody thought of: one subcommand a check, each with a bounded count and seeds that can be
//! given again. What a check is about stands at the head of its file; what is common to all is in `drive` and `case`.
#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};
use epsilon_proof::{drive, regressions};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(version, about)]
struct Command {
    #[command(subcommand)]
    check: Check,
}

#[derive(Subcommand)]
enum Check {
    /// Generated modules in two configurations, judged by another engine.
    Differential(Run),
    /// Every numeric and vector opcode with edge values in every form of operand; `br_table`; far branches.
    Opcodes(Run),
    /// Loads and stores around the ends of memories, against a model.
    Addresses(Run),
    /// Mutations that keep a module's meaning keep its results.
    Mutate(Run),
    /// Damaged modules and random bytes, within limits of time and memory.
    Bytes(Run),
    /// Damaged entries of the code cache.
    Cache(Run),
    /// Threads over shared engines and modules.
    Concurrency(Run),
    /// Every case that once failed.
    Regressions,
    /// What the other subcommands start, so that they outlive it.
    #[command(hide = true)]
    Worker { check: String, first: u64, count: u64, folder: PathBuf },
}

/// How much to run.
#[derive(clap::Args)]
struct Run {
    /// Cases to run.
    #[arg(long, default_value_t = 1000)]
    count: u64,
    /// Seed of the first case; case `n` has seed + `n`. Without it, 1, or where the state file says that the last run
    /// ended.
    #[arg(long)]
    seed: Option<u64>,
    /// Stop after this time, whatever the count.
    #[arg(long)]
    seconds: Option<u64>,
    /// Read and write totals here, so that runs add up.
    #[arg(long)]
    state: Option<PathBuf>,
}

impl Run {
    fn start(self, check: &str) -> Result<bool, std::io::Error> {
        let Self { count, seed, seconds, state } = self;
        drive::supervise(&drive::Plan { check: check.into(), count, seed, seconds, state })
    }
}

fn main() -> ExitCode {
    let clean = match Command::parse().check {
        Check::Differential(run) => run.start("differential"),
        Check::Opcodes(run) => run.start("opcodes"),
        Check::Addresses(run) => run.start("addresses"),
        Check::Mutate(run) => run.start("mutate"),
        Check::Bytes(run) => run.start("bytes"),
        Check::Cache(run) => run.start("cache"),
        Check::Concurrency(run) => run.start("concurrency"),
        Check::Regressions => regressions::replay(),
        Check::Worker { check, first, count, folder } => drive::work(&check, first, count, &folder).map(|()| true),
    };
    match clean {
        Ok(clean) => ExitCode::from(u8::from(!clean)),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
