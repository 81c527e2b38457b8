//! Debug information and names that mean harm. Modules are made by structure, well-formed but hostile, and their errors
//! formatted under limits of memory, stack and time.
//!
//! A short run is part of the tests. A long one: `EPSILON_SYMBOLS_SEEDS=100000 cargo test --release --test symbols`.

mod dwarf;
mod names;
mod wasm;

use epsilon::{Config, Engine, Error, Instance, Module, Store};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Counts what is allocated.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn add(bytes: usize) {
    let used = USED.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(used, Ordering::Relaxed);
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size);
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What formatting an error may allocate. Reading debug information keeps at most half of it.
const MAX_BYTES: usize = 32 << 20;
/// Of text.
const MAX_TEXT_BYTES: usize = 256 << 10;
/// A watchdog's: in a release build it is a fraction of a second.
const MAX_TIME: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 3 });
/// The stack of the thread that formats.
const STACK_BYTES: usize = 64 << 10;

/// Allocations are counted for the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn engine() -> Engine {
    let mut config = Config::new();
    config.cache(None);
    Engine::new(&config).expect("an engine")
}

/// The error of a module whose function `_start` traps.
fn trap(engine: &Engine, wasm: Vec<u8>) -> Error {
    let module = Module::from_bytes(engine, wasm).expect("a valid module");
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module, &[]).expect("an instance");
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("a function");
    start.call(&mut store, ()).expect_err("it traps")
}

/// What formatting the error takes: text, bytes, time.
fn format(error: &Error) -> (String, usize, Duration) {
    let before = USED.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let started = Instant::now();
    let text = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let formatted = thread.spawn_scoped(scope, || format!("{error:?}")).expect("a thread");
        formatted.join().expect("formatting ends")
    });
    (text, PEAK.load(Ordering::Relaxed) - before, started.elapsed())
}

/// Formats the error of a module, checks what that took, and returns the text.
fn check(engine: &Engine, name: &str, wasm: Vec<u8>) -> String {
    let size = wasm.len();
    let error = trap(engine, wasm);
    let (text, bytes, time) = format(&error);
    let took = format!("{name}, {size} bytes: {} bytes of text, {bytes} bytes, {time:?}", text.len());
    assert!(text.starts_with("wasm trap: "), "{took}: {text:.200}");
    assert!(text.len() <= MAX_TEXT_BYTES, "{took}");
    assert!(bytes <= MAX_BYTES, "{took}");
    assert!(time <= MAX_TIME, "{took}");
    let unfit = text.chars().find(|char| *char != '\n' && epsilon::is_unfit(*char));
    assert_eq!(unfit, None, "{took}");
    // Again, with what is known by now.
    let (again, bytes, time) = format(&error);
    assert!(again.len() <= MAX_TEXT_BYTES && bytes <= MAX_BYTES && time <= MAX_TIME, "{name}: {bytes} bytes, {time:?}");
    if std::env::var_os("EPSILON_SYMBOLS_FIGURES").is_some() {
        println!("{took}");
    }
    text
}

#[test]
fn debug_information_that_means_harm_is_read_within_bounds() {
    let _alone = alone();
    let engine = engine();
    for (name, sections) in dwarf::hostile() {
        check(&engine, name, wasm::module(&sections, &[]));
    }
}

#[test]
fn names_that_mean_harm_are_shown_within_bounds() {
    let _alone = alone();
    let engine = engine();
    for (name, function) in names::hostile() {
        check(&engine, name, wasm::module(&[], &names::section(&[(0, &function)])));
        let sections = dwarf::one_function(&function, "a.c");
        check(&engine, name, wasm::module(&sections, &[]));
    }
    let many: Vec<(u32, String)> = (0..300_000).map(|n| (n, format!("_ZN1a{n}E"))).collect();
    let many: Vec<(u32, &str)> = many.iter().map(|(n, name)| (*n, &**name)).collect();
    check(&engine, "many names", wasm::module(&[], &names::section(&many)));
}

#[test]
fn what_is_well_formed_is_shown() {
    let _alone = alone();
    let engine = engine();
    let text = check(&engine, "plain", wasm::module(&dwarf::one_function("_ZN1a1bEi", "folder/a.c"), &[]));
    assert!(text.contains("at /source/folder/a.c:7:3 (a::b(int))"), "{text}");
    let text = check(&engine, "inlined", wasm::module(&dwarf::inlined(3, "inner"), &[]));
    assert_eq!(text.matches("(inner)").count(), 3, "{text}");
    assert!(text.contains("(outer)"), "{text}");
    let text = check(&engine, "escaped", wasm::module(&[], &names::section(&[(0, "a\n\u{1b}[2Jb\u{202e}c")])));
    assert!(text.contains(r"a\n\u{1b}[2Jb\u{202e}c"), "{text}");
}

/// Random combinations of structures, damaged at random places.
#[test]
fn random_debug_information_is_read_within_bounds() {
    let _alone = alone();
    let count = std::env::var("EPSILON_SYMBOLS_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(60);
    let engine = engine();
    for seed in 1..=count {
        let mut random = wasm::Random::new(seed);
        let sections = dwarf::random(&mut random);
        let name = names::random(&mut random);
        check(&engine, &format!("seed {seed}"), wasm::module(&sections, &names::section(&[(0, &name)])));
    }
}
