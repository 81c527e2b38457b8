//! Runs a process to its end and measures it. Knows nothing of what it runs.

use anyhow::{Result, bail};
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Instant;
use wait4::Wait4;

/// What one run took.
#[derive(Clone, Copy)]
pub struct Sample {
    /// From start to end, in seconds.
    pub wall_s: f64,
    /// Processor time of all threads, in seconds.
    pub processor_s: f64,
    /// Peak resident memory, in MiB. Linux counts what this process held when it started the other, a few MiB, too.
    pub peak_mib: f64,
}

/// Runs a process; returns what it took and what it printed. What it says on standard error is shown if it fails.
pub fn run(command: &mut Command) -> Result<(Sample, Vec<u8>)> {
    let mut errors = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors.try_clone()?);
    let started = Instant::now();
    let mut child = command.spawn()?;
    let mut output = Vec::new();
    child.stdout.take().expect("piped").read_to_end(&mut output)?;
    let ended = child.wait4()?;
    let wall_s = started.elapsed().as_secs_f64();
    if !ended.status.success() {
        let mut said = String::new();
        std::io::Seek::rewind(&mut errors)?;
        errors.read_to_string(&mut said)?;
        bail!("{command:?} ended with {}: {said}", ended.status);
    }
    let processor_s = (ended.rusage.utime + ended.rusage.stime).as_secs_f64();
    Ok((Sample { wall_s, processor_s, peak_mib: ended.rusage.maxrss as f64 / f64::from(1 << 20) }, output))
}
