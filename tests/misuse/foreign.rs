//! Items of another store, and of another engine.

use crate::support::module;
use epsilon::{
    AnyRef, ArrayRef, ArrayRefPre, ArrayType, AsContextMut, Caller, Engine, EqRef, Error, ErrorKind, Exception, ExnRef,
    ExnRefPre, ExnType, Extern, ExternRef, FieldType, Func, FuncType, Global, HeapType, I31, Instance, InstancePre,
    Linker, Memory, MemoryType, Module, Mutability, Ref, RefType, Rooted, SharedMemory, StorageType, Store, StructRef,
    StructRefPre, StructType, Table, TableType, Tag, Val, ValType,
};
use epsilon_runtime::ImportItem;
use std::panic::{AssertUnwindSafe, catch_unwind};

const ITEMS: &str = r#"(module
    (memory (export "memory") 1) (table (export "table") 2 funcref)
    (global (export "global") (mut i32) (i32.const 1)) (global (export "functions") (mut funcref) (ref.null func))
    (tag (export "tag") (param i32))
    (func (export "func") (param i32) (result i32) (local.get 0))
    (func (export "takes") (param funcref externref exnref)) (func (export "typed") (param funcref)))"#;

const IMPORTS: &str = r#"(module (import "" "memory" (memory 1)) (import "" "table" (table 2 funcref))
    (import "" "global" (global (mut i32))) (import "" "tag" (tag (param i32)))
    (import "" "func" (func (param i32) (result i32))))"#;

/// A store with one item of each kind.
struct Items {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
    table: Table,
    global: Global,
    tag: Tag,
    func: Func,
    externref: Rooted<ExternRef>,
    anyref: Rooted<AnyRef>,
    structref: Rooted<StructRef>,
    arrayref: Rooted<ArrayRef>,
    exception: Exception,
    exnref: Rooted<ExnRef>,
    eqref: Rooted<EqRef>,
    structs: StructRefPre,
    arrays: ArrayRefPre,
    exceptions: ExnRefPre,
}

fn items(engine: &Engine) -> Items {
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module(engine, ITEMS), &[]).expect("an instance");
    let tag = instance.get_tag(&mut store, "tag").expect("exported");
    let field = |storage| FieldType::new(Mutability::Var, storage);
    let point = StructType::new(engine, [field(ValType::I32.into())]).expect("a type");
    let bytes = ArrayType::new(engine, field(StorageType::I8));
    let structs = StructRefPre::new(&mut store, point);
    let arrays = ArrayRefPre::new(&mut store, bytes);
    let thrown = ExnType::from_tag_type(&tag.ty(&store)).expect("no results");
    let exceptions = ExnRefPre::new(&mut store, thrown);
    let eqref = EqRef::from_i31(&mut store, I31::wrapping_i32(5));
    let exception = Exception::new(&mut store, tag, &[Val::I32(7)]).expect("an exception");
    Items {
        memory: instance.get_memory(&mut store, "memory").expect("exported"),
        table: instance.get_table(&mut store, "table").expect("exported"),
        global: instance.get_global(&mut store, "global").expect("exported"),
        func: instance.get_func(&mut store, "func").expect("exported"),
        externref: ExternRef::new(&mut store, 5).expect("a reference"),
        structref: StructRef::new(&mut store, &structs, &[Val::I32(1)]).expect("a structure"),
        arrayref: ArrayRef::new_fixed(&mut store, &arrays, &[Val::I32(1)]).expect("an array"),
        anyref: AnyRef::from_i31(&mut store, I31::wrapping_i32(5)),
        exnref: exception.to_exnref(&mut store).expect("a reference"),
        exception,
        structs,
        arrays,
        exceptions,
        eqref,
        tag,
        instance,
        store,
    }
}

fn is_wrong_store(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::WrongStore { .. })
}

/// The call gives the error that an item of another store gives.
macro_rules! refused {
    ($name:literal, $call:expr) => {
        match $call {
            Err(error) => assert!(is_wrong_store(&error), "{}: {error:?}", $name),
            Ok(_) => panic!("{}: accepted", $name),
        }
    };
}

