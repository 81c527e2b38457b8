//! Compiling ahead of time: artifacts, keys, executables, and the cache's commands.

use crate::command::{command, epsilon, finish, prebuilt};
use std::process::{Command, Stdio};

#[test]
fn artifacts_run_and_say_what_is_wrong_with_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let hello = prebuilt("hello-rust.wasm");
    std::fs::write(path("key"), "32 bytes that nobody else can guess").expect("a key");
    std::fs::write(path("other"), "32 bytes that somebody else has got").expect("a key");
    epsilon(&format!("compile --key {} {hello} -o {}", path("key"), path("hello.epsilon"))).exits(0);
    epsilon(&format!("run --key {} {}", path("key"), path("hello.epsilon"))).exits(0).prints("hello, world\n");
    epsilon(&format!("run --key {} {}", path("other"), path("hello.epsilon"))).exits(1).says(&["another key"]);
    epsilon(&format!("run --key {} {}", path("none"), path("hello.epsilon"))).exits(1).says(&["cannot read the key"]);
    let foreign = format!("compile --target aarch64-unknown-linux-gnu --key {}", path("key"));
    if cfg!(target_arch = "x86_64") {
        epsilon(&format!("{foreign} {hello} -o {}", path("foreign.epsilon"))).exits(0);
        let run = format!("run --key {} {}", path("key"), path("foreign.epsilon"));
        epsilon(&run).exits(1).says(&["aarch64-unknown-linux-gnu", "compile the module again"]);
    }
    epsilon(&format!("compile --target sparc64-unknown-linux-gnu {hello}")).exits(1).says(&["target not supported"]);
}

#[test]
fn an_executable_needs_nothing_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let executable = directory.path().join("report");
    let csv = prebuilt("csv.wasm");
    let data = std::path::Path::new(&csv).ancestors().nth(2).expect("the guests").join("csv");
    let options = format!("--dir {}::/data", data.display());
    epsilon(&format!("build-exe {csv} -o {} -- {options}", executable.display())).exits(0);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&executable);
        finish(command.args(arguments).env_clear().stdout(Stdio::piped()).stderr(Stdio::piped()))
    };
    let outcome = run(&["/data/sales.csv"]);
    outcome.exits(0).prints(&std::fs::read_to_string(data.join("../expected/csv.stdout")).expect("the output"));
    run(&["/data/none.csv", "--dir", "/"]).exits(1).says(&["none.csv"]);
    epsilon(&format!("build-exe {csv} -o {} -- --nonsense", executable.display())).exits(1).says(&["--nonsense"]);
}

#[test]
fn the_cache_can_be_looked_at_and_emptied() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |arguments: &str| {
        let words = arguments.split_whitespace();
        finish(command().args(words).env("EPSILON_CACHE_DIR", directory.path()))
    };
    run(&format!("run {}", prebuilt("hello-rust.wasm"))).exits(0).prints("hello, world\n");
    run("cache stat").exits(0).says(&[]);
    run("cache verify").exits(0);
    let listed = run("cache ls");
    listed.exits(0);
    assert!(listed.stdout.contains(".code"), "{}", listed.stdout);
    run("cache path").exits(0).prints(&format!("{}\n", directory.path().display()));
    run("cache clear").exits(0).prints("removed 1 entries\n");
    run("cache ls").exits(0).prints("");
    run(&format!("run -O cache=n {}", prebuilt("hello-rust.wasm"))).exits(0);
    run(&format!("run --no-cache {}", prebuilt("hello-rust.wasm"))).exits(0);
    run("cache ls").exits(0).prints("");
}
