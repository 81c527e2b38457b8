//! Compilations that take long: what is shown meanwhile, how they are ended, and what is refused.

use crate::command::{PATIENCE, command, epsilon, finish, wait};
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A program that takes seconds to compile.
fn large_program(directory: &Path) -> PathBuf {
    let mut text = String::from("(module (memory 1)\n");
    for n in 0..3000 {
        let _ = writeln!(text, "(func $f{n} (param i32) (result i32) (local i32)");
        for k in 0..60 {
            let operator = ["add", "xor", "mul", "rotl"][k % 4];
            let _ = writeln!(
                text,
                "(local.set 1 (i32.{operator} (i32.load offset={k} (local.get 0)) (i32.add (local.get 1) (i32.const {}))))",
                n * 31 + k
            );
        }
        text.push_str("(local.get 1))\n");
    }
    text.push_str("(func (export \"_start\")))");
    let path = directory.join("large.wasm");
    std::fs::write(&path, wat::parse_str(&text).expect("well-formed text")).expect("a file");
    path
}

#[test]
fn time_ends_a_compilation() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = large_program(directory.path());
    let stopped = ["the compilation of", "large.wasm", "it reached its time limit of 50ms"];
    let eager = format!("-O compilation=eager --no-cache -W timeout=50ms {}", program.display());
    epsilon(&eager).exits(124).prints("").says(&stopped);
    let output = directory.path().join("large.epsilon");
    let compile = format!("compile -W timeout=50ms {} -o {}", program.display(), output.display());
    epsilon(&compile).exits(124).says(&stopped);
    assert_eq!(std::fs::read_dir(directory.path()).expect("the directory").count(), 1, "something is left behind");
}

#[test]
fn ctrl_c_ends_a_compilation() {
    let directory = tempfile::tempdir().expect("a directory");
    let (program, output) = (large_program(directory.path()), directory.path().join("large.epsilon"));
    let mut child = command().arg("compile").arg(&program).arg("-o").arg(&output).spawn().expect("a child");
    // Once it waits for signals, it has a second thread.
    let threads = format!("/proc/{}/task", child.id());
    while std::fs::read_dir(&threads).map_or(0, Iterator::count) < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    kill_process(Pid::from_child(&child), Signal::INT).expect("a child");
    assert_eq!(wait(&mut child, PATIENCE).code(), Some(130));
    assert!(!output.exists());
}

#[test]
fn what_takes_over_a_second_shows_a_bar_on_a_terminal() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = large_program(directory.path());
    let run = format!("run -O compilation=eager --no-cache {}", program.display());
    let elsewhere = epsilon(&run);
    elsewhere.exits(0);
    assert_eq!(elsewhere.stderr, "");
    if Command::new("script").arg("--version").output().is_err() {
        return println!("skipped: there is no `script`, which makes terminals");
    }
    let line = format!("{} {run}", env!("CARGO_BIN_EXE_epsilon"));
    let mut script = Command::new("script");
    script.args(["-q", "-e", "-c", &line, "/dev/null"]).env("TERM", "xterm").stdin(std::process::Stdio::null());
    let shown = finish(script.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()));
    shown.exits(0);
    assert!(shown.stdout.contains("/3001 functions"), "no bar: {:?}", shown.stdout);
}

#[test]
fn limits_on_compilation_are_named_and_can_be_raised() {
    let refused = epsilon("-W max-function-bytes=3 hello.wat");
    refused.exits(1).says(&["has more than 3 bytes of code", "`-W max-function-bytes=N` raises the limit"]);
    // Found when the function is compiled, which is when it is called.
    let blocks = "-W max-function-blocks=1 loop.wat";
    epsilon(blocks).exits(134).says(&["has more than 1 basic blocks", "`-W max-function-blocks=N` raises the limit"]);
    epsilon("-W max-function-bytes=many hello.wat").exits(2).says(&["`many` is not a number"]);
}
