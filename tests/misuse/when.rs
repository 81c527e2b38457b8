//! The wrong moment: after a reset, after a drop, after a failure, and from inside a host call.

use crate::support::{engines, instantiate, module};
use epsilon::{
    Caller, Engine, Exception, ExternRef, Func, Global, Instance, Linker, Memory, MemoryType, Module, Ref, RefType,
    Store, StoreLimits, StoreLimitsBuilder, Table, TableType, Trap, Val, ValType,
};

const STATE: &str = r#"(module (memory (export "m") 1) (table (export "t") 1 funcref) (global $g (export "g") (mut i32) (i32.const 1))
    (tag (export "tag") (param i32)) (elem (i32.const 0) $f)
    (func $f (export "f") (result i32) (i32.add (global.get $g) (i32.load (i32.const 0))))
    (func (export "grow") (drop (memory.grow (i32.const 3))) (drop (table.grow (ref.null func) (i32.const 5)))
        (i32.store (i32.const 0) (i32.const 5)) (global.set $g (i32.const 7)))
    (func (export "throw") (throw 0 (i32.const 3))))"#;

/// Items that were taken before a reset are what they were taken for: the instance's, as it is now.
#[test]
fn items_outlive_a_reset() {
    for (plan, engine) in engines() {
        let (mut store, instance) = instantiate(&engine, STATE);
        let memory = instance.get_memory(&mut store, "m").expect("exported");
        let table = instance.get_table(&mut store, "t").expect("exported");
        let global = instance.get_global(&mut store, "g").expect("exported");
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("exported");
        let grow = instance.get_typed_func::<(), ()>(&mut store, "grow").expect("exported");
        let throw = instance.get_func(&mut store, "throw").expect("exported");
        for _ in 0..3 {
            grow.call(&mut store, ()).expect(plan);
            assert_eq!(f.call(&mut store, ()).expect(plan), 12);
            let thrown = throw.call(&mut store, &[], &mut []).expect_err("an exception");
            let exnref = thrown.exception().expect("an exception").to_exnref(&mut store).expect("a reference");
            instance.reset(&mut store).expect(plan);
            assert_eq!((memory.size(&store), table.size(&store)), (1, 1), "{plan}");
            memory.read(&store, 65536, &mut [0]).expect_err("beyond the memory as it is now");
            assert_eq!(global.get(&mut store).i32(), Some(1));
            assert_eq!(f.call(&mut store, ()).expect(plan), 1, "{plan}");
            assert_eq!(exnref.exception(&mut store).fields()[0].i32(), Some(3));
            let Some(Ref::Func(Some(first))) = table.get(&mut store, 0) else { panic!("a function") };
            assert_eq!(first.typed::<(), i32>(&store).expect("its type").call(&mut store, ()).expect(plan), 1);
        }
    }
}

/// A reset whose start function traps is an error; the instance can be reset again and used.
#[test]
fn a_reset_that_fails_can_be_done_again() {
    let text = r#"(module (import "" "g" (global $fails (mut i32))) (memory 1) (data (i32.const 0) "\05")
        (func $start (i32.store8 (i32.const 1) (i32.const 1)) (if (global.get $fails) (then unreachable))) (start $start)
        (func (export "f") (result i32) (i32.load16_u (i32.const 0)) (i32.store16 (i32.const 0) (i32.const 0))))"#;
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let fails = Global::new(&mut store, crate::support::variable(ValType::I32), Val::I32(0));
        let fails = fails.expect("a global");
        let instance = Instance::new(&mut store, &module(&engine, text), &[fails.into()]).expect("an instance");
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("exported");
        assert_eq!(f.call(&mut store, ()).expect(plan), 0x105);
        fails.set(&mut store, Val::I32(1)).expect("mutable");
        let error = instance.reset(&mut store).expect_err("the start function traps");
        assert_eq!(error.trap(), Some(Trap::UnreachableCodeReached));
        fails.set(&mut store, Val::I32(0)).expect("mutable");
        instance.reset(&mut store).expect(plan);
        assert_eq!(f.call(&mut store, ()).expect(plan), 0x105);
    }
}

