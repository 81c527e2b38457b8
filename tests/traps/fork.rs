//! `fork`: parent and child both go on with what there was, link what is new each for itself, trap, and are interrupted.
//! Every test forks in a process of its own, where nothing else runs.
#![allow(unsafe_code)] // `fork` is a promise of its caller's

use crate::support::{Random, child_task, pass_in_child};
use epsilon::{
    CacheConfig, Compilation, Config, Engine, Instance, Linker, MemoryType, Module, SharedMemory, Store, Trap,
    TypedFunc,
};
use epsilon_wasi::{Captured, OutputStream, WasiCtx};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

/// So few that no thread compiles ahead.
const FEW: usize = 6;
/// So many that some are in work when the process forks.
const MANY: usize = 300;
/// A child that hangs is ended, and so found out.
const CHILD_LIMIT_S: u32 = 60;

/// Runs `body` in a child made by `fork`, and what `meanwhile` does in the parent; whether all was well in the child.
fn forked(body: impl FnOnce(), meanwhile: impl FnOnce()) -> bool {
    // SAFETY: nothing here relies on other threads of this process being there in the child.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: a limit on the child's time, and its end without destructors of what is the parent's.
        unsafe {
            libc::alarm(CHILD_LIMIT_S);
            let ended = catch_unwind(AssertUnwindSafe(body));
            libc::_exit(i32::from(ended.is_err()));
        }
    }
    assert!(child > 0, "a child");
    meanwhile();
    let mut status = 0;
    // SAFETY: `status` is a place for the child's status.
    unsafe { libc::waitpid(child, &mut status, 0) };
    if status != 0 {
        eprintln!("the child ended with status {status:#x}");
    }
    status == 0
}

/// Function `n` gives 1000 n + its argument by way of function `n` - 1, or traps where the argument is 77.
fn text(count: usize) -> String {
    let function = |n: usize| {
        let below = if n.is_multiple_of(5) {
            "(local.get 0)".into()
        } else {
            format!("(i32.add (i32.const 1000) (call $f{} (local.get 0)))", n - 1)
        };
        let own = if n.is_multiple_of(5) { n * 1000 } else { 0 };
        format!(
            "(func $f{n} (export \"f{n}\") (param i32) (result i32)
                (if (i32.eq (local.get 0) (i32.const 77)) (then (return (i32.load (i32.const -1)))))
                (i32.add (i32.const {own}) {below}))\n"
        )
    };
    let functions: String = (0..count).map(function).collect();
    format!("(module (memory 1) {functions} (func (export \"spin\") (loop (br 0))))")
}

struct Guest {
    store: Store<()>,
    functions: Vec<TypedFunc<i32, i32>>,
    spin: TypedFunc<(), ()>,
    module: Module,
}

fn guest(compilation: Compilation, count: usize) -> Guest {
    let mut config = Config::new();
    config.compilation(compilation).cache(None);
    let engine = Engine::new(&config).expect("an engine");
    let module = Module::new(&engine, text(count)).expect("a module");
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
    let functions = (0..count).map(|n| instance.get_typed_func(&mut store, &format!("f{n}")).expect("exported"));
    let functions = functions.collect();
    let spin = instance.get_typed_func(&mut store, "spin").expect("exported");
    Guest { store, functions, spin, module }
}

impl Guest {
    fn call(&mut self, n: usize) {
        let result = self.functions[n].call(&mut self.store, 5);
        assert_eq!(result.expect("no trap"), 1000 * n as i32 + 5, "function {n}");
    }

    fn trap(&mut self, n: usize) {
        let error = self.functions[n].call(&mut self.store, 77).expect_err("a trap");
        assert_eq!(error.trap(), Some(Trap::MemoryOutOfBounds), "function {n}");
        let frames = error.backtrace().expect("wasm was running").frames();
        assert_eq!(frames.len(), 1, "function {n}");
        assert_eq!(frames[0].func_index(), n as u32);
    }

    /// All functions that `which` names, in an order of chance: results and traps.
    fn call_all(&mut self, seed: u64, which: impl Fn(usize) -> bool) {
        let mut random = Random(seed);
        let count = self.functions.len();
        for _ in 0..3 * count {
            let n = random.below(count);
            if which(n) {
                self.call(n);
                self.trap(n);
            }
        }
    }

    fn interrupt(&mut self) {
        let handle = self.store.interrupt_handle();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                handle.interrupt();
            });
            let error = self.spin.call(&mut self.store, ()).expect_err("an interruption");
            assert_eq!(error.trap(), Some(Trap::Interrupt));
        });
    }
}

