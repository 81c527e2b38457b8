//! Messages: each names the place, and says what to do.

use crate::command::{command, epsilon, epsilon_with_input, finish};

#[test]
fn a_missing_file() {
    epsilon("run dir/not-there.wasm").exits(1).says(&["cannot read `dir/not-there.wasm`: No such file", "help: "]);
    epsilon("vaildate").exits(1).says(&["cannot read `vaildate`", "not a command either", "--help"]);
    epsilon("run .").exits(1).says(&["cannot read `.`: Is a directory", "--dir"]);
}

#[test]
fn a_corrupt_module() {
    let wasm = wat::parse_file(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/hello.wat")).unwrap();
    epsilon_with_input("-", &wasm[..wasm.len() / 2]).exits(1).says(&["cannot load", "(at offset 0x", "damaged"]);
    let mut broken = wasm.clone();
    // The type section's number of types.
    broken[10] = 0xff;
    epsilon_with_input("-", &broken).exits(1).says(&["(at offset 0x", "damaged or incomplete"]);
    epsilon_with_input("-", b"\x7fELF").exits(1).says(&["not a WebAssembly module", ".wasm", ".wat"]);
}

#[test]
fn an_invalid_module_in_the_text_format() {
    epsilon("invalid.wat").exits(1).says(&["cannot load `invalid.wat`", "type mismatch", "(at offset 0x"]);
    epsilon("malformed.wat").exits(1).says(&["malformed.wat:3:4", "i32.cnost"]);
}

#[test]
fn a_component() {
    for arguments in ["-", "inspect -", "validate -"] {
        epsilon_with_input(arguments, b"\0asm\x0d\0\x01\0")
            .exits(1)
            .says(&["this is a component; Epsilon runs core modules", "wasm32-wasip1"]);
    }
}

#[test]
fn a_proposal_that_is_off_or_missing() {
    epsilon("simd.wat").exits(0);
    epsilon("-W simd=n simd.wat").exits(1).says(&["SIMD", "-W simd=y"]);
    epsilon("gc.wat").exits(0);
    epsilon("-W gc=n gc.wat").exits(1).says(&["-W gc=y"]);
    epsilon("stack-switching.wat").exits(1).says(&["Epsilon has no `stack-switching` yet"]);
}

#[test]
fn an_unknown_import() {
    epsilon("--invoke unused imports.wat").exits(1).says(&[
        "`imports.wat` has unresolved imports",
        "`math`.`twice`: func (i32) -> (i32)",
        "--preload math=FILE",
        "--unknown-imports-trap",
    ]);
    let outcome = epsilon("imports-memory.wat");
    outcome.exits(1).says(&["`env`.`memory`: memory 1", "--preload env=FILE"]);
    assert!(!outcome.stderr.contains("--unknown-imports-trap"), "it would not help:\n{}", outcome.stderr);
    epsilon("--unknown-imports-trap imports-memory.wat").exits(1).says(&["`env`.`memory`: memory 1"]);
}

#[test]
fn imports_of_other_systems_are_known_by_name() {
    let cases = [
        ("wasi_snapshot_preview1", "fd_teleport", "an extension of WASI preview 1"),
        ("wasix_32v1", "proc_fork", "WASIX"),
        ("wasi:cli/stdout@0.2.0", "get-stdout", "component"),
        ("__wbindgen_placeholder__", "__wbindgen_throw", "JavaScript"),
    ];
    for (module, name, words) in cases {
        let text = format!(r#"(module (import "{module}" "{name}" (func)) (func (export "_start")))"#);
        epsilon_with_input("-", text.as_bytes()).exits(1).says(&[name, words]);
    }
}

#[test]
fn an_import_of_another_type() {
    let text = br#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i64))) (func (export "_start")))"#;
    epsilon_with_input("-", text).exits(1).says(&["proc_exit", "(i64) -> ()", "(i32) -> ()"]);
}

#[test]
fn nothing_to_run() {
    epsilon("library.wat").exits(1).says(&[
        "`library.wat` is not a program: it does not export `_start`",
        "--invoke NAME",
        "add (i32, i32) -> (i32)",
        "nothing () -> ()",
    ]);
    epsilon("reactor.wat").exits(1).says(&["--invoke NAME", "get () -> (i32)"]);
    epsilon_with_input("-", b"(module)").exits(1).says(&["exports no functions"]);
}

#[test]
fn a_start_function_of_another_type() {
    let text = br#"(module (func (export "_start") (param i32)))"#;
    epsilon_with_input("-", text).exits(1).says(&["_start", "() -> ()", "(i32) -> ()", "--invoke _start"]);
}

#[test]
fn a_wrong_command_line() {
    epsilon("").exits(2).says(&["Usage: epsilon"]);
    epsilon("run").exits(2).says(&["FILE"]);
    epsilon("--no-such-flag hello.wat").exits(2).says(&["--no-such-flag"]);
    epsilon("-W no-such-key=1 hello.wat").exits(2).says(&[
        "unknown key `no-such-key`",
        "max-memory-size",
        "timeout",
        "simd",
    ]);
    epsilon("-O no-such-key hello.wat").exits(2).says(&["unknown key `no-such-key`", "opt-level"]);
    epsilon("-W timeout=10 hello.wat").exits(2).says(&["`10` is not a time", "10s"]);
    epsilon("-W max-memory-size=big hello.wat").exits(2).says(&["`big` is not a size", "64M"]);
    epsilon("-O memory=magic hello.wat").exits(2).says(&["auto, guarded, checked"]);
}

#[test]
fn settings_that_contradict_each_other() {
    epsilon("-O memory=checked,memory-at-anchor=y hello.wat").exits(1).says(&["memory_at_anchor"]);
}

#[test]
fn no_colours_but_on_a_terminal() {
    let outcome = finish(command().arg("trap.wat"));
    assert!(!outcome.stderr.contains('\x1b'), "{:?}", outcome.stderr);
    let outcome = finish(command().arg("trap.wat").env("CLICOLOR_FORCE", "1"));
    assert!(outcome.stderr.contains('\x1b'), "{:?}", outcome.stderr);
}
