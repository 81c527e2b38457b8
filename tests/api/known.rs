//! Methods that embedders know from elsewhere, and what they do here.

use crate::support::engine;
use epsilon::{
    Engine, Extern, ExternRef, Func, HeapType, Instance, Linker, Memory, MemoryType, Module, Ref, RefType, Rooted,
    SharedMemory, Store, Table, TableType, Val, ValType,
};

fn store() -> Store<()> {
    Store::new(&engine(), ())
}

fn table_type(min: u32) -> TableType {
    TableType::new(RefType::FUNCREF, min, None)
}

/// What the functions in a table return, -1 for null.
fn results(store: &mut Store<()>, table: Table) -> Vec<i32> {
    let size = table.size(&*store);
    let call = |n| match table.get(&mut *store, n).expect("inside") {
        Ref::Func(Some(func)) => {
            func.typed::<(), i32>(&*store).expect("its type").call(&mut *store, ()).expect("a result")
        }
        _ => -1,
    };
    (0..size).map(call).collect::<Vec<_>>()
}

#[test]
fn tables_are_filled_and_copied() {
    let mut store = store();
    let func = |store: &mut Store<()>, n: i32| Func::wrap(store, move || n);
    let (one, two) = (func(&mut store, 1), func(&mut store, 2));
    let a = Table::new(&mut store, table_type(5), Ref::Func(None)).expect("a table");
    let b = Table::new(&mut store, table_type(4), one.into()).expect("a table");
    a.fill(&mut store, 3, two.into(), 2).expect("inside");
    assert_eq!(results(&mut store, a), [-1, -1, -1, 2, 2]);
    assert!(a.fill(&mut store, 4, one.into(), 2).is_err() && a.fill(&mut store, u64::MAX, one.into(), 1).is_err());
    assert_eq!(results(&mut store, a), [-1, -1, -1, 2, 2]);
    Table::copy(&mut store, &a, 0, &b, 2, 2).expect("inside");
    assert_eq!(results(&mut store, a), [1, 1, -1, 2, 2]);
    Table::copy(&mut store, &a, 1, &a, 0, 4).expect("overlapping");
    assert_eq!(results(&mut store, a), [1, 1, 1, -1, 2]);
    assert!(Table::copy(&mut store, &a, 4, &b, 0, 2).is_err() && Table::copy(&mut store, &a, 0, &b, 3, 2).is_err());
    assert_eq!(results(&mut store, a), [1, 1, 1, -1, 2]);

    // Of another type or store.
    let element = RefType::new(false, HeapType::Func);
    let never_null = Table::new(&mut store, TableType::new(element, 5, None), one.into()).expect("a table");
    assert!(Table::copy(&mut store, &never_null, 0, &a, 0, 1).is_err());
    Table::copy(&mut store, &a, 3, &never_null, 0, 1).expect("a subtype");
    assert_eq!(results(&mut store, a), [1, 1, 1, 1, 2]);
    let externs = TableType::new(RefType::EXTERNREF, 5, None);
    let externs = Table::new(&mut store, externs, Ref::Extern(None)).expect("a table");
    assert!(Table::copy(&mut store, &a, 0, &externs, 0, 1).is_err());
    assert!(a.fill(&mut store, 0, Ref::Extern(None), 1).is_err());
    let mut other = self::store();
    assert!(Table::copy(&mut other, &a, 0, &b, 0, 1).is_err() && a.fill(&mut other, 0, one.into(), 1).is_err());
}

/// A table that only its module reaches holds other rows than one that others see.
#[test]
fn private_tables_are_not_reached_by_copies() {
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let text = r#"(module
        (table $private 2 funcref) (table $public (export "t") 2 funcref)
        (elem (table $private) (i32.const 0) func $f $f)
        (func $f (result i32) (i32.const 7))
        (func (export "copy") (table.copy $public $private (i32.const 0) (i32.const 0) (i32.const 2))))"#;
    let module = Module::new(&engine, text).expect("a module");
    let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
    instance.get_typed_func::<(), ()>(&mut store, "copy").expect("a function").call(&mut store, ()).expect("inside");
    let table = instance.get_table(&mut store, "t").expect("a table");
    let own = Table::new(&mut store, table_type(3), Ref::Func(None)).expect("a table");
    Table::copy(&mut store, &own, 1, &table, 0, 2).expect("inside");
    assert_eq!(results(&mut store, own), [-1, 7, 7]);
}