/// The call panics, as its documentation says, and with a message that tells why.
macro_rules! panics {
    ($name:literal, $call:expr) => {{
        let payload = catch_unwind(AssertUnwindSafe(|| _ = $call)).expect_err($name);
        let message = payload.downcast_ref::<String>().map_or("", String::as_str);
        assert!(message.contains("another store"), "{}: {message:?}", $name);
    }};
}

#[test]
fn items_of_another_store_are_refused() {
    let engine = crate::support::engine();
    let mut ours = items(&engine);
    let mut theirs = items(&engine);
    let (store, t) = (&mut ours.store, &theirs);
    let mut results = [Val::I32(0)];

    refused!("Func::call", t.func.call(&mut *store, &[Val::I32(1)], &mut results));
    refused!("Func::typed", t.func.typed::<i32, i32>(&*store));
    let typed = t.func.typed::<i32, i32>(&theirs.store).expect("of its store");
    refused!("TypedFunc::call", typed.call(&mut *store, 1));
    panics!("Func::ty", t.func.ty(&*store));

    panics!("Memory::ty", t.memory.ty(&*store));
    panics!("Memory::size", t.memory.size(&*store));
    panics!("Memory::data_size", t.memory.data_size(&*store));
    panics!("Memory::page_size", t.memory.page_size(&*store));
    panics!("Memory::page_size_log2", t.memory.page_size_log2(&*store));
    panics!("Memory::data_ptr", t.memory.data_ptr(&*store));
    panics!("Memory::data", t.memory.data(&*store).len());
    panics!("Memory::data_mut", t.memory.data_mut(&mut *store).len());
    panics!("Memory::data_and_store_mut", t.memory.data_and_store_mut(&mut *store).0.len());
    refused!("Memory::grow", t.memory.grow(&mut *store, 1));
    refused!("Memory::read", t.memory.read(&*store, 0, &mut [0]));
    refused!("Memory::write", t.memory.write(&mut *store, 0, &[0]));

    panics!("Table::ty", t.table.ty(&*store));
    panics!("Table::size", t.table.size(&*store));
    panics!("Table::get", t.table.get(&mut *store, 0));
    refused!("Table::set", t.table.set(&mut *store, 0, Ref::Func(None)));
    refused!("Table::grow", t.table.grow(&mut *store, 1, Ref::Func(None)));
    refused!("Table::fill", t.table.fill(&mut *store, 0, Ref::Func(None), 1));
    refused!("Table::copy", Table::copy(&mut *store, &t.table, 0, &t.table, 0, 1));

    panics!("Global::ty", t.global.ty(&*store));
    panics!("Global::get", t.global.get(&mut *store));
    refused!("Global::set", t.global.set(&mut *store, Val::I32(1)));

    panics!("Tag::ty", t.tag.ty(&*store));
    refused!("Exception::new", Exception::new(&mut *store, t.tag, &[Val::I32(1)]));
    refused!("Exception::to_exnref", t.exception.to_exnref(&mut *store));
    panics!("ExnRef::exception", t.exnref.exception(&mut *store));
    refused!("ExternRef::data", t.externref.data(&*store));
    refused!("Rooted::ref_eq", Rooted::ref_eq(&*store, &t.externref, &t.externref));
    refused!("AnyRef::convert_extern", AnyRef::convert_extern(&mut *store, t.externref));
    refused!("ExternRef::convert_any", ExternRef::convert_any(&mut *store, t.anyref));
    refused!("AnyRef::as_i31", t.anyref.as_i31(&*store));
    refused!("AnyRef::is_i31", t.anyref.is_i31(&*store));
    refused!("AnyRef::is_eqref", t.anyref.is_eqref(&*store));
    refused!("AnyRef::is_struct", t.anyref.is_struct(&*store));
    refused!("AnyRef::is_array", t.anyref.is_array(&*store));
    refused!("AnyRef::as_struct", t.anyref.as_struct(&*store));
    refused!("AnyRef::as_array", t.anyref.as_array(&*store));
    let theirs_inside = [Val::FuncRef(Some(t.func))];
    let holds_functions = FieldType::new(Mutability::Var, ValType::FUNCREF.into());
    let of_functions = StructType::new(&engine, [holds_functions.clone()]).expect("a type");
    let pre = StructRefPre::new(&mut *store, of_functions);
    refused!("StructRef::new", StructRef::new(&mut *store, &pre, &theirs_inside));
    let pre = ArrayRefPre::new(&mut *store, ArrayType::new(&engine, holds_functions));
    refused!("ArrayRef::new_fixed", ArrayRef::new_fixed(&mut *store, &pre, &theirs_inside));
    refused!("ArrayRef::new", ArrayRef::new(&mut *store, &pre, &theirs_inside[0], 1));
    panics!("StructRef::new", StructRef::new(&mut *store, &t.structs, &[Val::I32(1)]));
    panics!("ArrayRef::new", ArrayRef::new(&mut *store, &t.arrays, &Val::I32(1), 1));
    panics!("ArrayRef::new_fixed", ArrayRef::new_fixed(&mut *store, &t.arrays, &[]));
    panics!("ArrayRef::new_from_i8_slice", ArrayRef::new_from_i8_slice(&mut *store, &t.arrays, &[]));
    panics!("ExnRef::new", ExnRef::new(&mut *store, &t.exceptions, &t.tag, &[Val::I32(1)]));
    refused!("StructRef::ty", t.structref.ty(&*store));
    refused!("StructRef::matches_ty", t.structref.matches_ty(&*store, &StructType::new(&engine, []).expect("a type")));
    refused!("StructRef::fields", t.structref.fields(&mut *store).map(Iterator::count));
    let bytes = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::I8));
    refused!("ArrayRef::ty", t.arrayref.ty(&*store));
    refused!("ArrayRef::matches_ty", t.arrayref.matches_ty(&*store, &bytes));
    refused!("ArrayRef::elems", t.arrayref.elems(&mut *store).map(Iterator::count));
    refused!("ArrayRef::copy_to_i8_slice", t.arrayref.copy_to_i8_slice(&mut *store, &mut [0]));
    refused!("ExnRef::ty", t.exnref.ty(&*store));
    refused!("ExnRef::tag", t.exnref.tag(&mut *store));
    refused!("ExnRef::field", t.exnref.field(&mut *store, 0));
    refused!("ExnRef::fields", t.exnref.fields(&mut *store).map(Iterator::count));
    refused!("ExnRef::matches_ty", t.exnref.matches_ty(&*store, &HeapType::Exn));
    refused!("AnyRef::as_eqref", t.anyref.as_eqref(&*store));
    refused!("EqRef::is_i31", t.eqref.is_i31(&*store));
    refused!("EqRef::ty", t.eqref.ty(&*store));
    refused!("ExternRef::data_mut", t.externref.data_mut(&mut *store));
    refused!("Rooted::to_owned_rooted", t.externref.to_owned_rooted(&mut *store));
    refused!("Rooted::ref_hash", t.externref.ref_hash(&*store, &mut std::hash::DefaultHasher::new()));
    refused!("StructRef::field", t.structref.field(&mut *store, 0));
    refused!("StructRef::set_field", t.structref.set_field(&mut *store, 0, Val::I32(1)));
    refused!("StructRef::to_anyref", t.structref.to_anyref().is_struct(&*store));
    refused!("ArrayRef::to_anyref", t.arrayref.to_anyref().is_array(&*store));
    refused!("ArrayRef::len", t.arrayref.len(&*store));
    refused!("ArrayRef::get", t.arrayref.get(&mut *store, 0));
    refused!("ArrayRef::set", t.arrayref.set(&mut *store, 0, Val::I32(1)));
    refused!("ArrayRef::copy_to_slice", t.arrayref.copy_to_slice(&*store, 0, &mut [0]));
    refused!("ArrayRef::copy_from_slice", t.arrayref.copy_from_slice(&mut *store, 0, &[0]));

    panics!("Instance::get_export", t.instance.get_export(&mut *store, "memory"));
    panics!("Instance::get_func", t.instance.get_func(&mut *store, "func"));
    panics!("Instance::get_memory", t.instance.get_memory(&mut *store, "memory"));
    panics!("Instance::get_table", t.instance.get_table(&mut *store, "table"));
    panics!("Instance::get_shared_memory", t.instance.get_shared_memory(&mut *store, "memory"));
    panics!("Instance::get_global", t.instance.get_global(&mut *store, "global"));
    panics!("Instance::get_tag", t.instance.get_tag(&mut *store, "tag"));
    panics!("Instance::exports", t.instance.exports(&mut *store));
    refused!("Instance::get_typed_func", t.instance.get_typed_func::<i32, i32>(&mut *store, "func"));
    refused!("Instance::reset", t.instance.reset(&mut *store));

    let mut linker = Linker::<()>::new(&engine);
    refused!("Linker::instance", linker.instance(&mut *store, "theirs", t.instance));
    assert!(t.instance.is_of(&t.store) && !t.instance.is_of(&*store), "Instance::is_of");
    // Nothing of theirs has changed.
    assert_eq!(typed.call(&mut theirs.store, 9).expect("no trap"), 9);
    assert_eq!(theirs.memory.size(&theirs.store), 1);
}

