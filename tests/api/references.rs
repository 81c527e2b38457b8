//! Function references and references to things of the host.

use crate::support::{instantiate, module};
use epsilon::{Caller, ExternRef, Func, Instance, Linker, Ref, Rooted, Store, Val};

#[test]
fn extern_refs_travel_and_keep_their_data() {
    let engine = crate::support::engine();
    let text = r#"(module (table $t (export "t") 4 externref) (global $g (export "g") (mut externref) (ref.null extern))
        (func (export "put") (param i32 externref)
            (table.set $t (local.get 0) (local.get 1)) (global.set $g (local.get 1)))
        (func (export "get") (param i32) (result externref externref) (table.get $t (local.get 0)) (global.get $g))
        (func (export "is_null") (param externref) (result i32) (ref.is_null (local.get 0))))"#;
    let (mut store, instance) = instantiate(&engine, text);
    let put = instance.get_typed_func::<(i32, Option<Rooted<ExternRef>>), ()>(&mut store, "put").expect("exported");
    type Two = (Option<Rooted<ExternRef>>, Option<Rooted<ExternRef>>);
    let get = instance.get_typed_func::<i32, Two>(&mut store, "get").expect("exported");
    let is_null = instance.get_typed_func::<Option<Rooted<ExternRef>>, i32>(&mut store, "is_null").expect("exported");
    let first = ExternRef::new(&mut store, String::from("first")).expect("room");
    let second = ExternRef::new(&mut store, vec![1u8, 2]).expect("room");
    put.call(&mut store, (1, Some(first))).expect("no trap");
    put.call(&mut store, (2, Some(second))).expect("no trap");
    let expect = |store: &mut Store<()>, index: i32, expected: Two| {
        let (one, other) = get.call(&mut *store, index).expect("no trap");
        for (found, expected) in [(one, expected.0), (other, expected.1)] {
            match (found, expected) {
                (None, None) => {}
                (Some(found), Some(expected)) => assert!(Rooted::ref_eq(&*store, &found, &expected).expect("held")),
                other => panic!("{other:?}"),
            }
        }
    };
    expect(&mut store, 1, (Some(first), Some(second)));
    expect(&mut store, 0, (None, Some(second)));
    let text = first.data(&store).expect("of this store").expect("of the host").downcast_ref::<String>();
    assert_eq!(text.map(String::as_str), Some("first"));
    assert_eq!(is_null.call(&mut store, None).expect("no trap"), 1);
    assert_eq!(is_null.call(&mut store, Some(second)).expect("no trap"), 0);
    let table = instance.get_table(&mut store, "t").expect("exported");
    let found = table.get(&mut store, 2);
    assert!(is(&store, found, &second));
    table.set(&mut store, 1, Ref::Extern(None)).expect("inside");
    expect(&mut store, 1, (None, Some(second)));
    let global = instance.get_global(&mut store, "g").expect("exported");
    let found = global.get(&mut store).ref_();
    assert!(is(&store, found, &second));
    global.set(&mut store, Val::ExternRef(Some(first))).expect("the type fits");
    expect(&mut store, 0, (None, Some(first)));
}

/// Whether a reference is to the same as another one.
fn is(store: &Store<()>, found: Option<Ref>, expected: &Rooted<ExternRef>) -> bool {
    matches!(found, Some(Ref::Extern(Some(found))) if Rooted::ref_eq(store, &found, expected).expect("held"))
}

#[test]
fn func_refs_are_equal_to_what_they_refer_to() {
    let engine = crate::support::engine();
    let text = r#"(module (table $t (export "t") 3 funcref) (elem declare func $f)
        (func $f (export "f") (result i32) i32.const 11)
        (func (export "ref") (result funcref) (ref.func $f))
        (func (export "call") (param funcref) (result i32)
            (table.set $t (i32.const 2) (local.get 0)) (call_indirect (result i32) (i32.const 2))))"#;
    let (mut store, instance) = instantiate(&engine, text);
    let f = instance.get_func(&mut store, "f").expect("exported");
    let reference = instance.get_typed_func::<(), Option<Func>>(&mut store, "ref").expect("exported");
    let call = instance.get_typed_func::<Option<Func>, i32>(&mut store, "call").expect("exported");
    assert_eq!(reference.call(&mut store, ()).expect("no trap"), Some(f));
    assert_eq!(call.call(&mut store, Some(f)).expect("no trap"), 11);
    let host = Func::wrap(&mut store, || 12);
    assert_eq!(call.call(&mut store, Some(host)).expect("no trap"), 12);
    let wrong = Func::wrap(&mut store, || 12i64);
    assert_eq!(call.call(&mut store, Some(wrong)).unwrap_err().trap(), Some(epsilon::Trap::BadSignature));
    assert_eq!(call.call(&mut store, None).unwrap_err().trap(), Some(epsilon::Trap::IndirectCallToNull));
    let table = instance.get_table(&mut store, "t").expect("exported");
    table.set(&mut store, 0, Ref::Func(Some(f))).expect("inside");
    assert!(matches!(table.get(&mut store, 0), Some(Ref::Func(Some(found))) if found == f));
}

