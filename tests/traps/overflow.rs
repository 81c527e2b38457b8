//! Recursion without end, on stacks of any size: a trap or an error, never a crash.

use crate::support::{engines, engines_with, module};
use epsilon::{Caller, Engine, Error, Func, Instance, Linker, Store, Trap, TypedFunc};

/// Runs on a thread with a small stack; what panics there panics here.
pub fn on_small_thread<R: Send>(stack_bytes: usize, body: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(stack_bytes);
        let thread = thread.spawn_scoped(scope, body).expect("a thread");
        thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    })
}

const SMALL: usize = 256 << 10;

fn expect_overflow(text: &str) {
    for (plan, engine) in engines() {
        on_small_thread(SMALL, || {
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module(&engine, text), &[]).expect("an instance");
            let run = instance.get_typed_func::<i32, i32>(&mut store, "run").expect("exported");
            for _ in 0..3 {
                let error = run.call(&mut store, -1).expect_err("endless recursion");
                assert_eq!(error.trap(), Some(Trap::StackOverflow), "{plan}: {error}");
                let backtrace = error.backtrace().expect("wasm was running");
                assert_eq!(backtrace.frames().last().expect("many frames").func_name(), Some("run"), "{plan}");
                assert!(backtrace.frames().len() <= 80);
                assert_eq!(run.call(&mut store, 3).expect("a short recursion"), 3, "{plan}");
            }
        });
    }
}

#[test]
fn small_frames() {
    expect_overflow(
        r#"(module (func $run (export "run") (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (i32.add (i32.const 1) (call $run (i32.sub (local.get 0) (i32.const 1)))))
                (else (i32.const 0)))))"#,
    );
}

#[test]
fn mutual_recursion_through_a_table() {
    expect_overflow(
        r#"(module (type $t (func (param i32) (result i32))) (table funcref (elem $run $other))
            (func $run (export "run") (type $t)
                (if (result i32) (local.get 0)
                    (then (i32.add (i32.const 1)
                        (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 1))))
                    (else (i32.const 0))))
            (func $other (type $t)
                (if (result i32) (local.get 0)
                    (then (i32.add (i32.const 1)
                        (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))))
                    (else (i32.const 0)))))"#,
    );
}

/// More functions than the walk over the frames remembers.
#[test]
fn a_ring_of_many_functions() {
    const FUNCTIONS: u32 = 300;
    let function = |n: u32| {
        let next = (n + 1) % FUNCTIONS;
        format!("(func $f{n} (param i32) (result i32) (i32.add (i32.const 1) (call $f{next} (local.get 0))))")
    };
    let functions: String = (0..FUNCTIONS).map(function).collect();
    let text = format!("(module {functions} (export \"run\" (func $f0)))");
    for (plan, engine) in engines() {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module(&engine, &text), &[]).expect("an instance");
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").expect("exported");
        let error = run.call(&mut store, 0).expect_err("endless recursion");
        let backtrace = error.backtrace().expect("wasm was running");
        let functions: Vec<u32> = backtrace.frames().iter().map(|frame| frame.func_index()).collect();
        let (inner, outer) = functions.split_at(functions.len() - 16);
        assert!(inner.windows(2).all(|pair| pair[0] == (pair[1] + 1) % FUNCTIONS), "{plan}: {inner:?}");
        assert!(outer.iter().copied().eq((0..16).rev()), "{plan}: {outer:?}");
        let depth = backtrace.omitted() + functions.len();
        assert_eq!((depth - 1) % FUNCTIONS as usize, functions[0] as usize, "{plan}");
    }
}

/// Text for a frame that is larger than a stack's guard: locals 1 to 9,200, what sets them, and what adds them up in `$sum`.
fn many_vectors() -> (String, String, String) {
    const LOCALS: usize = 9_200;
    let sets = (1..=LOCALS).map(|n| format!("(local.set {n} (v128.load offset={n} (i32.const 0)))")).collect();
    let sums = (1..=LOCALS).map(|n| format!("(local.set $sum (i64x2.add (local.get $sum) (local.get {n})))")).collect();
    ("v128 ".repeat(LOCALS), sets, sums)
}

