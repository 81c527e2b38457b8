//! Snapshots: the CLIF before optimisation of every `cases/*.wat`, and its code for each machine. What is expected lies
//! beside it in `*.clif`, `*.x86_64.vcode` and `*.aarch64.vcode`. Lines of the form `;; invoke f 1 2 => 3` in a case say what
//! it returns: `tests/case_results.rs` at the root runs them.
//!
//! ```sh
//! cargo test -p epsilon-compiler --test snapshots                          # all cases
//! cargo test -p epsilon-compiler --test snapshots -- control               # those with this in their name
//! EPSILON_BLESS=1 cargo test -p epsilon-compiler --test snapshots -- control    # writes what is found as expected
//! ```
//!
//! A line `;; plan: checked` (or `guarded`, the default, or `anchored`) at the top chooses the memory plan, and a line
//! `;; inlining` lets small functions be compiled where they are called.

mod diff;

use epsilon_abi::{DefinedFuncIndex, HeapPlan, MemoryPlan};
use epsilon_compiler::{Compiler, OptLevel, Settings, Target, WasmFeatures};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type AnyError = Box<dyn std::error::Error>;

const TARGETS: [(&str, &str); 2] =
    [("x86_64-unknown-linux-gnu", "x86_64.vcode"), ("aarch64-unknown-linux-gnu", "aarch64.vcode")];
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");

fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(CASES).expect("the cases are there");
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    cases.retain(|path| path.extension().is_some_and(|ext| ext == "wat"));
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

/// All that the compiler translates.
fn features() -> WasmFeatures {
    WasmFeatures::WASM2
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::MEMORY64
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::WIDE_ARITHMETIC
        | WasmFeatures::THREADS
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::LEGACY_EXCEPTIONS
        | WasmFeatures::FUNCTION_REFERENCES
        | WasmFeatures::GC
        | WasmFeatures::TAIL_CALL
}

fn plan(text: &str) -> MemoryPlan {
    match text.lines().find_map(|line| line.strip_prefix(";; plan: ")) {
        None | Some("guarded") => MemoryPlan::GUARDED,
        Some("checked") => MemoryPlan::CHECKED,
        Some("masked") => MemoryPlan { heap: HeapPlan::Masked, ..MemoryPlan::GUARDED },
        Some("anchored") => MemoryPlan { anchored: true, ..MemoryPlan::GUARDED },
        Some(other) => panic!("no plan is called {other}"),
    }
}

fn settings(plan: MemoryPlan, triple: &str) -> Settings {
    let (target, features) = (Target::named(triple), features());
    Settings { plan, target, features, verify_ir: true, ..Settings::default() }
}

/// The files that a case should have beside it, by the ends of their names, and what should be in them.
fn look(wat: &Path) -> Result<Vec<(&'static str, String)>, AnyError> {
    let text = fs::read_to_string(wat)?;
    let wasm = wat::parse_str(&text)?;
    let inlining = text.lines().any(|line| line == ";; inlining");
    let mut files = Vec::new();
    for (triple, extension) in TARGETS {
        let compiler = Compiler::new(Settings { inlining, ..settings(plan(&text), triple) })?;
        let module = compiler.parse(&wasm)?;
        let (mut clif, mut code) = (String::new(), String::new());
        for at in 0..module.info.defined_functions() {
            let index = DefinedFuncIndex::new(at);
            clif.push_str(&compiler.clif(&module, &wasm, index)?);
            clif.push('\n');
            writeln!(code, ";; function {at}\n{}", compiler.disassemble(&module, &wasm, index)?)?;
        }
        if files.is_empty() {
            files.push(("clif", clif));
        }
        files.push((extension, code));
    }
    Ok(files)
}

/// Compares with what is expected, or makes it so. Gives what differs.
fn difference(expected: &Path, found: &str) -> Option<String> {
    if std::env::var_os("EPSILON_BLESS").is_some() {
        fs::write(expected, found).expect("expectations can be written");
        return None;
    }
    let known = fs::read_to_string(expected).unwrap_or_default();
    (known != found).then(|| format!("--- {}\n{}", expected.display(), diff::diff(&known, found)))
}

/// Whether a case is as expected; prints what is not.
fn is_as_expected(wat: &Path) -> bool {
    let files = look(wat).unwrap_or_else(|error| panic!("{}: {error}", wat.display()));
    let differences = files.iter().filter_map(|(extension, found)| difference(&wat.with_extension(extension), found));
    let differences: Vec<String> = differences.collect();
    differences.iter().for_each(|difference| println!("{difference}"));
    differences.is_empty()
}

/// Compiles a case for every machine and plan, optimised or not.
fn compile(wat: &Path) {
    let wasm = wat::parse_file(wat).expect("valid text");
    for (triple, _) in TARGETS {
        let anchored = MemoryPlan { anchored: true, ..MemoryPlan::GUARDED };
        for plan in [MemoryPlan::GUARDED, MemoryPlan::CHECKED, anchored] {
            for opt_level in [OptLevel::None, OptLevel::Speed] {
                let compiler = Compiler::new(Settings { opt_level, ..settings(plan, triple) }).expect("settings");
                let module = compiler.parse(&wasm).expect("valid case");
                let functions = compiler.compile_all(&module, &wasm);
                let functions = functions.unwrap_or_else(|e| panic!("{} {triple} {plan:?}: {e}", wat.display()));
                assert_eq!(functions.len(), module.info.defined_functions());
            }
        }
    }
}

fn main() -> ExitCode {
    diff::check();
    let only: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let (mut passed, mut failed) = (0, Vec::new());
    for wat in cases() {
        let name = wat.file_stem().and_then(|name| name.to_str()).expect("cases have names in UTF-8").to_owned();
        if !only.is_empty() && !only.iter().any(|only| name.contains(only.as_str())) {
            continue;
        }
        compile(&wat);
        if is_as_expected(&wat) { passed += 1 } else { failed.push(name) }
    }
    for name in &failed {
        println!("`EPSILON_BLESS=1 cargo test -p epsilon-compiler --test snapshots -- {name}` accepts that");
    }
    println!("snapshots: {passed} cases are as expected, {} differ", failed.len());
    ExitCode::from(u8::from(!failed.is_empty() || passed == 0 && only.is_empty()))
}
