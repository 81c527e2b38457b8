//! Module bytes: parsed, compiled, instantiated and run, under limits and with interruption. Every second case is bytes as
//! they are; the others are modules that wasm-smith makes of them, which get further.

#![no_main]

mod common;

use arbitrary::Unstructured;
use epsilon::Module;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    let wasm = match kind & 1 {
        0 => bytes.to_vec(),
        _ => match smith(bytes) {
            Some(wasm) => wasm,
            None => return,
        },
    };
    let engine = &common::engines()[usize::from(kind >> 1 & 1)];
    match Module::from_binary(engine, &wasm) {
        Ok(module) => common::run(engine, &module),
        Err(error) => drop(format!("{error:?}")),
    }
});

fn smith(bytes: &[u8]) -> Option<Vec<u8>> {
    let config = wasm_smith::Config {
        export_everything: true,
        gc_enabled: false,
        shared_everything_threads_enabled: false,
        memory64_enabled: true,
        max_memories: 3,
        max_imports: 5,
        ..wasm_smith::Config::default()
    };
    let mut module = wasm_smith::Module::new(config, &mut Unstructured::new(bytes)).ok()?;
    module.ensure_termination(1000).ok()?;
    Some(module.to_bytes())
}
