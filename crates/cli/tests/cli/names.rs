//! Names that would act on a terminal: nothing that the command prints has them as they are.

use crate::command::{Outcome, command, epsilon, epsilon_with_input, wait};
use std::fmt::Write as _;
use std::io::Read as _;
use std::time::Duration;

/// Checks that only line breaks and tabs of the command's own are left of what acts on a terminal.
#[track_caller]
fn is_harmless(outcome: &Outcome) -> &Outcome {
    for (stream, text) in [("output", &outcome.stdout), ("error stream", &outcome.stderr)] {
        let harmful = text.chars().find(|char| !matches!(char, '\n' | '\t') && epsilon::is_unfit(*char));
        assert_eq!(harmful, None, "{stream}: {text:?}");
    }
    outcome
}

#[test]
fn names_are_escaped_where_a_module_is_told() {
    let outcome = epsilon("inspect hostile-names.wat");
    is_harmless(&outcome).exits(0);
    for words in [
        r"m\u{1b}[2J\nn",
        r"a\u{1b}[2J\nb.c\u{9b}d\u{202e}  func",
        r"e\u{1b}]0;x\u{7}\n",
        r"memory\r\u{7f}\u{200b}",
        r"custom `s\u{1b}[A\tt`",
        r"1\n2",
    ] {
        assert!(outcome.stdout.contains(words), "{words} is not in\n{}", outcome.stdout);
    }
    let outcome = epsilon("inspect --json hostile-names.wat");
    let told: serde_json::Value = serde_json::from_str(&is_harmless(&outcome).exits(0).stdout).unwrap();
    assert_eq!(told["imports"][0]["name"], "c\u{9b}d\u{202e}");
    assert_eq!(told["exports"][0]["name"], "memory\r\u{7f}\u{200b}");
}

#[test]
fn names_are_escaped_in_errors() {
    let outcome = epsilon("run --invoke trap hostile-names.wat");
    is_harmless(&outcome).exits(1).says(&[r"`a\u{1b}[2J\nb`.`c\u{9b}d\u{202e}`"]);
    let outcome = epsilon("run --invoke not-there hostile-names.wat");
    is_harmless(&outcome).exits(1).says(&[r"e\u{1b}]0;x\u{7}\n (i32)"]);
    let outcome = epsilon("run --unknown-imports-trap --invoke trap hostile-names.wat");
    is_harmless(&outcome).exits(134).says(&[r"f\u{1b}[31m\ng\u{202e} in m\u{1b}[2J\nn"]);
    let twice = br#"(module (func (export "x\1b[2J\0ay")) (func (export "x\1b[2J\0ay")))"#;
    is_harmless(&epsilon_with_input("validate -", twice)).exits(1);
    is_harmless(&epsilon_with_input("validate -", b"(module (func \x1b[2J))")).exits(1);
    let outcome = epsilon("wast hostile-names.wast");
    is_harmless(&outcome).exits(1);
}

/// The trap is longer than a pipe holds, and nobody reads it until the time is long over.
#[test]
fn a_time_limit_that_passes_while_a_trap_is_printed_changes_nothing() {
    let mut module = String::from("(module (func $f (@name \"");
    let _ = write!(module, "{}\") (export \"_start\") call $f))", "x".repeat(1000));
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("long-name.wat");
    std::fs::write(&file, module).unwrap();
    let mut child = command().args(["-W", "timeout=4s,max-wasm-stack=64K"]).arg(&file).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(7));
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(text.len() > 64 << 10, "{text}");
    assert!(text.contains("trapped"), "{text:.300}");
    assert_eq!(wait(&mut child, Duration::from_secs(10)).code(), Some(134));
}
