//! Host functions that fail or panic, at any depth of host -> wasm -> host calls.

use crate::names;
use crate::support::{engines, module};
use epsilon::{Caller, Engine, Error, Func, Instance, Linker, ResourceLimiter, StdError, Store, Trap, TypedFunc};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[derive(Debug, PartialEq)]
struct DiskFull {
    free_bytes: u64,
    cause: Cause,
}

#[derive(Debug, PartialEq)]
struct Cause(&'static str);

impl fmt::Display for DiskFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the disk is full: {} bytes free", self.free_bytes)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Cause {}

impl std::error::Error for DiskFull {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// What the innermost host function does, and the way back into wasm.
#[derive(Default)]
struct Data {
    step: Option<TypedFunc<i32, i32>>,
    calls: usize,
    end: End,
}

#[derive(Default, Clone, Copy, PartialEq, Debug)]
enum End {
    #[default]
    Return,
    Fail,
    Panic,
    Trap,
}

/// Counts down through wasm, and ends as told at zero.
fn step(mut caller: Caller<'_, Data>, n: i32) -> epsilon::Result<i32> {
    caller.data_mut().calls += 1;
    if n > 0 {
        let step = caller.data().step.expect("set before the first call");
        return step.call(&mut caller, n - 1);
    }
    match caller.data().end {
        End::Return => Ok(1),
        End::Fail => Err(DiskFull { free_bytes: 12, cause: Cause("too many films") }.into()),
        End::Panic => std::panic::panic_any(DiskFull { free_bytes: 34, cause: Cause("a panic") }),
        End::Trap => Err(Trap::UnreachableCodeReached.into()),
    }
}

const STEPS: &str = r#"(module $steps (import "host" "step" (func $host (param i32) (result i32)))
    (func $inner (param i32) (result i32) (i32.add (i32.const 10) (call $host (local.get 0))))
    (func $outer (export "step") (param i32) (result i32) (i32.add (i32.const 100) (call $inner (local.get 0)))))"#;

fn steps(engine: &Engine) -> (Store<Data>, TypedFunc<i32, i32>) {
    let mut linker = Linker::<Data>::new(engine);
    linker.func_wrap("host", "step", step).expect("new");
    let mut store = Store::new(engine, Data::default());
    let instance = linker.instantiate(&mut store, &module(engine, STEPS)).expect("an instance");
    let step = instance.get_typed_func::<i32, i32>(&mut store, "step").expect("exported");
    store.data_mut().step = Some(step);
    (store, step)
}

#[test]
fn host_errors_keep_their_chain_through_three_levels() {
    for (plan, engine) in engines() {
        let (mut store, step) = steps(&engine);
        for _ in 0..1_000 {
            store.data_mut().end = End::Fail;
            let error = step.call(&mut store, 2).expect_err("the host fails");
            let found = error.downcast_ref::<DiskFull>().expect("the host's own error");
            assert_eq!(*found, DiskFull { free_bytes: 12, cause: Cause("too many films") }, "{plan}");
            assert_eq!(error.root_cause().downcast_ref::<Cause>(), Some(&Cause("too many films")));
            assert!(error.downcast_ref::<std::io::Error>().is_none() && error.trap().is_none());
            assert_eq!(names(&error), ["inner", "outer", "inner", "outer", "inner", "outer"], "{plan}");
            store.data_mut().end = End::Return;
            assert_eq!(step.call(&mut store, 2).expect("no error"), 331);
        }
        store.data_mut().end = End::Fail;
        let text = format!("{:?}", step.call(&mut store, 0).expect_err("the host fails"));
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines[..2], ["the disk is full: 12 bytes free", "caused by: too many films"]);
    }
}

