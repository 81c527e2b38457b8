//! Mutations by wasm-mutate that keep a module's meaning keep what it does. Now and then they do not keep it; then
//! another engine has to agree on what the mutant does.

use crate::case::{Check, Finding, Rng, Tally};
use crate::outcome::Outcome;
use crate::setup::Setups;
use crate::source::Judge;
use crate::{drive, generate, judge, subject};
use std::path::{Path, PathBuf};
use wasm_mutate::WasmMutate;

/// Mutations of mutations.
const DEPTH: usize = 3;
/// How long wasm-mutate looks for one.
const MUTATION_FUEL: u64 = 300;

/// The check.
pub struct Mutate {
    judge: wasmi::Engine,
    setups: Setups,
    folder: PathBuf,
}

impl Mutate {
    /// With its engines.
    pub fn new(folder: &Path) -> Self {
        Self { judge: judge::engine(), setups: Setups::new(folder), folder: folder.to_owned() }
    }
}

/// What names of new exports do not change: events of calls of names that the original has.
fn without_new_exports(mutant: Outcome, original: &Outcome) -> Outcome {
    if mutant.log.len() == original.log.len() { mutant } else { Outcome { stopped: true, ..mutant } }
}

fn mutant(wasm: &[u8], seed: u64) -> Option<Vec<u8>> {
    let mut mutate = WasmMutate::default();
    mutate.seed(seed).preserve_semantics(true).fuel(MUTATION_FUEL);
    mutate.run(wasm).ok()?.next()?.ok()
}

impl Check for Mutate {
    fn run(&mut self, seed: u64, tally: &mut Tally) -> Result<(), Finding> {
        let Some(wasm) = generate::module(seed, Judge::Wasmi) else {
            tally.count("not generated");
            return Ok(());
        };
        let mut rng = Rng::new(seed);
        let original = subject::run(&self.setups.draw_uncached(&mut rng), &wasm, seed);
        let Ok(original) = original else {
            tally.count("originals that cannot be run");
            return Ok(());
        };
        let mut current = wasm;
        for step in 0..DEPTH {
            let Some(next) = mutant(&current, seed ^ (step as u64) << 48) else {
                tally.count("mutations not found");
                continue;
            };
            drive::note_module(&self.folder, &next);
            tally.count("mutants");
            let found = subject::run(&self.setups.draw_uncached(&mut rng), &next, seed);
            let difference = match &found {
                Ok(found) => without_new_exports(found.clone(), &original).difference(&original),
                Err(error) => Some(format!("{error:?}")),
            };
            if let Some(what) = difference {
                if let (Ok(found), Ok(judged)) = (&found, judge::run(&self.judge, &next, seed, &mut Tally::default()))
                    && found.difference(&judged).is_none()
                {
                    tally.count("mutations that changed the meaning, as the judge says too");
                    return Ok(());
                }
                return Err(Finding::new(format!("mutation {step}: {what}"), &next));
            }
            current = next;
        }
        Ok(())
    }
}
