//! Quick code first, and optimised code in its place while it runs.

mod stored;
mod support;

use epsilon::{
    CacheConfig, CacheStatus, Caller, Compilation, Config, Engine, Func, Instance, Module, Ref, Store, Tier, Val,
};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use support::{child_task, pass_in_child};

/// `run` calls `step` n times, directly and through a table, and adds up what it returns. `other` is never hot.
const LOOP: &str = r#"(module
    (type $step (func (param i64) (result i64)))
    (table $steps 2 funcref)
    (elem (table $steps) (i32.const 0) func $step)
    (func $step (export "step") (type $step)
        (local $i i32)
        (loop $again
            (local.set 0 (i64.xor (i64.mul (local.get 0) (i64.const 6364136223846793005)) (i64.const 1442695040888963407)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 200))))
        (local.get 0))
    (func (export "other") (param i64) (result i64) (i64.add (local.get 0) (i64.const 1)))
    (func (export "run") (param $n i32) (result i64) (local $sum i64)
        (loop $again
            (local.set $sum (i64.add (local.get $sum) (call $step (local.get $sum))))
            (local.set $sum (i64.add (local.get $sum)
                (call_indirect (type $step) (local.get $sum) (i32.const 0))))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum)))"#;

fn step(mut x: u64) -> u64 {
    for _ in 0..200 {
        x = x.wrapping_mul(6_364_136_223_846_793_005) ^ 1_442_695_040_888_963_407;
    }
    x
}

fn run(n: u32) -> u64 {
    let mut sum = 0_u64;
    for _ in 0..2 * n {
        sum = sum.wrapping_add(step(sum));
    }
    sum
}

fn engine_with(set: impl FnOnce(&mut Config) -> &mut Config) -> Engine {
    let mut config = Config::new();
    config.cache(None).tier(Tier::Auto);
    set(&mut config);
    Engine::new(&config).expect("an engine")
}

fn engine() -> Engine {
    engine_with(|config| config)
}

struct Guest {
    module: Module,
    store: Store<()>,
    instance: Instance,
}

impl Guest {
    fn new(engine: &Engine, text: impl AsRef<[u8]>) -> Self {
        let module = Module::new(engine, text).expect("a module");
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
        Self { module, store, instance }
    }

    fn run(&mut self, n: u32) {
        assert_eq!(self.run_unchecked(n), run(n));
    }

    /// Here the same is slow in a debug build.
    fn run_unchecked(&mut self, n: u32) -> u64 {
        let run_it = self.instance.get_typed_func::<u32, u64>(&mut self.store, "run").expect("exported");
        run_it.call(&mut self.store, n).expect("no trap")
    }

    fn other(&mut self) {
        let other = self.instance.get_typed_func::<u64, u64>(&mut self.store, "other").expect("exported");
        assert_eq!(other.call(&mut self.store, 1).expect("no trap"), 2);
    }

    /// Runs until so many functions are optimised.
    fn run_until_optimised(&mut self, count: usize) {
        let started = Instant::now();
        while self.module.optimised_count() < count {
            assert!(started.elapsed() < Duration::from_secs(60), "{:?}", self.module);
            self.run_unchecked(2000);
        }
    }
}

#[test]
fn what_is_hot_is_optimised_and_what_is_cold_is_not() {
    let engine = engine();
    let mut guest = Guest::new(&engine, LOOP);
    guest.other();
    assert_eq!((guest.module.compiled_count(), guest.module.optimised_count()), (1, 0));
    guest.run_until_optimised(1);
    guest.run(100);
    guest.other();
    assert!(guest.module.optimised_count() < 3 && guest.module.compiled_count() == 3);
}

#[test]
fn one_long_call_gets_better_code_for_what_it_calls() {
    let engine = engine();
    let mut guest = Guest::new(&engine, LOOP);
    let module = guest.module.clone();
    std::thread::scope(|scope| {
        let runs = scope.spawn(|| guest.run_unchecked(4_000_000));
        while module.optimised_count() == 0 && !runs.is_finished() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!runs.is_finished(), "the call goes on in other code");
        let result = runs.join().expect("no panic");
        let mut eager = Guest::new(&engine_with(|config| config.compilation(Compilation::Eager)), LOOP);
        assert_eq!(result, eager.run_unchecked(4_000_000));
    });
}

