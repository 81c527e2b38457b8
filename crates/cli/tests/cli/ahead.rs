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

/// Whatever it is called by and wherever it lies, it runs as it was built to, and leaves nothing behind.
#[test]
fn an_executable_is_compiled_with_its_options_and_leaves_nothing_behind() {
    use std::os::unix::process::CommandExt as _;
    let directory = tempfile::tempdir().expect("a directory");
    let (built, moved) = (directory.path().join("add"), directory.path().join("moved"));
    let module = directory.path().join("wide.wat");
    let text = r#"(module (memory 1) (func (export "_start")
        (drop (i64.add128 (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)))
        (drop)
        (i32.store (i32.const 65536) (i32.const 1))))"#;
    std::fs::write(&module, text).expect("written");
    let options = "-W wide-arithmetic=y -O memory=checked,opt-level=0";
    epsilon(&format!("build-exe {} -o {} -- {options}", module.display(), built.display())).exits(0);
    std::fs::create_dir(&moved).expect("made");
    std::fs::rename(&built, moved.join("add")).expect("moved");
    let home = directory.path().join("home");
    std::fs::create_dir(&home).expect("made");
    let mut command = Command::new(moved.join("add"));
    command.arg0("-add").env_clear().env("HOME", &home).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(&mut command).exits(134).says(&["out of bounds memory access"]);
    assert_eq!(std::fs::read_dir(&home).expect("a directory").count(), 0);
}

#[test]
fn a_module_is_not_replaced_by_what_is_made_of_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let module = directory.path().join("app");
    std::fs::copy(prebuilt("hello-rust.wasm"), &module).expect("copied");
    let build = |what: &str, options: &str| {
        let words = what.split(' ').chain(["app"]).chain(options.split_whitespace());
        finish(command().current_dir(directory.path()).args(words))
    };
    build("build-exe", "").exits(1).says(&["`", "would be overwritten", "-o FILE"]);
    build("compile", "-o ./app").exits(1).says(&["would be overwritten", "-o FILE"]);
    epsilon(&format!("run {}", module.display())).exits(0).prints("hello, world\n");
    build("compile", "").exits(0);
    assert!(directory.path().join("app.epsilon").exists());
}

/// An attacker with write access to the directory knows the number of the process, and makes a link.
#[test]
fn a_link_at_a_temporary_name_is_not_followed() {
    let directory = tempfile::tempdir().expect("a directory");
    let victim = directory.path().join("victim");
    for (what, output) in [("build-exe", "app"), ("compile", "app.epsilon")] {
        std::fs::write(&victim, "precious").expect("written");
        let script =
            format!("ln -s victim {output}.tmp-$$ && exec \"$0\" {what} -o {output} {}", prebuilt("hello-rust.wasm"));
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_epsilon")]).current_dir(directory.path());
        shell.env("EPSILON_CACHE_DIR", directory.path().join("cache"));
        shell.stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(&mut shell).exits(0);
        assert_eq!(std::fs::read_to_string(&victim).expect("there"), "precious", "{what}");
        assert!(directory.path().join(output).is_file());
    }
    let mut app = std::process::Command::new(directory.path().join("app"));
    finish(app.stdout(Stdio::piped()).stderr(Stdio::piped())).exits(0).prints("hello, world\n");
    let left = std::fs::read_dir(directory.path()).expect("a directory").flatten();
    let left: Vec<_> = left.filter(|entry| entry.file_name().to_string_lossy().contains(".tmp-")).collect();
    assert!(left.iter().all(|entry| entry.file_type().expect("a type").is_symlink()), "{left:?}");
    // What cannot be written is an error, and leaves nothing behind.
    let target = directory.path().join("not-there/app");
    let build = format!("build-exe -o {} {}", target.display(), prebuilt("hello-rust.wasm"));
    epsilon(&build).exits(1).says(&["cannot write", "not-there/app", "No such file"]);
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