/// Each side calls, traps and is interrupted, whatever the other one does.
#[test]
fn both_sides_go_on() {
    let Some(task) = child_task() else {
        return ["eager", "lazy"].iter().for_each(|task| pass_in_child("fork::both_sides_go_on", task));
    };
    let mut guest = guest(if task == "eager" { Compilation::Eager } else { Compilation::Lazy }, FEW);
    guest.call_all(1, |n| n == 0);
    for round in 0..5 {
        let guest = std::cell::RefCell::new(&mut guest);
        let side = |seed: u64| {
            let mut guest = guest.borrow_mut();
            guest.call_all(seed, |n| n <= seed as usize);
            guest.interrupt();
        };
        assert!(forked(|| side(round + 1), || side(round + 2)), "{task} {round}");
    }
}

/// What the parent links after the fork must not be seen by the child, whose tables do not know it.
#[test]
fn a_child_does_not_see_what_its_parent_links() {
    if child_task().is_none() {
        return pass_in_child("fork::a_child_does_not_see_what_its_parent_links", "run");
    }
    for calls_first in [false, true] {
        let mut guest = guest(Compilation::Lazy, FEW);
        // Calls to functions without code are pointed at the code when there is some.
        guest.call(5);
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let guest = std::cell::RefCell::new(guest);
        let all_well = forked(
            || {
                let mut guest = guest.borrow_mut();
                if calls_first {
                    guest.call(0);
                }
                std::io::Read::read_exact(&mut reader, &mut [0]).expect("the parent is done");
                guest.trap(3);
                guest.call_all(3, |_| true);
            },
            || {
                guest.borrow_mut().call_all(4, |n| n != 2);
                std::io::Write::write_all(&mut &writer, &[1]).expect("the child is there");
            },
        );
        assert!(all_well);
        guest.into_inner().call_all(5, |_| true);
    }
}

/// Sets how much address space this process may have.
fn limit_address_space(bytes: libc::rlim_t) {
    // SAFETY: it reads and writes a limit of our own.
    unsafe {
        let mut limit = std::mem::zeroed::<libc::rlimit>();
        assert_eq!(libc::getrlimit(libc::RLIMIT_AS, &mut limit), 0);
        limit.rlim_cur = bytes.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &limit), 0);
    }
}

/// A child that has no address space for its copy at first makes it when it links: what the parent has linked by then is not
/// in it, and nothing leads there.
#[test]
fn a_child_that_makes_its_copy_late_does_not_see_what_its_parent_links() {
    if child_task().is_none() {
        return pass_in_child("fork::a_child_that_makes_its_copy_late_does_not_see_what_its_parent_links", "run");
    }
    let mut guest = guest(Compilation::Lazy, FEW);
    guest.call(5);
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let guest = std::cell::RefCell::new(guest);
    let statm = std::fs::read_to_string("/proc/self/statm").expect("the size of this process");
    let pages: libc::rlim_t = statm.split(' ').next().and_then(|pages| pages.parse().ok()).expect("a number");
    // The allocator may need a little more; the code has a mebibyte of address space at least.
    limit_address_space(pages * rustix::param::page_size() as libc::rlim_t + (512 << 10));
    let all_well = forked(
        || {
            limit_address_space(libc::RLIM_INFINITY);
            std::io::Read::read_exact(&mut reader, &mut [0]).expect("the parent is done");
            let mut guest = guest.borrow_mut();
            // This one has no code on either side: the child links it, and has its copy from then on.
            guest.call(4);
            guest.call_all(3, |_| true);
        },
        || {
            limit_address_space(libc::RLIM_INFINITY);
            guest.borrow_mut().call_all(4, |n| n < 3);
            std::io::Write::write_all(&mut &writer, &[1]).expect("the child is there");
        },
    );
    assert!(all_well);
    guest.into_inner().call_all(5, |_| true);
}

/// Forks while other threads compile: the child waits for none of them.
#[test]
fn a_child_does_not_wait_for_threads_that_it_lacks() {
    if child_task().is_none() {
        return pass_in_child("fork::a_child_does_not_wait_for_threads_that_it_lacks", "run");
    }
    for round in 0..8 {
        let mut guest = guest(Compilation::Lazy, MANY);
        guest.call(round);
        let module = guest.module.clone();
        std::thread::scope(|scope| {
            scope.spawn(move || module.compile_all(|_| ()).expect("compiled"));
            std::thread::sleep(Duration::from_micros(2_000 * round as u64));
            let guest = std::cell::RefCell::new(&mut guest);
            let side = |seed: u64| guest.borrow_mut().call_all(seed, |_| true);
            assert!(forked(|| side(1), || side(2)), "round {round}");
        });
    }
}

