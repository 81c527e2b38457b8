//! What is aimed at against Wasmtime, and what was measured.

use crate::large::{Large, Work};
use crate::peers::Contender::{EpsilonCached, EpsilonCold, WasmtimeCached, WasmtimeCold};
use crate::process::Sample;
use crate::whole::Row;

/// A ratio that should be no higher than its limit.
pub struct Target {
    /// What is measured.
    pub what: String,
    /// The highest ratio of Epsilon's figure to Wasmtime's that is good enough.
    pub limit: f64,
    /// The median of the pairs.
    pub measured: f64,
    /// For times: the same of processor time, which other work on the machine disturbs less.
    pub processor: Option<f64>,
}

impl Target {
    /// Whether it is reached, to half a hundredth.
    pub fn is_met(&self) -> bool {
        self.measured < self.limit + 0.005 * self.limit.min(1.0)
    }
}

/// The limits of whole programs: the module's name, cold, cached.
const WHOLE: [(&str, f64, f64); 3] = [("hello-rust", 0.2, 0.5), ("quickjs", 0.6, 0.9), ("sqlite", 0.6, 0.9)];

/// All targets for which there are figures.
pub fn of(rows: &[Row], large: Option<&Large>) -> Vec<Target> {
    let time: fn(&Sample) -> f64 = |sample| sample.wall_s;
    let processor: fn(&Sample) -> f64 = |sample| sample.processor_s;
    let memory: fn(&Sample) -> f64 = |sample| sample.peak_mib;
    let mut targets = Vec::new();
    for (guest, cold, cached) in WHOLE {
        let Some(row) = rows.iter().find(|row| row.program.guest == guest) else { continue };
        let name = row.program.name;
        for (how, limit, ours, theirs) in
            [("cold", cold, EpsilonCold, WasmtimeCold), ("cached", cached, EpsilonCached, WasmtimeCached)]
        {
            if let Some(ratio) = row.ratio(ours, theirs, time) {
                let processor = row.ratio(ours, theirs, processor).map(|ratio| ratio.median);
                targets.push(Target { what: format!("{name}, {how}"), limit, measured: ratio.median, processor });
            }
        }
    }
    if let Some(large) = large {
        let works = [
            ("16.7 MB, first result, cold", Work::Cold, 0.03, time),
            ("16.7 MB, first result, cached", Work::Cached, 0.15, time),
            ("16.7 MB, all of it compiled", Work::Compile, 1.0, time),
            ("16.7 MB, all of it compiled, peak memory", Work::Compile, 1.0, memory),
            ("16.7 MB, first result, cached, peak memory", Work::Cached, 1.0, memory),
        ];
        targets.extend(works.map(|(what, work, limit, figure)| {
            let measured = large.ratio(work, figure).median;
            let processor = (!what.ends_with("memory")).then(|| large.ratio(work, processor).median);
            Target { what: what.into(), limit, measured, processor }
        }));
    }
    targets
}
