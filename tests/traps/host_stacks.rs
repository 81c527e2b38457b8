//! Stacks of the host, of every origin: large and small threads, coroutines, stacks that were switched to for a
//! while. Guests run on all of them, and a recursion through the host ends with a trap.
#![allow(unsafe_code)] // stacks of coroutines cannot be made without

use crate::overflow::{BACK, Data, back, on_small_thread};
use crate::support::module;
use corosensei::stack::{DefaultStack, Stack, StackPointer};
use corosensei::{Coroutine, CoroutineResult, on_stack};
use epsilon::{Caller, Engine, Linker, Store, StoreLimits, StoreLimitsBuilder, Trap, TypedFunc};

/// A guest that recurses through the host, and what it is called with.
fn recursive(engine: &Engine) -> (Store<Data>, TypedFunc<i32, i32>) {
    let mut linker = Linker::<Data>::new(engine);
    linker.func_wrap("host", "back", back).expect("new");
    let mut store = Store::new(engine, None);
    let instance = linker.instantiate(&mut store, &module(engine, BACK)).expect("an instance");
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").expect("exported");
    *store.data_mut() = Some(run);
    (store, run)
}

/// Recurses without end, and then for a while, some times.
fn recurse(what: &str, store: &mut Store<Data>, run: TypedFunc<i32, i32>) {
    for _ in 0..3 {
        let error = run.call(&mut *store, -1).expect_err("endless recursion");
        assert_eq!(error.trap(), Some(Trap::StackOverflow), "{what}: {error}");
        assert!(error.to_string().contains("of the host's stack"), "{what}: {error}");
        assert!(error.backtrace().is_some_and(|backtrace| backtrace.frames().len() > 3), "{what}: {error:?}");
        assert_eq!(run.call(&mut *store, 5).expect("a short recursion"), 5, "{what}");
    }
}

fn stack(bytes: usize) -> DefaultStack {
    DefaultStack::new(bytes).expect("a stack")
}

#[test]
fn guests_are_made_and_run_on_threads_with_64_kib() {
    let engine = crate::support::engine();
    for stack_bytes in [64 << 10, 80 << 10, 128 << 10, 192 << 10] {
        on_small_thread(stack_bytes, || {
            let (mut store, run) = recursive(&engine);
            recurse(&format!("a thread with {stack_bytes} bytes"), &mut store, run);
        });
    }
}

#[test]
fn guests_are_made_and_run_on_coroutines() {
    let engine = crate::support::engine();
    for stack_bytes in [64 << 10, 128 << 10, 256 << 10, 1 << 20, 16 << 20] {
        on_stack(stack(stack_bytes), || {
            let (mut store, run) = recursive(&engine);
            recurse(&format!("a coroutine with {stack_bytes} bytes"), &mut store, run);
        });
    }
}

#[test]
fn guests_run_on_a_stack_that_was_switched_to_for_a_while() {
    let engine = crate::support::engine();
    let (mut store, run) = recursive(&engine);
    recurse("the thread's own stack", &mut store, run);
    for stack_bytes in [128 << 10, 1 << 20] {
        on_stack(stack(stack_bytes), || recurse("another stack", &mut store, run));
        recurse("the thread's own stack again", &mut store, run);
    }
}

/// host -> wasm -> host, on another stack -> wasm -> host ... at every level.
#[test]
fn every_level_of_a_recursion_may_be_on_a_stack_of_its_own() {
    let engine = crate::support::engine();
    let mut linker = Linker::<Data>::new(&engine);
    let elsewhere = |caller: Caller<'_, Data>, n: i32| match n % 3 {
        0 => on_stack(stack(256 << 10), || back(caller, n)),
        _ => back(caller, n),
    };
    linker.func_wrap("host", "back", elsewhere).expect("new");
    let mut store = Store::new(&engine, None);
    let instance = linker.instantiate(&mut store, &module(&engine, BACK)).expect("an instance");
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").expect("exported");
    *store.data_mut() = Some(run);
    for _ in 0..3 {
        assert_eq!(run.call(&mut store, 300).expect("a recursion"), 300);
    }
}

/// Throws, and catches what it throws, until exceptions that nothing refers to are looked for; on which stack, the host
/// decides.
const THROWING: &str = r#"(module
    (import "host" "elsewhere" (func $elsewhere))
    (tag $t)
    (func (export "run") (call $elsewhere))
    (func (export "throw") (local $n i32)
        (local.set $n (i32.const 20000))
        (loop $again
            (block $caught (try_table (catch $t $caught) (throw $t)))
            (local.set $n (i32.sub (local.get $n) (i32.const 1)))
            (br_if $again (local.get $n)))))"#;

