//! `Linker` and `InstancePre`: names, what is missing, what is defined twice, and many stores and threads.

use crate::support::module;
use epsilon::{Engine, ErrorKind, FuncType, Instance, Linker, Memory, MemoryType, Store, Val, ValType};

#[test]
fn unknown_imports_say_what_would_mend_it() {
    let engine = crate::support::engine();
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("env", "print", |_: i32| {}).expect("new");
    let mut store = Store::new(&engine, ());
    let cases = [
        (r#""env" "Print" (func)"#, "unknown import of a func () -> (); there is `print`, spelled otherwise"),
        (
            r#""env" "read" (func (param i32) (result i64))"#,
            "unknown import of a func (i32) -> (i64); the module `env` is defined but does not contain an item of this name",
        ),
        (r#""wasi" "print" (memory 1)"#, "unknown import of a memory 1.. pages; there is `env`.`print`"),
        (
            r#""wasi" "read" (global i32)"#,
            "unknown import of a global i32; define it, or let unknown imports trap when they are called",
        ),
    ];
    for (import, problem) in cases {
        let module = module(&engine, &format!("(module (import {import}))"));
        let error = linker.instantiate(&mut store, &module).unwrap_err();
        assert!(error.is::<epsilon::UnknownImportError>());
        assert!(error.to_string().ends_with(&format!("`: {problem}")), "{error}");
        assert!(error.to_string().starts_with("import `"), "{error}");
        assert!(linker.instantiate_pre(&module).is_err());
    }
}

#[test]
fn names_are_defined_once_unless_shadowing_is_allowed() {
    let engine = crate::support::engine();
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("a", "f", || 1).expect("new");
    let error = linker.func_wrap("a", "f", || 2).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "import `a`.`f`: defined twice; call `allow_shadowing(true)` to replace it");
    linker.allow_shadowing(true).func_wrap("a", "f", || 3).expect("replaced");
    let mut store = Store::new(&engine, ());
    let f = linker.get(&mut store, "a", "f").expect("defined").into_func().expect("a function");
    let mut results = [Val::I32(0)];
    f.call(&mut store, &[], &mut results).expect("no trap");
    assert_eq!(results[0].i32(), Some(3));
    assert!(linker.get(&mut store, "a", "g").is_err() && linker.get(&mut store, "b", "f").is_err());
}

#[test]
fn unknown_imports_trap_when_they_are_called() {
    let engine = crate::support::engine();
    let mut linker = Linker::<()>::new(&engine);
    let text = r#"(module (import "x" "known" (func $known)) (import "x" "unknown" (func $unknown (param i32 f64) (result i64)))
        (func $good (export "good") (call $known))
        (func $bad (export "bad") (drop (call $unknown (i32.const 1) (f64.const 2)))))"#;
    let module_ = module(&engine, text);
    linker.func_wrap("x", "known", || {}).expect("new");
    linker.define_unknown_imports_as_traps(&module_).expect("functions only");
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module_).expect("an instance");
    instance.get_typed_func::<(), ()>(&mut store, "good").expect("exported").call(&mut store, ()).expect("known");
    let bad = instance.get_typed_func::<(), ()>(&mut store, "bad").expect("exported");
    let error = bad.call(&mut store, ()).unwrap_err();
    assert_eq!(error.to_string(), "call to an unknown import: `x`.`unknown`");
    assert_eq!(error.backtrace().expect("wasm was running").frames()[0].func_name(), Some("bad"));
    let memory = module(&engine, r#"(module (import "x" "memory" (memory 1)))"#);
    linker.define_unknown_imports_as_traps(&memory).expect("imports other than functions are left as they are");
    assert!(linker.instantiate(&mut store, &memory).unwrap_err().is::<epsilon::UnknownImportError>());
}

#[test]
fn instances_and_modules_are_linked_by_name() {
    let engine = crate::support::engine();
    let mut linker = Linker::<()>::new(&engine);
    let mut store = Store::new(&engine, ());
    let library = r#"(module (global $ready (mut i32) (i32.const 0))
        (memory (export "memory") 1)
        (func (export "_initialize") (global.set $ready (i32.const 40)))
        (func (export "ready") (result i32) (global.get $ready)))"#;
    linker.module(&mut store, "library", &module(&engine, library)).expect("linked");
    let program = r#"(module (import "library" "ready" (func $ready (result i32))) (import "library" "memory" (memory 1))
        (func (export "run") (result i32) (i32.store (i32.const 0) (i32.const 2))
            (i32.add (call $ready) (i32.load (i32.const 0)))))"#;
    let instance = linker.instantiate(&mut store, &module(&engine, program)).expect("an instance");
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").expect("exported");
    assert_eq!(run.call(&mut store, ()).expect("no trap"), 42);
    linker.instance(&mut store, "program", instance).expect("a new name");
    assert!(linker.instance(&mut store, "program", instance).is_err());
    assert!(linker.get(&mut store, "program", "run").is_ok());
    assert_eq!(instance.exports(&mut store).len(), 1);
}

