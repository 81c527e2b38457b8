//! Running a process and measuring it; medians.

use anyhow::{Result, bail};
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What one run took.
pub struct Sample {
    /// From start to end, in seconds.
    pub wall_s: f64,
    /// Processor time of all threads, in seconds.
    pub processor_s: f64,
    /// Peak resident memory, in MiB.
    pub peak_mib: f64,
}

/// Runs a process to its end; returns what it took and what it printed.
pub fn run(command: Command) -> Result<(Sample, Vec<u8>)> {
    // `wait4` tells of one child what `getrusage` adds up over all: GNU time does it for us.
    let report = tempfile::NamedTempFile::new()?;
    let mut timed = Command::new("time");
    timed.args(["-f", "%U %S %M", "-o"]).arg(report.path()).arg(command.get_program()).args(command.get_args());
    timed.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let started = Instant::now();
    let mut child = timed.stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?;
    let mut output = Vec::new();
    child.stdout.take().expect("piped").read_to_end(&mut output)?;
    let status = child.wait()?;
    let wall_s = started.elapsed().as_secs_f64();
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    let report = std::fs::read_to_string(report.path())?;
    let numbers: Vec<f64> = report.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [user, system, peak_kib] = numbers[..] else { bail!("`time` printed {report:?}") };
    // GNU time counts in hundredths of a second.
    let processor_s = (user + system).max(0.005);
    Ok((Sample { wall_s, processor_s, peak_mib: peak_kib / 1024.0 }, output))
}

/// The median.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
