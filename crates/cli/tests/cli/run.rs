//! Programs: where they come from, what they are given, and how they end.

use crate::command::{command, epsilon, epsilon_with_input, finish};
use std::process::Stdio;

#[test]
fn a_program_runs_with_and_without_the_word_run() {
    epsilon("hello.wat").exits(0).prints("hello\n");
    epsilon("run hello.wat").exits(0).prints("hello\n");
}

#[test]
fn the_exit_code_is_the_guests() {
    epsilon("exit.wat").exits(42);
}

#[test]
fn the_binary_format_runs_as_the_text_format_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hello.wasm");
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/hello.wat")).unwrap();
    std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
    finish(command().arg(&path)).exits(0).prints("hello\n");
}

#[test]
fn a_module_comes_from_standard_input() {
    let text = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/hello.wat")).unwrap();
    epsilon_with_input("run -", &text).exits(0).prints("hello\n");
    epsilon_with_input("- one two", &wat::parse_bytes(&text).unwrap()).exits(0).prints("hello\n");
    epsilon_with_input("run -", b"").exits(1).says(&["`standard input`", "not a WebAssembly module"]);
}

#[test]
fn the_guest_reads_standard_input() {
    epsilon_with_input("read.wat", b"some words").exits(0).prints("ready\nsome words");
}

#[test]
fn a_start_section_is_a_program_too() {
    epsilon("start-section.wat").exits(0).prints("started\n");
}

#[test]
fn everything_after_the_file_is_the_guests() {
    epsilon("surroundings.wat one --help -W x -- --dir")
        .exits(0)
        .prints("surroundings.wat\0one\0--help\0-W\0x\0--\0--dir\0\n");
    epsilon("--argv0 other run surroundings.wat").exits(1).says(&["the command must precede the options"]);
    epsilon("run --argv0 other surroundings.wat one").exits(0).prints("other\0one\0\n");
    epsilon("--argv0 other surroundings.wat one").exits(0).prints("other\0one\0\n");
}

#[test]
fn a_call_and_its_guest_have_arguments_of_their_own() {
    epsilon("--invoke _start surroundings.wat").exits(0).prints("surroundings.wat\0\n");
    epsilon("--invoke _start --argv0 other --argv one --argv=--two surroundings.wat")
        .exits(0)
        .prints("other\0one\0--two\0\n");
    epsilon("--invoke _start --argv one surroundings.wat 1")
        .exits(1)
        .says(&["too many arguments: `_start` does not take an argument 1"]);
    epsilon("--argv one surroundings.wat").exits(2).says(&["--invoke"]);
}

#[test]
fn arguments_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt as _;
    let argument = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    let output = command().arg("surroundings.wat").arg(argument).output().unwrap();
    assert_eq!(output.stdout, b"surroundings.wat\0\xff\xfe\0\n");
}

#[test]
fn the_environment_is_what_is_given() {
    let mut command = command();
    command.env("INHERITED", "from outside").env("SECRET", "kept").env_remove("NOT_THERE");
    command.args(["--env", "A=b=c", "--env", "INHERITED", "--env", "EMPTY=", "--env", "NOT_THERE", "surroundings.wat"]);
    finish(&mut command).exits(0).prints("surroundings.wat\0\nA=b=c\0INHERITED=from outside\0EMPTY=\0");
    epsilon("--env =x surroundings.wat").exits(2).says(&["NAME=VALUE"]);
}

#[test]
fn directories_are_what_is_given() {
    const BADF: i32 = 8;
    const ROFS: i32 = 69;
    let dir = tempfile::tempdir().unwrap();
    let made = dir.path().join("made");
    let host = dir.path().to_str().unwrap();
    epsilon("create.wat").exits(BADF);
    epsilon(&format!("--dir-ro {host} create.wat")).exits(ROFS);
    assert!(!made.exists());
    epsilon(&format!("--dir {host} create.wat")).exits(0);
    assert!(made.exists());
}

#[test]
fn directories_have_names() {
    let dir = tempfile::tempdir().unwrap();
    let host = dir.path().to_str().unwrap();
    epsilon(&format!("--dir . --dir {host}::/data --dir-ro {host} preopen.wat"))
        .exits(0)
        .prints(&format!(".\n/data\n{host}\n"));
    epsilon("--dir not-there preopen.wat").exits(1).says(&["cannot open directory", "not-there", "No such file"]);
}

