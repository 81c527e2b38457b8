//! Modules from wasm-smith, with the settings that make them worth running: they export everything, end, and stay
//! small; some never trap, some have no floats, some are nearly all vectors. What a judge lacks is left out.

use crate::case::Rng;
use crate::edit;
#[cfg(test)]
use crate::operators;
use crate::source::Judge;
#[cfg(test)]
use std::collections::BTreeSet;
use wasm_smith::{Config, InstructionKind, InstructionKinds, Module};
use wasmparser::{FunctionBody, Operator};
#[cfg(test)]
use wasmparser::{Parser, Payload};

/// Calls and turns of loops that all calls into a module share.
const FUEL: u32 = 20_000;

fn kinds(rng: &mut Rng) -> InstructionKinds {
    use InstructionKind::{Control, Memory, Numeric, Parametric, Reference, Table, Variable, Vector};
    match rng.below(8) {
        0 => InstructionKinds::new(&[Numeric, Variable, Parametric, Control]),
        1 => InstructionKinds::new(&[Vector, Numeric, Variable, Parametric]),
        2 => InstructionKinds::new(&[Memory, Numeric, Variable, Control, Parametric]),
        3 => InstructionKinds::new(&[Table, Reference, Control, Numeric, Variable, Parametric]),
        4 => InstructionKinds::new(&[Vector, Memory, Control, Variable]),
        _ => InstructionKinds::all(),
    }
}

fn config(rng: &mut Rng, judge: Judge) -> Config {
    let few = rng.one_in(2);
    let for_v8 = judge == Judge::V8;
    Config {
        allowed_instructions: kinds(rng),
        allow_floats: !rng.one_in(8),
        canonicalize_nans: true,
        disallow_traps: rng.one_in(4),
        export_everything: true,
        min_funcs: 4,
        max_funcs: if few { 6 } else { 20 },
        max_instructions: *rng.pick(&[30, 100, 400, 1500]),
        max_imports: if few { 2 } else { 8 },
        // A border that vectors cannot cross.
        available_imports: for_v8.then(|| imports_for_v8(rng)),
        min_exports: 4,
        max_memories: 1 + rng.below(3),
        max_memory32_bytes: 1 << 19,
        max_memory64_bytes: 1 << 19,
        memory_max_size_required: true,
        max_tables: 1 + rng.below(3),
        max_table_elements: 1000,
        table_max_size_required: true,
        max_type_size: 100,
        compact_imports_enabled: false,
        custom_descriptors_enabled: false,
        custom_page_sizes_enabled: false,
        exceptions_enabled: for_v8,
        gc_enabled: false,
        relaxed_simd_enabled: false,
        tail_call_enabled: for_v8 || rng.one_in(4),
        threads_enabled: for_v8,
        shared_everything_threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    }
}

/// Functions that hosts in JavaScript can be; the letters in their names are the types of their results.
fn imports_for_v8(rng: &mut Rng) -> Vec<u8> {
    const PARAMS: [&str; 7] = ["", "i32", "i64", "f32 f64", "i32 i64 i32", "funcref i32", "externref"];
    const RESULTS: [(&str, &str); 6] =
        [("", ""), ("i", "i32"), ("l", "i64"), ("fd", "f32 f64"), ("li", "i64 i32"), ("x", "externref")];
    let mut text = String::from("(module");
    for n in 0..rng.below(6) {
        let (params, (letters, results)) = (rng.pick(&PARAMS), rng.pick(&RESULTS));
        text += &format!("(import \"host\" \"f{n}.{letters}\" (func (param {params}) (result {results})))");
    }
    wat::parse_str(text + ")").expect("the text is well formed")
}

/// The module of a seed; `None` for the few that wasm-smith cannot make.
pub fn module(seed: u64, judge: Judge) -> Option<Vec<u8>> {
    let mut rng = Rng::new(seed ^ 0x5eed);
    let config = config(&mut rng, judge);
    let len = *rng.pick(&[1 << 10, 1 << 12, 1 << 14, 1 << 16]);
    let bytes = rng.bytes(len);
    let mut module = Module::new(config, &mut arbitrary::Unstructured::new(&bytes)).ok()?;
    module.ensure_termination(FUEL).ok()?;
    let wasm = module.to_bytes();
    if judge == Judge::V8 { edit::edit(&wasm, &edit::Additions::default(), &mut without_waiting) } else { Some(wasm) }
}

/// A body that never waits: nobody would wake it.
fn without_waiting(body: &FunctionBody<'_>) -> Option<Vec<u8>> {
    // drop, i64.const 0
    const AT_ONCE: [u8; 3] = [0x1a, 0x42, 0];
    let wasm = body.as_bytes();
    let (mut bytes, mut copied) = (Vec::with_capacity(wasm.len()), 0);
    for item in body.get_operators_reader().ok()?.into_iter_with_offsets() {
        let (operator, offset) = item.ok()?;
        if matches!(operator, Operator::MemoryAtomicWait32 { .. } | Operator::MemoryAtomicWait64 { .. }) {
            bytes.extend_from_slice(&wasm[copied..offset as usize]);
            bytes.extend_from_slice(&AT_ONCE);
            copied = offset as usize;
        }
    }
    bytes.extend_from_slice(&wasm[copied..]);
    Some(bytes)
}

/// Names of the operators in a module's functions.
#[cfg(test)]
pub fn operators(wasm: &[u8], names: &mut BTreeSet<&'static str>) {
    for payload in Parser::new(0).parse_all(wasm).flatten() {
        let Payload::CodeSectionEntry(body) = payload else { continue };
        let Ok(operators) = body.get_operators_reader() else { continue };
        names.extend(operators.into_iter().flatten().map(|operator| operators::name(&operator)));
    }
}