#[test]
fn without_workers_code_stays_quick() {
    let engine = engine_with(|config| config.workers(0));
    let mut guest = Guest::new(&engine, LOOP);
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(200) {
        guest.run_unchecked(1000);
    }
    assert_eq!(guest.module.optimised_count(), 0);
}

#[test]
fn compiling_all_optimises_all() {
    let eager = engine_with(|config| config.compilation(Compilation::Eager));
    assert_eq!(Guest::new(&eager, LOOP).module.optimised_count(), 3);
    let lazy = engine();
    let mut guest = Guest::new(&lazy, LOOP);
    guest.run(10);
    assert!(guest.module.optimised_count() < 3);
    guest.module.compile_all(|_| ()).expect("code");
    assert_eq!((guest.module.compiled_count(), guest.module.optimised_count()), (3, 3));
    guest.run(10);
}

/// References and rows of tables that were made while code was quick lead to its successor.
#[test]
fn references_outlive_the_code_that_they_were_made_for() {
    let engine = engine();
    let mut guest = Guest::new(&engine, LOOP);
    guest.run(10);
    let step_func = guest.instance.get_func(&mut guest.store, "step").expect("exported");
    let text = r#"(module (table (export "t") 1 funcref) (type $f (func (param i64) (result i64)))
        (func (export "call") (param i64) (result i64) (call_indirect (type $f) (local.get 0) (i32.const 0))))"#;
    let module = Module::new(&engine, text).expect("a module");
    let other = Instance::new(&mut guest.store, &module, &[]).expect("an instance");
    let table = other.get_table(&mut guest.store, "t").expect("exported");
    table.set(&mut guest.store, 0, Ref::Func(Some(step_func))).expect("in bounds");
    let typed = step_func.typed::<u64, u64>(&guest.store).expect("its type");
    let call = other.get_typed_func::<u64, u64>(&mut guest.store, "call").expect("exported");
    for _ in 0..2 {
        assert_eq!(typed.call(&mut guest.store, 7).expect("no trap"), step(7));
        assert_eq!(call.call(&mut guest.store, 7).expect("no trap"), step(7));
        guest.module.compile_all(|_| ()).expect("code");
        module.compile_all(|_| ()).expect("code");
    }
}

/// Instances on several threads run code while it is replaced, for many modules one after the other.
#[test]
fn code_is_replaced_while_threads_run_it() {
    let engine = engine_with(|config| config.replace_all_code(true).workers(2));
    for salt in 0..12 {
        let text = stored::module_text_of(150, salt);
        let module = Module::new(&engine, &text).expect("a module");
        let quick = engine_with(|config| config.tier(Tier::Quick));
        let expected = stored::result_of(&quick, &Module::new(&quick, &text).expect("a module")).expect("a result");
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        assert_eq!(stored::result_of(&engine, &module).expect("a result"), expected);
                    }
                });
            }
        });
    }
}

fn cached_in(directory: &Path) -> Engine {
    let cache = CacheConfig::new().directory(directory).min_code_size(0).save_after(Duration::MAX);
    engine_with(|config| config.cache(Some(cache)))
}

#[test]
fn the_next_run_begins_with_the_code_that_this_one_had() {
    let directory = tempfile::tempdir().expect("a directory");
    {
        let engine = cached_in(directory.path());
        let mut guest = Guest::new(&engine, LOOP);
        guest.other();
        guest.run_until_optimised(1);
    }
    let engine = cached_in(directory.path());
    let mut guest = Guest::new(&engine, LOOP);
    assert_eq!(guest.module.cache_status(), CacheStatus::Hit { functions: 3, damaged: 0 });
    let optimised = guest.module.optimised_count();
    assert!((1..3).contains(&optimised) && guest.module.compiled_count() == 3, "{optimised}");
    guest.run(100);
    guest.other();
}

