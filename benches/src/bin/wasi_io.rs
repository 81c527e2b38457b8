//! Input and output through WASI: the same programs natively and under Epsilon, in one run.
//!
//! `tests/guests/native.sh blocks flate sqlite` and a release build of Epsilon come first; then
//! `cargo run --release --manifest-path benches/Cargo.toml --bin wasi_io`. Runs alternate; figures are medians of the
//! times and of the pairs' ratios. A first run of each is not counted, so that code is compiled already.

use anyhow::{Context, Result, bail};
use clap::Parser;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What is compared, and how often.
#[derive(Parser)]
struct Options {
    /// Epsilon's command; `target/release/epsilon` if not given.
    #[arg(long)]
    epsilon: Option<PathBuf>,
    /// Where `native.sh` has put the native programs; `target/native-guests` if not given.
    #[arg(long)]
    native: Option<PathBuf>,
    /// Pairs of runs for each figure.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Only cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// How much is moved through files and pipes, in MiB.
    #[arg(long, default_value_t = 256)]
    mebibytes: usize,
}

/// Something that both sides do.
struct Case {
    name: String,
    program: &'static str,
    /// `{dir}` is the scratch directory.
    args: Vec<String>,
    /// How much comes through a pipe as standard input.
    input_bytes: usize,
}

fn case(name: impl Into<String>, program: &'static str, args: &str, input_bytes: usize) -> Case {
    Case { name: name.into(), program, args: args.split_whitespace().map(str::to_owned).collect(), input_bytes }
}

fn cases(mib: usize) -> Vec<Case> {
    vec![
        case(format!("write a file of {mib} MiB, 64 KiB at a time"), "blocks", &format!("write {{dir}}/file {mib}"), 0),
        case("read it, 64 KiB at a time", "blocks", "read {dir}/file", 0),
        case("read it, 4 KiB at a time", "blocks", "read {dir}/file 4096", 0),
        case(format!("pipe to pipe, {mib} MiB, 64 KiB at a time"), "blocks", "copy", mib << 20),
        case("1,000,000 lines to a pipe, one write each", "blocks", "lines 1000000", 0),
        case("compress 32 MiB from pipe to pipe", "flate", "", 32 << 20),
        case("SQLite on a file, 20,000 orders", "sqlite", "20000 {dir}/orders.db", 0),
    ]
}

struct Bench {
    epsilon: PathBuf,
    native: PathBuf,
    guests: PathBuf,
    scratch: tempfile::TempDir,
    /// What is fed to standard inputs, again and again.
    block: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Native,
    Epsilon,
}

impl Bench {
    fn command(&self, case: &Case, side: Side) -> Command {
        let dir = self.scratch.path().to_str().expect("a plain name");
        let mut command = match side {
            Side::Native => Command::new(self.native.join(case.program)),
            Side::Epsilon => {
                let mut command = Command::new(&self.epsilon);
                command.args(["run", "--dir", &format!("{dir}::/scratch")]);
                command.arg(self.guests.join(case.program).with_extension("wasm"));
                command
            }
        };
        let inside = if side == Side::Native { dir } else { "/scratch" };
        command.args(case.args.iter().map(|arg| arg.replace("{dir}", inside)));
        command
    }

    /// One run: its time, and how many bytes it printed with their sum.
    fn run(&self, case: &Case, side: Side) -> Result<(Duration, (usize, u64))> {
        // Another task would be left by the last run: rows that are there already.
        let _ = std::fs::remove_file(self.scratch.path().join("orders.db"));
        let mut command = self.command(case, side);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let start = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot run {}", case.program))?;
        let (mut input, mut output) = (child.stdin.take().context("input")?, child.stdout.take().context("output")?);
        let printed = std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut rest = case.input_bytes;
                while rest > 0 && input.write_all(&self.block[..rest.min(self.block.len())]).is_ok() {
                    rest -= rest.min(self.block.len());
                }
            });
            sum_of(&mut output)
        })?;
        if !child.wait()?.success() {
            bail!("{}: {side:?} failed", case.name);
        }
        Ok((start.elapsed(), printed))
    }

    fn compare(&self, case: &Case, pairs: usize) -> Result<()> {
        let (mut native, mut epsilon, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for pair in 0..=pairs {
            let (one, printed) = self.run(case, Side::Native)?;
            let (other, also_printed) = self.run(case, Side::Epsilon)?;
            if printed != also_printed {
                bail!("{}: the outputs differ", case.name);
            }
            if pair > 0 {
                native.push(one.as_secs_f64());
                epsilon.push(other.as_secs_f64());
                ratios.push(other.as_secs_f64() / one.as_secs_f64());
            }
        }
        let (native, epsilon) = (1e3 * median(native), 1e3 * median(epsilon));
        println!("| {} | {native:.0} ms | {epsilon:.0} ms | {:.2} |", case.name, median(ratios));
        Ok(())
    }
}

fn sum_of(output: &mut impl Read) -> Result<(usize, u64)> {
    let mut buffer = vec![0; 64 << 10];
    let (mut count, mut sum) = (0, 0u64);
    loop {
        let got = output.read(&mut buffer)?;
        if got == 0 {
            return Ok((count, sum));
        }
        count += got;
        sum += buffer[..got].iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A mebibyte of text that compresses a little, the same in every run.
fn block() -> Vec<u8> {
    let mut state = 1u64;
    let letters = (0..1 << 20).map(|_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        b"etaoin shrdlu\n01"[(state >> 60) as usize]
    });
    letters.collect()
}

fn main() -> Result<()> {
    let options = Options::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("benches lies in the checkout")?;
    let bench = Bench {
        epsilon: options.epsilon.unwrap_or_else(|| root.join("target/release/epsilon")),
        native: options.native.unwrap_or_else(|| root.join("target/native-guests")),
        guests: root.join("tests/guests/prebuilt"),
        scratch: tempfile::tempdir()?,
        block: block(),
    };
    // For the cases that read it, should they be run alone.
    let mut file = File::create(bench.scratch.path().join("file"))?;
    (0..options.mebibytes).try_for_each(|_| file.write_all(&bench.block))?;
    println!("| task | native | Epsilon | ratio |\n|---|---|---|---|");
    for case in cases(options.mebibytes).iter().filter(|case| case.name.contains(&options.only)) {
        bench.compare(case, options.pairs)?;
    }
    Ok(())
}
