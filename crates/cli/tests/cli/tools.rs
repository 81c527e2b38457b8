//! The other commands: `wast`, `validate`, `inspect`, `completions`, `--version`.

use crate::command::{epsilon, epsilon_with_input, prebuilt};

#[test]
fn scripts_pass_or_say_where_they_fail() {
    epsilon("wast passing.wast").exits(0).prints("passing.wast: assertions passed: 2, directives failed: 0\n");
    let outcome = epsilon("wast failing.wast passing.wast");
    outcome.exits(1);
    assert!(outcome.stdout.contains("failing.wast:3:2: "), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("failing.wast: assertions passed: 1, directives failed: 1"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("passing.wast: assertions passed: 2"), "{}", outcome.stdout);
    epsilon("wast not-there.wast").exits(1).says(&["not-there.wast"]);
    epsilon("wast -O memory=checked,opt-level=0 passing.wast").exits(0);
}

#[test]
fn modules_are_valid_or_not() {
    epsilon("validate hello.wat library.wat").exits(0).prints("hello.wat: valid\nlibrary.wat: valid\n");
    epsilon("validate invalid.wat hello.wat")
        .exits(1)
        .prints("hello.wat: valid\n")
        .says(&["cannot load `invalid.wat`", "type mismatch"]);
    epsilon("validate -W simd=n simd.wat").exits(1).says(&["-W simd=y"]);
    epsilon_with_input("validate -", b"(module)").exits(0).prints("standard input: valid\n");
}

#[test]
fn a_module_is_told_for_people() {
    let outcome = epsilon("inspect everything.wat");
    outcome.exits(0);
    for words in [
        "Name          everything",
        "a library",
        "2 defined, 1 imported",
        "env.log    func (i32, i64) -> ()",
        "table    table funcref of 2 to 10 elements",
        "memory   memory 1 to 4 pages of 64 KiB",
        "1 or more pages of 64 KiB, 64-bit",
        "counter  global mut i64",
        "run      func (f32, f64, v128) -> (i32)",
        "custom `note`",
        "language      Rust   1.90",
    ] {
        assert!(outcome.stdout.contains(words), "{words:?} is not in\n{}", outcome.stdout);
    }
}

#[test]
fn a_module_is_told_for_programs() {
    let outcome = epsilon("inspect --json everything.wat");
    let told: serde_json::Value = serde_json::from_str(&outcome.exits(0).stdout).unwrap();
    assert_eq!(told["name"], "everything");
    assert_eq!(told["kind"], "library");
    assert_eq!(told["wasi"], serde_json::Value::Null);
    assert_eq!(told["functions"]["defined"], 2);
    assert_eq!(told["functions"]["imported"], 1);
    assert_eq!(told["imports"][0]["module"], "env");
    assert_eq!(told["imports"][1]["type"], "global i32");
    let names: Vec<_> =
        told["exports"].as_array().unwrap().iter().map(|export| export["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["table", "memory", "counter", "run"], "in the order of the module");
    assert_eq!(told["memories"].as_array().unwrap().len(), 2);
    assert_eq!(told["start"], 1);
    assert_eq!(told["producers"][1]["name"], "clang");
    let sections = told["sections"].as_array().unwrap();
    let sizes: u64 = sections.iter().map(|section| section["size_bytes"].as_u64().unwrap()).sum();
    assert!(sizes < told["size_bytes"].as_u64().unwrap());
}

#[test]
fn real_programs_are_recognized() {
    let told = |name: &str| {
        let outcome = epsilon(&format!("inspect --json {}", prebuilt(name)));
        serde_json::from_str::<serde_json::Value>(&outcome.exits(0).stdout).unwrap()
    };
    let hello = told("hello-rust.wasm");
    assert_eq!(hello["kind"], "command");
    assert_eq!(hello["wasi"], "preview 1");
    let traps = told("trap-dwarf.wasm");
    assert_eq!(traps["has_dwarf"], true);
    assert_eq!(traps["has_names"], true);
}

#[test]
fn what_was_compiled_ahead_can_be_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (artifact, executable) = (path("traps.epsilon"), path("traps"));
    epsilon(&format!("compile {} -o {artifact}", prebuilt("trap-dwarf.wasm"))).exits(0);
    epsilon(&format!("build-exe {} -o {executable} -- --dir .", prebuilt("trap-dwarf.wasm"))).exits(0);
    for (file, form) in [(&artifact, "an artifact, with a key"), (&executable, "an executable, with a key")] {
        let outcome = epsilon(&format!("inspect {file}"));
        outcome.exits(0);
        for words in [form, "Target        ", "-unknown-linux", "a command", "preview1.fd_write", "DWARF"] {
            assert!(outcome.stdout.contains(words), "{words:?} is not in\n{}", outcome.stdout);
        }
        assert_eq!(outcome.stdout.contains("--dir ."), file == &executable);
    }
    let outcome = epsilon(&format!("inspect --json {executable}"));
    let told: serde_json::Value = serde_json::from_str(&outcome.exits(0).stdout).unwrap();
    assert_eq!(told["compiled"]["form"], "executable");
    assert_eq!(told["compiled"]["options"][1], ".");
    assert!(told["functions"]["defined"].as_u64().unwrap() > 0);
    std::fs::write(path("damaged"), &std::fs::read(&artifact).unwrap()[..200]).unwrap();
    epsilon(&format!("inspect {}", path("damaged"))).exits(1).says(&["damaged", "truncated"]);
}

#[test]
fn what_cannot_be_run_can_be_looked_at() {
    epsilon("inspect gc.wat").exits(0);
    epsilon("inspect not-there.wasm").exits(1).says(&["cannot read `not-there.wasm`"]);
    epsilon_with_input("inspect -", b"\0asm\x01\0\0\0\x01\xff").exits(1).says(&["(at offset 0x"]);
    epsilon_with_input("inspect -", b"nonsense").exits(1).says(&["not a WebAssembly module"]);
}

#[test]
fn shells_are_told_the_words() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let outcome = epsilon(&format!("completions {shell}"));
        outcome.exits(0);
        assert!(outcome.stdout.contains("epsilon") && outcome.stdout.contains("validate"), "{shell}");
    }
    epsilon("completions no-such-shell").exits(2).says(&["bash"]);
}

#[test]
fn the_version_is_told() {
    epsilon("--version").exits(0).prints(concat!("epsilon ", env!("CARGO_PKG_VERSION"), "\n"));
}