/// A page.
fn page() -> MemoryType {
    MemoryType::new(1, None)
}

#[test]
fn items_of_a_store_are_refused_elsewhere() {
    let engine = crate::support::engine();
    let (mut here, mut there) = (Store::new(&engine, ()), Store::new(&engine, ()));
    let memory = Memory::new(&mut here, page()).expect("a memory");
    let mut linker = Linker::new(&engine);
    linker.define(&here, "host", "memory", memory).expect("new");
    let module = module(&engine, r#"(module (import "host" "memory" (memory 1)))"#);
    let pre = linker.instantiate_pre(&module).expect("defined");
    pre.instantiate(&mut here).expect("its own store");
    linker.instantiate(&mut here, &module).expect("its own store");
    for error in [pre.instantiate(&mut there).unwrap_err(), linker.instantiate(&mut there, &module).unwrap_err()] {
        assert!(matches!(error.kind(), ErrorKind::WrongStore { .. }), "{error}");
    }
}

#[test]
fn wrong_types_of_host_functions_are_found_before_any_store() {
    let engine = crate::support::engine();
    let mut linker = Linker::<()>::new(&engine);
    let ty = FuncType::new(&engine, [ValType::I32], [ValType::V128]);
    linker.func_new("host", "f", ty, |_, _, _| Ok(())).expect("new");
    let wrong = module(&engine, r#"(module (import "host" "f" (func (param i32))))"#);
    let error = linker.instantiate_pre(&wrong).unwrap_err();
    let problem = "expected a function (i32) -> (), found a function (i32) -> (v128)";
    assert_eq!(error.to_string(), format!("import `host`.`f`: {problem}"));
    let error = linker.instantiate(Store::new(&engine, ()), &wrong).unwrap_err();
    assert_eq!(error.to_string(), format!("import `host`.`f`: {problem}"));
}

#[test]
fn wrong_types_of_items_are_found_before_instantiation() {
    let provider = r#"(module (func (export "f") (param i32)) (table (export "t") 2 5 funcref)
        (memory (export "m") 2 5) (global (export "g") (mut i32) (i32.const 1)) (tag (export "e") (param i32)))"#;
    // What fits, and what does not: of each kind, another kind and another type.
    let cases = [
        ("f", "(func (param i32))", ["(func (param i64))", "(memory 1)"]),
        ("t", "(table 2 6 funcref)", ["(table 3 funcref)", "(table 1 externref)"]),
        ("m", "(memory 1)", ["(memory 3)", "(memory i64 1)"]),
        ("m", "(memory 2 5)", ["(memory 2 4)", "(memory 1 5 shared)"]),
        ("g", "(global (mut i32))", ["(global i32)", "(global (mut i64))"]),
        ("e", "(tag (param i32))", ["(tag)", "(func (param i32))"]),
    ];
    for (plan, engine) in crate::support::engines() {
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        let (instance_module, import) =
            (module(&engine, provider), |name: &str, ty: &str| format!(r#"(module (import "p" "{name}" {ty}))"#));
        let instance = linker.instantiate(&mut store, &instance_module).expect("an instance");
        linker.instance(&mut store, "p", instance).expect("new names");
        for (name, right, wrong) in cases {
            let pre = linker.instantiate_pre(&module(&engine, &import(name, right))).expect(right);
            pre.instantiate(&mut store).unwrap_or_else(|error| panic!("{plan}: {right}: {error}"));
            for ty in wrong {
                let module = module(&engine, &import(name, ty));
                let before = linker.instantiate_pre(&module).expect_err(ty);
                assert!(matches!(before.kind(), ErrorKind::Import { .. }), "{plan}: {ty}: {before}");
                let at_instantiation = linker.instantiate(&mut store, &module).expect_err(ty);
                assert_eq!(before.to_string(), at_instantiation.to_string(), "{plan}");
            }
        }
    }
}

#[test]
fn what_grows_after_it_was_defined_can_still_be_imported() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let ty = MemoryType::new(1, Some(9));
    let memory = Memory::new(&mut store, ty).expect("a memory");
    let mut linker = Linker::new(&engine);
    linker.define(&store, "host", "memory", memory).expect("new");
    let pre =
        linker.instantiate_pre(&module(&engine, r#"(module (import "host" "memory" (memory 1 9)))"#)).expect("fits");
    memory.grow(&mut store, 3).expect("room");
    pre.instantiate(&mut store).expect("a larger one fits as well");
}

#[test]
fn imports_of_other_engines_and_of_several_stores_are_found_before_instantiation() {
    let (engine, other) = (crate::support::engine(), crate::support::engine());
    let importing =
        r#"(module (import "host" "a" (memory 1)) (import "host" "b" (memory 1)) (import "host" "f" (func)))"#;
    let (ours, theirs) = (module(&engine, importing), module(&other, importing));
    let mut stores = [Store::new(&engine, ()), Store::new(&engine, ())];
    let memories = stores.each_mut().map(|store| Memory::new(store, page()).expect("a memory"));
    let mut linker = Linker::new(&engine);
    linker.allow_shadowing(true).func_wrap("host", "f", || ()).expect("new");
    linker.define(&stores[0], "host", "a", memories[0]).expect("new");
    linker.define(&stores[1], "host", "b", memories[1]).expect("new");
    let error = linker.instantiate_pre(&ours).expect_err("of two stores").to_string();
    assert!(error.starts_with("import `host`.`b`: it belongs to a different store from an earlier import"), "{error}");
    linker.define(&stores[0], "host", "b", memories[0]).expect("shadows");
    linker.instantiate_pre(&ours).expect("of one store").instantiate(&mut stores[0]).expect("their store");
    let error = linker.instantiate_pre(&theirs).expect_err("of another engine").to_string();
    assert!(error.contains("a different engine from the module"), "{error}");
    let functions = module(&other, r#"(module (import "host" "f" (func)))"#);
    let error = linker.instantiate_pre(&functions).expect_err("of another engine").to_string();
    assert!(error.contains("belong to different engines"), "{error}");
}

#[test]
fn modules_of_another_engine_are_refused() {
    let (one, other) = (crate::support::engine(), crate::support::engine());
    let module = module(&one, "(module)");
    let mut store = Store::new(&other, ());
    let error = Instance::new(&mut store, &module, &[]).unwrap_err();
    assert_eq!(error.to_string(), "the module and the store belong to different engines; use one engine for both");
    assert!(Linker::new(&other).instantiate(&mut store, &module).is_err());
    assert!(Engine::same(&one, module.engine()) && !Engine::same(&one, &other));
}

/// Types are compared by what they are, so function types of two modules of one engine agree; host functions of a
/// linker of another engine must not slip through with its numbers.
#[test]
fn host_functions_of_another_engine_are_refused() {
    let (one, other) = (crate::support::engine(), crate::support::engine());
    // The same number in both engines, for different types.
    let mut foreign = Linker::<()>::new(&one);
    foreign.func_wrap("host", "f", |n: f64| n).expect("new");
    let module = module(
        &other,
        r#"(module (import "host" "f" (func $f (param i64) (result i64)))
        (func (export "run") (result i64) (call $f (i64.const 1))))"#,
    );
    let mut store = Store::new(&other, ());
    assert!(foreign.instantiate(&mut store, &module).is_err(), "another engine's function of another type was linked");
}

#[test]
fn instance_pre_serves_many_stores_on_many_threads() {
    let engine = crate::support::engine();
    let mut linker = Linker::<u64>::new(&engine);
    let add = |mut caller: epsilon::Caller<'_, u64>, n: u64| {
        *caller.data_mut() += n;
        *caller.data()
    };
    linker.func_wrap("host", "add", add).expect("new");
    let text = r#"(module (import "host" "add" (func $add (param i64) (result i64))) (memory 1)
        (func (export "run") (param i64) (result i64) (local $last i64)
            (loop $again
                (local.set $last (call $add (local.get 0)))
                (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (local.get 0)))
                (br_if $again (i64.ne (local.tee 0 (i64.sub (local.get 0) (i64.const 1))) (i64.const 0))))
            (i64.sub (local.get $last) (i64.load (i32.const 8)))))"#;
    let pre = linker.instantiate_pre(&module(&engine, text)).expect("defined");
    drop(linker);
    assert_eq!(pre.module().imports().len(), 1);
    std::thread::scope(|scope| {
        for thread in 0..6u64 {
            let (pre, engine) = (pre.clone(), &engine);
            scope.spawn(move || {
                for round in 0..30u64 {
                    let mut store = Store::new(engine, 0);
                    let instance = pre.instantiate(&mut store).expect("an instance");
                    let run = instance.get_typed_func::<u64, u64>(&mut store, "run").expect("exported");
                    let n = thread * 100 + round + 1;
                    assert_eq!(run.call(&mut store, n).expect("no trap"), 0);
                    assert_eq!(*store.data(), n * (n + 1) / 2);
                }
            });
        }
    });
}

#[test]
fn host_functions_outlive_their_linker_and_their_store() {
    let engine = crate::support::engine();
    let dropped = std::sync::Arc::new(());
    let watch = dropped.clone();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "f", move || std::sync::Arc::strong_count(&watch) as i32).expect("new");
    let text = r#"(module (import "host" "f" (func $f (result i32))) (func (export "run") (result i32) call $f))"#;
    let instance = linker.instantiate(&mut store, &module(&engine, text)).expect("an instance");
    drop(linker);
    drop(engine);
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").expect("exported");
    assert_eq!(run.call(&mut store, ()).expect("no trap"), 2);
    drop(store);
    assert_eq!(std::sync::Arc::strong_count(&dropped), 1, "the closure is dropped with its last store");
}
