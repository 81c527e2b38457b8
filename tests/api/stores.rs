//! Stores and modules on several threads; stores that move; what stays when an instantiation fails.

use crate::support::{engines, module};
use epsilon::{Engine, Extern, Func, Instance, Module, Store, Trap};
use std::sync::mpsc;

const WORK: &str = r#"(module (memory (export "memory") 1)
    (func (export "work") (param i32) (result i32) (local $n i32)
        (loop $again
            (i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (local.get $n)))
            (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (local.get 0))))
        (i32.load (i32.const 16)))
    (func (export "trap") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0))))"#;

#[test]
fn threads_share_a_module() {
    for (plan, engine) in engines() {
        let module = module(&engine, WORK);
        std::thread::scope(|scope| {
            for thread in 1..9 {
                let (module, engine) = (&module, &engine);
                scope.spawn(move || {
                    for _ in 0..20 {
                        let mut store = Store::new(engine, ());
                        let instance = Instance::new(&mut store, module, &[]).expect("an instance");
                        let work = instance.get_typed_func::<i32, i32>(&mut store, "work").expect("exported");
                        let trap = instance.get_typed_func::<i32, i32>(&mut store, "trap").expect("exported");
                        let n = thread * 100;
                        assert_eq!(work.call(&mut store, n).expect("no trap"), n * (n - 1) / 2, "{plan}");
                        let error = trap.call(&mut store, 0).unwrap_err();
                        assert_eq!(error.trap(), Some(Trap::IntegerDivisionByZero));
                    }
                });
            }
        });
    }
}

#[test]
fn modules_are_compiled_on_several_threads_at_once() {
    let engine = crate::support::engine();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let engine = &engine;
            scope.spawn(move || {
                for round in 0..10 {
                    let text =
                        format!("(module (func (export \"f\") (result i32) i32.const {}))", thread * 100 + round);
                    let mut store = Store::new(engine, ());
                    let instance = Instance::new(&mut store, &module(engine, &text), &[]).expect("an instance");
                    let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("exported");
                    assert_eq!(f.call(&mut store, ()).expect("no trap"), thread * 100 + round);
                }
            });
        }
    });
}

/// A store goes from thread to thread in a ring; each calls, traps, and passes it on.
#[test]
fn stores_move_between_threads() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, Vec::<std::thread::ThreadId>::new());
    let who = Func::wrap(&mut store, |mut caller: epsilon::Caller<'_, Vec<std::thread::ThreadId>>| {
        caller.data_mut().push(std::thread::current().id());
    });
    let who: Extern = who.into();
    let text = r#"(module (import "" "who" (func $who)) (global $n (mut i32) (i32.const 0))
        (func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1))))
            (else (call $who) unreachable)))
        (func (export "next") (result i32)
            (global.set $n (i32.add (global.get $n) (i32.const 1))) (call $who) (global.get $n))
        (func (export "trap") (call $deep (i32.const 20))))"#;
    let instance = Instance::new(&mut store, &module(&engine, text), &[who]).expect("an instance");
    let next = instance.get_typed_func::<(), i32>(&mut store, "next").expect("exported");
    let trap = instance.get_typed_func::<(), ()>(&mut store, "trap").expect("exported");
    let (first, mut receiver) = mpsc::channel::<(Store<_>, i32)>();
    let mut threads = Vec::new();
    for _ in 0..4 {
        let (sender, next_receiver) = mpsc::channel();
        let from = std::mem::replace(&mut receiver, next_receiver);
        threads.push(std::thread::spawn(move || {
            for (mut store, round) in from {
                assert_eq!(next.call(&mut store, ()).expect("no trap"), round + 1);
                let error = trap.call(&mut store, ()).unwrap_err();
                assert_eq!(error.trap(), Some(Trap::UnreachableCodeReached));
                assert_eq!(error.backtrace().expect("wasm was running").frames().len(), 22);
                if sender.send((store, round + 1)).is_err() {
                    return;
                }
            }
        }));
    }
    let mut travelling = (store, 0);
    for _ in 0..50 {
        first.send(travelling).expect("the ring is alive");
        travelling = receiver.recv().expect("the ring is alive");
    }
    assert_eq!(travelling.1, 200);
    let ids = travelling.0.into_data();
    assert_eq!(ids.len(), 400);
    assert!((0..ids.len() - 8).all(|n| ids[n] == ids[n + 8]) && ids[0] == ids[1] && ids[0] != ids[2]);
    drop(first);
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
}

