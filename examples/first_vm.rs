//! A small virtual machine of our own: guests may call `input` and `output`, and export `main`.
//!
//! Strings pass through the guest's memory: the guest says where, the host reads and writes there. The guest is
//! `guests/first_vm.c`.

use epsilon::{Caller, Engine, Error, Linker, Module, Result, Store};
use std::collections::VecDeque;

const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/guests/first_vm.wasm");

/// What the machine has beside the guest: the lines that it will be given.
struct Machine {
    lines: VecDeque<&'static str>,
}

/// `input(buffer, size) -> length`: the next line, cut to the buffer's size; -1 at the end.
fn input(mut caller: Caller<'_, Machine>, buffer: u32, size: u32) -> Result<i32> {
    let (memory, machine) = caller.memory_and_data().ok_or_else(no_memory)?;
    let Some(line) = machine.lines.pop_front() else { return Ok(-1) };
    let length = line.len().min(size as usize);
    // Addresses come from the guest: never trust them.
    let target = memory.get_mut(buffer as usize..).and_then(|memory| memory.get_mut(..length)).ok_or_else(outside)?;
    target.copy_from_slice(&line.as_bytes()[..length]);
    Ok(length as i32)
}

/// `output(text, length)`: prints a line.
fn output(mut caller: Caller<'_, Machine>, text: u32, length: u32) -> Result<()> {
    let (memory, _) = caller.memory_and_data().ok_or_else(no_memory)?;
    let bytes = memory.get(text as usize..).and_then(|memory| memory.get(..length as usize)).ok_or_else(outside)?;
    println!("{}", String::from_utf8_lossy(bytes));
    Ok(())
}

fn no_memory() -> Error {
    Error::misuse("the guest exports no memory")
}

fn outside() -> Error {
    Error::misuse("the guest gave an address outside of its memory")
}

pub fn main() -> Result<()> {
    let engine = Engine::default();
    let module = Module::from_file(&engine, GUEST)?;

    let mut linker = Linker::new(&engine);
    linker.func_wrap("vm", "input", input)?;
    linker.func_wrap("vm", "output", output)?;

    let mut store = Store::new(&engine, Machine { lines: ["Ada", "Grace", "Margaret"].into() });
    let instance = linker.instantiate(&mut store, &module)?;
    let main = instance.get_typed_func::<(), i32>(&mut store, "main")?;
    let greeted = main.call(&mut store, ())?;

    println!("The guest greeted {greeted}; {} lines are left.", store.data().lines.len());
    Ok(())
}