/// host -> wasm -> host, on another stack -> wasm that makes exceptions: what lies between two stacks is not the host's to
/// read.
#[test]
fn exceptions_are_made_on_a_stack_that_was_switched_to_under_a_guest() {
    let engine = crate::support::engine();
    let mut linker = Linker::<Option<TypedFunc<(), ()>>>::new(&engine);
    let elsewhere = |mut caller: Caller<'_, Option<TypedFunc<(), ()>>>| {
        let throw = caller.data().expect("set before the first call");
        throw.call(&mut caller, ())?;
        on_stack(stack(256 << 10), || throw.call(&mut caller, ()))?;
        throw.call(&mut caller, ())
    };
    linker.func_wrap("host", "elsewhere", elsewhere).expect("new");
    let mut store = Store::new(&engine, None);
    let instance = linker.instantiate(&mut store, &module(&engine, THROWING)).expect("an instance");
    let throw = instance.get_typed_func::<(), ()>(&mut store, "throw").expect("exported");
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").expect("exported");
    *store.data_mut() = Some(throw);
    run.call(&mut store, ()).expect("on two stacks by turns");
}

/// Exceptions that nothing refers to are given back on a stack that the thread did not make, as on its own: all of them
/// together are more than the store may hold.
#[test]
fn exceptions_are_given_back_on_coroutines() {
    let engine = crate::support::engine();
    let mut linker = Linker::<StoreLimits>::new(&engine);
    linker.func_wrap("host", "elsewhere", || ()).expect("new");
    let mut store = Store::new(&engine, StoreLimitsBuilder::new().total_memory(1 << 20).build());
    store.limiter(|limits| limits);
    let instance = linker.instantiate(&mut store, &module(&engine, THROWING)).expect("an instance");
    let throw = instance.get_typed_func::<(), ()>(&mut store, "throw").expect("exported");
    throw.call(&mut store, ()).expect("on the thread's own stack");
    on_stack(stack(256 << 10), || throw.call(&mut store, ())).expect("on another stack");
}

type Wait = &'static dyn Fn();

/// Calls that wait in the midst of a recursion, on many stacks of a thread by turns.
#[test]
fn many_coroutines_take_turns() {
    let engine = crate::support::engine();
    let text = r#"(module (import "" "wait" (func $wait)) (import "" "again" (func $again (param i32) (result i32)))
        (func (export "run") (param i32) (result i32)
            (call $wait)
            (if (result i32) (local.get 0)
                (then (i32.add (i32.const 1) (call $again (i32.sub (local.get 0) (i32.const 1)))))
                (else (i32.const 0)))))"#;
    let module = module(&engine, text);
    let run_one = |n: i32, wait: &dyn Fn()| {
        // SAFETY: the store is dropped before what this leads to.
        let wait = unsafe { std::mem::transmute::<&dyn Fn(), Wait>(wait) };
        let mut store = Store::new(&engine, (None, wait));
        let mut linker = Linker::<(Data, Wait)>::new(&engine);
        linker.func_wrap("", "wait", |caller: Caller<'_, (Data, Wait)>| (caller.data().1)()).expect("new");
        let again = |mut caller: Caller<'_, (Data, Wait)>, n: i32| {
            let run = caller.data().0.expect("set before the first call");
            run.call(&mut caller, n)
        };
        linker.func_wrap("", "again", again).expect("new");
        let instance = linker.instantiate(&mut store, &module).expect("an instance");
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").expect("exported");
        store.data_mut().0 = Some(run);
        assert_eq!(run.call(&mut store, n).expect("a recursion"), n);
        let error = run.call(&mut store, -1).expect_err("endless recursion");
        assert_eq!(error.trap(), Some(Trap::StackOverflow), "{error}");
    };
    let run_one = &run_one;
    let coroutine = |n: usize| {
        let stack = stack([64 << 10, 96 << 10, 300 << 10][n % 3]);
        // SAFETY: all coroutines have ended when this function returns.
        unsafe {
            Coroutine::<(), (), (), _>::with_stack_unchecked(stack, move |yielder, ()| {
                run_one(n as i32 % 4, &|| yielder.suspend(()));
            })
        }
    };
    let mut coroutines: Vec<_> = (0..20).map(coroutine).collect();
    while !coroutines.is_empty() {
        coroutines.retain_mut(|coroutine| matches!(coroutine.resume(()), CoroutineResult::Yield(())));
    }
}

/// The upper part of a mapping: how large it is may change, its upper end does not.
struct Part {
    base: *mut libc::c_void,
    bytes: usize,
}

const ALL_BYTES: usize = 1 << 20;
const PAGE_BYTES: usize = 4096;

