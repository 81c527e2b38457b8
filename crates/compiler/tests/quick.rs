//! The first tier over real programs: what it leaves to Cranelift, how much code it makes, and that its tables are as
//! the runtime wants them.

use epsilon_abi::{CompiledFunction, DefinedFuncIndex, MemoryPlan};
use epsilon_compiler::{Compiler, Left, Scratch, Settings, Target, Tier, WasmFeatures};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

const GUESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guests/prebuilt");

/// Of the bytes of all bodies, at most one in so many may be left to Cranelift.
const LEFT_AT_MOST_ONE_IN: usize = 200;

const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

fn settings(target: &str, plan: MemoryPlan, tier: Tier) -> Settings {
    let features = WasmFeatures::WASM3 | WasmFeatures::THREADS;
    Settings { plan, tier, features, target: Target::named(target), ..Settings::default() }
}

fn guests() -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(Path::new(GUESTS)).expect("the guests are there");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let modules = paths.filter(|path| path.extension().is_some_and(|ext| ext == "wasm"));
    let read = |path: std::path::PathBuf| {
        let bytes = fs::read(&path).expect("a readable guest");
        (path.file_name().expect("a name").to_string_lossy().into_owned(), bytes)
    };
    let mut guests: Vec<_> = modules.map(read).collect();
    guests.sort();
    assert!(guests.len() > 10, "only {} guests", guests.len());
    guests
}

/// What the runtime relies on when it looks something up.
fn check_tables(name: &str, function: &CompiledFunction) {
    let len = function.code.len() as u32;
    assert!(function.sites.traps().is_sorted_by_key(|site| site.offset), "{name}: traps");
    assert!(function.sites.sources().is_sorted_by_key(|site| site.offset), "{name}: sources");
    assert!(function.handlers.is_sorted_by_key(|site| site.return_offset), "{name}: handlers");
    assert!(function.sites.traps().all(|site| site.offset < len), "{name}: a trap outside");
    assert!(function.sites.sources().all(|site| site.offset <= len), "{name}: a source outside");
    assert!(function.handlers.iter().all(|site| site.handler_offset < len), "{name}: a handler outside");
    assert!(function.relocations.iter().all(|reloc| reloc.offset + 4 <= len), "{name}: a relocation outside");
    let maps: Vec<_> = function.stack_maps.iter().collect();
    assert!(maps.is_sorted_by(|a, b| a.return_offset < b.return_offset), "{name}: stack maps");
    assert!(maps.iter().all(|map| map.return_offset <= len && !map.slots.is_empty()), "{name}: a stack map");
    assert!(maps.iter().all(|map| map.slots.is_sorted_by(|a, b| a < b)), "{name}: slots");
}

#[test]
fn nearly_all_of_real_programs_is_compiled_in_one_pass() {
    for target in TARGETS {
        nearly_all_is_compiled(target);
    }
}

fn nearly_all_is_compiled(target: &str) {
    let compiler = Compiler::new(settings(target, MemoryPlan::GUARDED, Tier::Quick)).expect("a compiler");
    let (mut bytes, mut left_bytes) = (0, 0);
    let mut left: HashMap<Left, usize> = HashMap::new();
    for (name, wasm) in guests() {
        let module = compiler.parse(&wasm).expect("a valid guest");
        compiler.validate(&module, &wasm).expect("a valid guest");
        let mut scratch = Scratch::default();
        for at in 0..module.info.defined_functions() {
            let len = module.info.bodies[at].len();
            bytes += len;
            match compiler.compile_quickly(&module, &wasm, DefinedFuncIndex::new(at), &mut scratch) {
                Ok(function) => check_tables(&name, &function),
                Err(reason) => {
                    left_bytes += len;
                    *left.entry(reason).or_default() += len;
                }
            }
        }
    }
    let is_little = left_bytes * LEFT_AT_MOST_ONE_IN <= bytes;
    assert!(is_little, "{target}: {left_bytes} of {bytes} bytes are left: {left:?}");
}

#[test]
fn code_is_the_same_whatever_was_compiled_before() {
    TARGETS.into_iter().for_each(code_is_the_same);
}

fn code_is_the_same(target: &str) {
    let compiler = Compiler::new(settings(target, MemoryPlan::CHECKED, Tier::Quick)).expect("a compiler");
    let (_, wasm) = guests().into_iter().find(|(name, _)| name == "cpp-throw.wasm").expect("the guest is there");
    let module = compiler.parse(&wasm).expect("a valid guest");
    compiler.validate(&module, &wasm).expect("a valid guest");
    let (mut used, count) = (Scratch::default(), module.info.defined_functions());
    for at in 0..count {
        let index = DefinedFuncIndex::new(at);
        let fresh = compiler.compile_quickly(&module, &wasm, index, &mut Scratch::default());
        assert_eq!(compiler.compile_quickly(&module, &wasm, index, &mut used), fresh, "{target}: function {at}");
    }
}

