//! Checks that compare what generated modules do with what a judge says: where a case's module comes from, how a run
//! begins, and how a finding becomes small. What is compared, and with whom, is in the check's own file.

use crate::case::{Check, Finding, Tally};
use crate::source::{Judge, Source};
use crate::{drive, shrink};
use std::path::Path;

/// A check of this kind.
pub trait Compared {
    /// Who judges, which decides what may be in a module.
    const JUDGE: Judge;

    /// Where modules come from.
    fn source(&self) -> Source;

    /// Where files of a run go.
    fn folder(&self) -> &Path;

    /// The first difference between Epsilon and the judge, if there is one.
    fn compare(&mut self, wasm: &[u8], seed: u64, tally: &mut Tally) -> Option<String>;
}

impl<C: Compared> Check for C {
    fn run(&mut self, seed: u64, tally: &mut Tally) -> Result<(), Finding> {
        let Some(wasm) = self.source().module(seed, C::JUDGE, self.folder(), tally) else {
            tally.count("not generated");
            return Ok(());
        };
        drive::note_module(self.folder(), &wasm);
        self.replay(&wasm, seed, tally)
    }

    fn replay(&mut self, wasm: &[u8], seed: u64, tally: &mut Tally) -> Result<(), Finding> {
        let Some(what) = self.compare(wasm, seed, tally) else { return Ok(()) };
        if drive::one_is_enough() {
            return Err(Finding::new(what, wasm));
        }
        let mut ignored = Tally::default();
        let smallest = shrink::smallest(wasm, seed, |wasm| self.compare(wasm, seed, &mut ignored).is_some());
        Err(Finding::new(what, &smallest))
    }
}
