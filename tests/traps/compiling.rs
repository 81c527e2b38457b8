//! Interruption of a guest that waits for its own function to be compiled, by Cranelift, which takes long: by a thread for it, by a worker, or by another
//! guest's call.

use epsilon::{Config, Engine, ErrorKind, Instance, Module, Store, Tier, Trap, TypedFunc};
use std::fmt::Write as _;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long an end may take that comes at once, on a machine that does much else; compiling takes several times that.
const AT_ONCE: Duration = Duration::from_millis(300);

/// The length of the function, in steps: seconds of compilation.
const STEPS: u32 = 100_000;

fn engine() -> Engine {
    Engine::new(Config::new().cache(None).tier(Tier::Optimised)).expect("an engine")
}

/// A module whose function `f`, which it exports as `_start` too, takes long to compile; and other functions.
fn slow_module(engine: &Engine, others: usize) -> Module {
    module_of(engine, STEPS, others)
}

fn module_of(engine: &Engine, steps: u32, others: usize) -> Module {
    let mut text = String::from("(module (func $f (export \"f\") (param i32) (result i32)");
    for n in 0..steps {
        let _ = write!(text, " (local.set 0 (i32.xor (i32.mul (local.get 0) (i32.const {})) (i32.const {n})))", n | 1);
    }
    text += " (local.get 0)) (func (export \"_start\") (drop (call $f (i32.const 1))))";
    for n in 0..others {
        let _ = write!(text, "(func (export \"other{n}\"))");
    }
    // The engine's budget is for compiling: reading so long a text takes far more.
    Module::new(engine, wat::parse_str(text + ")").expect("well-formed")).expect("a valid module")
}

fn expected(value: u32) -> u32 {
    expected_of(STEPS, value)
}

fn expected_of(steps: u32, mut value: u32) -> u32 {
    (0..steps).for_each(|n| value = value.wrapping_mul(n | 1) ^ n);
    value
}

fn function(store: &mut Store<()>, module: &Module) -> TypedFunc<u32, u32> {
    let instance = Instance::new(&mut *store, module, &[]).expect("an instance");
    instance.get_typed_func(&mut *store, "f").expect("a function")
}

/// Calls the function, interrupts the call after a while, and returns how long it took to end from then on.
fn interrupt_after(store: &mut Store<()>, function: &TypedFunc<u32, u32>, delay: Duration) -> Duration {
    let (handle, (sender, receiver)) = (store.interrupt_handle(), mpsc::channel());
    let interrupter = thread::spawn(move || {
        thread::sleep(delay);
        let at = Instant::now();
        handle.interrupt();
        sender.send(at).expect("somebody listens");
    });
    let error = function.call(&mut *store, 1).expect_err("it takes longer to compile");
    let end = Instant::now();
    assert_eq!(error.trap(), Some(Trap::Interrupt), "{error:?}");
    interrupter.join().expect("no panic");
    end - receiver.recv().expect("it was interrupted")
}

#[test]
fn a_guest_that_waits_for_its_function_is_interrupted_at_once() {
    let engine = engine();
    let module = slow_module(&engine, 0);
    let mut store = Store::new(&engine, ());
    let f = function(&mut store, &module);
    let before = Instant::now();
    let waited = interrupt_after(&mut store, &f, Duration::from_millis(100));
    assert!(waited < AT_ONCE, "{waited:?}");
    // Again, while the first call's compilation goes on.
    let waited = interrupt_after(&mut store, &f, Duration::from_millis(20));
    assert!(waited < AT_ONCE, "{waited:?}");
    assert_eq!(f.call(&mut store, 1).expect("compiled by then"), expected(1));
    assert!(before.elapsed() > 2 * AT_ONCE, "compiling took {:?}: too short to tell anything", before.elapsed());
    assert_eq!(f.call(&mut store, 2).expect("compiled"), expected(2));
}

#[test]
fn a_guest_that_waits_for_a_worker_is_interrupted_at_once() {
    let engine = engine();
    // So many functions that workers begin with what the module is entered at, and go on with what that calls.
    let module = slow_module(&engine, 20);
    let mut store = Store::new(&engine, ());
    let f = function(&mut store, &module);
    thread::sleep(Duration::from_millis(100));
    let waited = interrupt_after(&mut store, &f, Duration::from_millis(50));
    assert!(waited < AT_ONCE, "{waited:?}");
    assert_eq!(f.call(&mut store, 3).expect("compiled by then"), expected(3));
}

#[test]
fn a_guest_that_waits_for_another_one_is_interrupted_alone() {
    let engine = engine();
    let module = slow_module(&engine, 0);
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut store = Store::new(&engine, ());
            let f = function(&mut store, &module);
            f.call(&mut store, 4).expect("nobody interrupts this one")
        });
        thread::sleep(Duration::from_millis(50));
        let mut store = Store::new(&engine, ());
        let f = function(&mut store, &module);
        let waited = interrupt_after(&mut store, &f, Duration::from_millis(50));
        assert!(waited < AT_ONCE, "{waited:?}");
        assert_eq!(other.join().expect("no panic"), expected(4));
        assert_eq!(f.call(&mut store, 5).expect("compiled"), expected(5));
    });
}

#[test]
fn what_is_being_compiled_can_be_dropped() {
    let engine = engine();
    let module = slow_module(&engine, 0);
    let mut store = Store::new(&engine, ());
    let f = function(&mut store, &module);
    let waited = interrupt_after(&mut store, &f, Duration::from_millis(50));
    let before = Instant::now();
    drop((store, module, engine));
    assert!(waited + before.elapsed() < AT_ONCE, "{waited:?}, {:?}", before.elapsed());
    let engine = self::engine();
    let module = Module::new(&engine, "(module (func (export \"f\") (param i32) (result i32) (local.get 0)))");
    let mut store = Store::new(&engine, ());
    let f = function(&mut store, &module.expect("a valid module"));
    assert_eq!(f.call(&mut store, 6).expect("it runs"), 6);
}

/// A function that is too large for the engine alone is refused; several that are too large together wait for each other.
#[test]
fn compilations_keep_within_the_engines_budget() {
    let engine = Engine::new(Config::new().cache(None).tier(Tier::Optimised).max_memory(80 << 20)).expect("an engine");
    let module = slow_module(&engine, 0);
    let mut store = Store::new(&engine, ());
    let f = function(&mut store, &module);
    for _ in 0..2 {
        let error = f.call(&mut store, 1).expect_err("there is no room");
        assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error:?}");
        assert!(error.to_string().contains("compilations") && error.to_string().contains("max_memory"), "{error}");
    }
    let used = engine.memory_in_use();
    let steps = 2000;
    thread::scope(|scope| {
        for n in 0..8 {
            let engine = &engine;
            scope.spawn(move || {
                let module = module_of(engine, steps, 0);
                let mut store = Store::new(engine, ());
                let f = function(&mut store, &module);
                assert_eq!(f.call(&mut store, n).expect("room, sooner or later"), expected_of(steps, n));
            });
        }
    });
    // The threads that compiled let go of their modules when they end, a little after the guests went on.
    let patience = Instant::now() + Duration::from_secs(20);
    while engine.memory_in_use() != used && Instant::now() < patience {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(engine.memory_in_use(), used, "all is given back");
}