#[test]
fn references_of_another_store_are_refused_as_values() {
    let engine = crate::support::engine();
    let mut ours = items(&engine);
    let theirs = items(&engine);
    let func = Val::FuncRef(Some(theirs.func));
    let externref = Val::ExternRef(Some(theirs.externref));
    let exnref = Val::ExnRef(Some(theirs.exnref));
    let nulls = [Val::FuncRef(None), Val::ExternRef(None), Val::ExnRef(None)];
    let takes = ours.instance.get_func(&mut ours.store, "takes").expect("exported");
    for (n, foreign) in [func, externref, exnref].into_iter().enumerate() {
        let mut arguments = nulls;
        arguments[n] = foreign;
        refused!("Func::call", takes.call(&mut ours.store, &arguments, &mut []));
        let Val::FuncRef(_) = foreign else { continue };
        refused!("TypedFunc::call", {
            let typed = ours.instance.get_typed_func::<Option<Func>, ()>(&mut ours.store, "typed").expect("exported");
            typed.call(&mut ours.store, Some(theirs.func))
        });
    }
    refused!("Table::set", ours.table.set(&mut ours.store, 0, Ref::Func(Some(theirs.func))));
    refused!("Table::grow", ours.table.grow(&mut ours.store, 1, Ref::Func(Some(theirs.func))));
    let functions = TableType::new(RefType::FUNCREF, 1, None);
    refused!("Table::fill", ours.table.fill(&mut ours.store, 0, Ref::Func(Some(theirs.func)), 1));
    refused!("Table::copy", Table::copy(&mut ours.store, &ours.table, 0, &theirs.table, 0, 1));
    refused!("Table::copy", Table::copy(&mut ours.store, &theirs.table, 0, &ours.table, 0, 1));
    refused!("Table::new", Table::new(&mut ours.store, functions, Ref::Func(Some(theirs.func))));
    let global = crate::support::variable(ValType::FUNCREF);
    refused!("Global::new", Global::new(&mut ours.store, global, func));
    let functions = ours.instance.get_global(&mut ours.store, "functions").expect("exported");
    refused!("Global::set", functions.set(&mut ours.store, func));
    assert!(matches!(functions.get(&mut ours.store), Val::FuncRef(None)));
    let tag = crate::support::tag(&mut ours.store, [ValType::FUNCREF]).expect("a tag");
    refused!("Exception::new", Exception::new(&mut ours.store, tag, &[func]));
}

