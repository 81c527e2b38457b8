//! Checks that look for what nobody thought of: one subcommand a check, each with a bounded count and seeds that can be
//! given again. What a check is about stands at the head of its file; what is common to all is in `drive` and `case`.
#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};
use epsilon_proof::source::{self, Source};
use epsilon_proof::{drive, regressions, v8};
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
    /// Generated modules in two configurations, judged by wasmi.
    Differential(Generated),
    /// Generated modules with what wasmi does not have, judged by V8.
    Proposals(Generated),
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
    /// Which operators runs with `--state` executed too seldom.
    Coverage {
        /// The files of those runs.
        states: Vec<PathBuf>,
        /// How often is enough.
        #[arg(long, default_value_t = 100)]
        at_least: u64,
    },
    /// Which other programs there are, and what is not done without them.
    Programs,
    /// What the other subcommands start, so that they outlive it.
    #[command(hide = true)]
    Worker { check: String, first: u64, count: u64, folder: PathBuf },
}

/// What to run, and how much of it.
#[derive(clap::Args)]
struct Generated {
    /// Where modules come from.
    #[arg(long, value_enum, default_value_t = Source::Mixed)]
    source: Source,
    #[command(flatten)]
    run: Run,
}

impl Generated {
    fn start(self, check: &str) -> Result<bool, std::io::Error> {
        if self.source == Source::Binaryen
            && let Err(why) = source::wasm_opt()
        {
            println!("not done: {why}");
            return Ok(true);
        }
        self.run.start(&format!("{check}{}", self.source.suffix()))
    }
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

fn print_programs() {
    for (source, name) in [(Source::Mixed, "proposals"), (Source::Legacy, "proposals --source legacy")] {
        match v8::find(source) {
            Ok((node, version)) => println!("V8 for `{name}`: node {version}, {}", node.display()),
            Err(why) => println!("no V8: {why}; `{name}` compares Epsilon with itself"),
        }
    }
    match source::wasm_opt() {
        Ok((program, version)) => println!("binaryen: {version}, {}", program.display()),
        Err(why) => println!("no binaryen: {why}; its source of modules is left out"),
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
        Check::Proposals(run) => run.start("proposals"),
        Check::Regressions => regressions::replay(),
        Check::Coverage { states, at_least } => drive::coverage(&states, at_least),
        Check::Programs => {
            print_programs();
            Ok(true)
        }
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