/// Modules outlive engines, instances outlive modules, host functions outlive linkers.
#[test]
fn what_is_dropped_early_stays_as_long_as_it_is_needed() {
    let mut store = {
        let engine = crate::support::engine();
        Store::new(&engine, 5)
    };
    let engine = crate::support::engine();
    let (mut other, f, handle) = {
        let module = module(
            &engine,
            r#"(module (import "" "h" (func $h (result i32))) (func (export "f") (result i32) (call $h)))"#,
        );
        let mut other = Store::new(&engine, 7);
        let mut linker = Linker::new(&engine);
        let captured = [40];
        linker.func_wrap("", "h", move |caller: Caller<'_, i32>| caller.data() + captured[0]).expect("defined");
        let instance = linker.instantiate(&mut other, &module).expect("an instance");
        let handle = other.interrupt_handle();
        (instance.get_typed_func::<(), i32>(&mut other, "f").map(|f| (other, f, handle))).expect("exported")
    };
    drop(engine);
    assert_eq!(f.call(&mut other, ()).expect("no trap"), 47);
    assert_eq!(other.into_data(), 7);
    handle.interrupt(); // of a store that is gone: nothing
    let wrapped = Func::wrap(&mut store, || 9);
    assert_eq!(wrapped.typed::<(), i32>(&store).expect("its type").call(&mut store, ()).expect("no trap"), 9);
}

struct Data {
    instance: Option<Instance>,
    limits: StoreLimits,
}

/// One host function that does everything the API offers while its store runs wasm.
fn everything(mut caller: Caller<'_, Data>) -> epsilon::Result<i32> {
    let instance = caller.data().instance.expect("set");
    instance.reset(&mut caller).expect_err("Instance::reset while wasm runs");
    let memory = instance.get_memory(&mut caller, "m").expect("exported");
    let before = memory.grow(&mut caller, 1)?;
    memory.write(&mut caller, 65536 * before as usize, b"new")?;
    caller.data_and_memory(&memory).1[0] = 3;
    let table = instance.get_table(&mut caller, "t").expect("exported");
    let size = table.grow(&mut caller, 2, Ref::Func(None))?;
    let host = Func::wrap(&mut caller, |n: i32| n * 2);
    table.set(&mut caller, size, Ref::Func(Some(host)))?;
    let global = instance.get_global(&mut caller, "g").expect("exported");
    let n = global.get(&mut caller).i32().expect("an i32");
    global.set(&mut caller, Val::I32(n + 1))?;
    let tag = crate::support::tag(&mut caller, [ValType::I32])?;
    let exception = Exception::new(&mut caller, tag, &[Val::I32(1)])?;
    exception.to_exnref(&mut caller)?;
    ExternRef::new(&mut caller, "something")?;
    Memory::new(&mut caller, MemoryType::new(1, None))?;
    Table::new(&mut caller, TableType::new(RefType::FUNCREF, 1, None), Ref::Func(Some(host)))?;
    let module: Module = instance.linked_module_of(&mut caller);
    let again = Instance::new(&mut caller, &module, &[host.into()])?;
    assert_eq!(again.get_typed_func::<(), i32>(&mut caller, "f")?.call(&mut caller, ())?, 1);
    assert!(instance.get_typed_func::<(), i32>(&mut caller, "trap")?.call(&mut caller, ()).is_err());
    Ok(n)
}

trait ModuleOf {
    fn linked_module_of(&self, caller: &mut Caller<'_, Data>) -> Module;
}

impl ModuleOf for Instance {
    /// Another module, made while wasm runs.
    fn linked_module_of(&self, caller: &mut Caller<'_, Data>) -> Module {
        let engine = crate::support::engine();
        Instance::new(&mut *caller, &module(&engine, STATE), &[]).expect_err("a module of another engine");
        let store_engine = ENGINE.with(|engine| engine.borrow().clone().expect("set"));
        module(
            &store_engine,
            r#"(module (import "" "h" (func (param i32) (result i32))) (memory 1)
            (func (export "f") (result i32) (i32.load8_u (i32.const 0)) (i32.add (i32.const 1))))"#,
        )
    }
}

thread_local! {
    static ENGINE: std::cell::RefCell<Option<Engine>> = const { std::cell::RefCell::new(None) };
}

#[test]
fn everything_can_be_done_from_inside_a_host_call() {
    for (plan, engine) in engines() {
        ENGINE.with(|slot| *slot.borrow_mut() = Some(engine.clone()));
        let limits = StoreLimitsBuilder::new().memory_size(100 << 20).build();
        let mut store = Store::new(&engine, Data { instance: None, limits });
        store.limiter(|data| &mut data.limits);
        let host = Func::wrap(&mut store, everything);
        let text = r#"(module (import "" "h" (func $h (result i32))) (memory (export "m") 1) (table (export "t") 1 funcref)
            (global (export "g") (mut i32) (i32.const 5)) (type $double (func (param i32) (result i32)))
            (func (export "trap") (result i32) unreachable)
            (func (export "f") (param i32) (result i32) (local $old i32)
                (local.set $old (call $h))
                (i32.add (i32.add (global.get 0) (i32.load8_u (i32.const 0)))
                    (i32.add (call_indirect (type $double) (local.get $old) (local.get 0))
                        (i32.load8_u (i32.mul (i32.const 65536) (i32.sub (memory.size) (i32.const 1))))))))"#;
        let instance = Instance::new(&mut store, &module(&engine, text), &[host.into()]).expect("an instance");
        store.data_mut().instance = Some(instance);
        let f = instance.get_typed_func::<i32, i32>(&mut store, "f").expect("exported");
        for round in 0..4 {
            // The table had 1 + 2 * round elements, and the host's function is behind them.
            let expected = (6 + round) + 3 + 2 * (5 + round) + i32::from(b'n');
            assert_eq!(f.call(&mut store, 1 + 2 * round).expect(plan), expected, "{plan}");
        }
    }
}
