//! Threads of WASI through the library: a program of Rust's `wasm32-wasip1-threads` many times over, and what ends it.

use epsilon::{Engine, ExternType, Linker, MemoryType, Module, SharedMemory, Store, Trap};
use epsilon_wasi::{
    Captured, Exit, OutputStream, SharedCtx, Threads, WasiCtx, WasiCtxBuilder, add_threads_to_linker, add_to_linker,
};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};

/// How often programs run.
const TIMES: usize = 100;

#[derive(Clone)]
struct Guest {
    ctx: SharedCtx,
    threads: Threads<Guest>,
}

/// Runs a module's `_start`, and whatever threads it starts, to the end.
fn run(module: &Module, builder: &mut WasiCtxBuilder) -> epsilon::Result<()> {
    let engine = module.engine();
    let ctx = builder.build();
    let threads = Threads::new(ctx.interrupt().clone(), |_| {});
    let mut store = Store::new(engine, Guest { ctx: SharedCtx::new(ctx), threads: threads.clone() });
    let mut linker = Linker::new(engine);
    add_to_linker(&mut linker, |guest: &mut Guest| &mut guest.ctx)?;
    add_threads_to_linker(&mut linker, |guest: &Guest| &guest.threads)?;
    let memory = module.imports().find_map(|import| match import.ty() {
        ExternType::Memory(ty) => Some(ty),
        _ => None,
    });
    let ty = memory.unwrap_or_else(|| MemoryType::shared(1, 1));
    linker.define(&store, "env", "memory", SharedMemory::new(engine, ty)?)?;
    let instance = linker.instantiate(&mut store, module)?;
    threads.begin(linker.instantiate_pre(module)?, &store);
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    threads.finish(start.call(&mut store, ()))
}

fn program(engine: &Engine) -> Module {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guests/prebuilt/threads-rust.wasm");
    Module::from_binary(engine, &std::fs::read(file).expect("prebuilt")).expect("valid")
}

#[test]
fn a_rust_program_with_threads_is_right_every_time() {
    let engine = Engine::default();
    let module = program(&engine);
    let expected = include_str!("../../../tests/guests/expected/threads-rust.stdout");
    for time in 0..TIMES {
        let output = Captured::new();
        let end = run(&module, WasiCtx::builder().stdout(OutputStream::captured(output.clone())));
        assert!(end.is_ok(), "run {time}: {end:?}");
        assert_eq!(String::from_utf8_lossy(&output.contents()), expected, "run {time}");
    }
}

#[test]
fn any_thread_ends_the_program() {
    let engine = Engine::default();
    let module = program(&engine);
    let end = |test: &str| run(&module, WasiCtx::builder().try_args(["guest", test]).expect("arguments"));
    for _ in 0..TIMES / 10 {
        assert_eq!(end("exit").expect_err("an exit").downcast_ref::<Exit>(), Some(&Exit(7)));
        assert_eq!(end("trap").expect_err("a trap").trap(), Some(Trap::UnreachableCodeReached));
        assert!(end("leave").is_ok(), "the main thread's return ends the others");
    }
}

/// A thread that waits for input keeps nobody from writing, and its input may come from what is written meanwhile.
#[test]
fn threads_wait_without_keeping_others_from_their_calls() {
    let text = r#"(module
        (import "env" "memory" (memory 1 1 shared))
        (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (export "memory" (memory 0))
        (data (i32.const 0) "\40\00\00\00\04\00\00\00") ;; four bytes at 64
        (data (i32.const 64) "ping")
        (func (export "wasi_thread_start") (param i32 i32)
            (drop (call $read (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 32)))
            (i32.atomic.store (i32.const 16) (i32.const 1))
            (drop (memory.atomic.notify (i32.const 16) (i32.const 1))))
        (func (export "_start")
            (if (i32.le_s (call $spawn (i32.const 5)) (i32.const 0)) (then unreachable))
            ;; Until the other thread has its input, which comes after this output.
            (drop (memory.atomic.wait32 (i32.const 16) (i32.const 0) (i64.const 50000000)))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 36)))
            (drop (memory.atomic.wait32 (i32.const 16) (i32.const 0) (i64.const -1)))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 36)))))"#;
    let engine = Engine::default();
    let module = Module::new(&engine, text).expect("valid");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut peer = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let (connection, _) = listener.accept().expect("a connection");
    let output = Captured::new();
    let printed = output.clone();
    let answering = std::thread::spawn(move || {
        while printed.contents() != b"ping" {
            std::thread::yield_now();
        }
        peer.write_all(b"pong").expect("written");
    });
    let end = run(&module, WasiCtx::builder().stdout(OutputStream::captured(output.clone())).connection(connection));
    assert!(end.is_ok(), "{end:?}");
    answering.join().expect("no panic");
    assert_eq!(output.contents(), b"pingpong");
}
