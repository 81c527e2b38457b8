//! Artifacts and cache entries that were changed. An artifact is refused or runs as it was; an entry never changes what a
//! module does, and is whole again afterwards.

#![no_main]

mod common;

use arbitrary::{Arbitrary, Unstructured};
use epsilon::{ArtifactKey, CacheConfig, Compilation, Engine, Module, Store};
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::OnceLock;
use tempfile::TempDir;

/// A function for each row, so that entries have several.
const MODULE: &str = r#"(module
    (memory 1) (table 2 funcref) (elem (i32.const 0) $a $b)
    (func $a (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
    (func $b (param i32) (result i32) (i32.store (i32.const 8) (local.get 0)) (i32.load (i32.const 8)))
    (func (export "run") (param i32) (result i32)
        (i32.add (call $a (local.get 0)) (call_indirect (param i32) (result i32) (local.get 0) (i32.const 1)))))"#;

#[derive(Arbitrary, Debug)]
enum Edit {
    Flip { at: u32, bits: u8 },
    Cut { at: u32 },
    Insert { at: u32, bytes: [u8; 4] },
    Remove { at: u32, count: u8 },
    Swap { a: u32, b: u32, count: u8 },
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: u32, bytes: &Vec<u8>| at as usize % bytes.len().max(1);
        match *self {
            _ if bytes.is_empty() => {}
            Edit::Flip { at, bits } => {
                let at = place(at, bytes);
                bytes[at] ^= bits;
            }
            Edit::Cut { at } => bytes.truncate(place(at, bytes)),
            Edit::Insert { at, bytes: inserted } => {
                let at = place(at, bytes);
                bytes.splice(at..at, inserted);
            }
            Edit::Remove { at, count } => {
                let at = place(at, bytes);
                bytes.drain(at..(at + usize::from(count)).min(bytes.len()));
            }
            Edit::Swap { a, b, count } => {
                let (a, b) = (place(a, bytes), place(b, bytes));
                let room = bytes.len() - a.max(b);
                (0..usize::from(count).min(room)).for_each(|n| bytes.swap(a + n, b + n));
            }
        }
    }
}

/// An engine whose cache is in a directory of its own, the artifact of the module, and what the entry was.
struct State {
    engine: Engine,
    key: ArtifactKey,
    artifact: Vec<u8>,
    entry: PathBuf,
    contents: Vec<u8>,
    _directory: TempDir,
}

fn state() -> &'static State {
    static STATE: OnceLock<State> = OnceLock::new();
    STATE.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let cache = CacheConfig::new().directory(directory.path()).min_code_size(0);
        let mut config = common::config(Compilation::Eager);
        let engine = Engine::new(config.cache(Some(cache))).expect("an engine");
        let key = ArtifactKey::new(&[7; 32]).expect("a key");
        let artifact = engine.precompile_module_with_key(MODULE, Some(&key)).expect("an artifact");
        drop(Module::new(&engine, MODULE).expect("a module"));
        let entries = engine.cache().expect("a cache").entries().expect("entries");
        let entry = entries.first().expect("an entry").path.clone();
        let contents = std::fs::read(&entry).expect("readable");
        State { engine, key, artifact, entry, contents, _directory: directory }
    })
}

fn check(state: &State, module: &Module) {
    let mut store = Store::new(&state.engine, ());
    let instance = epsilon::Instance::new(&mut store, module, &[]).expect("an instance");
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").expect("exported");
    assert_eq!(run.call(&mut store, 5).expect("no trap"), 20);
}

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let (Ok(of_artifact), Ok(edits)) = (bool::arbitrary(&mut data), Vec::<Edit>::arbitrary(&mut data)) else { return };
    let state = state();
    let mut bytes = if of_artifact { state.artifact.clone() } else { state.contents.clone() };
    edits.iter().for_each(|edit| edit.apply(&mut bytes));
    if of_artifact {
        let is_changed = bytes != state.artifact;
        match Module::deserialize_with_key(&state.engine, bytes, &state.key) {
            Ok(module) => {
                assert!(!is_changed, "a changed artifact is loaded");
                check(state, &module);
            }
            Err(error) => assert!(is_changed, "the artifact is refused: {error:?}"),
        }
    } else {
        std::fs::write(&state.entry, &bytes).expect("written");
        for _ in 0..2 {
            check(state, &Module::new(&state.engine, MODULE).expect("a module"));
        }
    }
});
