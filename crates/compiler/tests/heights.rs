//! Every `cases/*.wat` looked at from two heights: its CLIF before optimisation, and its x86_64 code. What is expected
//! lies beside it in `*.clif` and `*.x86_64.vcode`; `EPSILON_BLESS=1` writes what is found there. Lines of the form
//! `;; invoke f 1 2 => 3` name the third height, the result: they are for whoever can run code.
//!
//! A line `;; plan: checked` (or `guarded`, the default, or `anchored`) at the top chooses the memory plan, and a line
//! `;; inlining` lets small functions be compiled where they are called.

use epsilon_abi::{DefinedFuncIndex, MemoryPlan};
use epsilon_compiler::{Compiler, OptLevel, Settings, Target, WasmFeatures};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

type AnyError = Box<dyn std::error::Error>;

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
        Some("anchored") => MemoryPlan { anchored: true, ..MemoryPlan::GUARDED },
        Some(other) => panic!("no plan is called {other}"),
    }
}

fn settings(plan: MemoryPlan, triple: &str) -> Settings {
    let (target, features) = (Target::named(triple), features());
    Settings { plan, target, features, verify_ir: true, ..Settings::default() }
}

/// The CLIF and the code of all functions of a case.
fn look(wat: &Path) -> Result<(String, String), AnyError> {
    let text = fs::read_to_string(wat)?;
    let wasm = wat::parse_str(&text)?;
    let inlining = text.lines().any(|line| line == ";; inlining");
    let compiler = Compiler::new(Settings { inlining, ..settings(plan(&text), "x86_64-unknown-linux-gnu") })?;
    let module = compiler.parse(&wasm)?;
    let (mut clif, mut code) = (String::new(), String::new());
    for at in 0..module.info.defined_functions() {
        let index = DefinedFuncIndex::new(at);
        clif.push_str(&compiler.clif(&module, &wasm, index)?);
        clif.push('\n');
        writeln!(code, ";; function {at}\n{}", compiler.disassemble(&module, &wasm, index)?)?;
    }
    Ok((clif, code))
}

/// Compares with what is expected, or makes it so. Gives the name of the file if it differs.
fn differs(expected: &Path, found: &str) -> Option<String> {
    if std::env::var_os("EPSILON_BLESS").is_some() {
        fs::write(expected, found).expect("expectations can be written");
        return None;
    }
    let known = fs::read_to_string(expected).unwrap_or_default();
    (known != found).then(|| format!("{}:\n{found}", expected.display()))
}

#[test]
fn cases_are_as_expected() {
    let mut differences = Vec::new();
    for wat in cases() {
        let (clif, code) = look(&wat).unwrap_or_else(|error| panic!("{}: {error}", wat.display()));
        differences.extend(differs(&wat.with_extension("clif"), &clif));
        differences.extend(differs(&wat.with_extension("x86_64.vcode"), &code));
    }
    let count = differences.len();
    assert!(differences.is_empty(), "{count} differ; EPSILON_BLESS=1 accepts:\n{}", differences.join("\n"));
}

#[test]
fn cases_compile_for_every_target_and_plan() {
    for wat in cases() {
        let wasm = wat::parse_file(&wat).expect("valid text");
        for triple in ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"] {
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
}
