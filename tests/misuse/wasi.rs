//! What the embedder gives WASI: streams, clocks and random numbers that panic or lie, and contexts used wrongly.

use crate::support::module;
use epsilon::{Engine, Linker, Store, TypedFunc};
use epsilon_wasi::{Clocks, Errno, InputStream, OutputStream, Random, WasiCtx, add_to_linker};
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Debug, PartialEq)]
struct Thrown;

/// Does one thing or another, in every role: panics on odd calls.
#[derive(Debug, Clone, Default)]
struct Nasty {
    calls: Arc<AtomicU32>,
    lies: bool,
}

impl Nasty {
    fn act(&self, len: usize) -> usize {
        if self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) && !self.lies {
            panic_any(Thrown);
        }
        if self.lies { usize::MAX } else { len }
    }
}

impl Write for Nasty {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(self.act(buffer.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.act(0);
        Ok(())
    }
}

impl Read for Nasty {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.act(buffer.len()))
    }
}

impl Clocks for Nasty {
    fn now_ns(&mut self, _: u32) -> Result<u64, Errno> {
        Ok(self.act(1) as u64)
    }

    fn resolution_ns(&self, _: u32) -> Result<u64, Errno> {
        Ok(self.act(1) as u64)
    }
}

impl Random for Nasty {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        self.act(buffer.len());
        Ok(())
    }
}

const GUEST: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func $iovec (param $len i32) (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (local.get $len)))
    (func (export "out") (result i32) (call $iovec (i32.const 30)) (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (func (export "much") (result i32) (call $iovec (i32.const 40000)) (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (func (export "err") (result i32) (call $iovec (i32.const 30)) (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
    (func (export "in") (result i32) (call $iovec (i32.const 30)) (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (func (export "time") (result i32) (call $time (i32.const 0) (i64.const 1) (i32.const 16)))
    (func (export "random") (result i32) (call $random (i32.const 1024) (i32.const 64))))"#;

const CALLS: [&str; 6] = ["out", "much", "err", "in", "time", "random"];

fn guest(engine: &Engine, nasty: &Nasty) -> (Store<WasiCtx>, Vec<TypedFunc<(), i32>>) {
    let mut context = WasiCtx::builder();
    context.stdin(InputStream::stream(nasty.clone())).stdout(OutputStream::stream(nasty.clone()));
    context.stderr(OutputStream::stream(nasty.clone())).clocks(nasty.clone()).random(nasty.clone());
    let mut store = Store::new(engine, context.build());
    let mut linker = Linker::new(engine);
    add_to_linker(&mut linker, |context: &mut WasiCtx| context).expect("new names");
    let instance = linker.instantiate(&mut store, &module(engine, GUEST)).expect("an instance");
    let calls = CALLS.map(|name| instance.get_typed_func(&mut store, name).expect("exported"));
    (store, calls.into())
}

/// Panics of streams, clocks and sources come out of the call, and the context goes on.
#[test]
fn panics_of_what_the_embedder_gave_come_out() {
    let engine = crate::support::engine();
    let nasty = Nasty::default();
    let (mut store, calls) = guest(&engine, &nasty);
    for round in 0..4 {
        for (call, name) in calls.iter().zip(CALLS) {
            let asked = nasty.calls.load(Ordering::Relaxed);
            match catch_unwind(AssertUnwindSafe(|| call.call(&mut store, ()))) {
                Ok(result) => drop(result.unwrap_or_else(|error| panic!("{name} {round}: {error:?}"))),
                Err(payload) => {
                    assert_eq!(payload.downcast_ref(), Some(&Thrown), "{name} {round}");
                    assert!(nasty.calls.load(Ordering::Relaxed) > asked);
                }
            }
        }
    }
    // What is still held back is written when the context goes, and that may panic as well.
    drop(catch_unwind(AssertUnwindSafe(|| drop(store))));
}

/// A panic that unwinds through the owner of the store must not meet a second one of the same stream.
#[test]
fn a_panic_of_a_stream_does_not_end_the_process() {
    let engine = crate::support::engine();
    for name in ["out", "much", "err"] {
        let at = CALLS.iter().position(|call| *call == name).expect("there");
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let nasty = Nasty::default();
            let (mut store, calls) = guest(&engine, &nasty);
            for _ in 0..4 {
                // Until what is held back no longer fits, and is written.
                calls[at].call(&mut store, ()).expect("no trap");
            }
            store.data().flush().expect("no error");
            // The store is dropped while the panic passes.
        }));
        assert_eq!(unwound.expect_err(name).downcast_ref(), Some(&Thrown), "{name}");
    }
}

/// Streams that say that they moved more than there was.
#[test]
fn lies_of_streams_stay_with_the_guest() {
    let engine = crate::support::engine();
    let nasty = Nasty { lies: true, ..Nasty::default() };
    let (mut store, calls) = guest(&engine, &nasty);
    for _ in 0..4 {
        for (call, name) in calls.iter().zip(CALLS) {
            call.call(&mut store, ()).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        }
    }
}

#[test]
fn contexts_move_between_stores_and_outlive_their_guests() {
    let engine = crate::support::engine();
    let (mut store, calls) = guest(&engine, &Nasty { lies: true, ..Nasty::default() });
    assert_eq!(calls[0].call(&mut store, ()).expect("no trap"), 0);
    let mut context = store.into_data();
    for _ in 0..3 {
        let mut store = Store::new(&engine, context);
        let mut linker = Linker::new(&engine);
        add_to_linker(&mut linker, |context: &mut WasiCtx| context).expect("new names");
        let repeated = add_to_linker(&mut linker, |context: &mut WasiCtx| context);
        repeated.expect_err("names that are defined already");
        let instance = linker.instantiate(&mut store, &module(&engine, GUEST)).expect("an instance");
        let out = instance.get_typed_func::<(), i32>(&mut store, "out").expect("exported");
        assert_eq!(out.call(&mut store, ()).expect("no trap"), 0);
        calls[0].call(&mut store, ()).expect_err("a function of the first store");
        context = store.into_data();
    }
}
