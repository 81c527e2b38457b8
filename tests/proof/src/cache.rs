//! Damaged entries of the code cache: bits flipped, cut off, lengthened, zeroed, parts swapped. What runs has to give
//! the right results, and the entry has to be whole again afterwards.

use crate::case::{Check, Finding, Rng, Tally};
use epsilon::{CacheConfig, CacheStatus, Compilation, Config, Engine, Instance, Module, Store};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Functions of the guest; enough code for the cache to take it.
const FUNCTIONS: usize = 40;

/// The check.
pub struct DamagedCache {
    folder: PathBuf,
    wasm: Vec<u8>,
    /// What the guest gives when nothing is damaged.
    expected: Vec<i64>,
    /// An intact entry.
    intact: Vec<u8>,
}

/// Functions that call each other, with loops, tables and memory in them.
fn guest() -> Vec<u8> {
    let mut text = String::from("(module (memory 1) (table 8 funcref) (elem (i32.const 0) $f0 $f1 $f2 $f3)\n");
    text.push_str("(type $t (func (param i64) (result i64)))\n");
    for n in 0..FUNCTIONS {
        let call = if n == 0 { "local.get 0".into() } else { format!("(call $f{} (local.get 0))", n - 1) };
        let rounds = (0..12)
            .map(|k| format!("local.get 1 i64.const {} i64.xor i64.const {k} i64.rotl local.set 1\n", n * 977 + k));
        let _ = write!(
            text,
            "(func $f{n} (export \"f{n}\") (param i64) (result i64) (local i64)\n{call} local.set 1\n{}
            (i64.store offset={} (i32.const 8) (local.get 1))
            (i64.add (i64.load offset={} (i32.const 8)) (call_indirect (type $t) (local.get 1) (i32.const {}))))\n",
            rounds.collect::<String>(),
            n * 8,
            n * 8,
            // Null for most, never called: the first four functions of the table call nothing indirectly.
            if n < 4 { 5 } else { n % 4 }
        )
        .map(|()| {
            if n < 4 {
                make_direct(&mut text)
            }
        });
    }
    text.push(')');
    wat::parse_str(text).expect("the text is well formed")
}

/// The first functions must not call through the table that holds them.
fn make_direct(text: &mut String) {
    *text = text.replace("(call_indirect (type $t) (local.get 1) (i32.const 5))", "(i64.const 5)");
}

fn engine(folder: &Path) -> Engine {
    let mut config = Config::new();
    config.compilation(Compilation::Lazy).cache(Some(CacheConfig::new().directory(folder)));
    Engine::new(&config).expect("an engine")
}

fn results(module: &Module) -> epsilon::Result<Vec<i64>> {
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[])?;
    let mut results = Vec::new();
    for n in 0..FUNCTIONS {
        let function = instance.get_typed_func::<i64, i64>(&mut store, &format!("f{n}"))?;
        results.push(function.call(&mut store, 0x1234_5678_9abc)?);
    }
    Ok(results)
}

fn damage(bytes: &mut Vec<u8>, rng: &mut Rng, tally: &mut Tally) {
    let at = rng.below(bytes.len());
    let len = (1 + rng.below(64)).min(bytes.len() - at);
    match rng.below(8) {
        0..=2 => {
            bytes[at] ^= 1 << rng.below(8);
            tally.count("bits flipped");
        }
        3 => {
            bytes.truncate(at);
            tally.count("cut off");
        }
        4 => {
            bytes[at..at + len].fill(0);
            tally.count("parts zeroed");
        }
        5 => {
            let from = rng.below(bytes.len() - len + 1);
            let part = bytes[from..from + len].to_vec();
            let to = rng.below(bytes.len() - len + 1);
            bytes.copy_within(to..to + len, from);
            bytes[to..to + len].copy_from_slice(&part);
            tally.count("parts swapped");
        }
        6 => {
            bytes.extend(rng.bytes(len));
            tally.count("lengthened");
        }
        _ => {
            let noise = rng.bytes(len);
            bytes[at..at + len].copy_from_slice(&noise);
            tally.count("parts overwritten");
        }
    }
}

impl DamagedCache {
    /// With a fresh cache.
    pub fn new(folder: &Path) -> Self {
        let (folder, wasm) = (folder.join("damaged"), guest());
        let mut this = Self { folder, wasm, expected: Vec::new(), intact: Vec::new() };
        let module = Module::new(&engine(&this.folder), &this.wasm).expect("a module");
        this.expected = results(&module).expect("no trap");
        module.compile_all(|_| ()).expect("compiled");
        module.save_to_cache();
        this.intact = fs::read(this.entry().expect("an entry")).expect("readable");
        this
    }

    fn entry(&self) -> Option<PathBuf> {
        let engine = engine(&self.folder);
        let entries = engine.cache().ok()?.entries().ok()?;
        entries.first().map(|entry| entry.path.clone())
    }

    /// Runs the guest from whatever the cache holds now; what is wrong.
    fn use_entry(&self, tally: &mut Tally) -> Option<String> {
        let engine = engine(&self.folder);
        let module = match Module::new(&engine, &self.wasm) {
            Ok(module) => module,
            Err(error) => return Some(format!("not loaded: {error}")),
        };
        match results(&module) {
            Ok(results) if results == self.expected => {}
            other => return Some(format!("other results: {other:?}")),
        }
        match module.cache_status() {
            CacheStatus::Hit { damaged: 0, .. } => tally.count("loaded as if intact"),
            CacheStatus::Hit { .. } => tally.count("loaded with functions compiled again"),
            CacheStatus::Miss => tally.count("entries passed over"),
            CacheStatus::Unused { reason } => return Some(format!("the cache is not used: {reason}")),
        }
        module.save_to_cache();
        None
    }

    fn repaired(&self) -> Result<(), String> {
        let engine = engine(&self.folder);
        let cache = engine.cache().map_err(str::to_owned)?;
        let entries = cache.entries().map_err(|error| error.to_string())?;
        let entry = entries.first().ok_or("no entry is left")?;
        match cache.verify(entry) {
            Ok((FUNCTIONS, 0)) => Ok(()),
            other => Err(format!("not repaired: {other:?}")),
        }
    }
}

impl Check for DamagedCache {
    fn run(&mut self, seed: u64, tally: &mut Tally) -> Result<(), Finding> {
        let mut rng = Rng::new(seed);
        let mut bytes = self.intact.clone();
        damage(&mut bytes, &mut rng, tally);
        let wrong = |what: String, bytes: &[u8]| Err(Finding::new(what, bytes));
        let Some(path) = self.entry() else { return wrong("no entry to damage".into(), &[]) };
        fs::write(&path, &bytes).expect("writable");
        if let Some(what) = self.use_entry(tally) {
            return wrong(what, &bytes);
        }
        match self.repaired() {
            Ok(()) => Ok(()),
            Err(what) => {
                // The next case begins with an entry that is whole.
                fs::write(&path, &self.intact).expect("writable");
                wrong(what, &bytes)
            }
        }
    }
}
