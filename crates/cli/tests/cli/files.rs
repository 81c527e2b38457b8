//! What a guest opens: pipes with names, and as many descriptors as it may have.

use crate::command::{command, epsilon, finish, wait};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/files.wat");
const A_WHILE: Duration = Duration::from_millis(300);

fn with_pipe() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    mknodat(CWD, directory.path().join("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    directory
}

fn call(directory: &TempDir, options: &str, function: &str) -> Command {
    let mut command = command();
    command.args(options.split_whitespace()).arg("--dir").arg(directory.path()).args(["--invoke", function, GUEST]);
    command
}

/// However the code is made; the last finds what the one before it has stored.
#[test]
fn the_other_end_of_a_pipe_is_waited_for() {
    for options in ["--no-cache", "--no-cache -O compilation=eager", "", ""] {
        let directory = with_pipe();
        let path = directory.path().join("fifo");
        let reader = std::thread::spawn(move || {
            std::thread::sleep(A_WHILE);
            let mut text = String::new();
            File::open(path).and_then(|mut pipe| pipe.read_to_string(&mut text)).map(|_| text)
        });
        finish(&mut call(&directory, options, "write")).exits(0).prints("0\n");
        assert_eq!(reader.join().unwrap().unwrap(), "hello\n", "{options}");
        let path = directory.path().join("fifo");
        let writer = std::thread::spawn(move || {
            std::thread::sleep(A_WHILE);
            std::fs::write(path, "text")
        });
        finish(&mut call(&directory, options, "read")).exits(0).prints("4\n");
        writer.join().unwrap().unwrap();
    }
}

#[test]
fn waiting_for_the_other_end_can_be_ended() {
    let directory = with_pipe();
    for function in ["write", "read"] {
        finish(&mut call(&directory, "-W timeout=500ms", function))
            .exits(124)
            .says(&["it reached its time limit of 500ms"]);
        let mut child = call(&directory, "", function).spawn().unwrap();
        std::thread::sleep(A_WHILE);
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        assert_eq!(wait(&mut child, Duration::from_secs(20)).code(), Some(130), "{function}");
    }
}

/// The command under a limit on descriptors.
fn limited(limit: u32, words: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {limit} && exec \"$0\" \"$@\"")).arg(env!("CARGO_BIN_EXE_epsilon"));
    shell.args(words).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"));
    shell.env("EPSILON_CACHE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"));
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

#[test]
fn a_guests_descriptors_follow_the_limit_of_the_process() {
    let count = |limit, options: &[&str]| {
        let words = [options, &["--dir", ".", "--invoke", "count", "files.wat"]].concat();
        let outcome = finish(&mut limited(limit, &words));
        outcome.exits(0).stdout.trim().parse::<u32>().unwrap()
    };
    // Without the streams and the directory; a few stay with the host.
    assert_eq!(count(3000, &[]), 3000 - 64 - 4);
    assert_eq!(count(400, &[]), 400 - 50 - 4);
    assert_eq!(count(400, &["-S", "max-descriptors=10"]), 6);
    assert_eq!(count(400, &["-S", "max-descriptors=10,max-descriptors=20"]), 16);
    let most = count(400, &["-S", "max-descriptors=1000000"]);
    assert!((350..400).contains(&most), "the host's own limit holds: {most}");
    epsilon("-S max-descriptors=x hello.wat").exits(2).says(&["`max-descriptors=N`", "`x` is not a number"]);
    epsilon("-S descriptors=1 hello.wat").exits(2).says(&["unknown key `descriptors`", "max-descriptors"]);
    let help = epsilon("--help");
    assert!(help.exits(0).stdout.contains("max-descriptors=N"), "{}", help.stdout);
}

#[test]
fn without_descriptors_the_command_says_what_is_wrong() {
    let says = ["error: ", "Too many open files", "help: ", "ulimit -n"];
    for limit in 4..24 {
        for words in [&["hello.wat"][..], &["--dir", ".", "--dir", "..", "hello.wat"], &["compile", "hello.wat"]] {
            let directory = tempfile::tempdir().expect("a directory");
            let artifact = directory.path().join("artifact");
            let output = ["-o", artifact.to_str().expect("UTF-8")];
            let words = if words[0] == "compile" { [words, &output].concat() } else { words.to_vec() };
            let outcome = finish(&mut limited(limit, &words));
            match outcome.code {
                0 if words[0] == "compile" => assert!(artifact.is_file()),
                0 => _ = outcome.prints("hello\n"),
                1 => _ = outcome.says(&says),
                code => panic!("exit code {code} with {limit} descriptors: {}", outcome.stderr),
            }
        }
    }
    finish(&mut limited(4, &["--dir", ".", "--dir", "..", "hello.wat"])).exits(1).says(&says);
    finish(&mut limited(24, &["hello.wat"])).exits(0).prints("hello\n");
}
