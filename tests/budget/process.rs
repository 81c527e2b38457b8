//! What the process lacks: descriptors, address space. Limits of a process are set in children.

use crate::support::{engine, module};
use epsilon::{Instance, Module, Store};
use std::process::Command;

/// Runs a test of this file again, alone in a child of which `ulimit` is set as given, in kilobytes or pieces.
fn with_ulimit(test: &str, flag: &str, value: u64) {
    let this = std::env::current_exe().expect("this test");
    let command = format!("ulimit {flag} {value} && exec \"$0\" --exact process::{test} --nocapture --test-threads=1");
    let output =
        Command::new("sh").args(["-c", &command]).arg(this).env("EPSILON_TEST_CHILD", test).output().expect("a shell");
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{test} under `ulimit {flag} {value}`: {}", String::from_utf8_lossy(&text));
}

/// Whether this is the child of [`with_ulimit`].
fn is_child(test: &str) -> bool {
    std::env::var("EPSILON_TEST_CHILD").is_ok_and(|child| child == test)
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(usize::MAX, Iterator::count)
}

/// A module with so many memories that each have an image of two pages at least.
fn many_images(memories: usize) -> String {
    let memory =
        |n| format!("(memory 1) (data (memory {n}) (i32.const 0) \"a\") (data (memory {n}) (i32.const 20000) \"b\")");
    let read: String = (0..memories).map(|n| format!("(i32.load8_u {n} (i32.const 20000))")).collect();
    let add = "(i32.add)".repeat(memories - 1);
    let memories: String = (0..memories).map(memory).collect();
    format!("(module {memories} (func (export \"sum\") (result i32) {read} {add}))")
}

#[test]
fn images_take_no_descriptors() {
    if !is_child("images_take_no_descriptors") {
        return with_ulimit("images_take_no_descriptors", "-n", 200);
    }
    let engine = engine();
    let before = descriptors();
    let text = many_images(100);
    let kept: Vec<Module> = (0..20).map(|_| module(&engine, &text)).collect();
    assert!(descriptors() < before + 30, "{} of {before}", descriptors());
    std::fs::File::open("/dev/null").expect("the host still opens files");
    for module in &kept {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, module, &[]).expect("an instance");
        let sum = instance.get_typed_func::<(), i32>(&mut store, "sum").expect("exported");
        assert_eq!(sum.call(&mut store, ()).expect("no trap"), 100 * i32::from(b'b'));
    }
}

#[test]
fn images_do_without_files() {
    if !is_child("images_do_without_files") {
        return with_ulimit("images_do_without_files", "-f", 0);
    }
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let module = Module::new(&engine, many_images(10)).expect("a module");
    let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
    let sum = instance.get_typed_func::<(), i32>(&mut store, "sum").expect("exported");
    assert_eq!(sum.call(&mut store, ()).expect("no trap"), 10 * i32::from(b'b'));
}

#[test]
fn growth_takes_what_there_is() {
    const NAME: &str = "growth_takes_what_there_is";
    if !is_child(NAME) {
        return (350..=450).step_by(10).for_each(|thousand| with_ulimit(NAME, "-v", thousand * 1000));
    }
    let engine = engine();
    let text = "(module (memory 257) (func (export \"f\") (result i32) (memory.grow (i32.const 1))))";
    let mut store = Store::new(&engine, ());
    // With too little for the instance itself, there is nothing to grow.
    let Ok(instance) = Instance::new(&mut store, &module(&engine, text), &[]) else { return };
    let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("exported");
    for pages in 257..270 {
        // Nor with too little for a stack.
        let Ok(grown) = f.call(&mut store, ()) else { return };
        assert_eq!(grown, pages);
    }
}

#[test]
fn tables_without_memory_are_an_error() {
    const NAME: &str = "tables_without_memory_are_an_error";
    if !is_child(NAME) {
        return with_ulimit(NAME, "-v", 2_000_000);
    }
    let engine = engine();
    let tables = "(table 10000000 funcref)".repeat(40);
    let large = module(&engine, &format!("(module {tables} (func (export \"_start\")))"));
    let small = module(
        &engine,
        "(module (table 10 funcref) (func (export \"f\") (result i32) (table.grow (ref.null func) (i32.const 9999990))))",
    );
    let mut store = Store::new(&engine, ());
    for _ in 0..3 {
        let error = Instance::new(&mut store, &large, &[]).expect_err("6.4 GB");
        assert!(error.to_string().contains("the system is out of memory: cannot allocate a table"), "{error}");
    }
    let mut grown = 0;
    loop {
        let instance = Instance::new(&mut store, &small, &[]).expect("an instance");
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("exported");
        match f.call(&mut store, ()).expect("no trap") {
            -1 => break,
            old => assert_eq!(old, 10),
        }
        grown += 1;
    }
    assert!((1..40).contains(&grown));
}

#[test]
fn a_shared_memory_grows_as_far_as_its_address_space() {
    let engine = engine();
    let text = |max: &str| {
        format!(
            "(module (memory (export \"m\") i64 1 {max} shared)
            (func (export \"grow\") (param i64) (result i64) (memory.grow (local.get 0))))"
        )
    };
    for max in ["1099511627776", "281474976710656", "65536", "70000", "1"] {
        let module = module(&engine, &text(max));
        for _ in 0..3 {
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
            let grow = instance.get_typed_func::<i64, i64>(&mut store, "grow").expect("exported");
            assert_eq!(grow.call(&mut store, 1 << 47).expect("no trap"), -1);
            assert_eq!(grow.call(&mut store, 1 << 40).expect("no trap"), -1);
            let expected = if max == "1" { -1 } else { 1 };
            assert_eq!(grow.call(&mut store, 1).expect("no trap"), expected, "{max}");
        }
    }
}