/// Engines of both tiers and of the better one alone share what is kept, and each takes what it may run.
#[test]
fn tiers_share_entries_and_artifacts() {
    let directory = tempfile::tempdir().expect("a directory");
    {
        let mut guest = Guest::new(&cached_in(directory.path()), LOOP);
        guest.other();
        guest.run_until_optimised(1);
    }
    let cache = CacheConfig::new().directory(directory.path()).min_code_size(0).save_after(Duration::MAX);
    let optimised = engine_with(|config| config.cache(Some(cache)).tier(Tier::Optimised).workers(0));
    let mut guest = Guest::new(&optimised, LOOP);
    let found = guest.module.compiled_count();
    assert!((1..3).contains(&found), "not what is quick: {found}");
    guest.run(100);
    guest.other();
    let engine = engine();
    let key = epsilon::ArtifactKey::new(b"a secret of enough bytes").expect("a key");
    let artifact = optimised.precompile_module_with_key(LOOP, Some(&key)).expect("an artifact");
    let module = Module::deserialize_with_key(&engine, &artifact, &key).expect("the same settings");
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
    let run_it = instance.get_typed_func::<u32, u64>(&mut store, "run").expect("exported");
    assert_eq!(run_it.call(&mut store, 10).expect("no trap"), run(10));
    assert_eq!(module.optimised_count(), 2, "an artifact has the better code alone");
}

/// A run that is too short to learn what is hot leaves what it has seen to the next one.
#[test]
fn short_runs_add_up() {
    let directory = tempfile::tempdir().expect("a directory");
    for _ in 0..400 {
        let engine = cached_in(directory.path());
        let mut guest = Guest::new(&engine, LOOP);
        if guest.module.optimised_count() > 0 {
            return;
        }
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(5) {
            guest.run_unchecked(1000);
        }
    }
    panic!("nothing was optimised in two seconds of short runs");
}

/// Processes that began at the same time write the same entry, one after the other: what one has optimised is not given up
/// for what another one has made quickly.
#[test]
fn better_code_in_an_entry_stays() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut slow = Guest::new(&cached_in(directory.path()), LOOP);
    slow.run(1);
    slow.other();
    Guest::new(&cached_in(directory.path()), LOOP).module.compile_all(|_| ()).expect("code");
    drop(slow);
    let next = Guest::new(&cached_in(directory.path()), LOOP);
    assert_eq!(next.module.cache_status(), CacheStatus::Hit { functions: 3, damaged: 0 });
    assert_eq!(next.module.optimised_count(), 3);
}

/// A function whose quick code was not good enough is compiled again, and is in the entry once.
#[test]
fn entries_have_each_function_once() {
    let directory = tempfile::tempdir().expect("a directory");
    for tier in [Tier::Auto, Tier::Optimised] {
        let cache = CacheConfig::new().directory(directory.path()).min_code_size(0).save_after(Duration::MAX);
        let mut guest = Guest::new(&engine_with(|config| config.cache(Some(cache)).tier(tier).workers(0)), LOOP);
        guest.run(1);
        guest.other();
    }
    let next = Guest::new(&cached_in(directory.path()), LOOP);
    assert_eq!(next.module.cache_status(), CacheStatus::Hit { functions: 3, damaged: 0 });
    assert_eq!(next.module.optimised_count(), 3);
}

