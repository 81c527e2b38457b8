//! Interruptions: of loops, of recursion, around host calls, before a call, through nested activations, and from many
//! threads at once.

use crate::names;
use crate::support::{Random, engines, module};
use epsilon::{Caller, Engine, Error, Func, Instance, InterruptHandle, Linker, Store, Trap, TypedFunc};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

const ENDLESS: &str = r#"(module (import "host" "nothing" (func $nothing)) (import "other" "add" (func $add (param i64 i64 i64 i64 i64 i64 i64 i64) (result i64)))
    (memory 1) (table 2 funcref) (elem (i32.const 0) $id $recurse) (global $count (mut i64) (i64.const 0))
    (type $id (func (param i64) (result i64)))
    (func $id (type $id) local.get 0)
    (func (export "empty") (loop (br 0)))
    (func (export "memory") (loop (i64.store (i32.const 8) (i64.add (i64.load (i32.const 8)) (i64.const 1))) (br 0)))
    (func (export "vector") (local v128) (loop (local.set 0 (f64x2.add (local.get 0) (v128.const f64x2 1 2))) (br 0)))
    (func (export "host") (loop (call $nothing) (br 0)))
    (func (export "libcall") (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 100)) (drop (memory.grow (i32.const 0))) (br 0)))
    (func (export "instance") (loop
        (drop (call $add (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8))) (br 0)))
    (func (export "table") (loop (drop (call_indirect (type $id) (i64.const 1) (i32.const 0))) (br 0)))
    (func $recurse (type $id)
        (if (i64.eqz (local.get 0)) (then (return (i64.const 1))))
        (i64.add (call $recurse (i64.sub (local.get 0) (i64.const 1))) (call $recurse (i64.sub (local.get 0) (i64.const 1)))))
    (func (export "recursion") (drop (call $recurse (i64.const 60))))
    (func (export "one") (result i32) (i32.const 1)))"#;

const KINDS: [&str; 8] = ["empty", "memory", "vector", "host", "libcall", "instance", "table", "recursion"];

struct Guest {
    store: Store<()>,
    endless: Vec<(&'static str, TypedFunc<(), ()>)>,
    one: TypedFunc<(), i32>,
}

fn guest(engine: &Engine) -> Guest {
    let mut store = Store::new(engine, ());
    let mut linker = Linker::new(engine);
    linker.func_wrap("host", "nothing", || {}).expect("new");
    let other = r#"(module (func (export "add") (param i64 i64 i64 i64 i64 i64 i64 i64) (result i64)
        (i64.add (local.get 0) (local.get 7))))"#;
    linker.module(&mut store, "other", &module(engine, other)).expect("linked");
    let instance = linker.instantiate(&mut store, &module(engine, ENDLESS)).expect("an instance");
    let func = |store: &mut Store<()>, name| instance.get_typed_func(store, name).expect("exported");
    let endless = KINDS.map(|name| (name, func(&mut store, name))).into();
    let one = instance.get_typed_func(&mut store, "one").expect("exported");
    Guest { store, endless, one }
}

/// Interrupts once for every message, after as many microseconds.
fn interrupter(handle: InterruptHandle) -> (mpsc::Sender<u64>, std::thread::JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel::<u64>();
    let thread = std::thread::spawn(move || {
        for micros in receiver {
            let start = std::time::Instant::now();
            while start.elapsed() < Duration::from_micros(micros) {
                std::thread::yield_now();
            }
            handle.interrupt();
        }
    });
    (sender, thread)
}

#[test]
fn every_kind_of_endless_run_a_thousand_times() {
    for (plan, engine) in engines() {
        let mut guest = guest(&engine);
        let (sender, thread) = interrupter(guest.store.interrupt_handle());
        let mut random = Random(5);
        for round in 0..1_000 {
            let (name, func) = guest.endless[random.below(KINDS.len())];
            sender.send(random.next() % 300).expect("the thread is alive");
            let error = func.call(&mut guest.store, ()).expect_err("an interruption");
            assert_eq!(error.trap(), Some(Trap::Interrupt), "{plan} {name} {round}: {error}");
            assert_eq!(guest.one.call(&mut guest.store, ()).expect("usable"), 1, "{plan} {name} {round}");
        }
        drop(sender);
        thread.join().expect("no panic");
    }
}

