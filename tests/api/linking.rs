//! Linking is whole or not at all: rooms for code that are too small, steps that fail or panic half-way, compilers that
//! panic. After each of them the same engine, module and store are used again at once.

use crate::support::{Random, config};
use epsilon::{
    Compilation, Config, Engine, Error, ErrorKind, Fault, Instance, Linker, Module, Store, Tier, TypedFunc, Val,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// So few that no thread compiles ahead.
const FEW: usize = 7;
/// So many that some do.
const MANY: usize = 40;

/// Function `n` gives 1000 n + its argument by way of function `n` - 1 or of none. Every second one is small: there may be
/// room for it where there is none for the one that it calls.
fn text(count: usize) -> String {
    let function = |n: usize| {
        let (own, below) = match n % 4 {
            0 => (n * 1000, "(local.get 0)".into()),
            _ => (1000, format!("(call $f{} (local.get 0))", n - 1)),
        };
        let fill =
            "(if (i32.eqz (global.get $one)) (then (global.set $one (i32.rotl (local.get 0) (global.get $one)))))";
        format!(
            "(func $f{n} (export \"f{n}\") (param i32) (result i32) {} (i32.add (i32.const {own}) {below}))\n",
            fill.repeat(if n.is_multiple_of(2) { 8 } else { 0 })
        )
    };
    let functions: String = (0..count).map(function).collect();
    format!("(module (global $one (mut i32) (i32.const 1)) {functions})")
}

fn engine(change: impl FnOnce(&mut Config) -> &mut Config) -> Engine {
    Engine::new(change(config().cache(None).compiler_inlining(false))).expect("an engine")
}

struct Guest {
    store: Store<()>,
    functions: Vec<TypedFunc<i32, i32>>,
}

impl Guest {
    fn new(engine: &Engine, module: &Module) -> Result<Self, Error> {
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, module, &[])?;
        let function = |n| instance.get_typed_func(&mut store, &format!("f{n}"));
        let functions = (0..module.function_count()).map(function).collect::<Result<_, _>>()?;
        Ok(Self { store, functions })
    }

    /// Whether the function is there; then its result is right.
    fn call(&mut self, n: usize) -> Result<(), Error> {
        let result = self.functions[n].call(&mut self.store, 5)?;
        assert_eq!(result, 1000 * n as i32 + 5, "function {n}");
        Ok(())
    }

    /// As [`Self::call`], where a panic may come through.
    fn try_call(&mut self, n: usize) -> Option<Result<(), Error>> {
        catch_unwind(AssertUnwindSafe(|| self.call(n))).ok()
    }
}

/// All numbers below `count`, several times, in an order of chance.
fn calls(count: usize, seed: u64) -> impl Iterator<Item = usize> {
    let mut random = Random(seed);
    (0..3 * count).map(move |_| random.below(count))
}

fn is_full(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Limit(message) if message.contains("has reached its limit"))
}

fn is_broken(error: &Error) -> bool {
    error.to_string().contains("the module is broken") && error.to_string().contains("create the module again")
}

#[test]
fn a_full_arena_refuses_and_leaves_the_module_usable() {
    for count in [FEW, MANY] {
        let (mut refused, mut complete) = (0, false);
        for room in (0..).step_by(if count == FEW { 150 } else { 1700 }) {
            let engine = engine(|config| config.code_room_bytes(room).compilation(Compilation::Lazy));
            let module = Module::new(&engine, text(count)).expect("a module");
            let mut guest = Guest::new(&engine, &module).expect("an instance");
            let mut is_refused = vec![false; count];
            for n in calls(count, 0x600d + room as u64) {
                match guest.call(n) {
                    Ok(()) => {}
                    Err(error) => {
                        assert!(is_full(&error), "{count} functions in {room} bytes: {error:?}");
                        is_refused[n] = true;
                    }
                }
            }
            // What has code keeps it, in every instance of the module.
            let mut other = Guest::new(&engine, &module).expect("an instance");
            for n in (0..count).filter(|n| !is_refused[*n]) {
                let worked = guest.call(n).is_ok();
                assert_eq!(worked, other.call(n).is_ok(), "{count} functions in {room} bytes, function {n}");
            }
            refused += is_refused.iter().filter(|refused| **refused).count();
            let all = module.compile_all(|_| ());
            assert_eq!(all.is_ok(), module.optimised_count() == count, "{all:?}");
            if let Err(error) = all {
                assert!(is_full(&error), "{error:?}");
                continue;
            }
            complete = true;
            break;
        }
        assert!(complete && refused > count, "{count} functions: {refused} were refused");
    }
}

#[test]
fn a_full_arena_is_an_error_of_a_module_that_is_compiled_at_once() {
    let (mut refused, mut complete) = (0, false);
    for room in (0..).step_by(700) {
        let engine = engine(|config| config.code_room_bytes(room).compilation(Compilation::Eager));
        match Module::new(&engine, text(MANY)) {
            Ok(module) => {
                let mut guest = Guest::new(&engine, &module).expect("an instance");
                (0..MANY).for_each(|n| guest.call(n).expect("code"));
                complete = true;
                break;
            }
            Err(error) => {
                assert!(is_full(&error), "{error:?}");
                refused += 1;
                // The engine goes on.
                let module = Module::new(&engine, "(module (func (export \"f\")))");
                assert!(module.is_ok() || is_full(&module.expect_err("no room")), "{room} bytes");
            }
        }
    }
    assert!(complete && refused > 3);
}

