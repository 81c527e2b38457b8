//! WASI preview 1 as guests see it: cases in C, in Rust and in WebAssembly text, each comparing what calls return with
//! what the specification says, and files with the host's view afterwards.
//!
//! The cases of C and Rust are in `tests/guests/wasi-c` and `tests/guests/wasi-rust`, each with the passage that it
//! is about; a case is added there by adding a function. Those in text call what the libraries of these languages do
//! not reach, and are in `raw.rs`. "witx" is the interface description of `wasi_snapshot_preview1`; "POSIX" is
//! IEEE Std 1003.1, to which it refers ("This is similar to ... in POSIX").
//!
//! `EPSILON_WASI_CASE=NAME` runs the cases whose names contain NAME.

mod raw;
mod sockets;
#[path = "../support.rs"]
mod support;
mod unstable;
mod world;

use std::path::Path;

use epsilon::{Engine, Linker, Module, Store};
use epsilon_wasi::{Captured, Exit, WasiCtx};
use support::engine;
use world::World;

fn linker(engine: &Engine) -> Linker<WasiCtx> {
    let mut linker = Linker::new(engine);
    epsilon_wasi::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).expect("a linker");
    linker
}

/// A guest with cases, compiled once.
struct Guest {
    name: &'static str,
    linker: Linker<WasiCtx>,
    module: Module,
    engine: Engine,
}

/// How one run ended.
struct Ended {
    stdout: String,
    complaints: Vec<String>,
}

impl Guest {
    fn new(name: &'static str) -> Guest {
        let engine = engine();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/prebuilt").join(format!("{name}.wasm"));
        let module = Module::from_file(&engine, path).expect("a module");
        Guest { name, linker: linker(&engine), module, engine }
    }

    /// Runs one case in a world of its own.
    fn run(&self, case: &str) -> Ended {
        let (world, stdout, stderr) = (World::new(), Captured::new(), Captured::new());
        let ctx = world.context(&[self.name, case, "", "two words", "naïve"], &stdout, &stderr);
        let mut store = Store::new(&self.engine, ctx);
        let instance = self.linker.instantiate(&mut store, &self.module).expect("an instance");
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("a program");
        let mut complaints = Vec::new();
        if let Err(error) = start.call(&mut store, ()) {
            match error.downcast_ref::<Exit>() {
                Some(Exit(0)) => {}
                _ => complaints.push(error.to_string()),
            }
        }
        store.data().flush().expect("flushing");
        drop(store);
        let said = String::from_utf8_lossy(&stderr.contents()).into_owned();
        complaints.extend(said.lines().map(str::to_owned));
        let stdout = String::from_utf8_lossy(&stdout.contents()).into_owned();
        complaints.extend(world.complaints(&stdout));
        Ended { stdout, complaints }
    }

    /// Runs every case, and tells all that is wrong at once.
    fn run_all(&self, at_least: usize) {
        let list = self.run("list").stdout;
        let cases: Vec<&str> = list.lines().collect();
        assert!(cases.len() >= at_least, "{} has {} cases", self.name, cases.len());
        let wish = std::env::var("EPSILON_WASI_CASE").unwrap_or_default();
        let mut wrong = String::new();
        for case in cases.iter().filter(|case| case.contains(&wish)) {
            for complaint in self.run(case).complaints {
                wrong.push_str(&format!("\n{} {case}: {complaint}", self.name));
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }
}

#[test]
fn cases_in_c() {
    Guest::new("wasi-c").run_all(140);
}

#[test]
fn cases_in_rust() {
    Guest::new("wasi-rust").run_all(60);
}
