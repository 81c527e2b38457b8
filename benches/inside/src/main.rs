//! What is measured inside of one process, with Epsilon's crate and Wasmtime's side by side: the phases of a program,
//! micro costs, counting loops, and what hashes take when a module comes from the cache. Prints lines of words with tabs
//! between them; `epsilon-benches` starts it and makes tables of them.

mod hashes;
mod kernels;
mod micro;
mod ours;
mod phases;
#[path = "../../src/stats.rs"]
#[allow(dead_code)] // the harness uses the rest
mod stats;
mod theirs;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Validation, compilation, instantiation and the run of a program, in seconds, and its code, in bytes.
    Phases {
        #[arg(long)]
        rounds: usize,
        /// The file of what it must print.
        #[arg(long)]
        expected: PathBuf,
        module: PathBuf,
        #[arg(allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Calls, traps, instances and the like.
    Micro {
        #[arg(long)]
        rounds: usize,
        /// Only those whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
    },
    /// Counting loops, one for each thing that code does, in both tiers.
    Kernels {
        #[arg(long, default_value_t = 9)]
        rounds: usize,
        /// Only those whose group and name contain this.
        #[arg(long, default_value = "")]
        only: String,
    },
    /// How many instances can live at once: of `epsilon` or of `wasmtime`. Ends when one more cannot be made.
    Live { side: String },
    /// What hashing takes when a module is loaded from the cache of the command.
    Hashes {
        #[arg(long)]
        cache: PathBuf,
        module: PathBuf,
    },
}

fn main() -> Result<()> {
    match Options::parse().command {
        Command::Phases { rounds, expected, module, args } => phases::print(rounds, &expected, &module, &args),
        Command::Micro { rounds, only } => micro::print(rounds, &only),
        Command::Kernels { rounds, only } => kernels::print(rounds, &only),
        Command::Live { side } => {
            let (count, end) = if side == "epsilon" { ours::live()? } else { theirs::live()? };
            println!("{count}\t{end}");
            Ok(())
        }
        Command::Hashes { cache, module } => hashes::print(&cache, &module),
    }
}
