//! What exceptions and calls by reference cost, in nanoseconds each: loops inside of `exceptions.wat`, run by the command
//! with few and with many rounds, so that the difference is that of the rounds alone. Medians of several pairs.
//!
//! `cargo run --release --example exceptions [-- COMMAND]`, in this package; COMMAND is `../target/release/epsilon` unless
//! given. Instructions are counted as well where `valgrind` is there and `--instructions` follows.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

const PAIRS: usize = 9;

/// Exported functions, and how many rounds take a tenth of a second or so.
const LOOPS: [(&str, u64); 12] = [
    ("empty", 50_000_000),
    ("call", 50_000_000),
    ("call-in-try_table", 50_000_000),
    ("call_indirect", 20_000_000),
    ("call_indirect-typed-table", 20_000_000),
    ("call_ref", 20_000_000),
    ("throw-through-1", 1_000_000),
    ("throw-through-10", 500_000),
    ("throw-through-100", 100_000),
    ("return-through-1", 20_000_000),
    ("return-through-10", 5_000_000),
    ("return-through-100", 500_000),
];

fn command(epsilon: &str, name: &str, rounds: u64) -> Command {
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/exceptions.wat");
    let mut command = Command::new(epsilon);
    command.args(["--invoke", name]).arg(guest).arg(rounds.to_string());
    command
}

fn seconds(epsilon: &str, name: &str, rounds: u64) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let output = command(epsilon, name, rounds).output()?;
    anyhow::ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(begin.elapsed().as_secs_f64())
}

/// Instructions of one run, as callgrind counts them.
fn instructions(epsilon: &str, name: &str, rounds: u64) -> anyhow::Result<u64> {
    let run = command(epsilon, name, rounds);
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--smc-check=all-non-file"]);
    let output = valgrind.arg(run.get_program()).args(run.get_args()).output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = text.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, count)| count.trim().parse());
    Ok(count.ok_or_else(|| anyhow::anyhow!("valgrind: {text}"))??)
}

fn main() -> anyhow::Result<()> {
    let (flags, paths): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/epsilon").display().to_string();
    let epsilon = paths.into_iter().next().unwrap_or_else(default);
    for (name, rounds) in LOOPS {
        let mut ns = Vec::new();
        for _ in 0..PAIRS {
            let (few, many) = (seconds(&epsilon, name, 1)?, seconds(&epsilon, name, rounds)?);
            ns.push((many - few) * 1e9 / rounds as f64);
        }
        ns.sort_by(f64::total_cmp);
        print!("{name:28} {:8.2} ns, least {:8.2}", ns[PAIRS / 2], ns[0]);
        if flags.iter().any(|flag| flag == "--instructions") {
            let rounds = 10_000;
            let (few, many) = (instructions(&epsilon, name, 1)?, instructions(&epsilon, name, 1 + rounds)?);
            print!(", {:8.1} instructions", (many - few) as f64 / rounds as f64);
        }
        println!();
    }
    Ok(())
}
