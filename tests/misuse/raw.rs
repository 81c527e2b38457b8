//! Raw references that mean nothing, in safe code.

use epsilon::{AnyRef, Engine, ExnRef, ExternRef, Func, I31, Instance, RootScope, Store, Val};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn panics(call: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}

#[test]
fn bits_that_are_no_reference_are_refused() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    for bits in [2, 4, 8, 0x1000, 0x7fff_fff8, u32::MAX - 1] {
        assert!(panics(|| _ = AnyRef::from_raw(&mut store, bits)), "AnyRef::from_raw {bits:#x}");
        assert!(panics(|| _ = ExternRef::from_raw(&mut store, bits)), "ExternRef::from_raw {bits:#x}");
        assert!(panics(|| _ = ExnRef::from_raw(&mut store, bits)), "ExnRef::from_raw {bits:#x}");
    }
    assert!(AnyRef::from_raw(&mut store, 0).is_none() && ExnRef::from_raw(&mut store, 0).is_none());
    let number = AnyRef::from_i31(&mut store, I31::wrapping_i32(-3));
    let bits = number.to_raw(&mut store).expect("held");
    let again = AnyRef::from_raw(&mut store, bits).expect("not null");
    assert_eq!(again.unwrap_i31(&store).expect("held").get_i32(), -3);
}

#[test]
fn raw_references_to_objects_live_as_long_as_the_host_holds_them() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let text = r#"(module (type $t (struct (field i32)))
        (func (export "make") (result (ref $t)) (struct.new $t (i32.const 5))))"#;
    let make = Instance::new(&mut store, &crate::support::module(&engine, text), &[]).expect("an instance");
    let make = make.get_typed_func::<(), epsilon::Rooted<epsilon::StructRef>>(&mut store, "make").expect("exported");
    let bits = {
        let mut scope = RootScope::new(&mut store);
        let made = make.call(&mut scope, ()).expect("no trap").to_anyref();
        let bits = made.to_raw(&mut scope).expect("held");
        let again = AnyRef::from_raw(&mut scope, bits).expect("not null");
        let field = again.unwrap_struct(&scope).expect("held").field(&mut scope, 0).expect("there");
        assert_eq!(field.unwrap_i32(), 5);
        bits
    };
    assert!(panics(|| _ = AnyRef::from_raw(&mut store, bits)), "nobody holds it");
    let external = ExternRef::new(&mut store, 7_u8).expect("room");
    let bits = external.to_raw(&mut store).expect("held");
    assert!(ExternRef::from_raw(&mut store, bits).expect("not null").data(&store).expect("held").is_some());
}

#[test]
fn raw_items_of_another_store_are_refused() {
    let engine = Engine::default();
    let (mut ours, mut theirs) = (Store::new(&engine, ()), Store::new(&engine, ()));
    let func = Func::wrap(&mut theirs, || ());
    assert!(panics(|| _ = func.to_raw(&mut ours)), "Func::to_raw");
    let external = ExternRef::new(&mut theirs, 1).expect("room");
    external.to_raw(&mut ours).expect_err("ExternRef::to_raw");
    Val::from(external).to_raw(&mut ours).expect_err("Val::to_raw");
    Val::from(func).to_raw(&mut ours).expect_err("Val::to_raw");
    let exception = epsilon::FuncType::new(&engine, [], []);
    let tag = epsilon::Tag::new(&mut theirs, &epsilon::TagType::new(exception)).expect("room");
    let thrown = epsilon::Exception::new(&mut theirs, tag, &[]).expect("room").to_exnref(&mut theirs).expect("room");
    thrown.to_raw(&mut ours).expect_err("ExnRef::to_raw");
    ours.throw::<()>(thrown).expect_err("of another store");
    assert!(!ours.has_pending_exception());
}
