//! Modules from wasm-smith, with the settings that make them worth running: they export everything, end, and stay
//! small; some never trap, some have no floats, some are nearly all vectors.

use crate::case::{Rng, Tally};
use std::collections::BTreeSet;
use wasm_smith::{Config, InstructionKind, InstructionKinds, Module};
use wasmparser::{Operator, Parser, Payload};

/// Calls and turns of loops that all calls into a module share.
const FUEL: u32 = 20_000;

fn kinds(rng: &mut Rng) -> InstructionKinds {
    use InstructionKind::{Aggregate, Control, Memory, Numeric, Parametric, Reference, Table, Variable, Vector};
    let _ = Aggregate;
    match rng.below(8) {
        0 => InstructionKinds::new(&[Numeric, Variable, Parametric, Control]),
        1 => InstructionKinds::new(&[Vector, Numeric, Variable, Parametric]),
        2 => InstructionKinds::new(&[Memory, Numeric, Variable, Control, Parametric]),
        3 => InstructionKinds::new(&[Table, Reference, Control, Numeric, Variable, Parametric]),
        4 => InstructionKinds::new(&[Vector, Memory, Control, Variable]),
        _ => InstructionKinds::all(),
    }
}

fn config(rng: &mut Rng) -> Config {
    let few = rng.one_in(2);
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
        exceptions_enabled: false,
        gc_enabled: false,
        relaxed_simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        shared_everything_threads_enabled: false,
        wide_arithmetic_enabled: false,
        ..Config::default()
    }
}

/// The module of a seed; `None` for the few that wasm-smith cannot make.
pub fn module(seed: u64) -> Option<Vec<u8>> {
    let mut rng = Rng::new(seed ^ 0x5eed);
    let config = config(&mut rng);
    let len = *rng.pick(&[1 << 10, 1 << 12, 1 << 14, 1 << 16]);
    let bytes = rng.bytes(len);
    let mut module = Module::new(config, &mut wasm_smith_input(&bytes)).ok()?;
    module.ensure_termination(FUEL).ok()?;
    Some(module.to_bytes())
}

fn wasm_smith_input(bytes: &[u8]) -> arbitrary::Unstructured<'_> {
    arbitrary::Unstructured::new(bytes)
}

/// Names of the operators in a module's functions, all of which are exported and so were called.
pub fn operators(wasm: &[u8], names: &mut BTreeSet<String>) {
    for payload in Parser::new(0).parse_all(wasm).flatten() {
        let Payload::CodeSectionEntry(body) = payload else { continue };
        let Ok(operators) = body.get_operators_reader() else { continue };
        for operator in operators.into_iter().flatten() {
            names.insert(name(&operator));
        }
    }
}

/// An operator's name, without its immediates.
pub fn name(operator: &Operator<'_>) -> String {
    let text = format!("{operator:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// Counts each operator of a module once.
pub fn tally_operators(wasm: &[u8], tally: &mut Tally) {
    let mut names = BTreeSet::new();
    operators(wasm, &mut names);
    names.iter().for_each(|name| tally.count(&format!("modules with {name}")));
}
