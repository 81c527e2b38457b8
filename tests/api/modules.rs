//! Modules: what they tell of themselves, and what is said of those that are not modules.

use crate::support::module;
use epsilon::{Config, Engine, ErrorKind, ExternType, Instance, Module, OptLevel, Store};

#[test]
fn modules_tell_what_they_import_and_export() {
    let text = r#"(module $shop
        (import "env" "print" (func (param i32 i64)))
        (import "env" "memory" (memory 1 2))
        (import "env" "base" (global (mut f32)))
        (import "env" "table" (table 3 externref))
        (func (export "run") (result v128) unreachable)
        (export "again" (memory 0))
        (func))"#;
    let module = module(&crate::support::engine(), text);
    let imports: Vec<String> =
        module.imports().map(|import| format!("{}.{}: {}", import.module(), import.name(), import.ty())).collect();
    let expected = [
        "env.print: func (i32, i64) -> ()",
        "env.memory: memory 1..=2 pages",
        "env.base: global mut f32",
        "env.table: table 3.. of externref",
    ];
    assert_eq!(imports, expected);
    let exports: Vec<String> = module.exports().map(|export| format!("{}: {}", export.name(), export.ty())).collect();
    assert_eq!(exports, ["run: func () -> (v128)", "again: memory 1..=2 pages"]);
    assert_eq!((module.name(), module.function_count()), (Some("shop"), 2));
    assert!(matches!(module.get_export("again"), Some(ExternType::Memory(_))));
    assert!(module.get_export("nothing").is_none());
}

#[test]
fn custom_sections_are_found_in_order() {
    let text = r#"(module (@custom "note" (after func) "one") (func) (@custom "other" "x") (@custom "note" "two\00"))"#;
    let module = module(&crate::support::engine(), text);
    let notes: Vec<&[u8]> = module.custom_sections("note").map(|section| section.data).collect();
    assert_eq!(notes, [b"one".as_slice(), b"two\0"]);
    assert_eq!(module.custom_sections("other").map(|section| section.name).collect::<Vec<_>>(), ["other"]);
    assert_eq!(module.custom_sections("none").count(), 0);
}

#[test]
fn text_errors_name_the_place() {
    let engine = crate::support::engine();
    let error = Module::new(&engine, "(module\n  (func (i32.addd)))").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Module(_)));
    let message = error.to_string();
    assert!(message.contains("2:10") && message.contains("i32.addd"), "{message}");
    let invalid = Module::new(&engine, "(module (func (result i32)))").unwrap_err().to_string();
    assert!(invalid.contains("type mismatch") && invalid.contains("offset"), "{invalid}");
    let comment = Module::new(&engine, ";; only a comment\n(module)");
    assert!(comment.is_ok(), "{comment:?}");
    let block = Module::new(&engine, "(; a comment ;) (module (func))");
    assert!(block.is_ok(), "{block:?}");
}

#[test]
fn files_that_are_no_modules_are_told_apart() {
    let engine = crate::support::engine();
    let component = Module::new(&engine, b"\0asm\x0d\0\x01\0").unwrap_err().to_string();
    assert_eq!(component, "this is a component; Epsilon runs core modules");
    for bytes in [b"".as_slice(), b"\x7fELF\x02\x01\x01\0", b"\0asm", b"\0asm\x01\0\0\0\x01\x7f", b"\xff\xfe("] {
        let error = Module::new(&engine, bytes).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Module(_)), "{error:?}");
    }
    assert!(Module::from_binary(&engine, b"(module)").is_err());
    assert!(Module::validate(&engine, "(module (func unreachable))").is_ok());
    assert!(Module::validate(&engine, "(module (func i32.add))").is_err());
}

#[test]
fn modules_come_from_files_in_both_formats() {
    let engine = crate::support::engine();
    let missing = Module::from_file(&engine, "/nonexistent/app.wasm").unwrap_err();
    assert_eq!(missing.to_string(), "cannot read `/nonexistent/app.wasm`");
    assert!(missing.root_cause().to_string().contains("No such file"));
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/compiler/tests/cases");
    let numeric = Module::from_file(&engine, format!("{cases}/numeric.wat")).expect("text");
    assert!(numeric.get_export("div").is_some());
    let prebuilt = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/prebuilt/trap-dwarf.wasm");
    assert!(Module::from_file(&engine, prebuilt).expect("binary").imports().len() > 0);
    let clif = Module::from_file(&engine, format!("{cases}/numeric.clif")).unwrap_err();
    assert!(matches!(clif.kind(), ErrorKind::Module(_)), "{clif}");
}

