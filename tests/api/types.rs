//! Types beyond one module: recursion groups and subtypes are the same for all modules of an engine where they are
//! written the same; tags are linked by type; traps of the newer operators name their functions.

use crate::support::{engines, instantiate, module};
use epsilon::{Engine, Extern, Instance, Linker, Store, Trap, ValType};

/// A pair of types in one recursion group: an open one, and its final subtype.
const PAIR: &str = "(rec (type $f (sub (func (param i32) (result i32))))
    (type $g (sub final $f (func (param i32) (result i32)))))";

fn provider(engine: &Engine, store: &mut Store<()>) -> Instance {
    let text = format!(
        r#"(module (type (func (param i64))) {PAIR} (table (export "table") 2 funcref) (elem (i32.const 0) $f $g)
        (func $f (export "f") (type $f) (i32.add (local.get 0) (i32.const 1)))
        (func $g (export "g") (type $g) (i32.add (local.get 0) (i32.const 2))))"#
    );
    Instance::new(store, &module(engine, &text), &[]).expect("an instance")
}

/// A module with the types of `group` that calls through the provider's table as `$f` and as `$g`.
fn caller(engine: &Engine, store: &mut Store<()>, group: &str, table: Extern) -> Instance {
    let text = format!(
        r#"(module {group} (import "p" "table" (table 2 funcref))
        (func (export "as_f") (param i32) (result i32) (call_indirect (type $f) (i32.const 10) (local.get 0)))
        (func (export "as_g") (param i32) (result i32) (call_indirect (type $g) (i32.const 10) (local.get 0))))"#
    );
    Instance::new(store, &module(engine, &text), &[table]).expect("an instance")
}

#[test]
fn groups_that_are_written_the_same_are_the_same_in_all_modules_of_an_engine() {
    // The same two types, but each in a group of its own.
    let apart = "(type $f (sub (func (param i32) (result i32))))
        (type $g (sub final $f (func (param i32) (result i32))))";
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let provider = provider(&engine, &mut store);
        let table = provider.get_export(&mut store, "table").expect("exported");
        for (group, expected) in
            [(PAIR, [Ok(11), Ok(12), Err(Trap::BadSignature), Ok(12)]), (apart, [Err(Trap::BadSignature); 4])]
        {
            let caller = caller(&engine, &mut store, group, table.clone());
            let mut found = Vec::new();
            for name in ["as_f", "as_g"] {
                let func = caller.get_typed_func::<i32, i32>(&mut store, name).expect("exported");
                for index in 0..2 {
                    found.push(func.call(&mut store, index).map_err(|error| error.trap().expect("a trap")));
                }
            }
            assert_eq!(found, expected, "{plan}: {group}");
        }
    }
}

#[test]
fn imports_take_subtypes_and_nothing_else() {
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let provider = provider(&engine, &mut store);
        for (wanted, given, fits) in [("f", "f", true), ("f", "g", true), ("g", "g", true), ("g", "f", false)] {
            let item = provider.get_export(&mut store, given).expect("exported");
            let text = format!(r#"(module {PAIR} (import "p" "x" (func (type ${wanted}))))"#);
            let instance = Instance::new(&mut store, &module(&engine, &text), &[item]);
            assert_eq!(instance.is_ok(), fits, "{plan}: ${given} as ${wanted}: {instance:?}");
        }
    }
}

#[test]
fn tags_are_linked_by_name_and_type() {
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let module = module(&engine, r#"(module (import "host" "failed" (tag (param i32))))"#);
        let mut linker = Linker::new(&engine);
        let missing = format!("{:?}", linker.instantiate(&mut store, &module).unwrap_err());
        assert!(missing.contains("host") && missing.contains("failed"), "{plan}: {missing}");
        let wrong = crate::support::tag(&mut store, [ValType::I64]).expect("no results");
        linker.define(&store, "host", "failed", wrong).expect("a new name");
        let differs = format!("{:?}", linker.instantiate(&mut store, &module).unwrap_err());
        assert!(differs.contains("i32") && differs.contains("i64"), "{plan}: {differs}");
        let right = crate::support::tag(&mut store, [ValType::I32]).expect("no results");
        linker.allow_shadowing(true).define(&store, "host", "failed", right).expect("shadows");
        linker.instantiate(&mut store, &module).expect("linked");
    }
}

#[test]
fn traps_of_the_newer_operators_name_their_functions() {
    let text = r#"(module (memory 1 1 shared) (type $t (func)) (tag $e)
        (func $null_call (export "null_call") (call_ref $t (ref.null $t)))
        (func $null_read (export "null_read") (drop (ref.as_non_null (ref.null func))))
        (func $unaligned (export "unaligned") (drop (i32.atomic.load (i32.const 1))))
        (func $rethrows (export "rethrows") (throw_ref (ref.null exn)))
        (func $guarded (export "guarded") (block $l (try_table (catch $e $l) (call $null_call))))
        (func $leaves (export "leaves") (return_call $null_call)))"#;
    let cases: [(&str, Trap, &[&str]); 6] = [
        ("null_call", Trap::NullReference, &["null_call"]),
        ("null_read", Trap::NullReference, &["null_read"]),
        ("unaligned", Trap::HeapMisaligned, &["unaligned"]),
        ("rethrows", Trap::NullReference, &["rethrows"]),
        ("guarded", Trap::NullReference, &["null_call", "guarded"]),
        ("leaves", Trap::NullReference, &["null_call"]),
    ];
    for (plan, engine) in engines() {
        let (mut store, instance) = instantiate(&engine, text);
        for (name, trap, names) in cases {
            let func = instance.get_typed_func::<(), ()>(&mut store, name).expect("exported");
            let error = func.call(&mut store, ()).unwrap_err();
            assert_eq!(error.trap(), Some(trap), "{plan}: {name}");
            let frames = error.backtrace().expect("switched on").frames();
            let found: Vec<_> = frames.iter().filter_map(|frame| frame.func_name()).collect();
            assert_eq!(found, names, "{plan}: {name}");
        }
    }
}