/// Threads of this process that compile: their ids.
fn workers() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux has it").flatten();
    let is_worker = |task: &std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with("epsilon-compile"))
    };
    tasks.filter(is_worker).map(|task| task.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn workers_end_with_their_engines() {
    if child_task().is_none() {
        return pass_in_child("workers_end_with_their_engines", "run");
    }
    for n in 0..600 {
        let mut guest = Guest::new(&engine_with(|config| config.workers(1 + n % 4)), LOOP);
        guest.run(1);
    }
    let started = Instant::now();
    while !workers().is_empty() {
        assert!(started.elapsed() < Duration::from_secs(20), "{} workers have no engine any more", workers().len());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// What a worker does for one guest's notes does not grow with the modules of others.
#[test]
fn notes_cost_the_same_beside_many_modules() {
    if child_task().is_none() {
        return pass_in_child("notes_cost_the_same_beside_many_modules", "run");
    }
    let engine = engine_with(|config| config.workers(1));
    let others: Vec<_> = (0..5000).map(|_| Module::new(&engine, "(module (func))").expect("a module")).collect();
    let mut guest = Guest::new(&engine, LOOP);
    guest.run_until_optimised(1);
    let worker = workers().pop().expect("there is one");
    let (started, before) = (Instant::now(), processor_time(&worker));
    while started.elapsed() < Duration::from_secs(2) {
        guest.run_unchecked(1000);
    }
    let took = processor_time(&worker) - before;
    assert!(took < Duration::from_millis(100), "{took:?} of two seconds");
    drop(others);
}

/// How long a thread of this process has run.
fn processor_time(thread: &str) -> Duration {
    let times = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).expect("Linux has it");
    Duration::from_nanos(times.split(' ').next().expect("a number").parse().expect("a number"))
}

static PROFILED: AtomicU32 = AtomicU32::new(0);
static URGENT: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(signal: i32) {
    let counter = if signal == libc::SIGURG { &URGENT } else { &PROFILED };
    counter.fetch_add(1, Ordering::SeqCst);
}

fn handle(signal: i32) {
    // SAFETY: the handler adds to an atomic number; the action is valid.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        action.sa_sigaction = count as *const () as usize;
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

/// An embedder's own timer and its own SIGURG: both reach its handlers, in wasm too, and none of the engine's does.
#[test]
fn signals_of_the_embedder_reach_its_handlers() {
    if child_task().is_none() {
        return pass_in_child("signals_of_the_embedder_reach_its_handlers", "run");
    }
    handle(libc::SIGPROF);
    handle(libc::SIGURG);
    let engine = engine();
    let mut guest = Guest::new(&engine, LOOP);
    guest.run_until_optimised(1);
    assert_eq!(URGENT.load(Ordering::SeqCst), 0, "the engine's signals are its own");
    let period = libc::timeval { tv_sec: 0, tv_usec: 1000 };
    let timer = libc::itimerval { it_interval: period, it_value: period };
    // SAFETY: the timer is valid.
    assert_eq!(unsafe { libc::setitimer(libc::ITIMER_PROF, &timer, std::ptr::null_mut()) }, 0);
    // SAFETY: it has no arguments.
    let this_thread = unsafe { libc::pthread_self() };
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(move || {
            for _ in 0..50 {
                std::thread::sleep(Duration::from_millis(5));
                // SAFETY: the thread lives as long as the scope.
                assert_eq!(unsafe { libc::pthread_kill(this_thread, libc::SIGURG) }, 0);
            }
            50
        });
        while !sender.is_finished() {
            guest.run_unchecked(1000);
        }
        sender.join().expect("no panic")
    });
    guest.run(1000);
    let urgent = URGENT.load(Ordering::SeqCst);
    // One that comes while another one waits is the same signal.
    assert!(urgent <= sent && urgent > sent / 2, "{urgent} of {sent}");
    assert!(PROFILED.load(Ordering::SeqCst) > 10);
}

/// Host functions that wait are not woken: what the engine wants to know of wasm is wasm's affair.
#[test]
fn waits_of_host_functions_are_not_cut_short() {
    let engine = engine();
    let text = r#"(module (import "" "wait" (func $wait)) (func $work (param $n i32)
            (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
        (func (export "run") (param $n i32)
            (loop $again
                (call $work (i32.const 100000)) (call $wait)
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
    let module = Module::new(&engine, text).expect("a module");
    let mut store = Store::new(&engine, 0_u32);
    let wait = Func::wrap(&mut store, |mut caller: Caller<'_, u32>| {
        // Processor time passes here too, and then no time at all.
        let started = Instant::now();
        while started.elapsed() < Duration::from_micros(500) {}
        let time = libc::timespec { tv_sec: 0, tv_nsec: 300_000 };
        // SAFETY: the time is valid, and nothing is polled.
        let (slept, polled) =
            unsafe { (libc::nanosleep(&time, std::ptr::null_mut()), libc::poll(std::ptr::null_mut(), 0, 1)) };
        *caller.data_mut() += u32::from(slept != 0 || polled != 0);
    });
    let instance = Instance::new(&mut store, &module, &[wait.into()]).expect("an instance");
    let run = instance.get_typed_func::<u32, ()>(&mut store, "run").expect("exported");
    run.call(&mut store, 800).expect("no trap");
    assert_eq!(*store.data(), 0, "waits that a signal ended");
}

/// Where the system has no timers left, guests run on as they are.
#[test]
fn without_timers_guests_run_on() {
    if child_task().is_none() {
        return pass_in_child("without_timers_guests_run_on", "run");
    }
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is valid.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_SIGPENDING, &none) }, 0);
    let engine = engine();
    let mut guest = Guest::new(&engine, LOOP);
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(200) {
        guest.run_unchecked(1000);
    }
    assert_eq!(guest.module.optimised_count(), 0);
    guest.other();
}

