//! Types that are defined: host functions, tables and globals have exactly them, and typed functions look at what Rust cannot
//! say.

use crate::support::{engine, module};
use epsilon::{
    Caller, Extern, Finality, Func, FuncType, Global, GlobalType, HeapType, I31, Instance, Linker, Mutability, NoFunc,
    Ref, RefType, Rooted, Store, StructRef, Table, TableType, Val, ValType,
};

#[test]
fn host_functions_have_the_very_type_that_they_are_given() {
    let engine = engine();
    let open = |supertype, results: &[ValType]| {
        FuncType::with_finality_and_supertype(&engine, Finality::NonFinal, supertype, [], results.iter().cloned())
            .expect("a type")
    };
    let general = open(None, &[ValType::FUNCREF]);
    let special = open(Some(&general), &[ValType::NULLFUNCREF]);
    let mut store = Store::new(&engine, ());
    let func = |store: &mut Store<()>, ty: &FuncType| {
        Func::new(store, ty.clone(), |_: Caller<'_, ()>, _, results| {
            results[0] = Val::FuncRef(None);
            Ok(())
        })
    };
    let (of_general, of_special) = (func(&mut store, &general), func(&mut store, &special));
    assert!(FuncType::eq(&of_general.ty(&store), &general) && FuncType::eq(&of_special.ty(&store), &special));
    assert!(of_special.matches_ty(&store, &general) && !of_general.matches_ty(&store, &special));
    let text = r#"(module (type $general (sub (func (result funcref))))
        (type $special (sub $general (func (result nullfuncref))))
        (import "" "f" (func (type $special))))"#;
    let module = module(&engine, text);
    Instance::new(&mut store, &module, &[of_special.into()]).expect("the very type");
    Instance::new(&mut store, &module, &[of_general.into()]).expect_err("a more general one");
    let mut linker = Linker::new(&engine);
    let null = |_: Caller<'_, ()>, _: &[Val], results: &mut [Val]| {
        results[0] = Val::FuncRef(None);
        Ok(())
    };
    linker.func_new("", "f", special, null).expect("new");
    linker.instantiate(&mut store, &module).expect("the very type");
}

#[test]
fn tables_and_globals_of_the_host_keep_their_types() {
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let (table, global) = {
        let ty = FuncType::new(&engine, [ValType::V128, ValType::F32], [ValType::V128]);
        let reference = RefType::new(true, HeapType::ConcreteFunc(ty));
        let table = Table::new(&mut store, TableType::new(reference.clone(), 1, None), Ref::Func(None)).expect("room");
        let ty = GlobalType::new(reference.into(), Mutability::Var);
        (table, Global::new(&mut store, ty, Val::FuncRef(None)).expect("room"))
    };
    // Types without users would go now.
    drop(FuncType::new(&engine, [ValType::F64], []));
    let text = "(func (v128, f32) -> (v128))";
    let ty = table.ty(&store);
    assert!(ty.element().heap_type().is_concrete_func(), "{ty:?} {text}");
    assert!(global.ty(&store).content().as_ref().is_some_and(|ty| ty.heap_type().is_concrete_func()));
}

#[test]
fn arguments_of_defined_types_are_looked_at_with_each_call() {
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let text = r#"(module (type $f (func)) (type $s (struct (field i32))) (type $other (struct (field f64)))
        (func (export "f") (param (ref null $f)) (result i32) (ref.is_null (local.get 0)))
        (func (export "g") (param (ref $f)))
        (func (export "s") (param i64 (ref $s)) (result i32) (struct.get $s 0 (local.get 1)))
        (func (export "n") (param (ref null $s)) (result i32) (ref.is_null (local.get 0)))
        (func (export "make") (result (ref $s)) (struct.new $s (i32.const 9)))
        (func (export "other") (result (ref $other)) (struct.new_default $other)))"#;
    let instance = Instance::new(&mut store, &module(&engine, text), &[]).expect("an instance");
    let (right, wrong) = (Func::wrap(&mut store, || ()), Func::wrap(&mut store, |_: i32| ()));
    let f = instance.get_typed_func::<Option<Func>, i32>(&mut store, "f").expect("may fit");
    assert_eq!([None, Some(right)].map(|arg| f.call(&mut store, arg).expect("it fits")), [1, 0]);
    f.call(&mut store, Some(wrong)).expect_err("of another type");
    let none = instance.get_typed_func::<Option<NoFunc>, i32>(&mut store, "f").expect("fits");
    assert_eq!(none.call(&mut store, None).expect("null"), 1);
    let g = instance.get_typed_func::<Option<Func>, ()>(&mut store, "g").expect("may fit");
    g.call(&mut store, None).expect_err("null is not asked for");
    g.call(&mut store, Some(right)).expect("it fits");
    let make = |store: &mut Store<()>, name: &str| {
        let make = instance.get_typed_func::<(), Rooted<StructRef>>(&mut *store, name).expect("exported");
        make.call(store, ()).expect("no trap")
    };
    let (made, other) = (make(&mut store, "make"), make(&mut store, "other"));
    let s = instance.get_typed_func::<(i64, Rooted<StructRef>), i32>(&mut store, "s").expect("may fit");
    assert_eq!(s.call(&mut store, (0, made)).expect("it fits"), 9);
    s.call(&mut store, (0, other)).expect_err("of another type");
    let n = instance.get_typed_func::<Option<I31>, i32>(&mut store, "n").expect("may fit");
    assert_eq!(n.call(&mut store, None).expect("null"), 1);
    n.call(&mut store, Some(I31::wrapping_u32(1))).expect_err("a number");
    instance.get_typed_func::<Option<Func>, i32>(&mut store, "n").expect_err("of another family");
}

