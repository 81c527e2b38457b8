//! What the embedder is told of calls, and exceptions that wait in the store.

use crate::support::{engine, module};
use epsilon::{
    AsContextMut, CallHook, Caller, Error, Exception, ExnRef, ExnRefPre, ExnType, Extern, Func, FuncType, Instance,
    Store, Tag, TagType, ThrownException, Val, ValType, WasmBacktrace,
};

const STEPS: &str = r#"(module (import "" "host" (func $host))
    (func (export "call") (call $host))
    (func (export "trap") unreachable))"#;

#[test]
fn each_step_between_host_and_wasm_is_told_of() {
    use CallHook::{CallingHost, CallingWasm, ReturningFromHost, ReturningFromWasm};
    let engine = engine();
    let mut store = Store::new(&engine, Vec::new());
    store.call_hook(|mut store, step| {
        store.data_mut().push(step);
        Ok(())
    });
    let host = Func::wrap(&mut store, |mut caller: Caller<'_, Vec<CallHook>>| {
        assert_eq!(caller.data().last(), Some(&CallingHost));
        caller.data_mut().push(CallingHost);
        caller.data_mut().pop();
    });
    let instance = Instance::new(&mut store, &module(&engine, STEPS), &[host.into()]).expect("an instance");
    assert!(store.data().is_empty(), "there is no start function");
    let call = instance.get_typed_func::<(), ()>(&mut store, "call").expect("exported");
    call.call(&mut store, ()).expect("no trap");
    let all = [CallingWasm, CallingHost, ReturningFromHost, ReturningFromWasm];
    assert_eq!(std::mem::take(store.data_mut()), all);
    assert_eq!(all.map(|step| step.entering_host()), [false, true, false, true]);
    assert!(all.iter().all(|step| step.entering_host() != step.exiting_host()));
    instance.get_func(&mut store, "trap").expect("exported").call(&mut store, &[], &mut []).expect_err("a trap");
    assert_eq!(std::mem::take(store.data_mut()), [CallingWasm, ReturningFromWasm]);
    // A function of the host that the host calls is called by way of wasm.
    host.call(&mut store, &[], &mut []).expect("no trap");
    assert_eq!(std::mem::take(store.data_mut()), all);
}

#[test]
fn an_error_of_the_hook_ends_the_call() {
    let engine = engine();
    for (refused, ran) in [
        (CallHook::CallingWasm, false),
        (CallHook::CallingHost, false),
        (CallHook::ReturningFromHost, true),
        (CallHook::ReturningFromWasm, true),
    ] {
        let mut store = Store::new(&engine, false);
        let host = Func::wrap(&mut store, |mut caller: Caller<'_, bool>| *caller.data_mut() = true);
        let instance = Instance::new(&mut store, &module(&engine, STEPS), &[host.into()]).expect("an instance");
        store.call_hook(move |_, step| if step == refused { Err(Error::msg("refused")) } else { Ok(()) });
        let call = instance.get_typed_func::<(), ()>(&mut store, "call").expect("exported");
        assert_eq!(call.call(&mut store, ()).expect_err("refused").to_string(), "refused", "{refused:?}");
        assert_eq!(*store.data(), ran, "{refused:?}");
        // Another hook takes its place, and the store is as good as new.
        store.call_hook(|_, _| Ok(()));
        call.call(&mut store, ()).expect("allowed");
    }
}

#[test]
fn the_host_throws_what_its_store_keeps() {
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let ty = FuncType::new(&engine, [ValType::I32], []);
    let tag = Tag::new(&mut store, &TagType::new(ty.clone())).expect("room");
    let pre = ExnRefPre::new(&mut store, ExnType::from_tag_type(&TagType::new(ty.clone())).expect("no results"));
    let throw = Func::new(&mut store, ty, move |mut caller, params, _| {
        let exception = ExnRef::new(&mut caller, &pre, &tag, params)?;
        caller.as_context_mut().throw(exception)
    });
    let text = r#"(module (import "" "t" (tag $t (param i32))) (import "" "throw" (func $throw (param i32)))
        (func (export "catch") (result i32)
            (block $b (result i32) (try_table (result i32) (catch $t $b) (call $throw (i32.const 42)) (i32.const 0))))
        (func (export "pass") (call $throw (i32.const 43)))
        (func (export "own") (throw $t (i32.const 44))))"#;
    let imports = [Extern::Tag(tag), throw.into()];
    let instance = Instance::new(&mut store, &module(&engine, text), &imports).expect("an instance");
    let func = |store: &mut Store<()>, name: &str| instance.get_func(store, name).expect("exported");
    let mut results = [Val::I32(0)];
    func(&mut store, "catch").call(&mut store, &[], &mut results).expect("caught");
    assert!(results[0].unwrap_i32() == 42 && !store.has_pending_exception(), "what is caught waits no longer");
    for (name, payload) in [("pass", 43), ("own", 44)] {
        let error = func(&mut store, name).call(&mut store, &[], &mut []).expect_err("not caught");
        assert!(error.is::<ThrownException>() && error.is::<Exception>() && error.is::<WasmBacktrace>(), "{error:?}");
        assert!(error.downcast::<ThrownException>().is_ok());
        let pending = store.take_pending_exception().expect("it waits");
        assert!(pending.tag(&mut store).expect("held") == tag && !store.has_pending_exception());
        assert_eq!(pending.field(&mut store, 0).expect("held").unwrap_i32(), payload);
    }
    // The word alone throws nothing.
    let lies = Func::wrap(&mut store, || -> epsilon::Result<()> { Err(ThrownException.into()) });
    let error = lies.call(&mut store, &[], &mut []).expect_err("an error");
    assert!(error.is::<ThrownException>() && error.exception().is_none() && !store.has_pending_exception());
}