/// A guest of another engine, which wants no notes, in a host function that the guest calls again and again.
#[test]
fn guests_of_other_engines_do_not_end_the_notes() {
    let other = Mutex::new(Guest::new(&engine_with(|config| config.workers(0)), LOOP));
    let text = r#"(module (import "" "visit" (func $visit (result i32))) (func $work (param $n i32)
            (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
        (func (export "run")
            (loop $again (call $work (i32.const 3000000)) (br_if $again (call $visit)))))"#;
    let engine = engine();
    let module = Module::new(&engine, text).expect("a module");
    let (seen, started) = (module.clone(), Instant::now());
    let mut store = Store::new(&engine, ());
    let visit = Func::wrap(&mut store, move |_: Caller<'_, ()>| {
        other.lock().expect("no panic").run_unchecked(20_000);
        i32::from(seen.optimised_count() == 0 && started.elapsed() < Duration::from_secs(20))
    });
    let instance = Instance::new(&mut store, &module, &[visit.into()]).expect("an instance");
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").expect("exported");
    run.call(&mut store, ()).expect("no trap");
    assert!(module.optimised_count() > 0);
}

/// What a handler's system calls answer is not seen by what it interrupts: here, under a filter that came later, they fail.
#[test]
fn errors_of_the_handler_stay_its_own() {
    if child_task().is_none() {
        return pass_in_child("errors_of_the_handler_stay_its_own", "run");
    }
    let engine = engine();
    let mut guest = Guest::new(&engine, LOOP);
    guest.run_until_optimised(1);
    refuse(libc::SYS_timer_settime);
    guest.run_unchecked(1000);
    let errno = set_errno(libc::E2BIG);
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(500) {}
    // SAFETY: it is this thread's.
    assert_eq!(unsafe { *errno }, libc::E2BIG);
}

fn set_errno(number: i32) -> *mut i32 {
    // SAFETY: it is this thread's.
    unsafe {
        let errno = libc::__errno_location();
        *errno = number;
        errno
    }
}

/// Has the system refuse this thread a call from now on.
fn refuse(call: libc::c_long) {
    let word = |code: u32, k: u32, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
    let filter = [
        word(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        word(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call as u32, 0, 1),
        word(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0, 0),
        word(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the filter is valid and lives as long as the calls.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

/// Timers belong to threads, which come and go.
#[test]
fn a_thousand_threads_run_guests() {
    let engine = engine();
    let module = Module::new(&engine, LOOP).expect("a module");
    for _ in 0..10 {
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    let mut store = Store::new(&engine, ());
                    let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
                    let run_it = instance.get_typed_func::<u32, u64>(&mut store, "run").expect("exported");
                    assert_eq!(run_it.call(&mut store, 20).expect("no trap"), run(20));
                });
            }
        });
    }
    assert!(timers_of_this_process() <= 8, "{}", timers_of_this_process());
}

