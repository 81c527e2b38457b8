//! Modules: parsed, compiled, instantiated and run, under limits and with interruption. The first byte of a case says on
//! which engine, and whether the others are a module as they are or what wasm-smith makes one of: the former get to the
//! edges of what is refused, the latter nearly always run.

#![no_main]

mod common;
mod sources;

use arbitrary::{Result, Unstructured};
use epsilon::Module;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use wasm_smith::{InstructionKind, InstructionKinds};

/// Calls and turns of loops that all calls into a generated module share.
const FUEL: u32 = 1_000;

/// The bit of the first byte for modules that wasm-smith makes; the bits above it choose the engine.
const MADE: u8 = 1;

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    let engines = common::engines();
    let engine = &engines[usize::from(kind >> 1) % engines.len()];
    if kind & MADE == 0 {
        match Module::from_binary(engine, bytes) {
            Ok(module) => common::run(engine, &module),
            Err(error) => drop(format!("{error:?}")),
        }
    } else if let Ok(wasm) = made(&mut Unstructured::new(bytes)) {
        let module = Module::from_binary(engine, &wasm);
        common::run(engine, &module.unwrap_or_else(|error| panic!("a valid module is refused: {error:?}")));
    }
});

// Numbers of bytes that stand before each section and body would seldom survive what libFuzzer does to bytes.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let is_made = size == 0 || data[0] & MADE != 0;
    let changed = if is_made { None } else { sources::changed(&data[1..size], seed, max_size - 1) };
    match changed {
        Some(wasm) => {
            data[1..=wasm.len()].copy_from_slice(&wasm);
            1 + wasm.len()
        }
        None => libfuzzer_sys::fuzzer_mutate(data, size, max_size),
    }
});

fn kinds(data: &mut Unstructured<'_>) -> Result<InstructionKinds> {
    use InstructionKind::{Control, Memory, Numeric, Parametric, Reference, Table, Variable, Vector};
    let all = InstructionKinds::all();
    Ok(match data.int_in_range(0..=6u8)? {
        0 => InstructionKinds::new(&[Numeric, Variable, Parametric, Control]),
        1 => InstructionKinds::new(&[Vector, Numeric, Variable, Parametric]),
        2 => InstructionKinds::new(&[Memory, Numeric, Variable, Control, Parametric]),
        3 => InstructionKinds::new(&[Table, Reference, Control, Numeric, Variable, Parametric]),
        _ => all,
    })
}

fn made(data: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let config = wasm_smith::Config {
        allowed_instructions: kinds(data)?,
        disallow_traps: data.ratio(1, 4)?,
        export_everything: true,
        min_funcs: 2,
        max_funcs: 12,
        max_instructions: *data.choose(&[20, 100, 500])?,
        max_imports: 5,
        max_memories: 3,
        max_memory32_bytes: 4 << 20,
        max_memory64_bytes: 4 << 20,
        max_tables: 3,
        max_table_elements: 1_000,
        max_type_size: 100,
        custom_page_sizes_enabled: true,
        generate_custom_sections: data.ratio(1, 8)?,
        gc_enabled: false,
        compact_imports_enabled: false,
        ..wasm_smith::Config::default()
    };
    let mut module = wasm_smith::Module::new(config, data)?;
    let _ = module.ensure_termination(FUEL);
    Ok(module.to_bytes())
}
