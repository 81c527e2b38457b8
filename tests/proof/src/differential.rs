//! Generated modules, in the baseline configuration and in one drawn at random, against wasmi: results, traps, exported
//! globals, lengths of tables, whole memories, and calls of the host.

use crate::case::{Rng, Tally};
use crate::compared::Compared;
use crate::outcome::{Outcome, Refusal};
use crate::setup::{self, Setup, Setups};
use crate::source::{Judge, Source};
use crate::{judge, subject};
use std::path::{Path, PathBuf};

/// The check.
pub struct Differential {
    judge: wasmi::Engine,
    baseline: Setup,
    setups: Setups,
    source: Source,
    folder: PathBuf,
}

impl Differential {
    /// With its engines; `folder` is for the cache.
    pub fn new(folder: &Path, source: Source) -> Self {
        let (baseline, setups) = (setup::baseline(folder), Setups::new(folder));
        Self { judge: judge::engine(), baseline, setups, source, folder: folder.to_owned() }
    }
}

impl Compared for Differential {
    const JUDGE: Judge = Judge::Wasmi;

    fn source(&self) -> Source {
        self.source
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn compare(&mut self, wasm: &[u8], seed: u64, tally: &mut Tally) -> Option<String> {
        let expected = judge::run(&self.judge, wasm, seed, tally);
        let drawn = self.setups.draw(&mut Rng::new(seed ^ 0xc0f));
        [&self.baseline, &*drawn].into_iter().find_map(|setup| {
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