/// A host function that wraps what went wrong inside, as `anyhow` users do: the chain grows at each level.
#[test]
fn wrapped_errors_keep_everything() {
    #[derive(Debug)]
    struct Context(i32, StdError);
    impl fmt::Display for Context {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at level {}", self.0)
        }
    }
    impl std::error::Error for Context {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.1)
        }
    }
    let engine = crate::support::engine();
    let mut linker = Linker::<Data>::new(&engine);
    let wrapping =
        |caller: Caller<'_, Data>, n: i32| step(caller, n).map_err(|error| Context(n, StdError(error)).into());
    linker.func_wrap("host", "step", wrapping).expect("new");
    let mut store = Store::new(&engine, Data { end: End::Fail, ..Data::default() });
    let instance = linker.instantiate(&mut store, &module(&engine, STEPS)).expect("an instance");
    let step = instance.get_typed_func::<i32, i32>(&mut store, "step").expect("exported");
    store.data_mut().step = Some(step);
    let error = step.call(&mut store, 2).expect_err("the host fails");
    assert_eq!(error.root_cause().downcast_ref::<Cause>(), Some(&Cause("too many films")));
    assert_eq!(error.downcast_ref::<Context>().map(|context| context.0), Some(2));
    let levels: Vec<i32> = error.chain().filter_map(|found| Some(found.downcast_ref::<Context>()?.0)).collect();
    assert_eq!(levels, [2, 1, 0]);
    assert_eq!(names(&error), ["inner", "outer"], "each level has its own frames");
    // The innermost error of Epsilon's inside has the frames of all levels.
    let inner = error.downcast_ref::<Context>().and_then(|context| context.1.0.downcast_ref::<Context>());
    assert_eq!(names(&inner.expect("level 1").1.0).len(), 6);
}

#[test]
fn plain_messages_and_foreign_errors_serve_as_host_errors() {
    let engine = crate::support::engine();
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("host", "message", || -> epsilon::Result<()> { epsilon::bail!("no such thing") }).expect("new");
    let parse = || Ok("x".parse::<i32>()?);
    linker.func_wrap("host", "parse", parse).expect("new");
    let text = r#"(module (import "host" "message" (func $m)) (import "host" "parse" (func $p (result i32)))
        (func (export "m") call $m) (func (export "p") (drop (call $p))))"#;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module(&engine, text)).expect("an instance");
    let m = instance.get_typed_func::<(), ()>(&mut store, "m").expect("exported");
    let error = m.call(&mut store, ()).expect_err("a message");
    assert_eq!(error.to_string(), "no such thing");
    let p = instance.get_typed_func::<(), ()>(&mut store, "p").expect("exported");
    let error = p.call(&mut store, ()).expect_err("an error");
    assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
}

#[test]
fn host_functions_may_raise_traps() {
    let (mut store, step) = steps(&crate::support::engine());
    store.data_mut().end = End::Trap;
    let error = step.call(&mut store, 1).expect_err("a trap");
    assert_eq!(error.trap(), Some(Trap::UnreachableCodeReached));
    assert_eq!(names(&error), ["inner", "outer", "inner", "outer"]);
}

/// Panics are silent here: the hook of the tests' harness would print each of them.
fn quietly<R>(body: impl FnOnce() -> R) -> Result<R, Box<dyn std::any::Any + Send>> {
    catch_unwind(AssertUnwindSafe(body))
}

#[test]
fn panics_arrive_at_the_caller_with_their_payload() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.payload().is::<DiskFull>() {
            hook(info);
        }
    }));
    for (plan, engine) in engines() {
        let (mut store, step) = steps(&engine);
        for round in 0..1_000 {
            store.data_mut().end = End::Panic;
            let payload = quietly(|| step.call(&mut store, round % 4)).expect_err("the host panics");
            let found = payload.downcast_ref::<DiskFull>().expect("the payload");
            assert_eq!(found.free_bytes, 34, "{plan}");
            store.data_mut().end = End::Return;
            assert_eq!(step.call(&mut store, 3).expect("the store is usable"), 441, "{plan}");
            store.data_mut().end = End::Fail;
            let error = step.call(&mut store, 1).expect_err("the host fails");
            assert_eq!(names(&error), ["inner", "outer", "inner", "outer"]);
        }
        let untyped = *step.func();
        store.data_mut().end = End::Panic;
        let call = quietly(|| untyped.call(&mut store, &[0.into()], &mut [0.into()]));
        assert!(call.expect_err("the host panics").is::<DiskFull>());
    }
}

/// A host function may catch what a nested call panics with, and go on.
#[test]
fn panics_may_be_caught_between_levels() {
    let engine = crate::support::engine();
    let mut linker = Linker::<Data>::new(&engine);
    let catching = |mut caller: Caller<'_, Data>, n: i32| match n {
        0 => std::panic::panic_any(DiskFull { free_bytes: 1, cause: Cause("") }),
        _ => {
            let step = caller.data().step.expect("set before the first call");
            quietly(|| step.call(&mut caller, 0)).map_or(5, |_| 6)
        }
    };
    linker.func_wrap("host", "step", catching).expect("new");
    let mut store = Store::new(&engine, Data::default());
    let instance = linker.instantiate(&mut store, &module(&engine, STEPS)).expect("an instance");
    let step = instance.get_typed_func::<i32, i32>(&mut store, "step").expect("exported");
    store.data_mut().step = Some(step);
    for _ in 0..100 {
        assert_eq!(step.call(&mut store, 1).expect("caught"), 115);
    }
}