#[test]
fn sockets_are_given_in_order_and_addresses_checked() {
    epsilon("--tcplisten 127.0.0.1:0 hello.wat").exits(0).prints("hello\n");
    epsilon("--tcplisten nowhere hello.wat").exits(1).says(&["cannot listen on `nowhere`"]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let address = format!("unix:{}", path.display());
    epsilon(&format!("--listen {address} --listen 127.0.0.1:0 hello.wat")).exits(0).prints("hello\n");
    epsilon(&format!("--listen {address} hello.wat")).exits(1).says(&["cannot listen on", "in use"]);
}

#[test]
fn a_trap_shows_where_and_what_was_written_before() {
    let outcome = epsilon("trap.wat");
    outcome.exits(134).prints("before.").says(&[
        "`trap.wat` trapped: integer divide by zero",
        "0:",
        "guest::divider::divide in trapping",
        "foo::bar(int)",
    ]);
    assert!(!outcome.stderr.contains("_ZN"), "{}", outcome.stderr);
}

#[test]
fn output_comes_before_the_message_about_the_end() {
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"));
    shell.args(["-c", r#""$0" trap.wat 2>&1"#, env!("CARGO_BIN_EXE_epsilon")]).stdout(Stdio::piped());
    let output = shell.output().unwrap();
    assert!(output.stdout.starts_with(b"before.error:"), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_pipe_that_nobody_reads_ends_the_guest_quietly() {
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"));
    shell.args(["-c", r#""$0" yes.wat | head -n 2"#, env!("CARGO_BIN_EXE_epsilon")]);
    let output = shell.stderr(Stdio::piped()).stdout(Stdio::piped()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.stdout, b"y\ny\n");
}

/// The guest is told, and what it makes of that counts.
#[test]
fn a_guest_may_end_by_a_broken_pipe_in_its_own_way() {
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"));
    shell.args(["-c", r#"("$0" listens.wat; echo "code $?" >&2) | head -n 1"#, env!("CARGO_BIN_EXE_epsilon")]);
    let output = shell.stderr(Stdio::piped()).stdout(Stdio::piped()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "code 64\n", "witx errno: pipe is 64");
    assert_eq!(output.stdout, b"y\n");
}

/// The guest could not be told: it had ended.
#[test]
fn held_output_that_cannot_be_written_is_an_error() {
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else { return };
    finish(command().arg("lines.wat").stdout(full)).exits(1).says(&["cannot write the output of `lines.wat`"]);
}

#[test]
fn other_modules_are_loaded_first() {
    epsilon("--preload math=math.wat --invoke four_times imports.wat 5").exits(0).prints("20\n");
    epsilon("--preload math=not-there.wat --invoke four_times imports.wat 5")
        .exits(1)
        .says(&["cannot read `not-there.wat`", "No such file"]);
    epsilon("--preload math --invoke four_times imports.wat 5").exits(2).says(&["NAME=FILE"]);
    epsilon("--preload other=imports.wat hello.wat").exits(1).says(&["`imports.wat` has unresolved imports"]);
}

#[test]
fn unknown_imports_trap_when_called() {
    for flag in ["--unknown-imports-trap", "-W unknown-imports-trap", "-Wunknown-imports-trap=y"] {
        epsilon(&format!("{flag} --invoke unused imports.wat")).exits(0).prints("5\n");
        epsilon(&format!("{flag} --invoke four_times imports.wat 1"))
            .exits(134)
            .says(&["`imports.wat` was stopped: call to an unknown import: `math`.`twice`", "wasm backtrace"]);
    }
}

#[test]
fn every_way_to_make_code_runs() {
    for options in [
        "-O opt-level=0",
        "-O opt-level=2,memory=guarded",
        "-O memory=checked",
        "-O memory=guarded,memory-at-anchor=n",
        "-O memory=guarded -O memory-at-anchor=y",
        "-O compilation=eager,cache=n",
        "-O compilation=lazy,cache=y",
    ] {
        epsilon(&format!("{options} hello.wat")).exits(0).prints("hello\n");
    }
}