#[test]
fn configurations_that_contradict_themselves_are_errors() {
    let mut config = crate::support::config();
    config.memory_strategy(epsilon::MemoryStrategy::Checked).memory_at_anchor(true);
    let error = Engine::new(&config).unwrap_err();
    assert!(error.to_string().contains("`memory_at_anchor` needs guarded memories"), "{error}");
    let mut config = crate::support::config();
    config.wasm_simd(false);
    let engine = Engine::new(&config).expect("an engine");
    let error = Module::new(&engine, "(module (func (drop (v128.const i64x2 0 0))))").unwrap_err();
    assert!(error.to_string().to_lowercase().contains("simd"), "{error}");
}

#[test]
fn both_levels_of_optimisation_compute_the_same() {
    let text = r#"(module (func $fib (export "fib") (param i32) (result i32)
        (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
            (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                           (call $fib (i32.sub (local.get 0) (i32.const 2))))))))"#;
    for level in [OptLevel::None, OptLevel::Speed] {
        let mut config = crate::support::config();
        let engine = Engine::new(config.cranelift_opt_level(level).cranelift_debug_verifier(true)).expect("an engine");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module(&engine, text), &[]).expect("an instance");
        let fib = instance.get_typed_func::<i32, i32>(&mut store, "fib").expect("exported");
        assert_eq!(fib.call(&mut store, 20).expect("no trap"), 6765);
    }
}

#[test]
fn stacks_of_any_size_are_errors_at_worst() {
    let text = r#"(module (func (export "f") (param i32) (result i32) local.get 0))"#;
    for bytes in [0, 1, 4096, 1 << 14, 1 << 20, 1 << 46, usize::MAX / 2, usize::MAX] {
        let mut config = crate::support::config();
        let Ok(engine) = Engine::new(config.max_wasm_stack(bytes)) else { continue };
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module(&engine, text), &[]).expect("an instance");
        let f = instance.get_typed_func::<i32, i32>(&mut store, "f").expect("exported");
        let result = f.call(&mut store, 3);
        assert!(result.is_err() || (1..=1 << 46).contains(&bytes), "{bytes}: {result:?}");
    }
}

#[test]
fn a_feature_that_is_off_is_named_with_its_switch() {
    type Switch = fn(&mut Config, bool) -> &mut Config;
    let cases: [(&str, Switch, &str); 19] = [
        ("mutable-global", Config::wasm_mutable_global, r#"(module (global (export "g") (mut i32) (i32.const 0)))"#),
        ("sign-extension", Config::wasm_sign_extension, "(module (func (drop (i32.extend8_s (i32.const 1)))))"),
        (
            "saturating-float-to-int",
            Config::wasm_saturating_float_to_int,
            "(module (func (drop (i32.trunc_sat_f32_s (f32.const 1)))))",
        ),
        ("multi-value", Config::wasm_multi_value, "(module (func (result i32 i32) (i32.const 1) (i32.const 2)))"),
        (
            "bulk-memory",
            Config::wasm_bulk_memory,
            "(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))))",
        ),
        ("reference-types", Config::wasm_reference_types, "(module (func (param externref)))"),
        ("reference-types", Config::wasm_reference_types, "(module (table 1 funcref) (table 1 funcref))"),
        ("simd", Config::wasm_simd, "(module (func (param v128)))"),
        (
            "relaxed-simd",
            Config::wasm_relaxed_simd,
            "(module (func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))))",
        ),
        ("multi-memory", Config::wasm_multi_memory, "(module (memory 1) (memory 1))"),
        ("memory64", Config::wasm_memory64, "(module (memory i64 1))"),
        ("extended-const", Config::wasm_extended_const, "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))"),
        ("tail-call", Config::wasm_tail_call, "(module (func $f (return_call $f)))"),
        ("function-references", Config::wasm_function_references, "(module (func (param (ref func))))"),
        ("gc", Config::wasm_gc, "(module (rec (type (func)) (type (func))))"),
        ("exceptions", Config::wasm_exceptions, "(module (tag))"),
        ("threads", Config::wasm_threads, "(module (memory 1 1 shared))"),
        (
            "wide-arithmetic",
            Config::wasm_wide_arithmetic,
            "(module (func (param i64) (result i64 i64) (i64.mul_wide_u (local.get 0) (local.get 0))))",
        ),
        ("custom-page-sizes", Config::wasm_custom_page_sizes, "(module (memory 1 (pagesize 1)))"),
    ];
    for (name, switch, text) in cases {
        let mut config = crate::support::config();
        switch(&mut config, true);
        module(&Engine::new(&config).expect("an engine"), text);
        // Some features need others, which have to be off as well.
        config.wasm_gc(false);
        if ["reference-types", "simd"].contains(&name) {
            config.wasm_function_references(false).wasm_exceptions(false).wasm_relaxed_simd(false);
        }
        switch(&mut config, false);
        let error = Module::new(&Engine::new(&config).expect("an engine"), text).unwrap_err();
        assert!(error.to_string().contains(&format!("enable `{name}` to use it")), "{error}");
    }
}
