//! Memories, tables, globals, tags, and the linker.

use epsilon as wasmtime;
use std::time::Duration;
use wasmtime::*;

#[test]
fn memories() -> Result<()> {
    let mut store = Store::<()>::default();
    let memory = Memory::new(&mut store, MemoryType::new(2, Some(4)))?;
    assert_eq!((memory.size(&store), memory.data_size(&store)), (2, 2 * 65536));
    assert_eq!((memory.page_size(&store), memory.page_size_log2(&store)), (65536, 16));
    assert_eq!((memory.ty(&store).minimum(), memory.ty(&store).maximum()), (2, Some(4)));
    memory.write(&mut store, 10, b"hello")?;
    let mut buffer = [0; 5];
    memory.read(&store, 10, &mut buffer)?;
    assert_eq!(&buffer, b"hello");
    assert!(memory.read(&store, 2 * 65536, &mut buffer).is_err());
    memory.data_mut(&mut store)[10] = b'j';
    assert_eq!(&memory.data(&store)[10..15], b"jello");
    assert_eq!(memory.data_ptr(&store).cast_const(), memory.data(&store).as_ptr());
    assert_eq!(memory.grow(&mut store, 1)?, 2);
    assert!(memory.grow(&mut store, 9).is_err());
    Ok(())
}

#[test]
fn shared_memories() -> Result<()> {
    let mut config = Config::new();
    config.wasm_threads(true).shared_memory(true);
    let engine = Engine::new(&config)?;
    let shared = SharedMemory::new(&engine, MemoryType::shared(1, 2))?;
    assert_eq!((shared.size(), shared.data_size(), shared.page_size()), (1, 65536, 65536));
    assert!(shared.ty().is_shared() && shared.data().len() == 65536);
    assert_eq!(shared.grow(1)?, 1);
    assert_eq!(shared.atomic_notify(0, 1)?, 0);
    assert_eq!(shared.atomic_notify(1, 1), Err(Trap::HeapMisaligned));
    assert_eq!(shared.atomic_wait32(0, 1, None)?, WaitResult::Mismatch);
    assert_eq!(shared.atomic_wait64(0, 0, Some(Duration::from_millis(1)))?, WaitResult::TimedOut);
    let module = Module::new(&engine, r#"(module (import "" "" (memory 1 2 shared)) (export "m" (memory 0)))"#)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[shared.clone().into()])?;
    assert!(instance.get_shared_memory(&mut store, "m").is_some() && instance.get_memory(&mut store, "m").is_none());
    Ok(())
}

#[test]
fn tables() -> Result<()> {
    let mut store = Store::<()>::default();
    let table = Table::new(&mut store, TableType::new(RefType::FUNCREF, 2, Some(5)), Ref::Func(None))?;
    assert_eq!((table.size(&store), table.ty(&store).maximum()), (2, Some(5)));
    let f = Func::wrap(&mut store, || 7);
    table.set(&mut store, 0, f.into())?;
    assert!(table.get(&mut store, 0).unwrap().unwrap_func().is_some() && table.get(&mut store, 9).is_none());
    assert_eq!(table.grow(&mut store, 2, Ref::from(f))?, 2);
    table.fill(&mut store, 1, Ref::null(&HeapType::Func), 3)?;
    Table::copy(&mut store, &table, 1, &table, 0, 1)?;
    assert!(table.get(&mut store, 1).unwrap().is_non_null() && table.get(&mut store, 2).unwrap().is_null());
    assert!(table.grow(&mut store, 9, Ref::Func(None)).is_err());
    Ok(())
}

#[test]
fn globals_and_tags() -> Result<()> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let global = Global::new(&mut store, GlobalType::new(ValType::I64, Mutability::Var), Val::I64(1))?;
    global.set(&mut store, 2i64.into())?;
    assert_eq!(global.get(&mut store).unwrap_i64(), 2);
    assert!(global.ty(&store).mutability().is_var() && global.ty(&store).content().is_i64());
    assert!(global.set(&mut store, Val::I32(1)).is_err());
    let constant = Global::new(&mut store, GlobalType::new(ValType::F32, Mutability::Const), 1f32.into())?;
    assert!(constant.set(&mut store, 2f32.into()).is_err());
    let ty = TagType::new(FuncType::new(&engine, [ValType::I32], []));
    let (tag, other) = (Tag::new(&mut store, &ty)?, Tag::new(&mut store, &ty)?);
    assert!(Tag::eq(&tag, &tag, &store) && !Tag::eq(&tag, &other, &store));
    assert_eq!(tag.ty(&store).ty().params().len(), 1);
    Ok(())
}

