//! WASI, as programs set it up.

use epsilon as wasmtime;
use epsilon_wasi as wasmtime_wasi;
use wasmtime::*;
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{DirPerms, FilePerms, I32Exit, WasiCtxBuilder};

struct State {
    wasi: WasiP1Ctx,
    calls: u32,
}

#[test]
fn a_command_runs_and_exits() -> Result<()> {
    let engine = Engine::default();
    let mut linker: Linker<State> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |state| &mut state.wasi)?;
    linker.func_wrap("host", "call", |mut caller: Caller<'_, State>| caller.data_mut().calls += 1)?;
    let directory = tempfile::tempdir()?;
    let wasi = WasiCtxBuilder::new()
        .inherit_stdio()
        .arg("program")
        .args(["one", "two"])
        .env("KEY", "value")
        .envs(&[("A", "1"), ("B", "2")])
        .preopened_dir(directory.path(), "/data", DirPerms::all(), FilePerms::all())?
        .build_p1();
    let mut store = Store::new(&engine, State { wasi, calls: 0 });
    let module = Module::new(
        &engine,
        r#"(module
            (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (import "host" "call" (func $call))
            (memory (export "memory") 1)
            (func (export "_start")
                (call $call)
                (drop (call $sizes (i32.const 0) (i32.const 4)))
                (drop (call $environ (i32.const 8) (i32.const 12)))
                (call $exit (i32.add (i32.mul (i32.load (i32.const 0)) (i32.const 10)) (i32.load (i32.const 8))))))"#,
    )?;
    linker.module(&mut store, "", &module)?;
    let start = linker.get(&mut store, "", "_start")?.into_func().unwrap().typed::<(), ()>(&store)?;
    let error = start.call(&mut store, ()).unwrap_err();
    assert_eq!(error.downcast_ref::<I32Exit>().expect("it exits").0, 33);
    assert_eq!(store.data().calls, 1);
    Ok(())
}
