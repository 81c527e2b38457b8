//! Programs with threads.

use crate::command::{epsilon, prebuilt};

#[test]
fn a_program_with_threads_is_right_every_time() {
    let expected = include_str!("../../../../tests/guests/expected/threads-rust.stdout");
    for memory in ["guarded", "checked"] {
        for _ in 0..5 {
            epsilon(&format!("run -O memory={memory} {}", prebuilt("threads-rust.wasm"))).exits(0).prints(expected);
        }
    }
}

#[test]
fn any_thread_ends_the_program() {
    epsilon(&format!("{} exit", prebuilt("threads-rust.wasm"))).exits(7).prints("ending\n");
    epsilon(&format!("{} leave", prebuilt("threads-rust.wasm"))).exits(0).prints("left\n");
    let trap = epsilon(&format!("{} trap", prebuilt("threads-rust.wasm")));
    trap.exits(134).says(&["trapped: unreachable", "wasi_thread_start"]);
}

#[test]
fn a_time_limit_ends_all_threads() {
    let guest = prebuilt("threads-rust.wasm");
    epsilon(&format!("run -W timeout=200ms {guest} forever")).exits(124).says(&["200ms"]);
}
