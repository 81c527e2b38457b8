//! `-W`: how much a guest may take.

use crate::command::{command, epsilon, finish, prebuilt};
use std::process::Command;

#[test]
fn memory_grows_up_to_the_limit() {
    epsilon("-W max-memory-size=192K --invoke grow library.wat 2").exits(0).prints("1\n");
    epsilon("-W max-memory-size=191K --invoke grow library.wat 2").exits(0).prints("-1\n");
    epsilon("-W max-memory-size=191K,trap-on-grow-failure --invoke grow library.wat 2").exits(134).says(&[
        "a memory cannot grow to 196608",
        "`max-memory-size` is 195584",
        "wasm backtrace",
    ]);
}

#[test]
fn a_module_that_begins_beyond_a_limit_is_refused() {
    epsilon("-W max-memory-size=1000 hello.wat").exits(1).says(&["cannot instantiate `hello.wat`", "memory 1", "-W"]);
    epsilon("-W max-table-elements=1 --unknown-imports-trap --preload env=everything.wat hello.wat").exits(1);
}

#[test]
fn the_stack_is_as_large_as_told() {
    epsilon("-W max-wasm-stack=1M --invoke depth library.wat 1000").exits(0).prints("1000\n");
    epsilon("-W max-wasm-stack=64K --invoke depth library.wat 100000").exits(134).says(&[
        "call stack exhausted",
        "more frames",
        "-W max-wasm-stack=64M",
    ]);
    epsilon("-W max-wasm-stack=64M --invoke depth library.wat 1000000").exits(0).prints("1000000\n");
}

/// Runs the command with this `ulimit -s`, in KiB.
fn epsilon_with_stack(kib: u32, arguments: &str) -> crate::command::Outcome {
    let prepared = command();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -s {kib} && exec \"$0\" {arguments}")]).arg(prepared.get_program());
    shell.current_dir(prepared.get_current_dir().unwrap());
    shell.envs(prepared.get_envs().filter_map(|(name, value)| Some((name, value?))));
    finish(shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()))
}

#[test]
fn little_stack_of_the_host_is_enough() {
    for kib in [128, 256, 8192] {
        for cache in ["--no-cache", "-O compilation=eager --no-cache", "", ""] {
            epsilon_with_stack(kib, &format!("{cache} {}", prebuilt("hello-rust.wasm")))
                .exits(0)
                .prints("hello, world\n");
        }
        epsilon_with_stack(kib, &format!("--no-cache {} d", prebuilt("trap-dwarf.wasm")))
            .exits(134)
            .says(&["trapped: integer divide by zero", "trap-dwarf/main.c:38"]);
        epsilon_with_stack(kib, "--no-cache --invoke depth library.wat 1000").exits(0).prints("1000\n");
        epsilon_with_stack(kib, "-W max-wasm-stack=64K --no-cache --invoke depth library.wat 100000")
            .exits(134)
            .says(&["call stack exhausted", "-W max-wasm-stack=64M"]);
        epsilon_with_stack(kib, "-W timeout=100ms --no-cache loop.wat").exits(124);
    }
}

#[test]
fn the_memory_that_threads_share_counts() {
    epsilon("-W max-memory-size=200M shared-import.wat").exits(0).prints("");
    epsilon("-W max-memory-size=64M shared-import.wat").exits(1).says(&["`shared-import.wat`", "-W max-memory-size"]);
    epsilon("-W max-total-memory=64M shared-import.wat").exits(1).says(&["125 MiB", "64 MiB", "-W max-total-memory"]);
}

#[test]
fn all_that_the_guest_holds_counts() {
    epsilon("-W max-total-memory=1M --invoke grow library.wat 2").exits(0).prints("1\n");
    epsilon("-W max-total-memory=1M --invoke grow library.wat 20").exits(0).prints("-1\n");
    epsilon("-W max-total-memory=1M,trap-on-grow-failure --invoke grow library.wat 20").exits(134).says(&[
        "linear memories",
        "-W max-total-memory",
        "wasm backtrace",
    ]);
}
