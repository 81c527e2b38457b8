//! Debug information and names that are made by structure, with damage, in a module that traps; the error is formatted,
//! under the fuzzer's limits of memory and time, and on a small stack.

#![no_main]

#[path = "../../symbols/dwarf.rs"]
#[allow(dead_code, reason = "shared with the test of the same name")]
mod dwarf;
#[path = "../../symbols/names.rs"]
#[allow(dead_code, reason = "shared with the test of the same name")]
mod names;
#[path = "../../symbols/wasm.rs"]
#[allow(dead_code, reason = "shared with the test of the same name")]
mod wasm;

mod common;

use epsilon::{Engine, Instance, Module, Store};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use std::thread;
use wasm::Random;

/// What a backtrace may take of a thread's stack.
const STACK_BYTES: usize = 256 << 10;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::new(&common::config(epsilon::Compilation::Lazy)).expect("an engine"))
}

// The seed chooses the structure; the rest is written over the sections, so that coverage leads on from there.
fuzz_target!(|data: (u64, Vec<(u8, u16, u8)>)| {
    let (seed, damages) = data;
    let mut random = Random::new(seed);
    let mut sections = dwarf::random(&mut random);
    for (section, at, byte) in damages {
        let count = sections.len().max(1);
        let Some((_, bytes)) = sections.get_mut(usize::from(section) % count) else { continue };
        let len = bytes.len().max(1);
        if let Some(place) = bytes.get_mut(usize::from(at) % len) {
            *place = byte;
        }
    }
    let name = names::random(&mut random);
    let module = wasm::module(&sections, &names::section(&[(0, &name)]));
    let show = move || {
        let module = Module::from_binary(engine(), &module).expect("custom sections are never an error");
        let mut store = Store::new(engine(), ());
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("exported");
        let error = start.call(&mut store, ()).expect_err("it traps");
        let text = format!("{error:?}");
        assert!(text.len() < 1 << 20, "{} bytes of text", text.len());
    };
    let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(show).expect("a thread");
    thread.join().expect("no panic");
});
