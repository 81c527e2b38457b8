//! `--invoke`: arguments of every type, results of every type, and what is said when they do not fit.

use crate::command::{command, epsilon, finish};

#[track_caller]
fn check(call: &str, results: &str) {
    epsilon(&format!("--invoke {call}")).exits(0).prints(results);
}

#[test]
fn values_of_every_type() {
    check("add library.wat 2 3", "5\n");
    check("add library.wat -1 0xffffffff", "-2\n");
    check("i64 library.wat -9223372036854775807", "-9223372036854775808\n");
    check("i64 library.wat 18446744073709551615", "-2\n");
    check("f32 library.wat 1", "0.33333334\n");
    check("f32 library.wat -inf", "-inf\n");
    check("f64 library.wat 2", "1.4142135623730951\n");
    check("v128 library.wat 0xfffefdfcfbfaf9f8f7f6f5f4f3f2f1f0", "0x000102030405060708090a0b0c0d0e0f\n");
    check("references library.wat null null", "null\nnull\n");
    check("many library.wat 1 2 0.5 -0.25", "-0.25\n0.5\n2\n1\n");
    check("nothing library.wat", "");
}

#[test]
fn a_nan_has_a_sign_and_a_payload() {
    // Which NaN the root of -1 is, the specification leaves open.
    let root = epsilon("--invoke f64 library.wat -1e0");
    assert_eq!(root.exits(0).stdout.trim_start_matches('-'), "nan\n");
    for nan in ["nan", "-nan", "nan:0x123456", "-nan:0x1", "nan:0x7fffff"] {
        check(&format!("same32 library.wat {nan}"), &format!("{nan}\n"));
    }
    for nan in ["nan", "-nan", "nan:0x123456", "-nan:0x8000000000001", "nan:0xfffffffffffff"] {
        check(&format!("same64 library.wat {nan}"), &format!("{nan}\n"));
    }
    check("same32 library.wat nan:0x400000", "nan\n");
    check("same32 library.wat NaN", "nan\n");
    for nan in ["nan:0x800000", "nan:0x0", "nan:", "nan:1", "nann"] {
        epsilon(&format!("--invoke same32 library.wat {nan}")).exits(1).says(&["is not a valid f32", "nan:0x200001"]);
    }
}

#[test]
fn a_reactor_is_initialized_first() {
    check("get reactor.wat", "7\n");
}

#[test]
fn a_program_can_be_called_by_name() {
    check("_start hello.wat", "hello\n");
    epsilon("--invoke _start exit.wat").exits(42);
}

#[test]
fn an_argument_that_does_not_fit() {
    epsilon("--invoke add library.wat 2 three").exits(1).says(&[
        "argument 2 of `add`",
        "\"three\" is not a valid i32",
        "add (i32, i32) -> (i32)",
    ]);
    epsilon("--invoke add library.wat 4294967296 0").exits(1).says(&["argument 1 of `add`", "in its range"]);
    epsilon("--invoke f64 library.wat x").exits(1).says(&["argument 1 of `f64`", "is not a valid f64", "1.5"]);
    epsilon("--invoke v128 library.wat x").exits(1).says(&["is not a valid v128", "0x0001020304"]);
    epsilon("--invoke references library.wat 0 null").exits(1).says(&["is not a valid externref", "null"]);
    finish(command().args(["--invoke", "add", "library.wat", "", "1"])).exits(1).says(&["argument 1 of `add`: \"\""]);
}

#[test]
fn too_few_and_too_many_arguments() {
    epsilon("--invoke add library.wat 2").exits(1).says(&[
        "argument 2 of `add` is missing",
        "of type i32",
        "add (i32, i32) -> (i32)",
    ]);
    epsilon("--invoke v128 library.wat").exits(1).says(&["argument 1 of `v128` is missing", "of type v128"]);
    epsilon("--invoke add library.wat 2 3 4").exits(1).says(&["too many arguments: `add` does not take an argument 3"]);
}

#[test]
fn a_function_that_is_not_there() {
    epsilon("--invoke addd library.wat 2 3")
        .exits(1)
        .says(&["`library.wat` does not export a function `addd`", "add (i32, i32) -> (i32)"]);
    epsilon("--invoke memory library.wat").exits(1).says(&["`memory` of `library.wat` is not a function", "memory 1"]);
}

#[test]
fn a_call_that_traps() {
    epsilon("--invoke trap library.wat").exits(134).prints("").says(&["`library.wat` trapped: unreachable"]);
}
