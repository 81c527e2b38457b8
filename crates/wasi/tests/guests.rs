//! Guests run by the virtual machine: the calls from the other side.

use epsilon::{Engine, Instance, Linker, Module, Store};
use epsilon_wasi::{
    Access, Captured, Exit, InputStream, NOT_YET, OutputStream, Param, Version, WasiCtx, add_to_linker, calls,
};

fn context(output: &Captured) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder.try_args(["guest", "argument"]).unwrap();
    builder.stdin(InputStream::bytes("typed in")).stdout(OutputStream::captured(output.clone()));
    builder.build()
}

fn instantiate(wat: &str, ctx: WasiCtx) -> (Store<WasiCtx>, Instance) {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).unwrap();
    let module = Module::new(&engine, wat).unwrap();
    let mut store = Store::new(&engine, ctx);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

#[test]
fn a_guest_writes_and_exits() {
    let wat = r#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\08\00\00\00\06\00\00\00hello\n")
        (func (export "_start")
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 100)))
            (call $exit (i32.const 3))))"#;
    let output = Captured::new();
    let (mut store, instance) = instantiate(wat, context(&output));
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").unwrap();
    let end = start.call(&mut store, ()).unwrap_err();
    assert_eq!(end.downcast_ref::<Exit>(), Some(&Exit(3)));
    assert_eq!(output.contents(), b"hello\n");
}

/// Every call can be imported with the type that the specification gives it, from both modules.
#[test]
fn every_call_links() {
    for version in [Version::Preview1, Version::Unstable] {
        let imports: String = calls(version)
            .iter()
            .map(|call| {
                let params: Vec<_> =
                    call.params.iter().map(|param| if *param == Param::I32 { "i32" } else { "i64" }).collect();
                let result = if call.returns_errno { "(result i32)" } else { "" };
                let (module, name, params) = (version.module(), call.name, params.join(" "));
                format!("(import {module:?} {name:?} (func (param {params}) {result}))\n")
            })
            .collect();
        instantiate(&format!("(module {imports})"), context(&Captured::new()));
    }
    assert!(NOT_YET.is_empty());
}

/// Arguments arrive in the right order and width: a file is written, found again at an offset, and read.
#[test]
fn a_guest_uses_a_file() {
    let wat = r#"(module
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_pwrite" (func $pwrite (param i32 i32 i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\08\00\00\00\04\00\00\00data")
        (data (i32.const 16) "name")
        (func (export "run") (result i32)
            (call $open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 4) (i32.const 1)
                (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 100))
            (call $pwrite (i32.load (i32.const 100)) (i32.const 0) (i32.const 1) (i64.const 6) (i32.const 104))
            (call $seek (i32.load (i32.const 100)) (i64.const -1) (i32.const 2) (i32.const 112))
            (i32.add (i32.add)))
        (func (export "position") (result i64) (i64.load (i32.const 112))))"#;
    let root = tempfile::TempDir::new().unwrap();
    let ctx = WasiCtx::builder().directory(root.path(), "/", Access::ReadWrite).unwrap().build();
    let (mut store, instance) = instantiate(wat, ctx);
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 0, "no call returned an error");
    let position = instance.get_typed_func::<(), i64>(&mut store, "position").unwrap();
    assert_eq!(position.call(&mut store, ()).unwrap(), 9);
    assert_eq!(std::fs::read(root.path().join("name")).unwrap(), b"\0\0\0\0\0\0data");
}

/// A guest that exports no memory can still make calls that need none.
#[test]
fn a_guest_without_memory() {
    let wat = r#"(module
        (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
        (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
        (func (export "yield") (result i32) (call $yield))
        (func (export "sizes") (result i32) (call $sizes (i32.const 0) (i32.const 4))))"#;
    let (mut store, instance) = instantiate(wat, context(&Captured::new()));
    for (name, errno) in [("yield", 0), ("sizes", epsilon_wasi::Errno::Fault as i32)] {
        let func = instance.get_typed_func::<(), i32>(&mut store, name).unwrap();
        assert_eq!(func.call(&mut store, ()).unwrap(), errno);
    }
}

/// Several contexts live in one process and know nothing of each other.
#[test]
fn contexts_are_apart() {
    let wat = r#"(module
        (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "close") (result i32) (call $close (i32.const 1))))"#;
    for _ in 0..2 {
        let (mut store, instance) = instantiate(wat, context(&Captured::new()));
        let close = instance.get_typed_func::<(), i32>(&mut store, "close").unwrap();
        assert_eq!(close.call(&mut store, ()).unwrap(), 0);
        assert_eq!(close.call(&mut store, ()).unwrap(), epsilon_wasi::Errno::Badf as i32);
    }
}
