//! Programs as whole processes: every contender runs each program once a round, neighbours in turn first.

use crate::Options;
use crate::peers::{Contender, Peers};
use crate::process::{self, Sample};
use crate::programs::Program;
use crate::stats::{Spread, median};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::Path;

/// What a program took.
pub struct Row {
    /// The program.
    pub program: &'static Program,
    samples: BTreeMap<Contender, Vec<Sample>>,
}

impl Row {
    /// The median of a figure; `None` if the contender did not run.
    pub fn figure(&self, contender: Contender, figure: fn(&Sample) -> f64) -> Option<f64> {
        Some(median(self.samples.get(&contender)?.iter().map(figure)))
    }

    /// The median of the rounds' ratios.
    pub fn ratio(&self, ours: Contender, theirs: Contender, figure: fn(&Sample) -> f64) -> Option<Spread> {
        let (ours, theirs) = (self.samples.get(&ours)?, self.samples.get(&theirs)?);
        Some(Spread::of(ours.iter().zip(theirs).map(|(ours, theirs)| figure(ours) / figure(theirs))))
    }
}

/// Contenders that are compared with each other run one after the other.
const ORDER: [Contender; 6] = [
    Contender::EpsilonCached,
    Contender::WasmtimeCached,
    Contender::Native,
    Contender::Node,
    Contender::EpsilonCold,
    Contender::WasmtimeCold,
];

/// Runs a program so many rounds.
pub fn measure(peers: &Peers, program: &'static Program, options: &Options) -> Result<Row> {
    eprintln!("{}", program.name);
    let path = peers.expected(program);
    let expected = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let caches = [tempfile::tempdir()?, tempfile::tempdir()?];
    let cache_of = |contender| match contender {
        Contender::EpsilonCached => Some(caches[0].path()),
        Contender::WasmtimeCached => Some(caches[1].path()),
        _ => None,
    };
    let mut row = Row { program, samples: BTreeMap::new() };
    for contender in ORDER {
        for _ in 0..if cache_of(contender).is_some() { 2 } else { 0 } {
            run(peers, contender, program, cache_of(contender), &expected)?;
        }
    }
    for round in 0..options.pairs {
        let mut order = ORDER;
        if round % 2 == 1 {
            order.reverse();
        }
        for contender in order {
            if let Some(sample) = run(peers, contender, program, cache_of(contender), &expected)? {
                row.samples.entry(contender).or_default().push(sample);
            }
        }
    }
    // A run that is stopped has not been for nothing.
    for (how, ours, theirs) in [
        ("cached", Contender::EpsilonCached, Contender::WasmtimeCached),
        ("cold", Contender::EpsilonCold, Contender::WasmtimeCold),
    ] {
        let ratio = |figure| row.ratio(ours, theirs, figure).map_or(f64::NAN, |ratio| ratio.median);
        let (time, processor) = (ratio(|sample| sample.wall_s), ratio(|sample| sample.processor_s));
        eprintln!("  {how}: {time:.2} of the time, {processor:.2} of the processor time");
    }
    Ok(row)
}

fn run(
    peers: &Peers,
    contender: Contender,
    program: &Program,
    cache: Option<&Path>,
    expected: &[u8],
) -> Result<Option<Sample>> {
    let empty = tempfile::tempdir()?;
    let Some(mut command) = peers.command(contender, program, cache.unwrap_or(empty.path()))? else { return Ok(None) };
    let (sample, output) = process::run(&mut command)?;
    if output != expected {
        let printed = String::from_utf8_lossy(&output);
        bail!("`{}` printed something else than expected with {contender:?}: {printed}", program.name);
    }
    Ok(Some(sample))
}
