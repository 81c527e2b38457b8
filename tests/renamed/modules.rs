//! Engines and modules.

use epsilon as wasmtime;
use wasmtime::*;

const WAT: &str = r#"(module $named (import "a" "b" (func (param i32))) (import "a" "g" (global i32))
    (memory (export "m") 1 2) (func (export "f") (result i64) (i64.const 5)))"#;

#[test]
fn modules_say_what_they_are() -> Result<()> {
    let engine = Engine::default();
    Module::validate(&engine, &wat::parse_str(WAT)?)?;
    assert!(Module::validate(&engine, b"\0asm\x01\0\0\0\xff").is_err());
    let module = Module::new(&engine, WAT)?;
    assert_eq!((module.name(), module.imports().len(), module.exports().len()), (Some("named"), 2, 2));
    let import = module.imports().next().unwrap();
    assert_eq!((import.module(), import.name()), ("a", "b"));
    assert_eq!(import.ty().unwrap_func().params().collect::<Vec<_>>(), [ValType::I32]);
    let export = module.exports().nth(1).unwrap();
    assert_eq!(export.name(), "f");
    assert!(export.ty().func().is_some() && export.ty().memory().is_none());
    assert_eq!(module.get_export("m").unwrap().unwrap_memory().maximum(), Some(2));
    assert!(module.get_export("none").is_none() && module.get_export_index("none").is_none());
    assert!(Engine::same(module.engine(), &engine));
    assert!(Module::same(&module, &module.clone()) && !Module::same(&module, &Module::new(&engine, WAT)?));
    let required = Module::new(&engine, "(module (memory 3) (table 7 funcref))")?.resources_required();
    assert_eq!((required.num_memories, required.max_initial_memory_size), (1, Some(3)));
    assert_eq!((required.num_tables, required.max_initial_table_size), (1, Some(7)));
    Ok(())
}

#[test]
fn modules_come_from_files_and_bytes() -> Result<()> {
    let engine = Engine::default();
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("a.wat");
    std::fs::write(&path, WAT)?;
    assert_eq!(Module::from_file(&engine, &path)?.name(), Some("named"));
    assert!(Module::from_binary(&engine, WAT.as_bytes()).is_err());
    assert!(Module::from_binary(&engine, &wat::parse_str(WAT)?).is_ok());
    assert!(Module::from_file(&engine, directory.path().join("none")).is_err());
    Ok(())
}

#[test]
fn compiled_modules_are_kept() -> Result<()> {
    let engine = Engine::default();
    let wat = r#"(module (func (export "f") (result i32) (i32.const 3)))"#;
    let bytes = engine.precompile_module(wat.as_bytes())?;
    assert!(matches!(Engine::detect_precompiled(&bytes), Some(Precompiled::Module)));
    assert!(Engine::detect_precompiled(b"something else").is_none());
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("a.cwasm");
    std::fs::write(&path, Module::new(&engine, wat)?.serialize()?)?;
    assert!(Engine::detect_precompiled_file(&path)?.is_some());
    let modules = [
        // SAFETY: the bytes are those that this process has just made, here and below.
        unsafe { Module::deserialize(&engine, &bytes)? },
        // SAFETY: as above.
        unsafe { Module::deserialize_file(&engine, &path)? },
        // SAFETY: as above.
        unsafe { Module::deserialize_open_file(&engine, std::fs::File::open(&path)?)? },
    ];
    for module in modules {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[])?;
        assert_eq!(instance.get_typed_func::<(), i32>(&mut store, "f")?.call(&mut store, ())?, 3);
    }
    Ok(())
}

#[test]
fn engines_have_epochs() -> Result<()> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    let engine = Engine::new(&config)?;
    assert!(engine.get_epoch_interruption() && !engine.is_async() && !engine.is_pulley());
    let module = Module::new(&engine, r#"(module (func (export "f")) (func (export "spin") (loop (br 0))))"#)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let f = instance.get_typed_func::<(), ()>(&mut store, "f")?;
    let trapped = |result: Result<()>| result.unwrap_err().downcast::<Trap>().unwrap() == Trap::Interrupt;
    assert!(trapped(f.call(&mut store, ())), "a new store has no time");
    store.set_epoch_deadline(2);
    store.epoch_deadline_trap();
    f.call(&mut store, ())?;
    engine.increment_epoch();
    f.call(&mut store, ())?;
    engine.increment_epoch();
    assert!(trapped(f.call(&mut store, ())) && trapped(f.call(&mut store, ())));
    store.as_context_mut().set_epoch_deadline(1);
    f.call(&mut store, ())?;
    let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
    let weak = engine.weak();
    let ticking = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(5));
        weak.upgrade().expect("it runs").increment_epoch();
    });
    assert!(trapped(spin.call(&mut store, ())));
    ticking.join().expect("no panic");
    // A host function gives the guest more time.
    let more = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| {
        caller.engine().increment_epoch();
        caller.as_context_mut().set_epoch_deadline(1);
    });
    store.set_epoch_deadline(1);
    let wat = r#"(module (import "" "" (func $more)) (func (export "f") (call $more) (call $more)))"#;
    let instance = Instance::new(&mut store, &Module::new(&engine, wat)?, &[more.into()])?;
    instance.get_typed_func::<(), ()>(&mut store, "f")?.call(&mut store, ())?;
    Ok(())
}
