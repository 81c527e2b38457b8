//! The micro costs, written once: `ours.rs` and `theirs.rs` each compile this file against their `vm`, which have the
//! same names for the same things. Knows nothing of settings.

use super::store;
use super::vm::{Engine, Instance, Linker, Module, Result, Store};
use crate::micro::Work;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Times something that is done again and again.
fn repeated<R>(mut once: impl FnMut() -> R + 'static) -> Result<Work> {
    Ok(Box::new(move |times| {
        let started = Instant::now();
        for _ in 0..times {
            black_box(once());
        }
        started.elapsed()
    }))
}

/// A new store, an instance with a memory of 1 MiB, a table and a data segment, and the end of both.
pub fn instantiate(engine: &Engine) -> Result<Work> {
    instances(engine, "")
}

/// The same, and the start function writes to a page.
pub fn instantiate_and_write(engine: &Engine) -> Result<Work> {
    instances(engine, "(start $write)")
}

fn instances(engine: &Engine, start: &str) -> Result<Work> {
    let module = Module::new(
        engine,
        format!(
            r#"(module
                (memory (export "memory") 16)
                (table 8 funcref)
                (elem (i32.const 0) $write $read $write $read)
                (data (i32.const 1024) "some bytes that are there from the beginning")
                (func $write (i32.store (i32.const 524288) (i32.const 1)))
                (func $read (drop (i32.load (i32.const 524288))))
                (func (export "call") (param i32) (call_indirect (local.get 0)))
                {start})"#
        ),
    )?;
    let pre = Linker::<()>::new(engine).instantiate_pre(&module)?;
    let engine = engine.clone();
    repeated(move || {
        let mut store = store(&engine);
        pre.instantiate(&mut store).expect("an instance")
    })
}

