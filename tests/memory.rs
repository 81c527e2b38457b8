//! What compiling a function takes, as an allocator counts it, against the estimate that the compiler asks room for:
//! the estimate is never less, and seldom much more.
//!
//! `EPSILON_MEMORY_ALL=1` takes all guests, and bombs at full size; `EPSILON_MEMORY_FIGURES=1` prints every function that
//! takes much.

#[path = "compile_bombs/functions.rs"]
#[allow(dead_code)]
mod functions;
#[path = "compile_bombs/modules.rs"]
#[allow(dead_code)]
mod modules;
#[path = "compile_bombs/wasm.rs"]
#[allow(dead_code)]
mod wasm;

use epsilon_abi::{CodeTier, DefinedFuncIndex};
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
        | WasmFeatures::LEGACY_EXCEPTIONS
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
    let module = measure_parsing(compiler, name, wasm, found);
    for n in 0..module.info.defined_functions() {
        let (asked, index) = (Asked::default(), DefinedFuncIndex::new(n));
        let before = USED.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let mut scratch = Scratch::default();
        let compiled =
            compiler.compile_function_within(CodeTier::Optimised, &module, wasm, index, &mut scratch, &asked);
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

/// Parses and validates a module, and checks the estimates of what that takes.
fn measure_parsing(compiler: &Compiler, name: &str, wasm: &[u8], found: &mut Found) -> ParsedModule {
    let estimate = compiler.parsing_bytes(wasm) as u64;
    let before = USED.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let module = compiler.parse(wasm).unwrap_or_else(|error| panic!("{name}: {error}"));
    check_peak(&format!("parsing {name}"), before, estimate, found);
    check_held(name, &module, USED.load(Ordering::Relaxed) - before, found);
    let (before, threads) = (USED.load(Ordering::Relaxed), std::thread::available_parallelism().map_or(1, usize::from));
    PEAK.store(before, Ordering::Relaxed);
    compiler.validate(&module, wasm).unwrap_or_else(|error| panic!("{name}: {error}"));
    check_peak(&format!("validating {name}"), before, module.validating_bytes(threads) as u64, found);
    module
}

fn check_peak(what: &str, before: u64, estimate: u64, found: &mut Found) {
    let peak = PEAK.load(Ordering::Relaxed) - before;
    if std::env::var_os("EPSILON_MEMORY_FIGURES").is_some() {
        println!("{what}: peak {peak}, estimate {estimate}, {:.2}", estimate as f64 / peak as f64);
    }
    if estimate < peak {
        found.too_low.push(format!("{what}: estimate {estimate}, peak {peak}"));
    }
}

/// A module of one section that has so many items, all alike and as short as can be, behind other sections.
fn dense(before: &[u8], section: u8, count: usize, item: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let mut contents = wasm::Body::default();
    contents.leb(count);
    (0..count).for_each(|n| {
        contents.raw(&item(n));
    });
    let mut module = wasm::Body::default();
    module.raw(b"\0asm\x01\0\0\0").raw(before).with(section, contents.0.len()).raw(&contents.0);
    module.0
}

/// Modules with as many items of one kind as their bytes allow.
fn densest() -> Vec<(&'static str, Vec<u8>)> {
    const TYPE: &[u8] = &[1, 4, 1, 0x60, 0, 0];
    let leb = |n: usize| {
        let mut body = wasm::Body::default();
        body.leb(n);
        body.0
    };
    let functions = |n: usize| {
        let section = dense(TYPE, 3, n, |_| vec![0]);
        section[8..].to_vec()
    };
    let name = |n: usize| [vec![3], (0..3).map(|at| b'0' + (n >> (6 * at) & 63) as u8).collect()].concat();
    let grouped = dense(&[], 1, 2, |n| match n {
        0 => [vec![0x4e], leb(100_000), [0x60, 0, 0].repeat(100_000)].concat(),
        _ => vec![0x60, 0, 0],
    });
    let deep = |len: usize| {
        let body = [vec![0], [2, 0x40].repeat(len / 2), vec![0x0b; len / 2 + 1]].concat();
        dense(&functions(1), 10, 1, |_| [leb(body.len()), body.clone()].concat())
    };
    let names = |count: usize| {
        let mut map = wasm::Body::default();
        map.leb(count);
        (0..count).for_each(|n| {
            map.leb(n).raw(&[0]);
        });
        let part = [vec![1], leb(map.0.len()), map.0].concat();
        let contents = [b"\x04name".to_vec(), part].concat();
        [b"\0asm\x01\0\0\0\0".to_vec(), leb(contents.len()), contents].concat()
    };
    vec![
        ("dense types", dense(&[], 1, 200_000, |_| vec![0x60, 0, 0])),
        ("types of one group", grouped),
        ("groups of one type", dense(&[], 1, 100_000, |_| vec![0x4e, 1, 0x60, 0, 0])),
        (
            "types with many parameters",
            dense(&[], 1, 200, |_| [vec![0x60], leb(900), vec![0x7f; 900], vec![0]].concat()),
        ),
        ("dense imports", dense(TYPE, 2, 50_000, |_| vec![0, 0, 0, 0])),
        ("dense functions", dense(&functions(100_000), 10, 100_000, |_| vec![2, 0, 0x0b])),
        ("dense globals", dense(&[], 6, 100_000, |_| vec![0x70, 0, 0xd0, 0x70, 0x0b])),
        ("dense tags", dense(TYPE, 13, 100_000, |_| vec![0, 0])),
        ("dense exports", dense(&[4, 4, 1, 0x70, 0, 0], 7, 100_000, |n| [name(n), vec![1, 0]].concat())),
        ("dense elements", dense(&[], 9, 50_000, |_| vec![1, 0, 0])),
        (
            "dense element expressions",
            dense(&[], 9, 1, |_| [vec![5, 0x70], leb(100_000), [0xd0, 0x70, 0x0b].repeat(100_000)].concat()),
        ),
        ("dense data", dense(&[], 11, 100_000, |_| vec![1, 0])),
        ("dense active data", dense(&[5, 3, 1, 0, 1], 11, 100_000, |_| vec![0, 0x41, 0, 0x0b, 0])),
        ("large data", dense(&[], 11, 1, |_| [vec![1], leb(1 << 20), vec![0; 1 << 20]].concat())),
        ("dense custom sections", {
            let sections = [0, 2, 1, b'c'].repeat(100_000);
            [b"\0asm\x01\0\0\0".to_vec(), sections].concat()
        }),
        ("dense names", names(200_000)),
        ("deep blocks", deep(1 << 20)),
        ("a long expression", {
            let body = [vec![0], [0x41, 0].repeat(500_000), vec![0, 0x0b]].concat();
            dense(&functions(1), 10, 1, |_| [leb(body.len()), body.clone()].concat())
        }),
    ]
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

const BOMBS: [(&str, Make); 23] = [
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
    ("legacy-tries", functions::legacy_tries),
    ("nested-legacy-tries", functions::nested_legacy_tries),
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
        measure_parsing(&compiler, name, &make(if all { 1 } else { 100 }), &mut found);
    }
    for (name, wasm) in densest() {
        measure_parsing(&compiler, name, &wasm, &mut found);
    }
    assert!(found.too_low.is_empty(), "{:#?}", found.too_low);
    a_function_without_room_is_refused_and_compiled_later(&compiler);
}

fn a_function_without_room_is_refused_and_compiled_later(compiler: &Compiler) {
    let wasm = functions::nested_ifs(20);
    let module = compiler.parse(&wasm).expect("a valid module");
    let mut scratch = Scratch::default();
    let mut compile = |room: &dyn Room| {
        compiler.compile_function_within(CodeTier::Optimised, &module, &wasm, DefinedFuncIndex(0), &mut scratch, room)
    };
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