#[test]
fn types_without_values_are_parameters_and_results() {
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let never = Func::wrap(&mut store, |_: NoFunc| -> NoFunc { unreachable!("nobody has one") });
    let ty = never.ty(&store);
    let expected = ValType::Ref(RefType::new(false, HeapType::NoFunc));
    assert_eq!((ty.param(0), ty.result(0)), (Some(expected.clone()), Some(expected)));
    let ends = Func::wrap(&mut store, || -> epsilon::Result<NoFunc> { epsilon::bail!("it cannot return") });
    let ends = ends.typed::<(), Func>(&store).expect("less special");
    assert_eq!(ends.call(&mut store, ()).expect_err("an error").to_string(), "it cannot return");
}

#[test]
fn results_that_a_host_function_does_not_set_are_of_the_wrong_type() {
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let ty = FuncType::new(&engine, [], [ValType::I32]);
    let nothing = Func::new(&mut store, ty, |_: Caller<'_, ()>, _, _| Ok(()));
    nothing.call(&mut store, &[], &mut [Val::I32(0)]).expect_err("no i32");
    let ty = FuncType::new(&engine, [], [ValType::FUNCREF]);
    let nothing = Func::new(&mut store, ty, |_: Caller<'_, ()>, _, _| Ok(()));
    nothing.call(&mut store, &[], &mut [Val::I32(0)]).expect("null is one");
}

#[test]
fn commands_have_an_instance_for_each_call() {
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let command = module(
        &engine,
        r#"(module (global $n (mut i32) (i32.const 0)) (memory (export "memory") 1)
        (func (export "_start") (global.set $n (i32.const 7)))
        (func (export "next") (result i32)
            (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))"#,
    );
    let mut linker = Linker::new(&engine);
    linker.module(&mut store, "command", &command).expect("functions and a memory");
    let next = linker
        .get(&mut store, "command", "next")
        .and_then(|item| item.into_func().expect("a function").typed::<(), i32>(&store));
    let next = next.expect("defined");
    assert_eq!([(); 3].map(|()| next.call(&mut store, ()).expect("no trap")), [1; 3]);
    linker.get(&mut store, "command", "memory").expect_err("only functions are defined");
    let more = module(&engine, r#"(module (func (export "_start")) (global (export "g") i32 (i32.const 0)))"#);
    linker.module(&mut store, "more", &more).expect_err("a global");
    linker.allow_shadowing(true).allow_unknown_exports(true).module(&mut store, "more", &more).expect("left out");
    assert!(matches!(linker.get(&mut store, "more", "_start"), Ok(Extern::Func(_))));
    linker.get(&mut store, "more", "g").expect_err("left out");
}

#[test]
fn raw_calls_pass_values_without_their_types() {
    use epsilon::ValRaw;
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let ty = FuncType::new(
        &engine,
        [ValType::I32, ValType::F64, ValType::V128, ValType::EXTERNREF],
        [ValType::V128, ValType::I64],
    );
    // SAFETY: both results are set, to values of their types.
    let host = unsafe {
        Func::new_unchecked(&mut store, ty, |_: Caller<'_, ()>, values| {
            let given: Vec<ValRaw> = values.iter().map(|value| value.assume_init()).collect();
            assert_eq!((given[0].get_i32(), given[1].get_f64(), given[3].get_externref()), (-1, 2.5f64.to_bits(), 0));
            values[0].write(ValRaw::v128(given[2].get_v128() + 1));
            values[1].write(ValRaw::i64(-7));
            Ok(())
        })
    };
    let text = r#"(module (import "" "f" (func $f (param i32 f64 v128 externref) (result v128 i64)))
        (func (export "run") (param i32 f64 v128 externref) (result v128 i64)
            (call $f (local.get 0) (local.get 1) (local.get 2) (local.get 3))))"#;
    let instance = Instance::new(&mut store, &module(&engine, text), &[host.into()]).expect("an instance");
    let run = instance.get_func(&mut store, "run").expect("exported");
    let args = [Val::I32(-1), Val::from(2.5), Val::from(u128::MAX - 1), Val::ExternRef(None)];
    for func in [host, run] {
        let mut values = args.map(|arg| arg.to_raw(&mut store).expect("of this store"));
        // SAFETY: there is room for four values, and they are arguments of the function's types.
        unsafe { func.call_unchecked(&mut store, &mut values).expect("no trap") };
        assert_eq!((values[0].get_v128(), values[1].get_i64()), (u128::MAX, -7));
    }
    let raw = run.to_raw(&mut store);
    // SAFETY: the bits are of this store.
    assert_eq!(unsafe { Func::from_raw(&mut store, raw) }, Some(run));
    // SAFETY: the bits are of this type and store.
    let value = unsafe { Val::from_raw(&mut store, ValRaw::funcref(raw), ValType::FUNCREF) };
    assert!(value.unwrap_funcref() == Some(&run));
}
