//! Settings that can be noticed, by Wasmtime's names.

use epsilon as wasmtime;
use wasmtime::*;

#[test]
fn memories_that_may_not_move_stay_in_their_reservation() -> Result<()> {
    let engine = Engine::new(Config::new().memory_reservation(5 << 16).memory_may_move(false))?;
    let mut store = Store::new(&engine, ());
    let memory = Memory::new(&mut store, MemoryType::new(0, None))?;
    memory.grow(&mut store, 5)?;
    assert!(memory.grow(&mut store, 1).is_err() && !engine.get_memory_may_move());
    assert!(Memory::new(&mut store, MemoryType::new(6, None)).is_err());
    Ok(())
}

#[test]
fn frames_say_no_more_than_they_are_allowed() -> Result<()> {
    let text = "(module (func (export \"f\") (call $g)) (func $g unreachable))";
    for allowed in [true, false] {
        let engine = Engine::new(Config::new().generate_address_map(allowed))?;
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &Module::new(&engine, text)?, &[])?;
        let error = instance.get_typed_func::<(), ()>(&mut store, "f")?.call(&mut store, ()).unwrap_err();
        let frames = error.downcast_ref::<WasmBacktrace>().expect("frames").frames();
        assert_eq!(frames.iter().map(FrameInfo::func_index).collect::<Vec<_>>(), [1, 0]);
        assert!(frames.iter().all(|frame| frame.module_offset().is_some() == allowed));
        assert!(frames.iter().all(|frame| frame.func_offset().is_some() == allowed));
    }
    Ok(())
}

#[test]
fn frames_are_captured_only_if_errors_have_them_or_by_force() -> Result<()> {
    let engine = Engine::new(Config::new().wasm_backtrace_max_frames(None))?;
    let mut store = Store::new(&engine, ());
    let host = Func::wrap(&mut store, |caller: Caller<'_, ()>| {
        assert_eq!(WasmBacktrace::capture(&caller).frames().len(), 0);
        assert_eq!(WasmBacktrace::force_capture(&caller).frames().len(), 1);
    });
    let module = Module::new(&engine, r#"(module (import "" "" (func $f)) (func (export "f") (call $f)))"#)?;
    let instance = Instance::new(&mut store, &module, &[host.into()])?;
    instance.get_typed_func::<(), ()>(&mut store, "f")?.call(&mut store, ())
}

#[test]
fn there_are_no_shared_memories_where_they_are_not_wanted() -> Result<()> {
    let engine = Engine::new(Config::new().shared_memory(false))?;
    assert!(SharedMemory::new(&engine, MemoryType::shared(1, 1)).is_err() && !engine.get_shared_memory());
    let module = Module::new(&engine, "(module (memory 1 1 shared))")?;
    assert!(Instance::new(&mut Store::new(&engine, ()), &module, &[]).is_err());
    Ok(())
}

#[test]
fn garbage_is_collected_as_often_as_it_is_asked_for() -> Result<()> {
    let every_third = std::num::NonZeroU32::new(3);
    let engine = Engine::new(Config::new().gc_zeal_alloc_counter(every_third)?)?;
    assert_eq!(engine.get_gc_zeal_alloc_counter(), every_third);
    let mut store = Store::new(&engine, ());
    let ty = StructType::new(&engine, [FieldType::new(Mutability::Var, ValType::I32.into())])?;
    let pre = StructRefPre::new(&mut store, ty);
    let kept = StructRef::new(&mut store, &pre, &[Val::I32(5)])?;
    for _ in 0..30 {
        let mut scope = RootScope::new(&mut store);
        StructRef::new(&mut scope, &pre, &[Val::I32(6)])?;
    }
    assert_eq!(kept.field(&mut store, 0)?.unwrap_i32(), 5);
    assert!(store.gc_stats().minor_collections + store.gc_stats().full_collections >= 9);
    Ok(())
}

#[test]
fn flags_that_are_not_set_are_refused() {
    let has = |flag: &str| {
        let mut config = Config::new();
        // SAFETY: nothing is believed.
        unsafe { config.cranelift_flag_enable(flag) };
        Engine::new(&config).is_ok()
    };
    assert!(has(if cfg!(target_arch = "x86_64") { "has_sse3" } else { "preserve_frame_pointers" }));
    assert!(!has("has_no_such_thing"));
    let mut config = Config::new();
    // SAFETY: nothing is believed.
    unsafe { config.cranelift_flag_set("opt_level", "speed") };
    assert!(Engine::new(&config).is_ok());
    // SAFETY: nothing is believed.
    unsafe { config.cranelift_flag_set("opt_level", "none") };
    assert!(Engine::new(&config).is_err());
}

#[test]
fn what_guests_cannot_hold_is_given_back() {
    let limits = StoreLimitsBuilder::new().total_memory(0).build();
    let mut store = Store::new(&Engine::default(), limits);
    store.limiter(|limits| limits);
    let error = ExternRef::new(&mut store, vec![1, 2, 3]).unwrap_err();
    let (value, error) = error.downcast::<GcHeapOutOfMemory<Vec<i32>>>().unwrap().into_inner();
    assert!(value == [1, 2, 3] && !error.to_string().is_empty());
}

#[test]
fn the_limiter_hears_of_memories_that_no_machine_has() -> Result<()> {
    struct Heard(bool);
    impl ResourceLimiter for Heard {
        fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
            self.0 = true;
            Ok(true)
        }
        fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
            Ok(true)
        }
    }
    let mut store = Store::new(&Engine::default(), Heard(false));
    store.limiter(|heard| heard);
    assert!(Memory::new(&mut store, MemoryType::new64(1 << 46, None)).is_err() && store.data().0);
    assert!(MemoryTypeBuilder::new().memory64(true).min(1 << 48).build().is_err());
    Ok(())
}