/// Frames of more than 140 KiB, larger than the guard: the values of 9,200 vectors live across the call.
#[test]
fn large_frames() {
    let (locals, sets, sums) = many_vectors();
    expect_overflow(&format!(
        r#"(module (memory 1) (func $run (export "run") (param i32) (result i32) (local {}) (local $sum v128)
            {sets}
            (if (result i32) (local.get 0)
                (then (i32.add (i32.const 1) (call $run (i32.sub (local.get 0) (i32.const 1)))))
                (else (i32.const 0)))
            {sums}
            (v128.store (i32.const 65000) (local.get $sum))))"#,
        locals
    ));
}

/// Frames of more than 140 KiB of which the recursion itself writes nothing: without probes a call would step over the
/// guard. Where the guard lies between two frames depends on what is on the stack before: all distances are tried.
#[test]
fn large_frames_that_nothing_is_written_to() {
    let (locals, sets, sums) = many_vectors();
    let text = format!(
        r#"(module (memory 1) (func $leaf) (func $run (param i32) (result i32) (local {}) (local $sum v128)
            (if (local.get 0) (then (return (i32.add (i32.const 1) (call $run (i32.sub (local.get 0) (i32.const 1)))))))
            {sets} (call $leaf) {sums} (v128.store (i32.const 65000) (local.get $sum)) (i32.const 0))
        (func $small (export "small") (param $frames i32) (param $n i32) (result i32)
            (if (result i32) (local.get $frames)
                (then (i32.add (i32.const 0) (call $small (i32.sub (local.get $frames) (i32.const 1)) (local.get $n))))
                (else (i32.add (i32.const 0) (call $run (local.get $n)))))))"#,
        locals
    );
    let engine = crate::support::engine();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module(&engine, &text), &[]).expect("an instance");
    let small = instance.get_typed_func::<(i32, i32), i32>(&mut store, "small").expect("exported");
    // A small frame is 16 to 64 bytes large.
    for frames in (0..8_000).step_by(200) {
        assert_eq!(small.call(&mut store, (frames, 1)).expect("a short recursion"), 1);
        let error = small.call(&mut store, (frames, -1)).expect_err("endless recursion");
        assert_eq!(error.trap(), Some(Trap::StackOverflow), "{frames}: {error}");
    }
}

/// Stack arguments and results that travel through memory, at each step.
#[test]
fn many_arguments_and_results() {
    let types = "i64 v128 f32 ".repeat(40);
    let gets: String = (1..=120).map(|n| format!("(local.get {n}) ")).collect();
    let zeros = "(i64.const 1) (v128.const i64x2 1 2) (f32.const 3)".repeat(40);
    expect_overflow(&format!(
        r#"(module (func $down (param i32 {types}) (result i32 {types})
            (if (result i32 {types}) (local.get 0)
                (then (call $down (i32.sub (local.get 0) (i32.const 1)) {gets}))
                (else (i32.const 0) {gets})))
           (func $run (export "run") (param i32) (result i32)
            (call $down (local.get 0) {zeros}) {} (i32.add (local.get 0))))"#,
        "drop ".repeat(120)
    ));
}

pub type Data = Option<TypedFunc<i32, i32>>;

pub fn back(mut caller: Caller<'_, Data>, n: i32) -> epsilon::Result<i32> {
    let run = caller.data().expect("set before the first call");
    Ok(1 + run.call(&mut caller, n - 1)?)
}

/// Exports `run`, which calls the host's `back`, which calls `run`: as often as its argument says.
pub const BACK: &str = r#"(module (import "host" "back" (func $back (param i32) (result i32)))
    (func $run (export "run") (param i32) (result i32)
        (if (result i32) (local.get 0) (then (call $back (local.get 0))) (else (i32.const 0)))))"#;

/// host -> wasm -> host -> wasm ... until the thread's own stack has no room for another host function.
#[test]
fn recursion_through_host_functions() {
    for stack_bytes in [SMALL, 512 << 10, 8 << 20] {
        for (plan, engine) in engines() {
            on_small_thread(stack_bytes, || {
                let mut linker = Linker::<Data>::new(&engine);
                linker.func_wrap("host", "back", back).expect("new");
                let mut store = Store::new(&engine, None);
                let instance = linker.instantiate(&mut store, &module(&engine, BACK)).expect("an instance");
                let run = instance.get_typed_func::<i32, i32>(&mut store, "run").expect("exported");
                *store.data_mut() = Some(run);
                for _ in 0..3 {
                    let error = run.call(&mut store, -1).expect_err("endless recursion");
                    assert_eq!(error.trap(), Some(Trap::StackOverflow), "{plan}: {error}");
                    assert_eq!(run.call(&mut store, 5).expect("a short recursion"), 5, "{plan}");
                }
            });
        }
    }
}