/// Conditional branches of aarch64 reach 1 MiB.
#[test]
fn a_function_may_be_larger_than_a_branch_reaches() {
    const STORES: usize = 60_000;
    let stores = "local.get 0 i64.const 0x123456789abcdef0 i64.store ".repeat(STORES);
    let text = format!(
        "(module (memory 1) (func (param i32) (block (br_if 0 (local.get 0)) {stores})
            (if (local.get 0) (then (drop (v128.const i64x2 1 2)) (unreachable)))))"
    );
    let wasm = wat::parse_str(text).expect("valid text");
    for target in TARGETS {
        let compiler = Compiler::new(settings(target, MemoryPlan::CHECKED, Tier::Quick)).expect("a compiler");
        let module = compiler.parse(&wasm).expect("a valid module");
        compiler.validate(&module, &wasm).expect("a valid module");
        let mut scratch = Scratch::default();
        let function = compiler.compile_quickly(&module, &wasm, DefinedFuncIndex(0), &mut scratch);
        let function = function.expect("nothing is left to Cranelift");
        assert!(function.code.len() > 1 << 20, "{target}: {} bytes", function.code.len());
        check_tables(target, &function);
    }
}

#[test]
fn a_body_that_has_not_been_validated_is_validated_first() {
    let compiler = Compiler::new(settings(TARGETS[0], MemoryPlan::GUARDED, Tier::Quick)).expect("a compiler");
    // (func (result i32)), with an `i64` as its result.
    let wasm = b"\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7f\x03\x02\x01\0\x0a\x06\x01\x04\0\x42\0\x0b";
    let module = compiler.parse(wasm).expect("a module that parses");
    let mut scratch = Scratch::default();
    compiler.compile_function(&module, wasm, DefinedFuncIndex(0), &mut scratch).expect_err("an invalid body");
    // The scratch is as good as new.
    let wasm = wat::parse_str("(module (func (result i32) (i32.const 1)))").expect("valid text");
    let module = compiler.parse(&wasm).expect("a valid module");
    compiler.compile_function(&module, &wasm, DefinedFuncIndex(0), &mut scratch).expect("a valid body");
}

#[test]
fn no_operator_of_the_heap_is_left() {
    for (target, plan) in
        TARGETS.into_iter().flat_map(|target| [MemoryPlan::GUARDED, MemoryPlan::CHECKED].map(|p| (target, p)))
    {
        let compiler = Compiler::new(settings(target, plan, Tier::Quick)).expect("a compiler");
        for case in ["structures", "arrays", "casts", "references", "tables", "exceptions"] {
            let path = format!("{}/tests/cases/{case}.wat", env!("CARGO_MANIFEST_DIR"));
            let wasm = wat::parse_file(path).expect("a case");
            let module = compiler.parse(&wasm).expect("a valid case");
            compiler.validate(&module, &wasm).expect("a valid case");
            for at in 0..module.info.defined_functions() {
                let index = DefinedFuncIndex::new(at);
                let function = compiler.compile_quickly(&module, &wasm, index, &mut Scratch::default());
                check_tables(case, &function.unwrap_or_else(|reason| panic!("{target}: {case} {at}: {reason:?}")));
            }
        }
    }
}

/// So many references over so many calls: what maps hold of them is their product.
#[test]
fn references_over_calls_are_bounded() {
    const MANY: usize = 30_000;
    let text = format!(
        "(module (table 1 externref) (func $f) (func {} {} {}))",
        "(table.get 0 (i32.const 0)) ".repeat(MANY),
        "(call $f) ".repeat(MANY),
        "drop ".repeat(MANY)
    );
    let wasm = wat::parse_str(text).expect("valid text");
    for target in TARGETS {
        let compiler = Compiler::new(settings(target, MemoryPlan::GUARDED, Tier::Quick)).expect("a compiler");
        let module = compiler.parse(&wasm).expect("a valid module");
        compiler.validate(&module, &wasm).expect("a valid module");
        let function = compiler.compile_quickly(&module, &wasm, DefinedFuncIndex(1), &mut Scratch::default());
        assert_eq!(function.err(), Some(Left::PassedValues), "{target}");
    }
}
