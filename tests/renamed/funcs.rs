//! Functions: of the host and of guests, dynamic and typed; what a host function has of its caller.

use epsilon as wasmtime;
use wasmtime::*;

#[test]
fn closures_of_every_shape_are_functions() -> Result<()> {
    let mut store = Store::<()>::default();
    Func::wrap(&mut store, || {});
    Func::wrap(&mut store, |_: i32| {});
    Func::wrap(&mut store, |_: i32, _: i64, _: f32, _: f64| {});
    Func::wrap(&mut store, || -> i32 { 0 });
    Func::wrap(&mut store, || -> (i64, f32) { (0, 0.0) });
    Func::wrap(&mut store, |_: Caller<'_, ()>| {});
    Func::wrap(&mut store, |_: Caller<'_, ()>, _: u32| -> Result<u64> { Ok(1) });
    Func::wrap(&mut store, || -> Option<Func> { None });
    let f = Func::try_wrap(&mut store, |a: i32, b: i32| a + b)?;
    assert_eq!(f.ty(&store).to_string(), "(i32, i32) -> (i32)");
    let mut results = [Val::I32(0)];
    f.call(&mut store, &[Val::I32(1), 2.into()], &mut results)?;
    assert_eq!(results[0].unwrap_i32(), 3);
    let typed = f.typed::<(i32, i32), i32>(&store)?;
    assert_eq!(typed.call(&mut store, (4, 5))?, 9);
    assert_eq!(typed.func().ty(&store).params().len(), 2);
    assert!(f.typed::<(), ()>(&store).is_err());
    assert!(f.matches_ty(&store, &f.ty(&store)));
    Ok(())
}

#[test]
fn dynamic_functions_see_values() -> Result<()> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, 5u32);
    let ty = FuncType::new(&engine, [ValType::I32, ValType::I64], Some(ValType::I64));
    let f = Func::new(&mut store, ty.clone(), |mut caller, params, results| {
        *caller.data_mut() += params[0].unwrap_i32() as u32;
        results[0] = Val::I64(params[1].unwrap_i64() * 2);
        Ok(())
    });
    let mut results = vec![Val::null_func_ref()];
    f.call(&mut store, &[Val::I32(2), Val::I64(21)], &mut results)?;
    assert_eq!((results[0].i64(), *store.data()), (Some(42), 7));
    assert!(f.call(&mut store, &[], &mut results).is_err());
    assert!(f.call(&mut store, &[Val::I32(2), Val::F64(0)], &mut results).is_err());
    Func::try_new(&mut store, ty, |_, _, _| bail!("never"))?;
    assert_eq!(store.into_data(), 7);
    Ok(())
}

#[test]
fn host_closures_infer_what_they_fail_with() -> Result<()> {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    linker.func_wrap("a", "b", |mut caller: Caller<'_, Vec<i32>>, p: i32| {
        let memory = caller.get_export("memory").and_then(Extern::into_memory).context("no memory")?;
        let mut bytes = [0; 4];
        memory.read(&caller, p as usize, &mut bytes)?;
        caller.data_mut().push(i32::from_le_bytes(bytes));
        let (data, store) = memory.data_and_store_mut(&mut caller);
        data[0] = store.len() as u8;
        Ok(())
    })?;
    linker.func_new("a", "c", FuncType::new(&engine, None, None), |caller, _, _| {
        assert!(Engine::same(caller.engine(), caller.as_context().engine()));
        Ok(())
    })?;
    let module = Module::new(
        &engine,
        r#"(module (import "a" "b" (func $b (param i32))) (import "a" "c" (func $c))
            (memory (export "memory") 1) (data (i32.const 8) "\2a")
            (func (export "run") (call $b (i32.const 8)) (call $c)))"#,
    )?;
    let mut store = Store::new(&engine, Vec::new());
    let instance = linker.instantiate(&mut store, &module)?;
    instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())?;
    assert_eq!(store.data()[..], [42]);
    assert_eq!(instance.get_memory(&mut store, "memory").unwrap().data(&store)[0], 1);
    Ok(())
}

#[test]
fn functions_that_cannot_be_null_are_functions() -> Result<()> {
    let mut store = Store::<()>::default();
    let wat = r#"(module (func $one (export "one") (result i32) (i32.const 1))
        (func (export "give") (result (ref func)) (ref.func $one)))"#;
    let module = Module::new(store.engine(), wat)?;
    let instance = Instance::new(&mut store, &module, &[])?;
    let give = instance.get_typed_func::<(), Option<Func>>(&mut store, "give")?;
    assert!(give.call(&mut store, ())?.is_some());
    let give = instance.get_typed_func::<(), Func>(&mut store, "give")?;
    assert_eq!(give.call(&mut store, ())?.typed::<(), i32>(&store)?.call(&mut store, ())?, 1);
    Ok(())
}

/// Code that works with any store.
fn len<C: AsContext>(store: C, memory: Memory) -> usize {
    memory.data_size(&store)
}

fn grow(mut store: impl AsContextMut, memory: Memory) -> Result<u64> {
    memory.grow(&mut store, 1)
}

#[test]
fn contexts_are_taken_in_every_form() -> Result<()> {
    let engine = Engine::default();
    let mut store = Store::try_new(&engine, 1)?;
    let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
    assert_eq!((len(&store, memory), len(&mut store, memory), len(store.as_context(), memory)), (65536, 65536, 65536));
    assert_eq!((grow(&mut store, memory)?, grow(store.as_context_mut(), memory)?), (1, 2));
    let mut boxed = Box::new(store);
    assert_eq!(grow(&mut boxed, memory)?, 3);
    let context: StoreContext<'_, i32> = boxed.as_context();
    assert_eq!((context.data(), Engine::same(context.engine(), &engine)), (&1, true));
    let mut context: StoreContextMut<'_, i32> = boxed.as_context_mut();
    *context.data_mut() = 2;
    assert_eq!(*context.data(), 2);
    context.gc(None).expect("room");
    assert_eq!(*boxed.data(), 2);
    *boxed.data_mut() = 3;
    boxed.gc(None).expect("room");
    assert_eq!((*boxed).into_data(), 3);
    Ok(())
}