/// The same where the wasm stack ends first.
#[test]
fn recursion_through_host_functions_on_a_small_wasm_stack() {
    for (plan, engine) in engines_with(|config| config.max_wasm_stack(16 << 10)) {
        on_small_thread(16 << 20, || {
            let mut linker = Linker::<Data>::new(&engine);
            linker.func_wrap("host", "back", back).expect("new");
            let mut store = Store::new(&engine, None);
            let instance = linker.instantiate(&mut store, &module(&engine, BACK)).expect("an instance");
            let run = instance.get_typed_func::<i32, i32>(&mut store, "run").expect("exported");
            *store.data_mut() = Some(run);
            let error = run.call(&mut store, -1).expect_err("endless recursion");
            assert_eq!(error.trap(), Some(Trap::StackOverflow), "{plan}: {error}");
            assert_eq!(run.call(&mut store, 5).expect("a short recursion"), 5, "{plan}");
        });
    }
}

/// A host function that swallows the overflow and goes on: the guest goes on as well.
#[test]
fn an_overflow_may_be_handled_by_a_host_function() {
    let engine = crate::support::engine();
    let mut linker = Linker::<Data>::new(&engine);
    let attempt = |mut caller: Caller<'_, Data>, n: i32| {
        let run = caller.data().expect("set before the first call");
        match run.call(&mut caller, n) {
            Ok(n) => n,
            Err(error) => {
                assert_eq!(error.trap(), Some(Trap::StackOverflow));
                -1
            }
        }
    };
    linker.func_wrap("host", "attempt", attempt).expect("new");
    let text = r#"(module (import "host" "attempt" (func $attempt (param i32) (result i32)))
        (func $run (export "run") (param i32) (result i32)
            (if (result i32) (local.get 0) (then (i32.add (i32.const 0) (call $run (i32.const 1)))) (else (i32.const 7))))
        (func (export "main") (param i32) (result i32)
            (i32.add (i32.mul (i32.const 100) (call $attempt (local.get 0))) (call $attempt (i32.const 0)))))"#;
    let mut store = Store::new(&engine, None);
    let instance = linker.instantiate(&mut store, &module(&engine, text)).expect("an instance");
    *store.data_mut() = Some(instance.get_typed_func(&mut store, "run").expect("exported"));
    let main = instance.get_typed_func::<i32, i32>(&mut store, "main").expect("exported");
    assert_eq!(main.call(&mut store, 1).expect("handled"), -93);
    assert_eq!(main.call(&mut store, 0).expect("no overflow"), 707);
}

/// Between two instances: the fault may hit either of them, or the code between them.
#[test]
fn recursion_across_instances() {
    for start in 0..40 {
        let engine = crate::support::engine();
        on_small_thread(SMALL, || {
            let error = ping_pong(&engine, start);
            assert_eq!(error.trap(), Some(Trap::StackOverflow), "{error}");
            let backtrace = error.backtrace().expect("wasm was running");
            let all = backtrace.frames().len() + backtrace.omitted();
            assert!(all > 10_000, "{all} frames");
            let names = crate::names(&error);
            let alternate = names[..60].windows(2).all(|pair| pair[0] != pair[1]);
            assert!(alternate && names.last() == Some(&"start"), "{names:?}");
        });
    }
}