#[test]
fn memories_tell_their_pages_and_where_they_lie() {
    let mut store = store();
    let memory = Memory::new(&mut store, MemoryType::new(2, None));
    let memory = memory.expect("a memory");
    assert_eq!((memory.page_size(&store), memory.page_size_log2(&store)), (65536, 16));
    assert_eq!(memory.data_ptr(&store).cast_const(), memory.data(&store).as_ptr());
    let shared = MemoryType::shared(1, 2);
    assert_eq!(SharedMemory::new(&engine(), shared).expect("a memory").page_size(), 65536);
}

#[test]
fn values_and_references_tell_what_they_are() {
    let mut store = store();
    let func = Func::wrap(&mut store, || ());
    let external = ExternRef::new(&mut store, 5_u8).expect("a reference");
    let numbers = (Val::I32(-1).unwrap_i32(), Val::from(1_i64).unwrap_i64(), Val::from(0.5_f32).unwrap_f32());
    assert_eq!(numbers, (-1, 1, 0.5));
    assert_eq!((Val::from(2.5_f64).unwrap_f64(), Val::from(3_u128).unwrap_v128().as_u128()), (2.5, 3));
    assert_eq!((Val::I32(1).v128(), Val::I32(1).ref_().is_none()), (None, true));
    assert!(Val::from(func).unwrap_funcref().is_some() && Val::null_func_ref().unwrap_funcref().is_none());
    assert!(Val::from(external).unwrap_externref().is_some_and(|held| Rooted::rooted_eq(*held, external)));
    assert!(matches!(Val::null_extern_ref().externref(), Some(None)) && Val::null_extern_ref().funcref().is_none());
    assert!(std::panic::catch_unwind(|| Val::I64(1).unwrap_i32()).is_err());

    let (some, none) = (Ref::from(func), Ref::null(&HeapType::Func));
    assert!(some.is_func() && some.is_non_null() && !some.is_null() && !some.is_extern() && !some.is_exn());
    assert!(none.is_func() && none.is_null() && none.unwrap_func().is_none());
    assert!(Ref::from(external).unwrap_extern().is_some() && Ref::from(external).as_func().is_none());
    assert!(Ref::null(&HeapType::Exn).is_exn());

    let matches = |value: Val, ty: ValType| value.matches_ty(&store, &ty).expect("of this store");
    assert!(matches(Val::I32(1), ValType::I32) && !matches(Val::I32(1), ValType::I64));
    assert!(matches(func.into(), ValType::FUNCREF) && !matches(func.into(), ValType::EXTERNREF));
    let never_null = ValType::Ref(RefType::new(false, HeapType::Func));
    assert!(matches(func.into(), never_null.clone()) && !matches(Val::null_func_ref(), never_null.clone()));
    assert!(Val::default_for_ty(&never_null).is_none() && Val::default_for_ty(&ValType::F64).is_some());
    assert!(Val::from(func).matches_ty(self::store(), &ValType::FUNCREF).is_err());
}

fn call(item: Extern, store: &mut Store<()>) -> i32 {
    let func = item.into_func().expect("a function");
    func.typed::<(), i32>(&*store).expect("its type").call(store, ()).expect("a result")
}