/// Interruptions that come at any time of short calls: those that are not hit return the right results.
#[test]
fn calls_that_are_not_hit_are_not_disturbed() {
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let host = Func::wrap(&mut store, |a: i64, b: f64, c: u128| (c, b + 1.0, a * 2));
        let text = r#"(module (import "" "h" (func $h (param i64 f64 v128) (result v128 f64 i64))) (memory 1)
            (func (export "work") (param i64) (result i64 f64 i64) (local $n i64) (local $f f64) (local $v v128)
                (loop $again
                    (call $h (local.get $n) (local.get $f) (i64x2.add (local.get $v) (v128.const i64x2 1 3)))
                    (i64.store (i32.const 0))
                    (local.set $f) (local.set $v)
                    (local.set $n (i64.add (local.get $n) (i64.const 1)))
                    (drop (memory.grow (i32.const 0)))
                    (br_if $again (i64.lt_u (local.get $n) (local.get 0))))
                (i64x2.extract_lane 1 (local.get $v)) (local.get $f) (i64.load (i32.const 0))))"#;
        // `h` leaves its results in the order v128, f64, i64, and the store wants an address below the i64.
        let text =
            text.replace("(i64.store (i32.const 0))", "(local.set $last) (i64.store (i32.const 0) (local.get $last))");
        let text = text.replace("(local $v v128)", "(local $v v128) (local $last i64)");
        let instance = Instance::new(&mut store, &module(&engine, &text), &[host.into()]).expect("an instance");
        let work = instance.get_typed_func::<i64, (i64, f64, i64)>(&mut store, "work").expect("exported");
        let handle = store.interrupt_handle();
        let stop = AtomicBool::new(false);
        let (mut returned, mut interrupted) = (0, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut random = Random(11);
                while !stop.load(Ordering::Relaxed) {
                    handle.interrupt();
                    std::thread::sleep(Duration::from_micros(random.next() % 200));
                }
            });
            let mut random = Random(12);
            while interrupted < 1_000 {
                let n = 1 + random.below(300) as i64;
                match work.call(&mut store, n) {
                    Ok(found) => {
                        assert_eq!(found, (3 * n, n as f64, 2 * (n - 1)), "{plan}");
                        returned += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.trap(), Some(Trap::Interrupt), "{plan}: {error:?}");
                        interrupted += 1;
                    }
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(returned > 0, "{plan}: nothing ever returned");
    }
}

#[test]
fn an_interruption_in_a_host_call_acts_when_it_returns() {
    let engine = crate::support::engine();
    let mut linker = Linker::<usize>::new(&engine);
    let handle = Arc::new(std::sync::OnceLock::<InterruptHandle>::new());
    let inside = handle.clone();
    let host = move |mut caller: Caller<'_, usize>, n: i32| {
        inside.get().expect("set before the call").interrupt();
        *caller.data_mut() += 1;
        if n > 0 { Ok(n) } else { Err(Error::msg("the host has its own trouble")) }
    };
    linker.func_wrap("host", "f", host).expect("new");
    let text = r#"(module (import "host" "f" (func $f (param i32) (result i32))) (global $after (export "after") (mut i32) (i32.const 0))
        (func $run (export "run") (param i32) (drop (call $f (local.get 0))) (global.set $after (i32.const 1)))
        (func (export "one") (result i32) (i32.const 1)))"#;
    let mut store = Store::new(&engine, 0);
    handle.set(store.interrupt_handle()).expect("set once");
    let instance = linker.instantiate(&mut store, &module(&engine, text)).expect("an instance");
    let run = instance.get_typed_func::<i32, ()>(&mut store, "run").expect("exported");
    let one = instance.get_typed_func::<(), i32>(&mut store, "one").expect("exported");
    for round in 1..100 {
        let error = run.call(&mut store, 1).expect_err("an interruption");
        assert_eq!((error.trap(), names(&error)), (Some(Trap::Interrupt), vec!["run"]));
        assert_eq!(*store.data(), round);
        assert_eq!(one.call(&mut store, ()).expect("usable"), 1);
    }
    assert_eq!(instance.get_global(&mut store, "after").expect("exported").get(&mut store).i32(), Some(0));
    // The host's own error goes first; the interruption has not acted, and ends the next call.
    let error = run.call(&mut store, 0).expect_err("the host fails");
    assert_eq!(error.trap(), None);
    assert_eq!(one.call(&mut store, ()).expect_err("still pending").trap(), Some(Trap::Interrupt));
    assert_eq!(one.call(&mut store, ()).expect("usable"), 1);
}