/// What a host function gives back is looked at as closely as what the embedder passes.
#[test]
fn host_functions_cannot_return_or_throw_what_is_foreign() {
    let engine = crate::support::engine();
    let theirs = items(&engine);
    let (their_func, their_exception) = (theirs.func, theirs.exception.clone());
    let mut store = Store::new(&engine, ());
    let typed = Func::wrap(&mut store, move || Some(their_func));
    let ty = FuncType::new(&engine, [], [ValType::FUNCREF]);
    let dynamic = Func::new(&mut store, ty, move |_, _, results| {
        results[0] = Val::FuncRef(Some(their_func));
        Ok(())
    });
    let throws = Func::wrap(&mut store, move || -> Result<Option<Func>, Error> { Err(their_exception.clone().into()) });
    let text = r#"(module (import "" "f" (func $f (result funcref))) (table (export "t") 1 funcref)
        (func (export "f") (table.set (i32.const 0) (call $f)))
        (func (export "catch") (block $b (try_table (catch_all $b) (drop (call $f))))))"#;
    for host in [typed, dynamic, throws] {
        let instance = Instance::new(&mut store, &module(&engine, text), &[host.into()]).expect("an instance");
        for name in ["f", "catch"] {
            let f = instance.get_typed_func::<(), ()>(&mut store, name).expect("exported");
            refused!("a foreign item from a host function", f.call(&mut store, ()));
        }
        let table = instance.get_table(&mut store, "t").expect("exported");
        assert!(matches!(table.get(&mut store, 0), Some(Ref::Func(None))));
    }
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("", "f", move |mut caller: Caller<'_, ()>| -> Result<Option<Func>, Error> {
            their_func.call(caller.as_context_mut(), &[Val::I32(1)], &mut [Val::I32(0)])?;
            Ok(None)
        })
        .expect("defined");
    let instance = linker.instantiate(&mut store, &module(&engine, text)).expect("an instance");
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").expect("exported");
    refused!("Func::call from a host function", f.call(&mut store, ()));
    linker
        .allow_shadowing(true)
        .func_wrap("", "f", move |mut caller: Caller<'_, ()>| {
            let _ = caller.data_and_memory(&theirs.memory);
            None::<Func>
        })
        .expect("defined");
    let instance = linker.instantiate(&mut store, &module(&engine, text)).expect("an instance");
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").expect("exported");
    panics!("Caller::data_and_memory", f.call(&mut store, ()));
}