#[test]
fn instances_and_their_exports() -> Result<()> {
    let engine = Engine::default();
    let wat = r#"(module (func (export "f")) (memory (export "m") 1) (table (export "t") 1 funcref)
        (global (export "g") i32 (i32.const 3)) (tag (export "e")))"#;
    let module = Module::new(&engine, wat)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    assert!(instance.get_export(&mut store, "none").is_none());
    assert!(instance.get_func(&mut store, "f").is_some() && instance.get_func(&mut store, "m").is_none());
    assert!(instance.get_table(&mut store, "t").is_some() && instance.get_tag(&mut store, "e").is_some());
    assert_eq!(instance.get_global(&mut store, "g").unwrap().get(&mut store).i32(), Some(3));
    let names: Vec<String> = instance.exports(&mut store).map(|export| export.name().to_owned()).collect();
    assert_eq!(names, ["f", "m", "t", "g", "e"]);
    let mut exports = instance.exports(&mut store);
    assert!(exports.next().unwrap().into_func().is_some() && exports.next().unwrap().into_memory().is_some());
    assert!(exports.next().unwrap().into_table().is_some() && exports.next().unwrap().into_global().is_some());
    let export = exports.next().unwrap();
    assert!(export.clone().into_shared_memory().is_none() && export.clone().into_extern().into_func().is_none());
    assert!(export.into_tag().is_some());
    drop(exports);
    let index = module.get_export_index("f").unwrap();
    assert!(instance.get_module_export(&mut store, &index).unwrap().into_func().is_some());
    Ok(())
}

#[test]
fn linkers() -> Result<()> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "add", |a: i32, b: i32| a + b)?;
    assert!(linker.func_wrap("host", "add", || {}).is_err());
    linker.allow_shadowing(true).func_wrap("host", "add", |a: i32, b: i32| a + b + 1)?;
    let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
    linker.define(&store, "host", "memory", memory)?;
    linker.alias("host", "add", "other", "plus")?;
    linker.alias_module("host", "env")?;
    let module = Module::new(
        &engine,
        r#"(module (import "other" "plus" (func $p (param i32 i32) (result i32))) (import "env" "memory" (memory 1))
            (func (export "run") (result i32) (call $p (i32.const 1) (i32.const 2))))"#,
    )?;
    let instance = linker.instantiate(&mut store, &module)?;
    linker.instance(&mut store, "first", instance)?;
    let pre = linker.instantiate_pre(&module)?;
    assert!(Module::same(pre.module(), &module));
    let again = pre.instantiate(&mut store)?;
    assert_eq!(again.get_typed_func::<(), i32>(&mut store, "run")?.call(&mut store, ())?, 4);
    assert!(linker.get(&mut store, "first", "run")?.into_func().is_some());
    assert!(linker.get(&mut store, "first", "none").is_err());
    for import in module.imports() {
        assert!(linker.get_by_import(&mut store, &import).is_some());
        assert!(linker.try_get_by_import(&mut store, &import)?.is_some());
    }
    assert!(linker.iter(&mut store).any(|(module, name, _)| (module, name) == ("first", "run")));
    linker.get_default(&mut store, "nobody")?.typed::<(), ()>(&store)?.call(&mut store, ())?;
    let command = Module::new(&engine, r#"(module (func (export "_start")) (memory (export "memory") 1))"#)?;
    linker.module(&mut store, "command", &command)?;
    linker.get_default(&mut store, "command")?.call(&mut store, &[], &mut [])?;

    let unknown = Module::new(&engine, r#"(module (import "no" "where" (func $f)) (func (export "f") (call $f)))"#)?;
    let error = linker.instantiate(&mut store, &unknown).unwrap_err().downcast::<UnknownImportError>()?;
    assert_eq!((error.module(), error.name()), ("no", "where"));
    assert!(matches!(error.ty(), ExternType::Func(_)));
    let mut traps = linker.clone();
    traps.define_unknown_imports_as_traps(&unknown)?;
    let f = traps.instantiate(&mut store, &unknown)?.get_typed_func::<(), ()>(&mut store, "f")?;
    assert!(f.call(&mut store, ()).unwrap_err().is::<UnknownImportError>());
    linker.define_unknown_imports_as_default_values(&mut store, &unknown)?;
    let f = linker.instantiate(&mut store, &unknown)?.get_typed_func::<(), ()>(&mut store, "f")?;
    f.call(&mut store, ())?;
    assert!(Engine::same(linker.engine(), &engine));
    Ok(())
}

struct Counting {
    failed: usize,
}

impl ResourceLimiter for Counting {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(desired <= 2 * 65536)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(desired <= 10)
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        self.failed += error.to_string().len();
        Ok(())
    }
}

#[test]
fn limits() -> Result<()> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, Counting { failed: 0 });
    store.limiter(|data| data);
    let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
    assert!(memory.grow(&mut store, 1).is_ok() && memory.grow(&mut store, 1).is_err());
    assert!(Table::new(&mut store, TableType::new(RefType::EXTERNREF, 11, None), Ref::Extern(None)).is_err());
    let limits = StoreLimitsBuilder::new().memory_size(65536).table_elements(5).instances(1).tables(1).memories(1);
    let mut store = Store::new(&engine, limits.trap_on_grow_failure(true).build());
    store.limiter(|data| data);
    let wat = r#"(module (memory 1) (func (export "grow") (result i32) (memory.grow (i32.const 1))))"#;
    let instance = Instance::new(&mut store, &Module::new(&engine, wat)?, &[])?;
    let grow = instance.get_typed_func::<(), i32>(&mut store, "grow")?;
    assert!(grow.call(&mut store, ()).is_err(), "it ends the guest");
    Ok(())
}