#[derive(Default)]
struct Nested {
    spin: Option<TypedFunc<i32, i32>>,
    swallow: Swallow,
    inner_interruptions: usize,
}

/// What a host function between two activations does with an interruption.
#[derive(Default, Clone, Copy, PartialEq, Debug)]
enum Swallow {
    #[default]
    PassOn,
    ReturnAValue,
    OwnError,
    CallAgain,
    Panic,
}

fn nested(mut caller: Caller<'_, Nested>, depth: i32) -> epsilon::Result<i32> {
    let spin = caller.data().spin.expect("set before the call");
    let Err(error) = spin.call(&mut caller, depth - 1) else { return Ok(0) };
    caller.data_mut().inner_interruptions += 1;
    match caller.data().swallow {
        Swallow::PassOn => Err(error),
        Swallow::ReturnAValue => Ok(1),
        Swallow::OwnError => Err(Error::msg("something went wrong")),
        Swallow::CallAgain => {
            let again = spin.call(&mut caller, 0).expect_err("the interruption is sticky");
            assert_eq!(again.trap(), Some(Trap::Interrupt));
            Ok(1)
        }
        Swallow::Panic => std::panic::panic_any(7u8),
    }
}

const NESTED: &str = r#"(module (import "host" "nested" (func $nested (param i32) (result i32)))
    (func $spin (export "spin") (param i32) (result i32)
        (if (result i32) (local.get 0) (then (call $nested (local.get 0))) (else (loop (br 0)) (unreachable))))
    (func (export "one") (result i32) (i32.const 1)))"#;

#[test]
fn interruptions_are_sticky_through_nested_activations() {
    for (plan, engine) in engines() {
        let mut linker = Linker::<Nested>::new(&engine);
        linker.func_wrap("host", "nested", nested).expect("new");
        let mut store = Store::new(&engine, Nested::default());
        let instance = linker.instantiate(&mut store, &module(&engine, NESTED)).expect("an instance");
        let spin = instance.get_typed_func::<i32, i32>(&mut store, "spin").expect("exported");
        let one = instance.get_typed_func::<(), i32>(&mut store, "one").expect("exported");
        store.data_mut().spin = Some(spin);
        let (sender, thread) = interrupter(store.interrupt_handle());
        let kinds = [Swallow::PassOn, Swallow::ReturnAValue, Swallow::CallAgain, Swallow::OwnError];
        for round in 0..400 {
            let swallow = kinds[round % kinds.len()];
            (store.data_mut().swallow, store.data_mut().inner_interruptions) = (swallow, 0);
            sender.send(round as u64 % 200).expect("the thread is alive");
            let depth = 1 + round as i32 / 4 % 5;
            let error = spin.call(&mut store, depth).expect_err("an interruption");
            match swallow {
                Swallow::OwnError => {
                    assert!(error.trap().is_none_or(|trap| trap == Trap::Interrupt), "{plan}: {error}")
                }
                _ => assert_eq!(error.trap(), Some(Trap::Interrupt), "{plan} {swallow:?}: {error}"),
            }
            // The outermost activation has ended: whatever became of the error, the interruption is over.
            let after = one.call(&mut store, ());
            assert_eq!(after.unwrap_or_else(|error| panic!("{plan} {swallow:?} {depth}: {error}")), 1);
        }
        drop(sender);
        thread.join().expect("no panic");
    }
}

