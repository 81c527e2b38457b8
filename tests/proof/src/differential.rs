//! Generated modules, in the baseline configuration and in one drawn at random, against wasmi: results, traps, exported
//! globals, lengths of tables, whole memories, and calls of the host.

use crate::case::{Check, Finding, Rng, Tally};
use crate::outcome::{Outcome, Refusal};
use crate::setup::{self, Setup};
use crate::{drive, generate, judge, subject};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wasm_shrink::WasmShrink;

/// Entries pile up in the cache; after so many cases it is emptied.
const CASES_PER_CACHE: u64 = 500;
/// How hard a finding is shrunk.
const SHRINK_ATTEMPTS: u32 = 300;
/// And how long, so that it is not taken for a hang.
const SHRINK_TIME: Duration = Duration::from_secs(4);

/// The check.
pub struct Differential {
    judge: wasmi::Engine,
    baseline: Setup,
    variants: Vec<Setup>,
    folder: PathBuf,
}

impl Differential {
    /// With its engines; `folder` is for the cache.
    pub fn new(folder: &Path) -> Self {
        let (baseline, variants) = (setup::baseline(), setup::variants(folder));
        Self { judge: judge::engine(), baseline, variants, folder: folder.to_owned() }
    }

    fn compare(&self, wasm: &[u8], seed: u64, tally: &mut Tally) -> Option<String> {
        let expected = judge::run(&self.judge, wasm, seed);
        let drawn = setup::draw(&self.variants, &mut Rng::new(seed ^ 0xc0f));
        [&self.baseline, drawn].into_iter().find_map(|setup| {
            let found = subject::run(setup, wasm, seed);
            judgement(&found, &expected, tally).map(|what| format!("{}: {what}", setup.name))
        })
    }
}

/// What is wrong with a run, by what another engine did.
fn judgement(
    found: &Result<Outcome, Refusal>,
    expected: &Result<Outcome, Refusal>,
    tally: &mut Tally,
) -> Option<String> {
    match (found, expected) {
        (Ok(found), Ok(expected)) => {
            tally.count(if expected.stopped { "runs compared up to a limit" } else { "runs compared" });
            let events = found.log.iter();
            tally.add("events", events.len() as u64);
            tally.add("traps", events.clone().filter(|event| event.starts_with("trap")).count() as u64);
            tally.add("host calls", events.filter(|event| event.starts_with("host")).count() as u64);
            found.difference(expected)
        }
        (Err(Refusal::Instance(_)), Err(Refusal::Instance(_))) => {
            tally.count("runs that both refuse to instantiate");
            None
        }
        (_, Err(Refusal::Module(reason))) => {
            let reason: String = reason.chars().filter(|c| !c.is_ascii_digit() && *c != '\n').take(60).collect();
            tally.count(&format!("runs without a judgement: {reason}"));
            None
        }
        (Err(Refusal::Instance(what)), Ok(_)) if what.contains("stack exhausted") => None,
        (found, expected) => Some(format!("{:?}, expected {:?}", found.as_ref().err(), expected.as_ref().err())),
    }
}

impl Check for Differential {
    fn run(&mut self, seed: u64, tally: &mut Tally) -> Result<(), Finding> {
        if seed.is_multiple_of(CASES_PER_CACHE) {
            self.variants.iter().filter_map(|setup| setup.engine.cache().ok()).for_each(|cache| drop(cache.clear()));
        }
        let Some(wasm) = generate::module(seed) else {
            tally.count("not generated");
            return Ok(());
        };
        drive::note_module(&self.folder, &wasm);
        generate::tally_operators(&wasm, tally);
        self.replay(&wasm, seed, tally)
    }

    fn replay(&mut self, wasm: &[u8], seed: u64, tally: &mut Tally) -> Result<(), Finding> {
        let Some(what) = self.compare(wasm, seed, tally) else { return Ok(()) };
        if drive::one_is_enough() {
            return Err(Finding::new(what, wasm));
        }
        let mut ignored = Tally::default();
        let started = Instant::now();
        let still =
            |wasm: &[u8]| Ok(started.elapsed() < SHRINK_TIME && self.compare(wasm, seed, &mut ignored).is_some());
        let shrink = WasmShrink::default().attempts(SHRINK_ATTEMPTS).seed(seed);
        let smallest = shrink.run(wasm.to_vec(), still).map_or_else(|_| wasm.to_vec(), |info| info.output);
        Err(Finding::new(what, &smallest))
    }
}
