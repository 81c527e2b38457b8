//! References that are used when nobody holds them any more, or as what they are not.

use epsilon::{AnyRef, AsContextMut, Engine, ExternRef, I31, OwnedRooted, RootScope, Rooted, Store, Val};
use std::hash::DefaultHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn a_reference_is_gone_with_its_scope_and_never_another_one() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let before = ExternRef::new(&mut store, 1_u32).expect("room");
    let (gone, owned) = {
        let mut scope = RootScope::new(&mut store);
        scope.reserve(2);
        let inner = {
            let mut inner = RootScope::new(&mut scope);
            ExternRef::new(&mut inner, 2_u32).expect("room")
        };
        assert!(inner.data(&scope).is_err(), "the inner scope has ended");
        let outer = ExternRef::new(&mut scope, 3_u32).expect("room");
        assert!(inner.data(&scope).is_err() && !Rooted::rooted_eq(inner, outer), "nor is it what took its place");
        (outer, outer.to_owned_rooted(&mut scope).expect("held"))
    };
    let other = ExternRef::new(&mut store, 4_u32).expect("room");
    let number = |store: &Store<()>, reference: &ExternRef| {
        reference.data(store).ok().flatten().and_then(|data| data.downcast_ref::<u32>().copied())
    };
    assert_eq!([number(&store, &before), number(&store, &gone), number(&store, &other)], [Some(1), None, Some(4)]);
    assert!(gone.to_owned_rooted(&mut store).is_err() && Rooted::ref_eq(&store, &gone, &owned).is_err());
    assert!(gone.ref_hash(&store, &mut DefaultHasher::new()).is_err());
    gone.rooted_hash(&mut DefaultHasher::new()); // of the place alone
    assert!(ExternRef::data_mut(&gone, store.as_context_mut()).is_err());
    // What is owned stays through collections, and can be held in another scope.
    store.gc(None).expect("room");
    assert_eq!(number(&store, &owned), Some(3));
    let again = owned.to_rooted(&mut store);
    assert!(OwnedRooted::ref_eq(&store, &again, &owned).expect("held"), "two places, one thing");
    owned.rooted_hash(&mut DefaultHasher::new());
    owned.ref_hash(&store, &mut DefaultHasher::new());
    let kept = owned.clone();
    drop(owned);
    assert_eq!(number(&store, &kept), Some(3), "the clone holds it");
}

#[test]
fn owned_references_of_another_store_panic_where_there_is_no_error() {
    let engine = Engine::default();
    let (mut ours, mut theirs) = (Store::new(&engine, ()), Store::new(&engine, ()));
    let theirs_owned = ExternRef::new(&mut theirs, 1).expect("room").to_owned_rooted(&mut theirs).expect("held");
    assert!(catch_unwind(AssertUnwindSafe(|| theirs_owned.to_rooted(&mut ours))).is_err(), "OwnedRooted::to_rooted");
    let hash = || theirs_owned.ref_hash(&ours, &mut DefaultHasher::new());
    assert!(catch_unwind(AssertUnwindSafe(hash)).is_err(), "OwnedRooted::ref_hash");
    let ours_held = ExternRef::new(&mut ours, 1).expect("room");
    OwnedRooted::ref_eq(&ours, &theirs_owned, &ours_held).expect_err("of another store");
}

#[test]
fn unwrapping_what_a_reference_is_not_panics() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let external = ExternRef::new(&mut store, 1).expect("room");
    let converted = AnyRef::convert_extern(&mut store, external).expect("held");
    let number = AnyRef::from_i31(&mut store, I31::wrapping_u32(1));
    let panics = |call: &dyn Fn()| catch_unwind(AssertUnwindSafe(call)).is_err();
    assert!(panics(&|| drop(converted.unwrap_eqref(&store))), "AnyRef::unwrap_eqref");
    assert!(panics(&|| drop(converted.unwrap_i31(&store))), "AnyRef::unwrap_i31");
    assert!(panics(&|| drop(number.unwrap_struct(&store))) && panics(&|| drop(number.unwrap_array(&store))));
    assert_eq!(number.unwrap_eqref(&store).expect("held").unwrap_i31(&store).expect("held").get_u32(), 1);
    assert!(panics(&|| _ = Val::from(external).unwrap_anyref()), "Val::unwrap_anyref");
}

#[test]
fn references_to_exceptions_do_not_pile_up() {
    use epsilon::{ExnRef, ExnRefPre, ExnType, FuncType, Tag, TagType, ValType};
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let ty = TagType::new(FuncType::new(&engine, std::iter::repeat_n(ValType::V128, 64), []));
    let tag = Tag::new(&mut store, &ty).expect("room");
    let pre = ExnRefPre::new(&mut store, ExnType::from_tag_type(&ty).expect("no results"));
    let fields = [Val::from(5_u128); 64];
    let kept = ExnRef::new(&mut store, &pre, &tag, &fields).expect("room");
    // Twice what a store can hold at once.
    for _ in 0..130_000 {
        let mut scope = RootScope::new(&mut store);
        let exception = ExnRef::new(&mut scope, &pre, &tag, &fields).expect("earlier ones are not held any more");
        assert_eq!(exception.field(&mut scope, 63).expect("held").unwrap_v128().as_u128(), 5);
    }
    assert_eq!(kept.fields(&mut store).expect("held").len(), 64);
    ExnRef::new(&mut store, &pre, &tag, &fields[1..]).expect_err("too few fields");
    kept.field(&mut store, 64).expect_err("there are 64");
}