#[test]
fn imports_of_another_store_are_refused() {
    let engine = crate::support::engine();
    let (mut ours, theirs) = (items(&engine), items(&engine));
    let importing = module(&engine, IMPORTS);
    let of =
        |i: &Items| -> [Extern; 5] { [i.memory.into(), i.table.into(), i.global.into(), i.tag.into(), i.func.into()] };
    let (own, foreign) = (of(&ours), of(&theirs));
    Instance::new(&mut ours.store, &importing, &own).expect("its own items");
    for n in 0..own.len() {
        let mut imports = own.clone();
        imports[n] = foreign[n].clone();
        refused!("Instance::new", Instance::new(&mut ours.store, &importing, &imports));
        let given = imports.iter().map(ImportItem::Item);
        refused!("Instance::new_with", Instance::new_with(&mut ours.store, &importing, given));
        let mut linker = Linker::new(&engine);
        for (at, (item, name)) in imports.into_iter().zip(["memory", "table", "global", "tag", "func"]).enumerate() {
            if at == n {
                refused!("Linker::define", linker.define(&ours.store, "", name, item.clone()).map(drop));
                linker.define(&theirs.store, "", name, item).expect("a new name");
            } else {
                linker.define(&ours.store, "", name, item).expect("a new name");
            }
        }
        refused!("Linker::instantiate", linker.instantiate(&mut ours.store, &importing));
        let mixed = linker.instantiate_pre(&importing).expect_err("of two stores");
        assert!(mixed.to_string().contains("belongs to a different store from an earlier import"), "{mixed}");
    }
}