// SAFETY: the part is mapped, and a page below it cannot be accessed.
unsafe impl Stack for Part {
    fn base(&self) -> StackPointer {
        StackPointer::new(self.base as usize + ALL_BYTES).expect("not null")
    }

    fn limit(&self) -> StackPointer {
        StackPointer::new(self.base as usize + ALL_BYTES - self.bytes).expect("not null")
    }
}

impl Part {
    fn new(base: *mut libc::c_void, bytes: usize) -> Self {
        let low = base.wrapping_byte_add(ALL_BYTES - bytes);
        // SAFETY: nobody uses the mapping now.
        unsafe {
            assert_eq!(libc::mprotect(base, ALL_BYTES, libc::PROT_READ | libc::PROT_WRITE), 0);
            assert_eq!(libc::mprotect(low.wrapping_byte_sub(PAGE_BYTES), PAGE_BYTES, libc::PROT_NONE), 0);
        }
        Self { base, bytes }
    }
}

/// A stack that was used, freed, and came back at the same place with another size: what was known of it is forgotten.
#[test]
fn a_stack_may_come_to_lie_where_a_larger_one_lay() {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a fresh mapping touches nothing that exists.
    let base = unsafe { libc::mmap(std::ptr::null_mut(), ALL_BYTES, protection, flags, -1, 0) };
    assert_ne!(base, libc::MAP_FAILED);
    let engine = crate::support::engine();
    let (mut store, run) = recursive(&engine);
    for kib in [1000, 64, 500, 128, 64, 1000, 72] {
        on_stack(Part::new(base, kib << 10), || recurse(&format!("{kib} KiB"), &mut store, run));
    }
    // SAFETY: no stack is on the mapping any more.
    assert_eq!(unsafe { libc::munmap(base, ALL_BYTES) }, 0);
}

/// Compiling takes more stack than a coroutine has.
#[test]
fn functions_are_compiled_that_take_much_stack() {
    let engine = crate::support::engine();
    let depth = 400;
    let text = format!(
        r#"(module (func (export "f") (result i32) {} (i32.const 7) {}))"#,
        "(block (result i32) ".repeat(depth),
        ")".repeat(depth)
    );
    on_stack(stack(64 << 10), || {
        let mut store = Store::new(&engine, ());
        let instance = epsilon::Instance::new(&mut store, &module(&engine, &text), &[]).expect("an instance");
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("exported");
        assert_eq!(f.call(&mut store, ()).expect("no trap"), 7);
    });
}

/// A guest's own recursion, libcalls, traps with backtraces and their text, where there is little stack.
#[test]
fn whatever_the_runtime_does_fits_small_stacks() {
    let engine = crate::support::engine();
    let text = r#"(module (memory 1) (table 1 funcref)
        (func $deep (export "deep") (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))
        (func (export "grow") (param i32) (result i32) (drop (table.grow (ref.null func) (local.get 0)))
            (memory.fill (i32.const 0) (i32.const 1) (local.get 0)) (memory.grow (i32.const 1)))
        (func (export "trap") (param i32) (result i32) (i32.div_s (local.get 0) (i32.const 0))))"#;
    let run = || {
        let mut store = Store::new(&engine, ());
        let instance = epsilon::Instance::new(&mut store, &module(&engine, text), &[]).expect("an instance");
        let [deep, grow, trap] = ["deep", "grow", "trap"]
            .map(|name| instance.get_typed_func::<i32, i32>(&mut store, name).expect("exported"));
        for _ in 0..3 {
            for (f, expected) in [(deep, Trap::StackOverflow), (trap, Trap::IntegerDivisionByZero)] {
                let error = f.call(&mut store, 1).expect_err("a trap");
                assert_eq!(error.trap(), Some(expected));
                assert!(!error.to_string().contains("host"), "{error}");
                assert!(format!("{error:?}").contains("wasm backtrace"));
            }
            assert!(grow.call(&mut store, 100).expect("no trap") > 0);
        }
    };
    on_small_thread(64 << 10, run);
    on_stack(stack(64 << 10), run);
}

/// A stack with less than what any call takes.
#[test]
fn too_little_stack_is_an_error_that_says_what_to_do() {
    let engine = crate::support::engine();
    let (mut store, run) = recursive(&engine);
    on_stack(stack(12 << 10), || {
        let error = run.call(&mut store, 1).expect_err("too little stack");
        assert_eq!(error.trap(), Some(Trap::StackOverflow), "{error}");
        let text = error.to_string();
        assert!(text.contains("of the host's stack") && text.contains("larger stack"), "{text}");
    });
    assert_eq!(run.call(&mut store, 5).expect("enough stack"), 5);
}
