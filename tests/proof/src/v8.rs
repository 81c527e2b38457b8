//! V8 as a judge, for what wasmi does not have: one `node` process runs `v8.js`, and gets the path of a wrapped module a
//! line. It is found through the variable `NODE` or on the path; without it, or with one that is too old, modules are
//! compared between configurations of Epsilon only.

use crate::case::Tally;
use crate::source::Source;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The first version whose V8 has all of WebAssembly 3.0 without a flag.
const MIN_MAJOR: u32 = 25;
/// The first one that has what [`Source::Legacy`] takes.
const MIN_MAJOR_LEGACY: u32 = 20;
const FLAGS: [&str; 2] = ["--expose-gc", "--no-warnings"];
/// After so many modules a fresh process takes over: V8 keeps something of each.
const MODULES_PER_PROCESS: u64 = 5000;

/// The judge.
pub struct V8 {
    node: OsString,
    script: PathBuf,
    process: Option<Process>,
}

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    modules: u64,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It is gone already or goes now; nothing depends on it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The node to use for a source of modules, and its version.
///
/// # Errors
/// Why there is none.
pub fn find(source: Source) -> Result<(OsString, String), String> {
    let min_major = if source == Source::Legacy { MIN_MAJOR_LEGACY } else { MIN_MAJOR };
    let node = std::env::var_os("NODE").unwrap_or_else(|| "node".into());
    let output = Command::new(&node).arg("--version").output();
    let output = output.map_err(|error| format!("`{}` cannot be started: {error}", node.display()))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= min_major => Ok((node, version)),
        _ => Err(format!("`{}` is {version}, and {min_major} or later is needed", node.display())),
    }
}

impl V8 {
    /// With a process of its own; its script is put into the folder.
    ///
    /// # Errors
    /// Why there is no such judge.
    pub fn new(folder: &Path, source: Source) -> Result<Self, String> {
        let (node, _) = find(source)?;
        let script = folder.join("v8.js");
        fs::write(&script, include_str!("v8.js")).map_err(|error| error.to_string())?;
        let mut this = Self { node, script, process: None };
        this.process = Some(this.start().map_err(|error| error.to_string())?);
        Ok(this)
    }

    fn start(&self) -> std::io::Result<Process> {
        let mut command = Command::new(&self.node);
        command.args(FLAGS).arg(&self.script).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(std::io::Error::other("no pipes"));
        };
        Ok(Process { child, input, output: BufReader::new(output), modules: 0 })
    }

    /// What a wrapped module does; `None` if the process does not answer, which is counted.
    pub fn run(&mut self, wrapped: &Path, seed: u64, tally: &mut Tally) -> Option<Vec<String>> {
        let process = match self.process.take().filter(|process| process.modules < MODULES_PER_PROCESS) {
            Some(process) => process,
            None => self.start().ok()?,
        };
        let process = self.process.insert(process);
        process.modules += 1;
        let log = ask(process, wrapped, seed);
        if log.is_none() {
            tally.count("runs that V8 did not survive");
            self.process = None;
        }
        log
    }
}

fn ask(process: &mut Process, wrapped: &Path, seed: u64) -> Option<Vec<String>> {
    writeln!(process.input, "{} {}", host_seed(seed), wrapped.display()).ok()?;
    process.input.flush().ok()?;
    let mut log = Vec::new();
    loop {
        let mut line = String::new();
        if process.output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end_matches('\n') {
            "" => return Some(log),
            event => log.push(event.to_owned()),
        }
    }
}

/// The number that host functions go by, in a size that JavaScript has.
pub fn host_seed(seed: u64) -> i32 {
    (seed & 0x7fff_ffff) as i32
}