/// Many stores on one thread, one inside the other's host function.
#[test]
fn stores_nest_on_a_thread() {
    let engine = crate::support::engine();
    let text = r#"(module (import "" "down" (func $down (param i32) (result i32)))
        (func (export "f") (param i32) (result i32) (i32.add (i32.const 1) (call $down (local.get 0)))))"#;
    fn level(engine: &Engine, module: &Module, depth: i32) -> epsilon::Result<i32> {
        let mut store = Store::new(engine, ());
        let (inner_engine, inner_module) = (engine.clone(), module.clone());
        let down = Func::wrap(&mut store, move |depth: i32| match depth {
            0 => Ok(0),
            _ => level(&inner_engine, &inner_module, depth - 1),
        });
        let instance = Instance::new(&mut store, module, &[down.into()])?;
        instance.get_typed_func::<i32, i32>(&mut store, "f")?.call(&mut store, depth)
    }
    assert_eq!(level(&engine, &module(&engine, text), 12).expect("no trap"), 13);
}

/// What a failed instantiation wrote to imported items stays; items of it that escaped work.
#[test]
fn failed_instantiations_leave_what_they_wrote() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let table = epsilon::TableType::new(epsilon::RefType::FUNCREF, 2, None);
    let table = epsilon::Table::new(&mut store, table, epsilon::Ref::Func(None)).expect("a table");
    let text = r#"(module (import "" "t" (table 2 funcref)) (memory 1) (elem (i32.const 0) $f)
        (func $f (result i32) (i32.load (i32.const 0)))
        (data (i32.const 0) "\2a") (data (i32.const 65535) "too long"))"#;
    let error = Instance::new(&mut store, &module(&engine, text), &[table.into()]).unwrap_err();
    assert_eq!(error.trap(), Some(Trap::MemoryOutOfBounds));
    let Some(epsilon::Ref::Func(Some(escaped))) = table.get(&mut store, 0) else { panic!("the element was written") };
    let f = escaped.typed::<(), i32>(&store).expect("the type fits");
    assert_eq!(f.call(&mut store, ()).expect("no trap"), 42);
}

#[test]
fn thousands_of_stores_and_instances_come_and_go() {
    for (_, engine) in engines() {
        let module = module(&engine, WORK);
        for _ in 0..2000 {
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
            let work = instance.get_typed_func::<i32, i32>(&mut store, "work").expect("exported");
            assert_eq!(work.call(&mut store, 3).expect("no trap"), 3);
        }
        let mut store = Store::new(&engine, ());
        for _ in 0..500 {
            Instance::new(&mut store, &module, &[]).expect("an instance");
        }
    }
}

/// What a process uses up for good must be no function of how many engines, modules or host functions it ever made.
#[test]
fn engines_modules_and_host_functions_come_and_go() {
    let text = r#"(module (import "" "" (func $h (result i32))) (func (export "f") (result i32) (call $h)))"#;
    for n in 0..300 {
        let engine = crate::support::engine();
        let mut store = Store::new(&engine, ());
        let host = Func::wrap(&mut store, move || n);
        let instance = Instance::new(&mut store, &module(&engine, text), &[host.into()]).expect("an instance");
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("exported");
        assert_eq!(f.call(&mut store, ()).expect("no trap"), n);
    }
    let engine = crate::support::engine();
    let module = module(&engine, text);
    for round in 0..50 {
        let mut store = Store::new(&engine, ());
        for n in 0..1_000 {
            let host = Func::try_wrap(&mut store, move || n).unwrap_or_else(|error| panic!("{round} {n}: {error:?}"));
            if n % 100 == 0 {
                let instance = Instance::new(&mut store, &module, &[host.into()]).expect("an instance");
                let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("exported");
                assert_eq!(f.call(&mut store, ()).expect("no trap"), n);
            }
        }
    }
}

#[test]
fn many_modules_and_host_functions_live_at_once() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let functions: Vec<Func> = (0..50_000)
        .map(|n| Func::try_wrap(&mut store, move || n).unwrap_or_else(|error| panic!("{n}: {error:?}")))
        .collect();
    let instances: Vec<Instance> = (0..2_000)
        .map(|n| {
            let text = format!(
                r#"(module (import "" "" (func $h (result i32)))
                    (func (export "f") (result i32) (i32.add (call $h) (i32.const {n}))))"#
            );
            Instance::new(&mut store, &module(&engine, &text), &[functions[n * 25].into()]).expect("an instance")
        })
        .collect();
    for (n, instance) in instances.iter().enumerate() {
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("exported");
        assert_eq!(f.call(&mut store, ()).expect("no trap"), 26 * n as i32);
    }
}