/// What a guest sees of a module whose `n`-th step of linking goes wrong; false if none did.
fn link_with(fault: Fault, count: usize) -> bool {
    let engine = engine(|config| config.fault(fault).compilation(Compilation::Lazy));
    let make = || catch_unwind(AssertUnwindSafe(|| Module::new(&engine, text(count))));
    let module = match make() {
        Ok(Ok(module)) => module,
        // Making room has failed; a second time it does not.
        failed => {
            let Ok(Ok(module)) = make() else { panic!("{fault:?}: {failed:?}, then again") };
            let mut guest = Guest::new(&engine, &module).expect("an instance");
            (0..count).for_each(|n| guest.call(n).expect("code"));
            return true;
        }
    };
    let mut guest = Guest::new(&engine, &module).expect("an instance");
    let mut worked = vec![false; count];
    let mut error = None;
    for n in calls(count, 0xbad + count as u64) {
        match guest.call(n) {
            Ok(()) => worked[n] = true,
            Err(first) => {
                error = Some(first);
                break;
            }
        }
    }
    let Some(error) = error else {
        // A thread that compiled ahead may have been the one.
        if let Err(error) = Instance::new(&mut guest.store, &module, &[]) {
            assert!(is_broken(&error), "{fault:?}: {error:?}");
            return true;
        }
        return false;
    };
    assert!(is_broken(&error) && error.to_string().contains("half-way"), "{fault:?}: {error:?}");
    // For good: what had code runs on, and everything else says why it does not.
    for n in calls(count, 0xbad2) {
        match guest.call(n) {
            Ok(()) => worked[n] = true,
            Err(error) => assert!(is_broken(&error) && !worked[n], "{fault:?}, function {n}: {error:?}"),
        }
    }
    assert!(is_broken(&Instance::new(&mut guest.store, &module, &[]).expect_err("a broken module")));
    assert!(is_broken(&Linker::new(&engine).instantiate(&mut guest.store, &module).expect_err("a broken module")));
    assert!(is_broken(&module.compile_all(|_| ()).expect_err("a broken module")));
    // Its engine and its store serve other modules.
    let other = Module::new(&engine, text(count)).expect("a module");
    let instance = Instance::new(&mut guest.store, &other, &[]).expect("an instance");
    let last = instance.get_typed_func::<i32, i32>(&mut guest.store, &format!("f{}", count - 1)).expect("exported");
    assert_eq!(last.call(&mut guest.store, 1).expect("code"), 1000 * (count as i32 - 1) + 1);
    true
}

#[test]
fn a_link_that_fails_half_way_breaks_its_module_for_good() {
    for fault in [Fault::LinkStepFails as fn(usize) -> Fault, Fault::LinkStepPanics] {
        let (mut failed, mut step, mut passed) = (0, 1, 0);
        // Where pages cannot be mapped twice, modules are compiled at once: a step that may fail.
        while passed < 3 {
            passed = if link_with(fault(step), FEW) { 0 } else { passed + 1 };
            failed += usize::from(passed == 0);
            step += 1;
        }
        // Room, and several steps for each function.
        assert!(failed > 3 * FEW, "{failed} steps");
    }
}

/// The same where other threads link as well.
#[test]
fn a_link_that_fails_half_way_breaks_its_module_for_threads_as_well() {
    for step in 1..4 * MANY {
        link_with(Fault::LinkStepFails(step), MANY);
        link_with(Fault::LinkStepPanics(step), MANY);
    }
}

#[test]
fn eager_modules_whose_link_fails_are_errors() {
    for step in 1..60 {
        let engine = engine(|config| config.fault(Fault::LinkStepFails(step)).compilation(Compilation::Eager));
        if let Err(error) = Module::new(&engine, text(FEW)) {
            assert!(
                is_broken(&error) || error.to_string().contains("cannot map machine code"),
                "step {step}: {error:?}"
            );
        }
        // It happens once, to the first module or to the second one.
        let module = Module::new(&engine, text(FEW)).or_else(|_| Module::new(&engine, text(FEW)));
        let module = module.expect("the fault is over");
        let mut guest = Guest::new(&engine, &module).expect("an instance");
        (0..FEW).for_each(|n| guest.call(n).expect("code"));
    }
}