/// Functions of one instance called by another one through a reference, with the right globals each.
#[test]
fn func_refs_bring_their_instance_along() {
    let engine = crate::support::engine();
    let text = r#"(module (table $t 1 funcref) (global $g (export "g") (mut i64) (i64.const 0))
        (func (export "next") (param i64) (result i64)
            (global.set $g (i64.add (global.get $g) (local.get 0))) (global.get $g))
        (func (export "call") (param funcref i64) (result i64)
            (table.set $t (i32.const 0) (local.get 0))
            (i64.add (call_indirect (param i64) (result i64) (local.get 1) (i32.const 0)) (global.get $g))))"#;
    let mut store = Store::new(&engine, ());
    let module = module(&engine, text);
    let instances: Vec<_> = (0..10).map(|_| Instance::new(&mut store, &module, &[]).expect("an instance")).collect();
    for (n, instance) in instances.iter().enumerate() {
        let global = instance.get_global(&mut store, "g").expect("exported");
        global.set(&mut store, Val::I64(1000 * n as i64)).expect("the type fits");
    }
    for (n, from) in instances.iter().enumerate() {
        for (m, to) in instances.iter().enumerate().filter(|(m, _)| *m != n) {
            let call = from.get_typed_func::<(Option<Func>, i64), i64>(&mut store, "call").expect("exported");
            let next = to.get_func(&mut store, "next").expect("exported");
            let before = (m as i64 * 1000, n as i64 * 1000);
            assert_eq!(call.call(&mut store, (Some(next), 7)).expect("no trap"), before.0 + 7 + before.1);
            assert_eq!(call.call(&mut store, (Some(next), -7)).expect("no trap"), before.0 + before.1);
        }
    }
}

#[test]
fn host_functions_take_and_give_references() {
    let engine = crate::support::engine();
    let mut linker = Linker::<Vec<String>>::new(&engine);
    let make = |mut caller: Caller<'_, Vec<String>>, n: i32| ExternRef::new(&mut caller, format!("item {n}")).map(Some);
    let look = |mut caller: Caller<'_, Vec<String>>, item: Option<Rooted<ExternRef>>, func: Option<Func>| {
        let text = match item {
            Some(item) => item.data(&caller)?.and_then(|data| data.downcast_ref::<String>().cloned()),
            None => None,
        };
        caller.data_mut().extend(text);
        match func {
            Some(func) => func.typed::<(), i32>(&caller)?.call(&mut caller, ()),
            None => Ok(-1),
        }
    };
    linker.func_wrap("host", "make", make).expect("new").func_wrap("host", "look", look).expect("new");
    let text = r#"(module
        (import "host" "make" (func $make (param i32) (result externref)))
        (import "host" "look" (func $look (param externref funcref) (result i32)))
        (elem declare func $nine)
        (func $nine (result i32) i32.const 9)
        (func (export "run") (param i32) (result i32 i32)
            (call $look (call $make (local.get 0)) (ref.func $nine)) (call $look (ref.null extern) (ref.null func))))"#;
    let mut store = Store::new(&engine, Vec::new());
    let instance = linker.instantiate(&mut store, &module(&engine, text)).expect("an instance");
    let run = instance.get_typed_func::<i32, (i32, i32)>(&mut store, "run").expect("exported");
    assert_eq!(run.call(&mut store, 3).expect("no trap"), (9, -1));
    assert_eq!(run.call(&mut store, 4).expect("no trap"), (9, -1));
    assert_eq!(*store.data(), ["item 3", "item 4"]);
}
