//! What wasmi does not have, judged by V8: threads, exceptions, tail calls, function references, relaxed vectors where
//! all permitted results are one; and the rest once more, by another opinion. Modules run wrapped (`wrap`), in the
//! baseline configuration and in one drawn at random. Without V8, the two are compared with a third run of Epsilon's.

use crate::case::{Rng, Tally};
use crate::compared::Compared;
use crate::count::{self, Counted};
use crate::setup::{self, Setup, Setups};
use crate::source::{Judge, Source};
use crate::v8::V8;
use crate::{wrap, wrapped};
use std::fs;
use std::path::{Path, PathBuf};

/// The check.
pub struct Proposals {
    v8: Option<V8>,
    baseline: Setup,
    setups: Setups,
    source: Source,
    folder: PathBuf,
}

impl Proposals {
    /// With its judge, if there is one.
    pub fn new(folder: &Path, source: Source) -> Self {
        let v8 =
            V8::new(folder, source).map_err(|why| eprintln!("not judged by V8, only by Epsilon itself: {why}")).ok();
        let (baseline, setups) = (setup::baseline(folder), Setups::new(folder));
        Self { v8, baseline, setups, source, folder: folder.to_owned() }
    }

    /// What another engine, or Epsilon again, makes of a module; counts the operators that ran.
    fn expected(&mut self, wrapped: &[u8], seed: u64, tally: &mut Tally) -> Option<Vec<String>> {
        let counted = Counted::new(wrapped, count::as_is)?;
        if let Some(v8) = &mut self.v8 {
            let path = self.folder.join("wrapped.wasm");
            let counts = self.folder.join("wrapped.wasm.counts");
            fs::write(&path, &counted.wasm).expect("writable");
            fs::write(&counts, []).expect("writable");
            let log = v8.run(&path, seed, tally)?;
            match log.first().and_then(|line| line.strip_prefix("refused: ")) {
                Some(reason) => {
                    let reason: String = reason.chars().filter(|c| !c.is_ascii_digit()).take(90).collect();
                    tally.count(&format!("modules that V8 refuses: {reason}"));
                }
                None => {
                    tally.count("modules judged by V8");
                    counted.add_to(&fs::read(&counts).expect("readable"), tally);
                    return Some(log);
                }
            }
        }
        tally.count("modules judged by Epsilon itself");
        Some(wrapped::run(&self.baseline, &counted.wasm, seed, Some((&counted, tally))))
    }
}

impl Compared for Proposals {
    const JUDGE: Judge = Judge::V8;

    fn source(&self) -> Source {
        self.source
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn compare(&mut self, wasm: &[u8], seed: u64, tally: &mut Tally) -> Option<String> {
        let Some(wrapped) = wrap::wrap(wasm, seed) else {
            tally.count("modules that are not valid");
            return None;
        };
        let Some(expected) = self.expected(&wrapped, seed, tally) else {
            tally.count("modules without a judgement");
            return None;
        };
        let drawn = self.setups.draw(&mut Rng::new(seed ^ 0xc0f));
        [&self.baseline, &*drawn].into_iter().find_map(|setup| {
            let found = wrapped::run(setup, &wrapped, seed, None);
            tally.count("runs compared");
            tally.add("lines", found.len() as u64);
            tally.add("traps", found.iter().filter(|line| line.starts_with("trap")).count() as u64);
            tally.add("host calls", found.iter().filter(|line| line.starts_with("host")).count() as u64);
            wrapped::difference(&found, &expected).map(|what| format!("{}: {what}", setup.name))
        })
    }
}
