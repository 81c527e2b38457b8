//! The phases of a program, written once: `ours.rs` and `theirs.rs` each compile this file against their `vm`. Programs
//! are given as little of WASI as they need to print, which is the same on both sides.

use super::vm::{Caller, Engine, Linker, Module, Result, Store};
use crate::phases::Times;
use std::time::Instant;

const WASI: &str = "wasi_snapshot_preview1";
const SUCCESS: i32 = 0;
const BADF: i32 = 8;
const SPIPE: i32 = 70;

/// What a program is given, and what it prints.
struct Given {
    args: Vec<String>,
    output: Vec<u8>,
}

/// Runs a program, taking all times but that of being ready.
pub fn phases(engine: &Engine, wasm: &[u8], args: &[String], code_bytes: fn(&Module) -> usize) -> Result<Times> {
    let started = Instant::now();
    Module::validate(engine, wasm)?;
    let validate_s = started.elapsed().as_secs_f64();

    let started = Instant::now();
    let module = Module::new(engine, wasm)?;
    let compile_s = started.elapsed().as_secs_f64();

    let pre = linker(engine, &module)?.instantiate_pre(&module)?;
    let started = Instant::now();
    let mut store = Store::new(engine, Given { args: args.to_vec(), output: Vec::new() });
    let instance = pre.instantiate(&mut store)?;
    let instantiate_s = started.elapsed().as_secs_f64();

    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    let started = Instant::now();
    start.call(&mut store, ())?;
    let run_s = started.elapsed().as_secs_f64();
    let (code_bytes, output) = (code_bytes(&module), store.into_data().output);
    Ok(Times { validate_s, ready_s: 0.0, compile_s, instantiate_s, run_s, code_bytes, output })
}

/// Everything else that a program may import traps: an exit with an error does.
fn linker(engine: &Engine, module: &Module) -> Result<Linker<Given>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(WASI, "args_sizes_get", |mut caller: Caller<'_, Given>, count: i32, size: i32| {
        let args = &caller.data().args;
        let (len, bytes) = (args.len(), args.iter().map(|arg| arg.len() + 1).sum::<usize>());
        put(&mut caller, count, &(len as u32).to_le_bytes());
        put(&mut caller, size, &(bytes as u32).to_le_bytes());
        SUCCESS
    })?;
    linker.func_wrap(WASI, "args_get", |mut caller: Caller<'_, Given>, places: i32, bytes: i32| {
        let mut at = bytes;
        for (index, arg) in caller.data().args.clone().iter().enumerate() {
            put(&mut caller, places + 4 * index as i32, &at.to_le_bytes());
            put(&mut caller, at, &[arg.as_bytes(), &[0]].concat());
            at += arg.len() as i32 + 1;
        }
        SUCCESS
    })?;
    linker.func_wrap(WASI, "environ_sizes_get", |mut caller: Caller<'_, Given>, count: i32, size: i32| {
        put(&mut caller, count, &[0; 4]);
        put(&mut caller, size, &[0; 4]);
        SUCCESS
    })?;
    linker.func_wrap(WASI, "environ_get", |_: i32, _: i32| SUCCESS)?;
    linker.func_wrap(WASI, "clock_time_get", |mut caller: Caller<'_, Given>, _: i32, _: i64, at: i32| {
        // Noon of a day in 2026: a program that prints a time prints the same each time.
        put(&mut caller, at, &1_795_694_400_000_000_000_u64.to_le_bytes());
        SUCCESS
    })?;
    linker.func_wrap(WASI, "random_get", |mut caller: Caller<'_, Given>, at: i32, len: i32| {
        put(&mut caller, at, &vec![42; len as usize]);
        SUCCESS
    })?;
    descriptors(&mut linker)?;
    linker.define_unknown_imports_as_traps(module)?;
    Ok(linker)
}

/// The standard streams, which are files that cannot be sought in, and nothing else.
fn descriptors(linker: &mut Linker<Given>) -> Result<()> {
    linker.func_wrap(
        WASI,
        "fd_write",
        |mut caller: Caller<'_, Given>, fd: i32, pieces: i32, count: i32, at: i32| {
            let mut written = 0;
            for index in 0..count {
                let piece = get(&mut caller, pieces + 8 * index, 8);
                let word = |from: usize| i32::from_le_bytes(piece[from..from + 4].try_into().expect("four bytes"));
                let bytes = get(&mut caller, word(0), word(4) as usize);
                written += bytes.len() as u32;
                if fd == 1 {
                    caller.data_mut().output.extend(bytes);
                }
            }
            put(&mut caller, at, &written.to_le_bytes());
            SUCCESS
        },
    )?;
    linker.func_wrap(WASI, "fd_fdstat_get", |mut caller: Caller<'_, Given>, fd: i32, at: i32| {
        const REGULAR_FILE: u8 = 4;
        if fd > 2 {
            return BADF;
        }
        let mut status = [0xff; 24];
        status[..8].copy_from_slice(&[REGULAR_FILE, 0, 0, 0, 0, 0, 0, 0]);
        put(&mut caller, at, &status);
        SUCCESS
    })?;
    linker.func_wrap(WASI, "fd_seek", |_: i32, _: i64, _: i32, _: i32| SPIPE)?;
    linker.func_wrap(WASI, "fd_prestat_get", |_: i32, _: i32| BADF)?;
    linker.func_wrap(WASI, "fd_close", |_: i32| SUCCESS)?;
    Ok(())
}

fn put(caller: &mut Caller<'_, Given>, at: i32, bytes: &[u8]) {
    let memory = caller.get_export("memory").and_then(|export| export.into_memory()).expect("programs have a memory");
    memory.write(caller, at as u32 as usize, bytes).expect("it lies in the memory");
}

fn get(caller: &mut Caller<'_, Given>, at: i32, len: usize) -> Vec<u8> {
    let memory = caller.get_export("memory").and_then(|export| export.into_memory()).expect("programs have a memory");
    let mut bytes = vec![0; len];
    memory.read(caller, at as u32 as usize, &mut bytes).expect("it lies in the memory");
    bytes
}
