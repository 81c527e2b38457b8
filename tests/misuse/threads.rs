//! The wrong thread: a host function lends its caller to another one, threads that end, threads with little stack.

use crate::support::{engines, module};
use epsilon::{Caller, Engine, ErrorKind, Exception, Func, Instance, Store, Trap, TypedFunc, Val, ValType};
use std::cell::RefCell;
use std::sync::mpsc::{Sender, channel};

type Work = dyn Fn(&mut Caller<'_, Option<TypedFunc<i32, i32>>>) + Send + Sync;

/// Calls `work` on another thread, which has the store while this one waits inside of it.
fn on_another_thread(engine: &Engine, work: &'static Work) {
    let mut store = Store::new(engine, None);
    let lend = Func::wrap(&mut store, move |mut caller: Caller<'_, Option<TypedFunc<i32, i32>>>| {
        let caller = &mut caller;
        std::thread::scope(|scope| scope.spawn(move || work(caller)).join().expect("no panic"));
    });
    let text = r#"(module (import "" "lend" (func $lend)) (tag (param i64))
        (func (export "outer") (param i32) (result i32) (call $lend) (local.get 0))
        (func $inner (export "inner") (param i32) (result i32)
            (if (i32.eqz (local.get 0)) (then unreachable))
            (if (i32.eq (local.get 0) (i32.const 1)) (then (return (call $inner (i32.const 1)))))
            (block $caught (result i64) (try_table (result i64) (catch 0 $caught)
                (throw 0 (i64.const 5)))) drop
            (local.get 0)))"#;
    let instance = Instance::new(&mut store, &module(engine, text), &[lend.into()]).expect("an instance");
    let inner = instance.get_typed_func::<i32, i32>(&mut store, "inner").expect("exported");
    *store.data_mut() = Some(inner);
    let outer = instance.get_typed_func::<i32, i32>(&mut store, "outer").expect("exported");
    assert_eq!(outer.call(&mut store, 8).expect("no trap"), 8);
    assert_eq!(inner.call(&mut store, 9).expect("no trap"), 9);
}

/// Wasm of one store runs on one thread at a time: where its frames are is where it goes on.
#[test]
fn wasm_is_not_entered_on_another_thread_while_it_runs_on_one() {
    for (_, engine) in engines() {
        on_another_thread(&engine, &|caller| {
            let inner = caller.data().expect("set");
            for n in 0..3 {
                let error = inner.call(&mut *caller, n).expect_err("not on this thread");
                assert!(matches!(error.kind(), ErrorKind::Misuse(_)), "{error:?}");
            }
        });
    }
}

/// What looks through stacks for exceptions looks through those of the thread that has them.
#[test]
fn exceptions_are_made_on_another_thread_while_wasm_runs_on_one() {
    let engine = crate::support::engine();
    on_another_thread(&engine, &|caller| {
        let tag = crate::support::tag(&mut *caller, [const { ValType::I64 }; 60]).expect("a tag");
        for n in 0..2_000 {
            Exception::new(&mut *caller, tag, &[Val::I64(n); 60]).expect("an exception");
        }
    });
}

/// Runs guests when its thread ends, and tells how they ended.
struct AtTheEnd(Engine, Sender<Result<i32, Option<Trap>>>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        let text = r#"(module (memory 1)
            (func (export "out") (param i32) (result i32) (i32.load (local.get 0)))
            (func (export "echo") (param i32) (result i32) (local.get 0)))"#;
        let mut store = Store::new(&self.0, ());
        let instance = Instance::new(&mut store, &module(&self.0, text), &[]).expect("an instance");
        for (name, n) in [("echo", 5), ("out", -1), ("echo", 6)] {
            let f = instance.get_typed_func::<i32, i32>(&mut store, name).expect("exported");
            let ended = f.call(&mut store, n).map_err(|error| error.trap());
            self.1.send(ended).expect("somebody listens");
        }
    }
}

thread_local! {
    static AT_THE_END: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
}

/// Destructors of thread-locals run when the thread's signal stack may be gone: then it is said, and nothing runs.
#[test]
fn guests_run_or_are_refused_while_their_thread_ends() {
    let right = [Ok(5), Err(Some(Trap::MemoryOutOfBounds)), Ok(6)];
    for uses_wasm_before in [false, true] {
        let (sender, receiver) = channel();
        let engine = crate::support::engine();
        let thread = std::thread::spawn(move || {
            let run = || drop(AtTheEnd(engine.clone(), sender.clone()));
            if uses_wasm_before {
                run();
            }
            AT_THE_END.with(|slot| *slot.borrow_mut() = Some(AtTheEnd(engine.clone(), sender.clone())));
            run();
        });
        thread.join().expect("no panic");
        let ended: Vec<_> = receiver.into_iter().collect();
        let (before, at_the_end) = ended.split_at(ended.len() - right.len());
        assert!(before.chunks(right.len()).all(|chunk| chunk == right), "{before:?}");
        assert!(at_the_end == right || at_the_end.iter().all(|ended| *ended == Err(None)), "{at_the_end:?}");
    }
}

#[test]
fn stacks_with_too_little_left_get_an_error() {
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let f = Func::wrap(&mut store, |n: i32| n);
    let stack = corosensei::stack::DefaultStack::new(12 << 10).expect("a stack");
    let result = corosensei::on_stack(stack, || f.call(&mut store, &[Val::I32(1)], &mut [Val::I32(0)]));
    assert_eq!(result.expect_err("too little stack").trap(), Some(Trap::StackOverflow));
    let mut results = [Val::I32(0)];
    f.call(&mut store, &[Val::I32(1)], &mut results).expect("enough stack");
    assert_eq!(results[0].i32(), Some(1));
}