/// Two instances that call each other through imports, with arguments on the stack; `start` moves where it ends.
fn ping_pong(engine: &Engine, start: usize) -> Error {
    let mut store = Store::new(engine, ());
    let params = "i64 ".repeat(9);
    let gets: String = (0..9).map(|n| format!("(local.get {n}) ")).collect();
    let types = format!("(type $t (func (param {params}) (result i64)))");
    let ping = format!(
        r#"(module {types} (table (export "table") 1 funcref)
            (func $ping (export "ping") (type $t) (i64.add (i64.const 1) (call_indirect (type $t) {gets} (i32.const 0)))))"#
    );
    let locals: String = (0..start).map(|n| format!("(local.set {n} (i64.load offset={n} (i32.const 0)))")).collect();
    let sums: String =
        (0..start).map(|n| format!("(drop (i64.store (i32.const 8) (local.get {n})) (i32.const 0))")).collect();
    let pong = format!(
        r#"(module {types} (import "" "ping" (func $ping (type $t))) (import "" "table" (table 1 funcref)) (memory 1)
            (elem (i32.const 0) $pong)
            (func $pong (type $t) (i64.add (i64.const 1) (call $ping {gets})))
            (func $start (export "start") (local {}) {locals}
                (drop (call $ping {})) {sums}))"#,
        "i64 ".repeat(start),
        "(i64.const 0)".repeat(9)
    );
    let ping = Instance::new(&mut store, &module(engine, &ping), &[]).expect("an instance");
    let imports = ["ping", "table"].map(|name| ping.get_export(&mut store, name).expect("exported"));
    let pong = Instance::new(&mut store, &module(engine, &pong), &imports).expect("an instance");
    let start = pong.get_typed_func::<(), ()>(&mut store, "start").expect("exported");
    start.call(&mut store, ()).expect_err("endless recursion")
}

/// A guest that fills its stack and leaves wasm on every level: what overflows may be the code in between. The frames
/// are all there in any case, the one that was about to leave included.
#[test]
fn overflow_in_host_calls_and_libcalls() {
    let calls = [
        "(call $host)",
        "(drop (memory.grow (i32.const 0)))",
        "(memory.fill (i32.const 0) (i32.const 0) (i32.const 9))",
        "(call $other)",
    ];
    for (plan, engine) in engines_with(|config| config.max_wasm_stack(64 << 10)) {
        for call in calls {
            for extra in 0..8 {
                on_small_thread(SMALL, || leave_on_every_level(plan, &engine, call, extra));
            }
        }
    }
}

/// `extra` moves the place where the stack ends by the size of a local.
fn leave_on_every_level(plan: &str, engine: &Engine, call: &str, extra: usize) {
    let text = format!(
        r#"(module (import "" "" (func $host)) (import "" "" (func $other)) (memory 1)
            (global $depth (export "depth") (mut i32) (i32.const 0))
            (func $down (param i64) (result i64)
                (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
                {call} (i64.add (local.get 0) (call $down (local.get 0))))
            (func $start (export "start") (result i64) (local {}) {} (call $down (i64.const 1)) {}))"#,
        "i64 ".repeat(extra),
        (0..extra).map(|n| format!("(local.set {n} (i64.load (i32.const {n})))")).collect::<String>(),
        (0..extra).map(|n| format!("(i64.add (local.get {n}))")).collect::<String>(),
    );
    let mut store = Store::new(engine, ());
    let host = Func::wrap(&mut store, || {});
    let other = module(engine, r#"(module (func (export "f")))"#);
    let other = Instance::new(&mut store, &other, &[]).expect("an instance");
    let other = other.get_func(&mut store, "f").expect("exported");
    let imports = [host.into(), other.into()];
    let instance = Instance::new(&mut store, &module(engine, &text), &imports).expect("an instance");
    let start = instance.get_typed_func::<(), i64>(&mut store, "start").expect("exported");
    let error = start.call(&mut store, ()).expect_err("endless recursion");
    assert_eq!(error.trap(), Some(Trap::StackOverflow), "{plan} {call}: {error}");
    let backtrace = error.backtrace().expect("wasm was running");
    let names = crate::names(&error);
    // The callee in the other instance has no name.
    let below = names.iter().take_while(|name| **name == "?").count();
    let all = backtrace.frames().len() + backtrace.omitted() - below;
    let depth = instance.get_global(&mut store, "depth").expect("exported").get(&mut store);
    let counted = depth.i32().expect("an i32") as usize;
    assert!((counted + 1..=counted + 2).contains(&all), "{plan} {call} {extra}: {all} frames, {counted} counted");
    assert_eq!((names.last(), names[below]), (Some(&"start"), "down"));
}