/// Engines number types, and their code, each in its own way.
#[test]
fn what_is_of_another_engine_is_refused() {
    let (engine, other) = (crate::support::engine(), crate::support::engine());
    let mut store = Store::new(&engine, ());
    let misuse = |error: Error| assert!(matches!(error.kind(), ErrorKind::Misuse(_)), "{error:?}");
    misuse(Instance::new(&mut store, &module(&other, "(module)"), &[]).expect_err("Instance::new"));
    misuse(Linker::new(&engine).instantiate(&mut store, &module(&other, "(module)")).expect_err("Linker::instantiate"));
    misuse(Linker::new(&engine).module(&mut store, "", &module(&other, "(module)")).expect_err("Linker::module"));
    let pre: InstancePre<()> = Linker::new(&other).instantiate_pre(&module(&other, "(module)")).expect("looked up");
    misuse(pre.instantiate(&mut store).expect_err("InstancePre::instantiate"));

    let text = r#"(module (import "" "f" (func)))"#;
    let mut linker = Linker::new(&other);
    linker.func_wrap("", "f", || {}).expect("defined");
    misuse(linker.instantiate(&mut store, &module(&engine, text)).expect_err("a host function"));
    assert!(linker.get(&mut store, "", "f").is_err(), "Linker::get");
    let function = module(&engine, text);
    let import = function.imports().next().expect("an import");
    assert!(linker.get_by_import(&mut store, &import).is_none(), "Linker::get_by_import");
    assert!(linker.try_get_by_import(&mut store, &import).is_err(), "Linker::try_get_by_import");
    assert!(linker.get_default(&mut store, "none").is_err(), "Linker::get_default");
    assert_eq!(linker.iter(&mut store).count(), 0, "Linker::iter");
    linker.alias("", "f", "", "g").expect("Linker::alias");
    linker.alias_module("", "m").expect("Linker::alias_module");
    misuse(linker.instantiate(&mut store, &module(&engine, r#"(module (import "m" "g" (func)))"#)).expect_err("alias"));
    let unknown = module(&engine, r#"(module (import "" "h" (func)) (import "" "t" (table 1 funcref)))"#);
    let filled = linker.define_unknown_imports_as_default_values(&mut store, &unknown);
    // The table is the store's, the function the linker's.
    assert!(
        filled.and_then(|()| linker.instantiate(&mut store, &unknown)).is_err(),
        "Linker::define_unknown_imports_as_default_values"
    );
    let pre = linker.instantiate_pre(&module(&engine, text));
    assert!(pre.and_then(|pre| pre.instantiate(&mut store)).is_err(), "Linker::instantiate_pre");

    let ty = MemoryType::shared(1, 2);
    let shared = SharedMemory::new(&other, ty).expect("a memory");
    let importing = module(&engine, r#"(module (import "" "m" (memory 1 2 shared)))"#);
    misuse(Instance::new(&mut store, &importing, &[shared.into()]).expect_err("SharedMemory::new"));
}

/// A type of another engine is an error, and not another type.
#[test]
fn types_of_another_engine_do_no_harm() {
    let (engine, other) = (crate::support::engine(), crate::support::engine());
    let many: String = (0..200).map(|n| format!("(type (func (param {})))", "i32 ".repeat(n % 50 + 1))).collect();
    let text = format!(
        r#"(module {many} (type $t (func (param f64) (result f64)))
            (func (export "f") (param (ref null $t))) (table (export "t") 1 (ref null $t))
            (global (export "g") (mut (ref null $t)) (ref.null $t)))"#
    );
    let module: Module = module(&other, &text);
    let mut store = Store::new(&engine, ());
    for export in module.exports() {
        match export.ty() {
            epsilon::ExternType::Func(ty) => {
                let host = Func::try_new(&mut store, ty.clone(), |_, _, _| Ok(()));
                assert!(matches!(host.expect_err("no such type here").kind(), ErrorKind::Misuse(_)));
            }
            epsilon::ExternType::Table(ty) => {
                let error = Table::new(&mut store, ty, Ref::Func(None)).expect_err("of another engine");
                assert!(matches!(error.kind(), ErrorKind::Misuse(_)));
            }
            epsilon::ExternType::Global(ty) => {
                let error = Global::new(&mut store, ty, Val::FuncRef(None)).expect_err("of another engine");
                assert!(matches!(error.kind(), ErrorKind::Misuse(_)));
            }
            _ => {}
        }
    }
}