fn timers_of_this_process() -> usize {
    let timers = std::fs::read_to_string("/proc/self/timers").unwrap_or_default();
    timers.lines().filter(|line| line.starts_with("ID:")).count()
}

/// A child of `fork` goes on in code of its own while the parent replaces code, and has code replaced itself.
#[test]
fn children_go_on_while_code_is_replaced() {
    if child_task().is_none() {
        return pass_in_child("children_go_on_while_code_is_replaced", "run");
    }
    for round in 0..12 {
        let engine = engine_with(|config| config.replace_all_code(true));
        let text = stored::module_text_of(120, round);
        let module = Module::new(&engine, &text).expect("a module");
        let quick = engine_with(|config| config.tier(Tier::Quick));
        let expected = stored::result_of(&quick, &Module::new(&quick, &text).expect("a module")).expect("a result");
        let mut hot = Guest::new(&engine, LOOP);
        hot.run(1);
        let check = || (0..3).all(|_| stored::result_of(&engine, &module).is_ok_and(|result| result == expected));
        if round % 2 == 0 {
            assert!(check());
        }
        // SAFETY: this thread alone runs the test; the child ends below.
        match unsafe { libc::fork() } {
            0 => {
                let well = check();
                let started = Instant::now();
                // A function that is new there begins it all again.
                hot.other();
                while hot.module.optimised_count() < 2 && started.elapsed() < Duration::from_secs(60) {
                    hot.run_unchecked(1000);
                }
                let code = if well && hot.module.optimised_count() >= 2 { 0 } else { 1 };
                // SAFETY: it ends the child at once, which shares the test's files.
                unsafe { libc::_exit(code) }
            }
            child => {
                assert!(child > 0 && check());
                module.compile_all(|_| ()).expect("code");
                assert!(check());
                let mut status = 0;
                // SAFETY: the child is ours.
                assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                assert_eq!(status, 0, "round {round}");
            }
        }
    }
}

/// A child that calls what has been called before has it optimised as well, in instances of its own.
#[test]
fn children_optimise_what_the_parent_has_called() {
    if child_task().is_none() {
        return pass_in_child("children_optimise_what_the_parent_has_called", "run");
    }
    let engine = engine();
    let mut guest = Guest::new(&engine, LOOP);
    guest.run(1);
    guest.other();
    assert_eq!(guest.module.optimised_count(), 0);
    // SAFETY: this thread alone runs the test; the child ends below.
    match unsafe { libc::fork() } {
        0 => {
            guest.store = Store::new(&engine, ());
            guest.instance = Instance::new(&mut guest.store, &guest.module, &[]).expect("an instance");
            let started = Instant::now();
            while guest.module.optimised_count() == 0 && started.elapsed() < Duration::from_secs(20) {
                guest.run_unchecked(1000);
            }
            // SAFETY: it ends the child at once, which shares the test's files.
            unsafe { libc::_exit(i32::from(guest.module.optimised_count() == 0)) }
        }
        child => {
            let mut status = 0;
            // SAFETY: the child is ours.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0);
        }
    }
}

/// No room for optimised code: quick code stays.
#[test]
fn code_that_runs_goes_on_where_none_can_be_replaced() {
    // Room for quick code, and for little more.
    let engine = engine_with(|config| config.code_room_bytes(700).replace_all_code(true));
    let mut guest = Guest::new(&engine, LOOP);
    for n in [1, 10, 100, 1000] {
        guest.run(n);
    }
    let value = guest.instance.get_func(&mut guest.store, "step").expect("exported");
    let mut results = [Val::I64(0)];
    value.call(&mut guest.store, &[Val::I64(3)], &mut results).expect("no trap");
    assert!(matches!(results[0], Val::I64(x) if x as u64 == step(3)));
}

