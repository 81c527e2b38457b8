//! Ends from outside: the time limit, Ctrl-C, and a request to terminate.

use crate::command::{PATIENCE, command, epsilon, start_and_await_line, wait};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Read as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// How long an end may take that comes at once, on a machine that does much else.
const AT_ONCE: Duration = Duration::from_millis(1500);

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[track_caller]
fn check_stopped_by(signal: Signal, file: &str, code: i32) {
    let mut child = start_and_await_line(command().arg(file).stdin(Stdio::piped()));
    let _input = child.stdin.take();
    std::thread::sleep(Duration::from_millis(50));
    let start = Instant::now();
    send(&child, signal);
    let status = wait(&mut child, PATIENCE);
    assert!(start.elapsed() < AT_ONCE, "{file} took {:?} to end", start.elapsed());
    assert_eq!(status.code(), Some(code), "{file}: {status:?}");
    let mut message = String::new();
    child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    assert_eq!(message, "", "{file}");
}

#[test]
fn ctrl_c_ends_a_loop() {
    check_stopped_by(Signal::INT, "loop.wat", 130);
}

#[test]
fn ctrl_c_ends_a_guest_that_writes() {
    let mut child = start_and_await_line(command().arg("yes.wat"));
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()).unwrap());
    send(&child, Signal::INT);
    assert_eq!(wait(&mut child, PATIENCE).code(), Some(130));
    reader.join().unwrap();
}

#[test]
fn ctrl_c_ends_a_guest_that_sleeps() {
    check_stopped_by(Signal::INT, "sleep.wat", 130);
}

#[test]
fn ctrl_c_ends_a_guest_that_reads() {
    check_stopped_by(Signal::INT, "read.wat", 130);
}

#[test]
fn a_request_to_terminate_ends_a_loop() {
    check_stopped_by(Signal::TERM, "loop.wat", 143);
}

#[test]
fn signals_that_were_ignored_outside_stay_ignored() {
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"));
    shell.args(["-c", r#"trap '' INT; exec "$0" -W timeout=1s loop.wat"#, env!("CARGO_BIN_EXE_epsilon")]);
    let mut child = start_and_await_line(shell.stdout(Stdio::piped()).stderr(Stdio::piped()));
    send(&child, Signal::INT);
    assert_eq!(wait(&mut child, PATIENCE).code(), Some(124));
}

#[test]
fn time_ends_a_loop() {
    let start = Instant::now();
    let outcome = epsilon("-W timeout=200ms loop.wat");
    assert!(start.elapsed() >= Duration::from_millis(200));
    outcome
        .exits(124)
        .prints("ready\n")
        .says(&["`loop.wat` was stopped: it reached its time limit of 200ms", "forever"]);
}

#[test]
fn time_ends_a_guest_that_sleeps_and_a_start_function() {
    epsilon("-W timeout=100ms sleep.wat").exits(124).prints("ready\n").says(&["it reached its time limit of 100ms"]);
    let text = b"(module (func $main (loop (br 0))) (start $main))";
    let outcome = crate::command::epsilon_with_input("-W timeout=100ms -", text);
    outcome.exits(124).says(&["it reached its time limit"]);
}

#[test]
fn time_ends_a_call_by_name_and_a_preloaded_module() {
    epsilon("-W timeout=0s --invoke _start loop.wat").exits(124);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("slow.wat");
    std::fs::write(&path, r#"(module (func (export "_initialize") (loop (br 0))))"#).unwrap();
    epsilon(&format!("-W timeout=100ms --preload slow={} hello.wat", path.display())).exits(124);
}

#[test]
fn a_guest_that_is_in_time_is_left_alone() {
    epsilon("-W timeout=1h hello.wat").exits(0).prints("hello\n");
}
