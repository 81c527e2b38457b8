//! Real programs, built from Rust and C.

use crate::command::{command, epsilon, finish, prebuilt};

#[test]
fn a_rust_program_prints() {
    epsilon(&prebuilt("hello-rust.wasm")).exits(0).prints("hello, world\n");
}

#[test]
fn a_c_program_traps_with_files_and_lines() {
    epsilon(&format!("{} d", prebuilt("trap-dwarf.wasm"))).exits(134).says(&[
        "trapped: integer divide by zero",
        "read_cell",
        "trap-dwarf/main.c:38",
        "sum_table",
    ]);
}

#[test]
fn a_cpp_program_that_nobody_catches_ends_with_tag_payload_and_frames() {
    epsilon(&format!("{} uncaught", prebuilt("cpp-throw.wasm"))).exits(134).prints("nobody catches this\n").says(&[
        "ended with an uncaught exception: tag 0 of its store, payload (i32 ",
        "(anonymous namespace)::descend(int)",
        "- main in cpp-throw.wasm",
    ]);
}

#[test]
fn a_program_reads_a_file_of_the_host() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guests/csv");
    let expected = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guests/expected/csv.stdout");
    let mut command = command();
    command.arg("--dir-ro").arg(format!("{data}::/data")).arg(prebuilt("csv.wasm")).arg("/data/sales.csv");
    finish(&mut command).exits(0).prints(&std::fs::read_to_string(expected).unwrap());
}
