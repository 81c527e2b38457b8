//! What the command prints arrives, or it says so: full disks and pipes that nobody reads.

use crate::command::{command, epsilon, epsilon_with_input, finish, prebuilt};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

/// Everything that prints on the standard output.
const PRINTING: [&str; 16] = [
    "--help",
    "-h",
    "--version",
    "run --help",
    "inspect --help",
    "cache --help",
    "inspect hello.wat",
    "inspect --json hello.wat",
    "validate hello.wat",
    "wast passing.wast",
    "completions bash",
    "completions zsh",
    "cache stat",
    "cache path",
    "cache clear",
    "run --invoke add library.wat 2 3",
];

#[test]
fn a_full_disk_is_an_error() {
    for arguments in PRINTING {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a full disk");
        let outcome = finish(command().args(arguments.split_whitespace()).stdout(full));
        assert_eq!(outcome.code, 1, "{arguments}: {}", outcome.stderr);
        outcome.says(&["error: cannot write to the standard output", "No space left on device"]);
        assert!(!outcome.stderr.contains("panicked"), "{arguments}: {}", outcome.stderr);
    }
    // With entries to list.
    let directory = tempfile::tempdir().expect("a directory");
    let with_cache = |arguments: &str| {
        let mut command = command();
        command.args(arguments.split_whitespace()).env("EPSILON_CACHE_DIR", directory.path());
        command
    };
    finish(&mut with_cache(&format!("run {}", prebuilt("hello-rust.wasm")))).exits(0);
    for arguments in ["cache ls", "cache verify"] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a full disk");
        finish(with_cache(arguments).stdout(full)).exits(1).says(&["No space left on device"]);
    }
    // What is said of scripts and modules that fail.
    for arguments in ["wast failing.wast", "validate hello.wat invalid.wat"] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a full disk");
        finish(command().args(arguments.split_whitespace()).stdout(full)).exits(1).says(&["No space left on device"]);
    }
}

#[test]
fn a_pipe_that_nobody_reads_ends_the_command_quietly() {
    for arguments in PRINTING {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let child = command().args(arguments.split_whitespace()).stdout(Stdio::from(writer)).spawn();
        let output = child.expect("started").wait_with_output().expect("its end");
        assert_eq!(output.status.signal(), Some(13), "{arguments}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments}");
    }
}

#[test]
fn a_text_module_may_begin_with_a_byte_order_mark() {
    let module = b"\xef\xbb\xbf(module (func (export \"f\") (result i32) (i32.const 7)))";
    epsilon_with_input("--invoke f -", module).exits(0).prints("7\n");
    epsilon_with_input("validate -", module).exits(0);
    epsilon_with_input("inspect -", module).exits(0);
    epsilon_with_input("--invoke f -", b"\xef\xbb\xbf  ;; a comment\n(module (func (export \"f\")))").exits(0);
    epsilon_with_input("validate -", b"\xef\xbb\xbf(module (func i32.cnost))").exits(1).says(&["i32.cnost"]);
    epsilon_with_input("validate -", b"\xef\xbb\xbf\0asm\x01\0\0\0").exits(1).says(&["not a WebAssembly module"]);
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("marked.wast");
    std::fs::write(&script, "\u{feff}(module)\n(assert_invalid (module (func (result i32))) \"type mismatch\")\n")
        .unwrap();
    let outcome = epsilon(&format!("wast {}", script.display()));
    assert!(outcome.exits(0).stdout.contains("assertions passed: 1"), "{}", outcome.stdout);
}