/// Operators that make NaNs of no operand that is one, and of some that are, as bits.
const NANS: &str = r#"(module
    (func (export "f32") (param f32 f32) (result i32)
        (i32.reinterpret_f32 (f32.div (local.get 0) (local.get 1))))
    (func (export "f64") (param f32 f32) (result i64)
        (i64.reinterpret_f64 (f64.sqrt (f64.sub (f64.const -1) (f64.promote_f32 (f32.mul (local.get 0) (local.get 1)))))))
    (func (export "v128") (param f32 f32) (result i32)
        (i32x4.extract_lane 1 (f32x4.div (f32x4.splat (local.get 0)) (f32x4.splat (local.get 1))))))"#;

fn nans(engine: &Engine, x: f32) -> (u32, u64, u32) {
    let module = Module::new(engine, NANS).expect("a module");
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
    let f32 = instance.get_typed_func::<(f32, f32), u32>(&mut store, "f32").expect("exported");
    let f64 = instance.get_typed_func::<(f32, f32), u64>(&mut store, "f64").expect("exported");
    let v128 = instance.get_typed_func::<(f32, f32), u32>(&mut store, "v128").expect("exported");
    let mut call = |f: &dyn Fn(&mut Store<()>) -> u64| f(&mut store);
    let f32 = call(&|store| u64::from(f32.call(store, (x, 0.0)).expect("no trap"))) as u32;
    let f64 = call(&|store| f64.call(store, (x, 0.0)).expect("no trap"));
    let v128 = call(&|store| u64::from(v128.call(store, (x, 0.0)).expect("no trap"))) as u32;
    (f32, f64, v128)
}

#[test]
fn nans_are_canonical_where_that_is_asked_for() {
    const CANONICAL: (u32, u64, u32) = (0x7fc0_0000, 0x7ff8_0000_0000_0000, 0x7fc0_0000);
    let with_payload = f32::from_bits(0xffc0_1234);
    for set in [Config::cranelift_nan_canonicalization, Config::deterministic] {
        let engine = engine_with(|config| set(config, true));
        assert_eq!((nans(&engine, 0.0), nans(&engine, with_payload)), (CANONICAL, CANONICAL));
        let eager = engine_with(|config| set(config.compilation(Compilation::Eager), true));
        assert_eq!(nans(&eager, 0.0), CANONICAL);
    }
    // Without it, they are the processor's, of which some make a canonical one of zeros.
    for tier in [Tier::Quick, Tier::Optimised] {
        assert_ne!(nans(&engine_with(|config| config.tier(tier)), with_payload), CANONICAL);
    }
    let mut config = Config::new();
    let error = Engine::new(config.tier(Tier::Quick).deterministic(true)).expect_err("a contradiction");
    assert!(error.to_string().contains("Tier::Optimised"), "{error}");
}

/// A function with more locals of a type than calls preserve registers, all of them used in a loop, and the text of
/// a `call` before it and behind it.
fn busy_function(name: &str, ty: &str, call: &str) -> String {
    const LOCALS: usize = 12;
    let mut text = format!("(func ${name} (export \"{name}\") (param $n i32) (result {ty})");
    (0..LOCALS).for_each(|n| text += &format!("(local $x{n} {ty})"));
    (0..LOCALS).for_each(|n| text += &format!("(local.set $x{n} ({ty}.const {}))", n + 2));
    text += call;
    text += "(loop $again";
    for n in 0..LOCALS {
        let (x, y) = (format!("$x{n}"), format!("$x{}", (n + 1) % LOCALS));
        text += &format!("(local.set {x} ({ty}.add (local.get {x}) ({ty}.mul (local.get {y}) ({ty}.const 3))))");
        text += &format!("(local.set {x} ({ty}.sub (local.get {x}) (local.get {y})))");
    }
    text += "(br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))";
    text += call;
    text += &format!("({ty}.const 0)");
    (0..LOCALS).for_each(|n| text += &format!("({ty}.mul (local.get $x{n}) ({ty}.const {})) {ty}.add", n + 7));
    text + ")"
}