#[test]
fn a_panic_after_an_interruption_leaves_the_store_usable() {
    let engine = crate::support::engine();
    let mut linker = Linker::<Nested>::new(&engine);
    linker.func_wrap("host", "nested", nested).expect("new");
    let mut store = Store::new(&engine, Nested { swallow: Swallow::Panic, ..Nested::default() });
    let instance = linker.instantiate(&mut store, &module(&engine, NESTED)).expect("an instance");
    let spin = instance.get_typed_func::<i32, i32>(&mut store, "spin").expect("exported");
    let one = instance.get_typed_func::<(), i32>(&mut store, "one").expect("exported");
    store.data_mut().spin = Some(spin);
    let (sender, thread) = interrupter(store.interrupt_handle());
    // Long enough for the guest to be in the nested activation, which spins without end.
    sender.send(100_000).expect("the thread is alive");
    let call = std::panic::AssertUnwindSafe(|| spin.call(&mut store, 1));
    let payload = std::panic::catch_unwind(call).expect_err("the host panics");
    assert!(payload.is::<u8>());
    assert_eq!(one.call(&mut store, ()).expect("usable"), 1);
    drop(sender);
    thread.join().expect("no panic");
}

/// Pending when a nested activation begins: its frames are those of the outer one, once.
#[test]
fn an_interruption_before_a_nested_call_names_each_frame_once() {
    let engine = crate::support::engine();
    let mut linker = Linker::<Nested>::new(&engine);
    let interrupt = Arc::new(std::sync::OnceLock::<InterruptHandle>::new());
    let raise = interrupt.clone();
    let host = move |mut caller: Caller<'_, Nested>, _: i32| {
        raise.get().expect("set").interrupt();
        let spin = caller.data().spin.expect("set before the call");
        let error = spin.call(&mut caller, 0).expect_err("pending");
        assert_eq!((error.trap(), names(&error)), (Some(Trap::Interrupt), vec!["spin"]));
        Err::<i32, Error>(error)
    };
    linker.func_wrap("host", "nested", host).expect("new");
    let mut store = Store::new(&engine, Nested::default());
    interrupt.set(store.interrupt_handle()).expect("set once");
    let instance = linker.instantiate(&mut store, &module(&engine, NESTED)).expect("an instance");
    let spin = instance.get_typed_func::<i32, i32>(&mut store, "spin").expect("exported");
    store.data_mut().spin = Some(spin);
    let error = spin.call(&mut store, 3).expect_err("an interruption");
    assert_eq!((error.trap(), names(&error)), (Some(Trap::Interrupt), vec!["spin"]));
}

#[test]
fn many_threads_interrupt_many_stores() {
    let engine = crate::support::engine();
    let rounds = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let mut handles = Vec::new();
        let barrier = Arc::new(Barrier::new(4));
        for _ in 0..3 {
            let (sender, receiver) = mpsc::channel();
            let (barrier, engine, rounds) = (barrier.clone(), &engine, &rounds);
            scope.spawn(move || {
                let mut guest = guest(engine);
                sender.send(guest.store.interrupt_handle()).expect("someone listens");
                barrier.wait();
                for round in 0..400 {
                    let (name, func) = guest.endless[round % KINDS.len()];
                    let error = func.call(&mut guest.store, ()).expect_err("an interruption");
                    assert_eq!(error.trap(), Some(Trap::Interrupt), "{name}: {error}");
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
            handles.push(receiver.recv().expect("a handle"));
        }
        barrier.wait();
        for thread in 0..4 {
            let (handles, rounds) = (handles.clone(), &rounds);
            scope.spawn(move || {
                let mut random = Random(thread + 1);
                while rounds.load(Ordering::Relaxed) < 1_200 {
                    handles[random.below(3)].interrupt();
                    std::thread::sleep(Duration::from_micros(random.next() % 100));
                }
            });
        }
    });
}

#[test]
fn handles_outlive_their_store() {
    let engine = crate::support::engine();
    let store = Store::new(&engine, ());
    let handle = store.interrupt_handle();
    drop(store);
    handle.interrupt();
    assert!(format!("{handle:?}").contains("pending: true"));
}