/// What the child reads before its copy of the code is made: a byte of the parent's, or the end of that.
static SIGNAL: AtomicI32 = AtomicI32::new(-1);

extern "C" fn wait_for_parent() {
    let mut byte = 0u8;
    // SAFETY: a byte that is read from a pipe, or from no descriptor.
    unsafe { libc::read(SIGNAL.load(Ordering::Relaxed), (&raw mut byte).cast(), 1) };
}

/// The parent replaces code between the fork and the moment at which the child makes the code its own: the child goes on
/// with the code that it knows of.
#[test]
fn code_that_the_parent_replaces_meanwhile_is_not_the_childs() {
    if child_task().is_none() {
        return pass_in_child("fork::code_that_the_parent_replaces_meanwhile_is_not_the_childs", "run");
    }
    // Handlers of the child run in the order of their registration: this one before the engine's.
    // SAFETY: it does what a signal handler may do.
    assert_eq!(unsafe { libc::pthread_atfork(None, None, Some(wait_for_parent)) }, 0);
    for call_first in [true, false] {
        let mut guest = guest(Compilation::Lazy, FEW);
        if call_first {
            guest.call_all(1, |_| true);
        }
        let (reader, writer) = std::io::pipe().expect("a pipe");
        SIGNAL.store(std::os::fd::AsRawFd::as_raw_fd(&reader), Ordering::Relaxed);
        let (module, guest) = (guest.module.clone(), std::cell::RefCell::new(guest));
        let all_well = forked(
            || guest.borrow_mut().call_all(2, |_| true),
            || {
                module.compile_all(|_| ()).expect("compiled");
                std::io::Write::write_all(&mut &writer, &[1]).expect("the child is there");
            },
        );
        assert!(all_well, "called first: {call_first}");
        guest.into_inner().call_all(3, |_| true);
    }
    SIGNAL.store(-1, Ordering::Relaxed);
}

/// A child that drops a module unmaps nothing that has come to lie where the parent's view of the code was.
#[test]
fn dropping_in_a_child_touches_nothing_else() {
    if child_task().is_none() {
        return pass_in_child("fork::dropping_in_a_child_touches_nothing_else", "run");
    }
    let mut guest = guest(Compilation::Lazy, FEW);
    guest.call(3);
    let cell = std::cell::Cell::new(Some(guest));
    let body = || {
        let mut room: Vec<Vec<u8>> = (0..64).map(|n| vec![n; 1 << 20]).collect();
        drop(cell.take());
        assert!(room.iter_mut().enumerate().all(|(n, part)| part.iter().all(|byte| usize::from(*byte) == n)));
    };
    assert!(forked(body, || ()));
    cell.take().expect("the parent's is there").call_all(1, |_| true);
}

/// What a child does first: all that takes a lock somewhere.
fn use_everything(engine: &Engine, memory: &SharedMemory, other: &Module) {
    let mut linker: Linker<()> = Linker::new(engine);
    linker.func_wrap("", "h", |n: i32| n + 1).expect("a host function");
    let module = Module::new(
        engine,
        r#"(module (type (func (param i64 i64 f32))) (import "" "h" (func $h (param i32) (result i32))) (memory 1)
            (func (export "f") (param i32) (result i32) (call $h (local.get 0)))
            (func (export "trap") unreachable))"#,
    );
    let module = module.expect("a module");
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate(&mut store, &module).expect("an instance");
    let f = instance.get_typed_func::<i32, i32>(&mut store, "f").expect("exported");
    assert_eq!(f.call(&mut store, 1).expect("no trap"), 2);
    let trap = instance.get_func(&mut store, "trap").expect("exported").call(&mut store, &[], &mut []);
    assert!(format!("{:?}", trap.expect_err("a trap")).contains("unreachable"));
    memory.atomic_notify(8, 1).expect("aligned");
    memory.grow(0).expect("room");
    let timeout = Some(Duration::from_micros(10));
    memory.atomic_wait32(16, 0, timeout).expect("aligned");
    let instance = Instance::new(&mut store, other, &[]).expect("an instance");
    for n in [3, 7, 11] {
        let f = instance.get_typed_func::<i32, i32>(&mut store, &format!("f{n}")).expect("exported");
        assert_eq!(f.call(&mut store, 5).expect("no trap"), 1000 * n + 5);
    }
    other.save_to_cache();
}