#[test]
fn definitions_have_aliases_and_are_listed() {
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.func_wrap("a", "one", || 1).expect("new").func_wrap("a", "two", || 2).expect("new");
    linker.alias("a", "one", "b", "eins").expect("new");
    assert_eq!(call(linker.get(&mut store, "b", "eins").expect("the alias"), &mut store), 1);
    assert!(linker.alias("a", "three", "b", "drei").is_err() && linker.alias("a", "two", "b", "eins").is_err());
    linker.alias_module("a", "c").expect("new");
    assert_eq!(call(linker.get(&mut store, "c", "two").expect("the alias"), &mut store), 2);
    assert!(linker.alias_module("a", "c").is_err());
    linker.alias_module("none", "d").expect("there is nothing to do");
    let mut names: Vec<_> = linker.iter(&mut store).map(|(module, name, _)| format!("{module}.{name}")).collect();
    names.sort();
    assert_eq!(names, ["a.one", "a.two", "b.eins", "c.one", "c.two"]);
    let error = linker.get(&mut store, "d", "one").map(drop).expect_err("nothing of this name");
    assert!(error.to_string().contains("`d`.`one`"), "{error}");
}

#[test]
fn what_runs_a_module_is_its_default() {
    let engine = engine();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let nothing = linker.get_default(&mut store, "none").expect("a function that does nothing");
    nothing.typed::<(), ()>(&store).expect("its type").call(&mut store, ()).expect("it does nothing");
    linker.func_wrap("m", "_start", || 1).expect("new");
    let default = |linker: &Linker<()>, store: &mut Store<()>| linker.get_default(store, "m").map(Extern::Func);
    assert_eq!(call(default(&linker, &mut store).expect("_start"), &mut store), 1);
    linker.func_wrap("m", "", || 2).expect("new");
    assert_eq!(call(default(&linker, &mut store).expect("the empty name"), &mut store), 2);
    let memory = Memory::new(&mut store, MemoryType::new(1, None));
    linker.allow_shadowing(true).define(&store, "m", "", memory.expect("a memory")).expect("replaced");
    assert!(default(&linker, &mut store).is_err());
}

#[test]
fn unknown_imports_get_default_values() {
    let engine = engine();
    let text = r#"(module
        (import "a" "f" (func $f (param i32) (result i32 f64 funcref)))
        (import "a" "known" (func $known (result i32)))
        (import "a" "g" (global $g i64)) (import "a" "v" (global $v (mut externref)))
        (import "a" "m" (memory 3)) (import "a" "t" (table $t 4 funcref))
        (func (export "f") (result i32 f64 funcref) (call $f (i32.const 9)))
        (func (export "rest") (result i32)
            (i32.add (i32.wrap_i64 (global.get $g)) (i32.add (call $known)
            (i32.add (ref.is_null (global.get $v)) (i32.add (memory.size) (table.size $t)))))))"#;
    let module = Module::new(&engine, text).expect("a module");
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.func_wrap("a", "known", || 100).expect("new");
    linker.define_unknown_imports_as_default_values(&mut store, &module).expect("all have one");
    let instance = linker.instantiate(&mut store, &module).expect("an instance");
    let mut results = [Val::I32(1), Val::I32(1), Val::I32(1)];
    instance.get_func(&mut store, "f").expect("a function").call(&mut store, &[], &mut results).expect("zeros");
    assert!(matches!(results, [Val::I32(0), Val::F64(0), Val::FuncRef(None)]), "{results:?}");
    let rest = instance.get_typed_func::<(), i32>(&mut store, "rest").expect("a function");
    assert_eq!(rest.call(&mut store, ()).expect("a sum"), 100 + 1 + 3 + 4);
    for import in module.imports() {
        assert!(linker.get_by_import(&mut store, &import).is_some());
        assert!(linker.try_get_by_import(&mut store, &import).expect("no error").is_some());
    }
    let never_null = Module::new(&engine, r#"(module (import "a" "x" (global (ref extern))))"#).expect("a module");
    let error = linker.define_unknown_imports_as_default_values(&mut store, &never_null).expect_err("no value");
    assert!(error.to_string().contains("default value"), "{error}");
    let tag = Module::new(&engine, r#"(module (import "a" "tag" (tag (param i32))))"#).expect("a module");
    linker.define_unknown_imports_as_default_values(&mut store, &tag).expect("a tag of its own");
    // Host functions of another engine.
    let mut foreign = Store::new(&Engine::default(), ());
    let known = module.imports().nth(1).expect("an import");
    assert!(linker.get_by_import(&mut foreign, &known).is_none());
    assert!(linker.try_get_by_import(&mut foreign, &known).is_err());
}