#[test]
fn locals_live_on_over_calls_in_whatever_register_they_are() {
    for ty in ["i32", "i64", "f32", "f64"] {
        let caller = busy_function("caller", ty, "(drop (call $callee (i32.const 2)))");
        let text = format!("(module {} {caller})", busy_function("callee", ty, ""));
        let results = [Tier::Quick, Tier::Optimised].map(|tier| {
            let mut guest = Guest::new(&engine_with(|config| config.tier(tier)), &text);
            let caller = guest.instance.get_func(&mut guest.store, "caller").expect("exported");
            let mut result = [Val::I32(0)];
            caller.call(&mut guest.store, &[Val::I32(3)], &mut result).expect("no trap");
            format!("{result:?}")
        });
        assert_eq!(results[0], results[1], "{ty}");
    }
}

/// Optimised code leaves anything in the upper halves of the registers that it passes an `i32` in; quick code makes
/// addresses of them.
#[test]
fn quick_code_takes_only_the_lower_half_of_what_optimised_code_passes() {
    const TEXT: &str = r#"(module (memory 1) (data (i32.const 8) "\01\00\00\00\02\00\00\00\03\00\00\00\04\00\00\00")
        (func $callee (param i32 i32) (result i32)
            ;; The second parameter is used most: both stay in the registers that they come in.
            (i32.add
                (i32.add (i32.load (local.get 0)) (i32.load offset=4 (local.get 0)))
                (i32.add (i32.add (i32.load (local.get 1)) (i32.load offset=4 (local.get 1)))
                    (i32.load offset=8 (local.get 1)))))
        (func (export "run") (param $x i64) (param $n i32) (result i32)
            (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (call $callee (i32.wrap_i64 (local.get $x)) (i32.wrap_i64 (local.get $x)))))"#;
    let engine = engine_with(|config| config.compiler_inlining(false).workers(1));
    let mut guest = Guest::new(&engine, TEXT);
    let run = guest.instance.get_typed_func::<(i64, i32), i32>(&mut guest.store, "run").expect("exported");
    let started = Instant::now();
    while guest.module.optimised_count() == 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", guest.module);
        assert_eq!(run.call(&mut guest.store, (8, 1_000_000)).expect("no trap"), 9);
    }
    for upper in [1, 0x7fff, 0x1234_5678] {
        assert_eq!(run.call(&mut guest.store, (upper << 32 | 8, 1)).expect("no trap"), 9);
    }
    assert_eq!(guest.module.optimised_count(), 1, "the callee has its quick code still");
}

/// What a register holds of a local before a loop is not what the local is in the next round.
#[test]
fn locals_are_read_anew_in_each_round_of_a_loop() {
    // More locals that are used more often than there are registers to stay in.
    let busy: Vec<String> =
        (0..10).map(|n| format!("(local.set $b{n} (i32.add (local.get $b{n}) (local.get $b{n})))")).collect();
    let busy = busy.join("");
    // So many operands at a time that registers keep nothing else.
    let deep = (0..12)
        .fold("(i32.const 1)".to_string(), |deep, _| format!("(i32.add (i32.load offset=64 (i32.const 0)) {deep})"));
    let locals: String = (0..10).map(|n| format!("(local $b{n} i32)")).collect();
    let text = format!(
        r#"(module (memory 1) (data (i32.const 0) "\01\00\00\00\02\00\00\00\03\00\00\00\04\00\00\00")
        (func (export "sum") (result i32) (local $at i32) (local $sum i32) (local $n i32) {locals}
            (local.set $n (i32.const 4))
            (drop (i32.load (local.get $at)))
            (loop $again
                (local.set $sum (i32.add (i32.load (local.get $at)) (local.get $sum)))
                (local.set $at (i32.add (local.get $at) (i32.const 4)))
                {busy} {busy} {busy}
                (local.set $b0 {deep})
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $sum)))"#
    );
    let engine = engine_with(|config| config.tier(Tier::Quick));
    let mut guest = Guest::new(&engine, &text);
    let sum = guest.instance.get_typed_func::<(), i32>(&mut guest.store, "sum").expect("exported");
    assert_eq!(sum.call(&mut guest.store, ()).expect("no trap"), 10);
}