/// How much a guest has written.
const OUTPUT_BYTES: usize = 1 << 20;

/// What a guest of WASI has written for its embedder.
fn written_output(engine: &Engine) -> Captured {
    let output = Captured::new();
    let mut linker = Linker::new(engine);
    epsilon_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).expect("new names");
    let text = format!(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 17)
            (func (export "run") (result i32)
                (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const {OUTPUT_BYTES}))
                (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))"#
    );
    let ctx = WasiCtx::builder().stdout(OutputStream::captured(output.clone())).build();
    let mut store = Store::new(engine, ctx);
    let module = Module::new(engine, text).expect("a module");
    let instance = linker.instantiate(&mut store, &module).expect("an instance");
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").expect("exported");
    assert_eq!(run.call(&mut store, ()).expect("no trap"), 0);
    output
}

/// Forks while other threads use every lock that there is: no child finds one taken.
#[test]
fn children_find_no_lock_taken() {
    let Some(task) = child_task() else {
        let all = ["functions", "modules", "memories", "caches", "drops", "contexts", "output"];
        return all.iter().for_each(|task| pass_in_child("fork::children_find_no_lock_taken", task));
    };
    let directory = tempfile::tempdir().expect("a directory");
    let mut config = Config::new();
    let cache = CacheConfig::new().directory(directory.path()).min_code_size(0).save_after(Duration::ZERO);
    config.compilation(Compilation::Lazy).cache(Some(cache));
    let engine = Engine::new(&config).expect("an engine");
    let shared = MemoryType::shared(1, 100);
    let memory = SharedMemory::new(&engine, shared).expect("a shared memory");
    let text = text(20);
    let other = Module::new(&engine, &text).expect("a module");
    let output = written_output(&engine);
    let stop = AtomicBool::new(false);
    let work = |n: u64| {
        for round in 0_u64.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            match &*task {
                "functions" => {
                    let mut linker: Linker<()> = Linker::new(&engine);
                    for k in 0..50 {
                        linker.func_wrap("", &k.to_string(), || ()).expect("a host function");
                    }
                }
                "modules" => drop(Module::new(&engine, "(module (func (param i32 i64)))").expect("a module")),
                "memories" => {
                    memory.atomic_notify(8 * n, 1).expect("aligned");
                    memory.atomic_wait32(8 * n, 0, Some(Duration::from_micros(1))).expect("aligned");
                    memory.grow(0).expect("room");
                }
                "contexts" => drop(WasiCtx::builder().build()),
                "output" => assert_eq!(output.contents().len(), OUTPUT_BYTES),
                "caches" => {
                    let module = Module::new(&engine, format!("{text}(;{};)", round % 20)).expect("a module");
                    module.compile_all(|_| ()).expect("code");
                    module.save_to_cache();
                }
                _ => {
                    let engine = Engine::new(&config).expect("an engine");
                    let module = Module::new(&engine, &text).expect("a module");
                    let mut store = Store::new(&engine, ());
                    Instance::new(&mut store, &module, &[]).expect("an instance");
                }
            }
        }
    };
    std::thread::scope(|scope| {
        (1..3).for_each(|n| drop(scope.spawn(move || work(n))));
        let started = std::time::Instant::now();
        for round in 0..80 {
            let in_child = || {
                use_everything(&engine, &memory, &other);
                drop(WasiCtx::builder().build());
                assert_eq!(output.contents().len(), OUTPUT_BYTES);
            };
            assert!(forked(in_child, || ()), "{task}, round {round}");
            // A slow machine does fewer.
            if started.elapsed() > Duration::from_secs(20) {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// Threads of the parent that wait on a memory are not woken in the child in place of its own.
#[test]
fn a_child_does_not_wake_threads_that_it_lacks() {
    if child_task().is_none() {
        return pass_in_child("fork::a_child_does_not_wake_threads_that_it_lacks", "run");
    }
    let engine = Engine::default();
    let shared = MemoryType::shared(1, 1);
    let memory = SharedMemory::new(&engine, shared).expect("a shared memory");
    std::thread::scope(|scope| {
        scope.spawn(|| memory.atomic_wait32(0, 0, None).expect("aligned"));
        std::thread::sleep(Duration::from_millis(50));
        let all_well = forked(|| assert_eq!(memory.atomic_notify(0, 9).expect("aligned"), 0), || ());
        assert!(all_well);
        while memory.atomic_notify(0, 1).expect("aligned") == 0 {
            std::thread::yield_now();
        }
    });
}