/// A compiler that panics on a guest's thread is a panic there, once; from then on the module says why it is broken.
#[test]
fn a_compiler_that_panics_breaks_its_module() {
    let engine = engine(|config| config.fault(Fault::CompilerPanics(2)).compilation(Compilation::Lazy));
    let module = Module::new(&engine, text(FEW)).expect("a module");
    let mut guest = Guest::new(&engine, &module).expect("an instance");
    guest.call(1).expect("code");
    assert!(guest.try_call(2).is_none(), "the panic comes through");
    for _ in 0..2 {
        guest.call(1).expect("what had code runs on");
        for n in [2, 3, 5] {
            let error = guest.call(n).expect_err("a broken module");
            assert!(is_broken(&error) && error.to_string().contains("a test panicked at function 2"), "{error:?}");
        }
    }
    let error = module.compile_all(|_| ()).expect_err("a broken module");
    assert!(is_broken(&error), "{error:?}");
}

/// A thread that compiles ahead, and panics, does not go by unnoticed.
#[test]
fn a_worker_that_panics_breaks_its_module() {
    if std::thread::available_parallelism().map_or(1, |n| n.get()) < 2 {
        return; // no thread compiles ahead
    }
    let never_called = MANY as u32 - 1;
    let engine = engine(|config| {
        config.fault(Fault::CompilerPanics(never_called)).compilation(Compilation::Lazy).tier(Tier::Optimised)
    });
    let module = Module::new(&engine, text(MANY)).expect("a module");
    let mut guest = Guest::new(&engine, &module).expect("an instance");
    guest.call(0).expect("code");
    let started = Instant::now();
    let error = loop {
        match Instance::new(&mut guest.store, &module, &[]) {
            Err(error) => break error,
            Ok(_) => assert!(started.elapsed() < Duration::from_secs(60), "no thread compiled function {never_called}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(is_broken(&error) && error.to_string().contains("a test panicked at function 39"), "{error:?}");
    guest.call(0).expect("what had code runs on");
    assert!(is_broken(&guest.call(MANY - 1).expect_err("a broken module")));
    // The engine's threads go on with other modules: all but that function gets code.
    let other = Module::new(&engine, text(MANY - 1)).expect("a module");
    Guest::new(&engine, &other).expect("an instance").call(0).expect("code");
    let started = Instant::now();
    while other.compiled_count() < other.function_count() {
        assert!(started.elapsed() < Duration::from_secs(60), "{} functions", other.compiled_count());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A guest that makes far more code than its size lets expect, calls what no longer fits, and then what would lead there:
/// a call to the middle of such a function would take its own numbers for addresses.
fn escape(big_calls: usize) -> String {
    let (thousand, globals) = ("i32 ".repeat(1000), "(global.get $x) ".repeat(1000));
    let regs: String = (0..8).map(|n| format!("(local $b{n} i64)")).collect();
    let set: String = (0..8).map(|n| format!("(local.set $b{n} (i64.load (i32.const {})))", 8 * n)).collect();
    let add: String = (0..8).map(|n| format!("(i64.add (local.get $b{n}))")).collect();
    format!(
        r#"(module (type $g (func (result {thousand}))) (type $s (func (param {thousand}))) (type $v (func (result i64)))
        (global $x (mut i32) (i32.const 0)) (memory 1) (data (i32.const 0) "\00\40\41\41\41\41\00\00")
        (elem declare func $h)
        (func $gen (type $g) {globals})
        (func $sink (type $s) (global.set $x (i32.add (local.get 0) (i32.const 1))))
        (func $big (export "big") {})
        (func $f (export "f") (param $a1 i64) (param $r1 (ref null $v)) (result i64) {regs} {set}
            (i64.add (local.get $a1) (call_ref $v (local.get $r1))) {add})
        (func $h (type $v) (i64.const 7))
        (func (export "g") (result i64)
            (loop $l (br_if $l (i32.lt_u (global.get $x) (i32.const 0))))
            (call $f (i64.const 0x414141414141) (ref.func $h))))"#,
        "call $gen call $sink ".repeat(big_calls)
    )
}

#[test]
fn a_guest_cannot_reach_code_that_was_not_relocated() {
    for room in [None, Some(200_000), Some(40_000), Some(12_000), Some(9_000)] {
        // The room that a module gets by its size is a mebibyte and more.
        let text = escape(if room.is_none() { 90 } else { 3 });
        let engine = engine(|config| match room {
            Some(room) => config.code_room_bytes(room).compilation(Compilation::Lazy),
            None => config.compilation(Compilation::Lazy),
        });
        let module = Module::new(&engine, text).expect("a module");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        for _ in 0..2 {
            let big = instance.get_func(&mut store, "big").expect("exported").call(&mut store, &[], &mut []);
            assert!(big.as_ref().map_or_else(is_full, |()| true), "{big:?}");
            let f = instance.get_func(&mut store, "f").expect("exported");
            let called = f.call(&mut store, &[Val::I64(0), Val::FuncRef(None)], &mut [Val::I64(0)]).expect_err("null");
            assert!(called.trap().is_some() || is_full(&called), "{called:?}");
            let g = instance.get_typed_func::<(), i64>(&mut store, "g").expect("exported");
            match g.call(&mut store, ()) {
                Ok(result) => assert_eq!(result, 0x4141_4141_4141 + 7 + 0x4141_4141_4000),
                Err(error) => assert!(is_full(&error), "{error:?}"),
            }
        }
    }
}
