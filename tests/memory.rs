//! What compiling a function takes, as an allocator counts it, against the estimate that the compiler asks room for:
//! the estimate is never less, and seldom much more.
//!
//! `EPSILON_MEMORY_ALL=1` takes all guests, and bombs at full size; `EPSILON_MEMORY_FIGURES=1` prints every function that
//! takes much.

#[path = "bombs/functions.rs"]
#[allow(dead_code)]
mod functions;
#[path = "bombs/modules.rs"]
#[allow(dead_code)]
mod modules;
#[path = "bombs/wasm.rs"]
#[allow(dead_code)]
mod wasm;

use epsilon_abi::DefinedFuncIndex;
use epsilon_compiler::{CompileError, Compiler, ParsedModule, Room, Scratch, Settings, Unlimited, WasmFeatures};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what is allocated. One thread compiles, and no other runs.
struct Counting;

static USED: AtomicU64 = AtomicU64::new(0);
static PEAK: AtomicU64 = AtomicU64::new(0);

fn add(bytes: usize) {
    let used = USED.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
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
        USED.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Where a block moves, both are there for a while.
        add(size);
        USED.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Remembers the most that was asked for.
#[derive(Default)]
struct Asked(Cell<u64>);

impl Room for Asked {
    fn hold(&self, bytes: u64) -> bool {
        self.0.set(self.0.get().max(bytes));
        true
    }
}

/// What there is room for.
struct Limited(u64);

impl Room for Limited {
    fn hold(&self, bytes: u64) -> bool {
        bytes <= self.0
    }
}

fn compiler() -> Compiler {
    let features = WasmFeatures::WASM2
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::MEMORY64
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::THREADS
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::FUNCTION_REFERENCES
        | WasmFeatures::GC
        | WasmFeatures::TAIL_CALL;
    Compiler::new(Settings { features: Settings::default().features | features, ..Settings::default() })
        .expect("a compiler")
}

#[derive(Default)]
struct Found {
    /// Estimates by what was measured, of functions that take more than what all take.
    ratios: Vec<f64>,
    too_low: Vec<String>,
}

/// Estimate and measured peak of every function of a module that is compiled, without what all have.
fn measure(compiler: &Compiler, name: &str, wasm: &[u8], found: &mut Found) {
    let before = USED.load(Ordering::Relaxed);
    let module = compiler.parse(wasm).expect("a valid module");
    check_held(name, &module, USED.load(Ordering::Relaxed) - before, found);
    for n in 0..module.info.defined_functions() {
        let (asked, index) = (Asked::default(), DefinedFuncIndex::new(n));
        let before = USED.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let mut scratch = Scratch::default();
        let compiled = compiler.compile_function_within(&module, wasm, index, &mut scratch, &asked);
        let (peak, estimate) = (PEAK.load(Ordering::Relaxed) - before, asked.0.get());
        // What is kept counts as well, until the thread compiles the next one.
        drop(scratch);
        let body = module.info.bodies[n].len();
        let ratio = estimate as f64 / peak as f64;
        if std::env::var_os("EPSILON_MEMORY_FIGURES").is_some() && (peak > 4 << 20 || ratio < 1.2) {
            println!("{name} {n}: {body} bytes, peak {} KiB, estimate {} KiB, {ratio:.2}", peak >> 10, estimate >> 10);
        }
        if estimate < peak {
            found.too_low.push(format!("{name}, function {n}, {body} bytes: estimate {estimate}, peak {peak}"));
        }
        if compiled.is_ok() && peak > 1 << 20 {
            found.ratios.push(ratio);
        }
    }
}

/// Checks what a parsed module says that it holds.
fn check_held(name: &str, module: &ParsedModule, used: u64, found: &mut Found) {
    let held = module.held_bytes() as u64;
    if std::env::var_os("EPSILON_MEMORY_FIGURES").is_some() {
        println!("{name}: holds {used} bytes, estimate {held}, {:.2}", held as f64 / used as f64);
    }
    if held < used {
        found.too_low.push(format!("{name} holds {used} bytes, and says {held}"));
    }
}

const MODULES: [(&str, Make); 10] = [
    ("empty-functions", modules::empty_functions),
    ("small-functions", modules::small_functions),
    ("segments", modules::segments),
    ("elements", modules::elements),
    ("memories-tables-globals", modules::memories_tables_globals),
    ("imports-and-exports", modules::imports_and_exports),
    ("types", modules::types),
    ("recursion-group", modules::recursion_group),
    ("long-names", modules::long_names),
    ("constant-expressions", modules::constant_expressions),
];

type Make = fn(usize) -> Vec<u8>;

const BOMBS: [(&str, Make); 21] = [
    ("nested-ifs-with-results", functions::nested_ifs_with_results),
    ("loops-that-pass-values", functions::loops_that_pass_values),
    ("locals-times-ifs", functions::locals_times_ifs),
    ("all-locals", functions::all_locals),
    ("nested-blocks", functions::nested_blocks),
    ("nested-ifs", functions::nested_ifs),
    ("nested-loops", functions::nested_loops),
    ("loops-in-a-row", functions::loops_in_a_row),
    ("straight-line", functions::straight_line),
    ("deep-expression", functions::deep_expression),
    ("long-chain", functions::long_chain),
    ("br-table", functions::br_table),
    ("br-tables-to-many-blocks", functions::br_tables_to_many_blocks),
    ("block-results", functions::block_results),
    ("loop-parameters", functions::loop_parameters),
    ("calls-with-arguments", functions::calls_with_arguments),
    ("selects", functions::selects),
    ("phis", functions::phis),
    ("states", functions::states),
    ("trap-sites", functions::trap_sites),
    ("try-tables", functions::try_tables),
];

/// One test, so that no other thread allocates.
#[test]
fn the_estimate_is_above_what_compiling_takes() {
    let compiler = compiler();
    let all = std::env::var_os("EPSILON_MEMORY_ALL").is_some();
    let mut found = Found::default();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests/prebuilt");
    let mut guests: Vec<_> =
        std::fs::read_dir(folder).expect("guests").map(|entry| entry.expect("a file").path()).collect();
    guests.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".wasm")
            && (all || ["lua.wasm", "zstd.wasm", "c-stdio.wasm", "cpp-throw.wasm"].contains(&&*name))
    });
    assert!(guests.len() >= 4);
    for guest in guests {
        let name = guest.file_name().unwrap_or_default().to_string_lossy().into_owned();
        measure(&compiler, &name, &std::fs::read(&guest).expect("readable"), &mut found);
    }
    let ratios = &mut found.ratios;
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    println!("{} functions: the estimate is {median:.2} times what they take (median)", ratios.len());
    assert!(median < 4.0, "{median:.2}");
    for (name, make) in BOMBS {
        for scale in [100, 25].into_iter().chain([4, 1].into_iter().filter(|_| all)) {
            measure(&compiler, &format!("{name} / {scale}"), &make(scale), &mut found);
        }
    }
    for (name, make) in MODULES {
        let wasm = make(if all { 1 } else { 100 });
        let before = USED.load(Ordering::Relaxed);
        match compiler.parse(&wasm) {
            Ok(module) => check_held(name, &module, USED.load(Ordering::Relaxed) - before, &mut found),
            Err(error) => panic!("{name}: {error}"),
        }
    }
    assert!(found.too_low.is_empty(), "{:#?}", found.too_low);
    a_function_without_room_is_refused_and_compiled_later(&compiler);
}

fn a_function_without_room_is_refused_and_compiled_later(compiler: &Compiler) {
    let wasm = functions::nested_ifs(20);
    let module = compiler.parse(&wasm).expect("a valid module");
    let mut scratch = Scratch::default();
    let mut compile =
        |room: &dyn Room| compiler.compile_function_within(&module, &wasm, DefinedFuncIndex(0), &mut scratch, room);
    let code = compile(&Unlimited).expect("room").code;
    let mut refusals = 0;
    let mut room = 64 << 10;
    let again = loop {
        match compile(&Limited(room)) {
            Ok(function) => break function.code,
            Err(CompileError::NoRoom { bytes, .. }) => {
                assert!(bytes > room, "it asks for more than it was refused");
                (room, refusals) = (bytes, refusals + 1);
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert!((2..50).contains(&refusals), "{refusals}");
    assert_eq!(again, code);
}
