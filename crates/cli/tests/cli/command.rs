//! Starting the command, and what came of it.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long the command may take for anything that a test asks of it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What came of a command.
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Checks that the error stream has all of these words.
    #[track_caller]
    pub fn says(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in the error stream:\n{}", self.stderr);
        }
        self
    }

    /// Checks the exit code.
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "output:\n{}\nerror stream:\n{}", self.stdout, self.stderr);
        self
    }

    /// Checks standard output.
    #[track_caller]
    pub fn prints(&self, text: &str) -> &Self {
        assert_eq!(self.stdout, text, "error stream:\n{}", self.stderr);
        self
    }
}

/// The command, ready for arguments; its current directory is that of the fixtures.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_epsilon"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"));
    // Not the user's.
    command.env("EPSILON_CACHE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the command with these arguments, separated by spaces.
pub fn epsilon(arguments: &str) -> Outcome {
    finish(command().args(arguments.split_whitespace()))
}

/// Runs the command with these arguments, and this on its standard input.
pub fn epsilon_with_input(arguments: &str, input: &[u8]) -> Outcome {
    let mut command = command();
    let mut child = command.args(arguments.split_whitespace()).stdin(Stdio::piped()).spawn().unwrap();
    // Who ends without reading breaks the pipe, which is its right.
    let _ = child.stdin.take().unwrap().write_all(input);
    outcome(child)
}

/// Runs a prepared command to its end.
pub fn finish(command: &mut Command) -> Outcome {
    outcome(command.spawn().unwrap())
}

fn outcome(child: Child) -> Outcome {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap_or_else(|| panic!("{:?}: {}", output.status, text(output.stderr.clone())));
    Outcome { code, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Starts the command, and waits until the guest has written a line.
pub fn start_and_await_line(command: &mut Command) -> Child {
    let mut child = command.spawn().unwrap();
    let mut byte = [0];
    let stdout = child.stdout.as_mut().unwrap();
    while byte != *b"\n" {
        assert_eq!(stdout.read(&mut byte).unwrap(), 1, "the guest ended before it had written a line");
    }
    child
}

/// Waits for a child's end; kills it when patience ends.
pub fn wait(child: &mut Child, patience: Duration) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > patience {
            child.kill().unwrap();
            panic!("the command did not end within {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A prebuilt guest of the workspace.
pub fn prebuilt(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/prebuilt").join(name);
    path.canonicalize().unwrap().into_os_string().into_string().unwrap()
}