struct Panics;

impl ResourceLimiter for Panics {
    fn memory_growing(&mut self, current: usize, _: usize, _: Option<usize>) -> epsilon::Result<bool> {
        if current > 0 { std::panic::panic_any(DiskFull { free_bytes: 2, cause: Cause("") }) } else { Ok(true) }
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> epsilon::Result<bool> {
        Ok(true)
    }
}

/// What runs behind runtime calls of wasm may panic as well.
#[test]
fn panics_of_a_limiter_pass_through_wasm() {
    for (_, engine) in engines() {
        let mut store = Store::new(&engine, Panics);
        store.limiter(|limiter| limiter);
        let text = r#"(module (memory 1) (func (export "grow") (result i32) (memory.grow (i32.const 1)))
            (func (export "size") (result i32) (memory.size)))"#;
        let instance = Instance::new(&mut store, &module(&engine, text), &[]).expect("an instance");
        let grow = instance.get_typed_func::<(), i32>(&mut store, "grow").expect("exported");
        let size = instance.get_typed_func::<(), i32>(&mut store, "size").expect("exported");
        for _ in 0..100 {
            let payload = quietly(|| grow.call(&mut store, ())).expect_err("the limiter panics");
            assert!(payload.is::<DiskFull>());
            assert_eq!(size.call(&mut store, ()).expect("the store is usable"), 1);
        }
    }
}

#[test]
fn start_functions_may_fail_and_panic() {
    let engine = crate::support::engine();
    let text = r#"(module (import "" "" (func $f)) (func $start call $f) (start $start))"#;
    let module = module(&engine, text);
    let mut store = Store::new(&engine, ());
    let fails = Func::wrap(&mut store, || -> epsilon::Result<()> { Err(Error::msg("not today")) });
    let error = Instance::new(&mut store, &module, &[fails.into()]).expect_err("the host fails");
    assert_eq!(names(&error), ["start"]);
    let panics =
        Func::wrap(&mut store, || -> () { std::panic::panic_any(DiskFull { free_bytes: 3, cause: Cause("") }) });
    let payload = quietly(|| Instance::new(&mut store, &module, &[panics.into()])).expect_err("the host panics");
    assert!(payload.is::<DiskFull>());
    // An imported host function as the start function itself: no frame of wasm at all.
    let text = r#"(module (import "" "" (func $f)) (start $f))"#;
    let direct = crate::support::module(&engine, text);
    let error = Instance::new(&mut store, &direct, &[fails.into()]).expect_err("the host fails");
    assert_eq!(names(&error), Vec::<&str>::new());
}

/// What host functions see of the stack while they run.
#[test]
fn host_functions_see_the_frames_below_them() {
    let engine = crate::support::engine();
    let mut linker = Linker::<Data>::new(&engine);
    let look = |mut caller: Caller<'_, Data>, n: i32| -> epsilon::Result<i32> {
        let frames = epsilon::WasmBacktrace::capture(&caller);
        let names: Vec<&str> = frames.frames().iter().map(|frame| frame.func_name().unwrap_or("?")).collect();
        let expected = ["inner", "outer"].repeat(caller.data().calls + 1);
        assert_eq!(names, expected);
        caller.data_mut().calls += 1;
        let step = caller.data().step.expect("set before the first call");
        let result = if n > 0 { step.call(&mut caller, n - 1) } else { Ok(0) };
        caller.data_mut().calls -= 1;
        let frames = epsilon::WasmBacktrace::capture(&caller);
        assert_eq!(frames.frames().len(), expected.len(), "after a nested call as before it");
        result
    };
    linker.func_wrap("host", "step", look).expect("new");
    let mut store = Store::new(&engine, Data::default());
    let instance = linker.instantiate(&mut store, &module(&engine, STEPS)).expect("an instance");
    let step = instance.get_typed_func::<i32, i32>(&mut store, "step").expect("exported");
    store.data_mut().step = Some(step);
    assert_eq!(step.call(&mut store, 4).expect("no error"), 550);
    assert!(epsilon::WasmBacktrace::capture(&store).frames().is_empty());
}