/// A typed call of a function that returns its parameter.
pub fn call_in(engine: &Engine) -> Result<Work> {
    let (mut store, instance) = one(engine, r#"(module (func (export "f") (param i32) (result i32) (local.get 0)))"#)?;
    let func = instance.get_typed_func::<i32, i32>(&mut store, "f")?;
    repeated(move || func.call(&mut store, 7).expect("it returns"))
}

/// Calls of a host function without arguments.
pub fn call_out(engine: &Engine) -> Result<Work> {
    looped(engine, r#"(import "" "f" (func $f))"#, "(call $f)")
}

/// Calls of a host function with two arguments and a result.
pub fn call_out_with_two(engine: &Engine) -> Result<Work> {
    let body = "(local.set $sum (call $g (local.get $left) (local.get $sum)))";
    looped(engine, r#"(import "" "g" (func $g (param i32 i32) (result i32)))"#, body)
}

/// Calls through a private table of four functions of one type.
pub fn call_indirect(engine: &Engine) -> Result<Work> {
    let fields = "(type $t (func (param i32) (result i32))) (table 4 4 funcref) (elem (i32.const 0) $a $b $c $d)
        (func $a (type $t) (i32.add (local.get 0) (i32.const 1)))
        (func $b (type $t) (i32.xor (local.get 0) (i32.const 5)))
        (func $c (type $t) (i32.sub (local.get 0) (i32.const 3)))
        (func $d (type $t) (i32.rotl (local.get 0) (i32.const 1)))";
    let index = "(i32.and (local.get $left) (i32.const 3))";
    looped(engine, fields, &format!("(local.set $sum (call_indirect (type $t) (local.get $sum) {index}))"))
}

/// An exception that the caller of the function that throws it catches.
pub fn throw(engine: &Engine) -> Result<Work> {
    let fields = "(tag $e) (func $f (throw $e))";
    looped(engine, fields, "(block $caught (try_table (catch $e $caught) (call $f)))")
}

/// A loop in wasm around a body; a time is one turn.
fn looped(engine: &Engine, fields: &str, body: &str) -> Result<Work> {
    let text = format!(
        r#"(module {fields}
            (func (export "run") (param $left i32) (result i32) (local $sum i32)
                (loop $again
                    {body}
                    (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
                (local.get $sum)))"#
    );
    let (mut store, instance) = one(engine, &text)?;
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
    Ok(Box::new(move |times| {
        let started = Instant::now();
        black_box(run.call(&mut store, times as i32).expect("it returns"));
        started.elapsed()
    }))
}

/// The 27th Fibonacci number, by recursion.
pub fn fib(engine: &Engine) -> Result<Work> {
    let text = r#"(module (func $fib (export "fib") (param i32) (result i32)
        (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
            (then (local.get 0))
            (else (i32.add
                (call $fib (i32.sub (local.get 0) (i32.const 1)))
                (call $fib (i32.sub (local.get 0) (i32.const 2))))))))"#;
    let (mut store, instance) = one(engine, text)?;
    let fib = instance.get_typed_func::<i32, i32>(&mut store, "fib")?;
    repeated(move || assert_eq!(fib.call(&mut store, 27).expect("it returns"), 196_418))
}

/// A trap three frames deep, and the error that it becomes.
pub fn trap(engine: &Engine) -> Result<Work> {
    let text = r#"(module
        (func $c (if (i32.load (i32.const 0)) (then (return))) unreachable)
        (func $b (call $c) (i32.store (i32.const 4) (i32.const 1)))
        (func (export "a") (call $b) (i32.store (i32.const 8) (i32.const 1)))
        (memory 1))"#;
    let (mut store, instance) = one(engine, text)?;
    let trap = instance.get_typed_func::<(), ()>(&mut store, "a")?;
    repeated(move || trap.call(&mut store, ()).expect_err("it traps"))
}

/// A store with one instance, and host functions for modules that import them.
fn one(engine: &Engine, text: &str) -> Result<(Store<()>, Instance)> {
    let module = Module::new(engine, text)?;
    let mut linker = Linker::new(engine);
    linker.func_wrap("", "f", || ())?;
    linker.func_wrap("", "g", |a: i32, b: i32| a.wrapping_add(b))?;
    let mut store = store(engine);
    let instance = linker.instantiate(&mut store, &module)?;
    Ok((store, instance))
}

/// Makes instances with a memory of 64 KiB, each in a store of its own, until there can be no more.
pub fn live(engine: &Engine) -> Result<(usize, String)> {
    const ENOUGH: usize = 70_000;
    let module = Module::new(engine, r#"(module (memory (export "memory") 1))"#)?;
    let pre = Linker::<()>::new(engine).instantiate_pre(&module)?;
    let mut stores = Vec::new();
    while stores.len() < ENOUGH {
        let mut store = store(engine);
        if let Err(error) = pre.instantiate(&mut store) {
            return Ok((stores.len(), error.to_string()));
        }
        stores.push(store);
    }
    Ok((ENOUGH, "stopped there".into()))
}

/// How long it takes to end a guest that loops: from the request to the end of the call, on another thread.
pub type Endless = Box<dyn FnMut() -> Duration>;

/// `prepare` is called before each run, `interrupt` during it.
pub fn endless(
    engine: &Engine,
    mut store: Store<()>,
    prepare: impl Fn(&mut Store<()>) + Send + 'static,
    interrupt: impl Fn() + 'static,
) -> Result<Endless> {
    let module = Module::new(
        engine,
        r#"(module (import "" "started" (func $started)) (func (export "run")
            (call $started) (loop $again (br $again))))"#,
    )?;
    let runs = Arc::new(AtomicBool::new(false));
    let mut linker = Linker::new(engine);
    let started = runs.clone();
    linker.func_wrap("", "started", move || started.store(true, Ordering::SeqCst))?;
    let instance = linker.instantiate(&mut store, &module)?;
    let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
    let (requests, inbox) = channel::<()>();
    let (outbox, ended) = channel();
    std::thread::spawn(move || {
        while inbox.recv().is_ok() {
            prepare(&mut store);
            run.call(&mut store, ()).expect_err("it is interrupted");
            if outbox.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    Ok(Box::new(move || {
        requests.send(()).expect("it waits");
        while !runs.swap(false, Ordering::SeqCst) {
            std::thread::sleep(Duration::from_micros(100));
        }
        // Into the loop, out of the call by which it says that it has started.
        std::thread::sleep(Duration::from_micros(200));
        let requested = Instant::now();
        interrupt();
        ended.recv().expect("it ends").duration_since(requested)
    }))
}
