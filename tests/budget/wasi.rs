//! Guests of WASI: threads, descriptors, buffers.

use epsilon::{Engine, Error, ExternType, Linker, Module, SharedMemory, Store};
use epsilon_wasi::{Access, Captured, OutputStream, SharedCtx, Threads, WasiCtx, add_threads_to_linker, add_to_linker};

#[derive(Clone)]
struct Guest {
    ctx: SharedCtx,
    threads: Threads<Guest>,
}

/// Runs `run` of a module that imports a shared memory as `env.memory`, with WASI and its threads; the result.
fn run(engine: &Engine, text: &str) -> Result<i32, Error> {
    let module = Module::new(engine, text)?;
    let folder = tempfile::tempdir().expect("a directory");
    (0..200).for_each(|n| std::fs::write(folder.path().join(format!("{n}")), "").expect("a file"));
    let output = OutputStream::captured(Captured::with_limit(1 << 20));
    let mut builder = WasiCtx::builder();
    builder.stdout(output).directory(folder.path(), "/", Access::ReadWrite).expect("a directory");
    let ctx = builder.build();
    let threads = Threads::new(ctx.interrupt().clone(), |_| {});
    let mut store = Store::new(engine, Guest { ctx: SharedCtx::new(ctx), threads: threads.clone() });
    let mut linker = Linker::new(engine);
    add_to_linker(&mut linker, |guest: &mut Guest| &mut guest.ctx)?;
    add_threads_to_linker(&mut linker, |guest: &Guest| &guest.threads)?;
    for import in module.imports() {
        if let ExternType::Memory(ty) = import.ty() {
            linker.define(&store, "env", "memory", SharedMemory::new(engine, ty)?)?;
        }
    }
    let instance = linker.instantiate(&mut store, &module)?;
    threads.begin(linker.instantiate_pre(&module)?, &store);
    let run = instance.get_typed_func::<(), i32>(&mut store, "run")?.call(&mut store, ());
    let count = *run.as_ref().unwrap_or(&0);
    threads.finish(run.map(drop)).map(|()| count)
}

/// Starts threads until there are no more to be had; each does as `body` says and waits for ever. Then gives up.
fn spawning(body: &str) -> String {
    format!(
        r#"(module (import "env" "memory" (memory 1 1 shared))
            (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
            (func $deep (param $n i32) (result i32)
                (if (result i32) (local.get $n)
                    (then (i32.add (i32.const 1) (call $deep (i32.sub (local.get $n) (i32.const 1)))))
                    (else (i32.const 0))))
            (func (export "wasi_thread_start") (param i32 i32)
                {body}
                (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
                (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))
            (func (export "run") (result i32) (local $count i32)
                (loop $again
                    (if (i32.gt_s (call $spawn (i32.const 0)) (i32.const 0)) (then
                        (local.set $count (i32.add (local.get $count) (i32.const 1)))
                        (br $again))))
                (loop $wait
                    (br_if $wait (i32.lt_u (i32.atomic.load (i32.const 4)) (local.get $count))))
                (local.get $count)))"#
    )
}

/// Threads that do nothing.
pub fn threads(engine: &Engine) -> Result<(), Error> {
    let count = run(engine, &spawning(""))?;
    assert!(count > 2, "only {count} threads");
    Ok(())
}

/// Threads that use their stacks.
pub fn deep_threads(engine: &Engine) -> Result<(), Error> {
    let count = run(engine, &spawning("(drop (call $deep (i32.const 150000)))"))?;
    assert!(count > 2, "only {count} threads");
    Ok(())
}

/// Opens a file until nothing more can be opened.
pub fn descriptors(engine: &Engine) -> Result<(), Error> {
    let text = r#"(module
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "1")
        (func (export "run") (result i32) (local $count i32)
            (loop $again
                (if (i32.eqz (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0)
                    (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 100))) (then
                        (local.set $count (i32.add (local.get $count) (i32.const 1)))
                        (br $again))))
            (local.get $count)))"#;
    let count = run(engine, text)?;
    assert!(count > 100, "only {count} descriptors");
    Ok(())
}

/// Lets calls use buffers of 40 MiB, of a memory that threads share: all that the host copies is its own.
pub fn buffers(engine: &Engine) -> Result<(), Error> {
    let text = r#"(module (import "env" "memory" (memory 700 700 shared)) (export "memory" (memory 0))
        (import "wasi_snapshot_preview1" "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (func (export "run") (result i32)
            (if (call $readdir (i32.const 3) (i32.const 65536) (i32.const 41943040) (i64.const 0) (i32.const 0))
                (then (return (i32.const -1))))
            (if (i32.lt_u (i32.load (i32.const 0)) (i32.const 5000)) (then (return (i32.const -2))))
            (if (call $random (i32.const 65536) (i32.const 41943040)) (then (return (i32.const -3))))
            (i32.store (i32.const 0) (i32.const 65536))
            (i32.store (i32.const 4) (i32.const 41943040))
            (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then (return (i32.const -4))))
            (memory.fill (i32.const 65536) (i32.const 0) (i32.const 1048576))
            (if (call $poll (i32.const 65536) (i32.const 10000000) (i32.const 4096) (i32.const 0))
                (then (return (i32.const -5))))
            (i32.const 1)))"#;
    let end = run(engine, text)?;
    assert_eq!(end, 1, "a call has failed");
    Ok(())
}
