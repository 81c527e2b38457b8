//! Markdown tables of what was measured, printed as they are ready and kept for a file.

use crate::Options;
use crate::inside::{Hashes, Micro, Phases};
use crate::large::Large;
use crate::peers::Contender::{self, EpsilonCached, EpsilonCold, Native, Node, WasmtimeCached, WasmtimeCold};
use crate::peers::Peers;
use crate::process::Sample;
use crate::stats::{Spread, geometric_mean};
use crate::targets::Target;
use crate::whole::Row;
use anyhow::Result;

/// All that was written so far.
pub struct Report {
    text: String,
    rounds: usize,
    /// What is compared with Epsilon.
    peer: &'static str,
}

fn time(sample: &Sample) -> f64 {
    sample.wall_s
}

impl Report {
    /// An empty one.
    pub fn new(options: &Options) -> Self {
        let is_other = options.against_epsilon.is_some() || options.against_epsilon_with.is_some();
        let peer = if is_other { "other Epsilon" } else { "Wasmtime" };
        Self { text: String::new(), rounds: options.pairs, peer }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn line(&mut self, line: impl AsRef<str>) {
        println!("{}", line.as_ref());
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    fn table(&mut self, title: &str, columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        self.line(format!("\n### {title}\n"));
        self.line(format!("| {} |", columns.join(" | ")));
        self.line(format!("|---|{}", "--:|".repeat(columns.len() - 1)));
        for row in rows {
            self.line(format!("| {} |", row.join(" | ")));
        }
    }

    /// What was compared, where and how.
    pub fn heading(&mut self, peers: &Peers) -> Result<()> {
        let processors = std::thread::available_parallelism()?;
        let peer = match &peers.other_epsilon {
            Some(options) if options.is_empty() => "another Epsilon".into(),
            Some(options) => format!("Epsilon with `{}`", options.join(" ")),
            None => Peers::version(&peers.wasmtime)?,
        };
        let node = peers.node.as_deref().map(Peers::version).transpose()?;
        let node = node.map_or_else(|| "no Node".into(), |version| format!("Node {version}"));
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
        self.line(format!(
            "Epsilon against {peer}; {node}; {processors} processors ({}); medians of {} rounds; ratios are medians of the \
             rounds' ratios, with the middle half of them in brackets. Load when it began: {}.",
            cpu.trim_start_matches([' ', '\t', ':']),
            self.rounds,
            std::fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').next().unwrap_or_default(),
        ));
        Ok(())
    }

    /// Programs, cached and cold.
    pub fn whole(&mut self, rows: &[Row]) {
        let peer = self.peer;
        let columns = [
            "program",
            "stresses",
            "native",
            "V8",
            peer,
            "Epsilon",
            "of it",
            "processor time",
            "of V8",
            "of native",
            "memory",
            "theirs",
        ];
        let caches = [
            ("Cached: the third run and later", EpsilonCached, WasmtimeCached),
            ("Cold: nothing cached", EpsilonCold, WasmtimeCold),
        ];
        for (title, ours, theirs) in caches {
            let mut lines: Vec<_> = rows.iter().map(|row| whole_line(row, ours, theirs)).collect();
            lines.push(mean_line(rows, ours, theirs));
            self.table(title, &columns, lines);
        }
    }

    /// The large module.
    pub fn large(&mut self, large: &Large) {
        let lines = Large::WORKS.map(|(work, what)| {
            let [ours, theirs] = large.figures(work, |sample| sample.wall_s);
            let [our_memory, their_memory] = large.figures(work, |sample| sample.peak_mib);
            vec![
                what.into(),
                milliseconds(theirs),
                milliseconds(ours),
                spread(large.ratio(work, time)),
                spread(large.ratio(work, |sample| sample.processor_s)),
                mebibytes(our_memory),
                mebibytes(their_memory),
            ]
        });
        let title = format!("A module of {:.1} MB (Ruby 3.4)", large.size_bytes as f64 / 1e6);
        let columns = ["", self.peer, "Epsilon", "of it", "processor time", "memory", "theirs"];
        self.table(&title, &columns, lines);
    }

    /// What is aimed at.
    pub fn targets(&mut self, targets: &[Target]) {
        let line = |target: &Target| {
            let decimals = if target.limit < 0.1 { 3 } else { 2 };
            let verdict = if target.is_met() { "met" } else { "**missed**" };
            let processor = target.processor.map(|ratio| format!("{ratio:.decimals$}"));
            let measured = format!("{:.decimals$}", target.measured);
            vec![
                target.what.clone(),
                format!("≤ {}", target.limit),
                measured,
                verdict.into(),
                processor.unwrap_or_default(),
            ]
        };
        let title = format!("Aims, as ratios to {}", self.peer);
        self.table(&title, &["", "aim", "measured", "", "in processor time"], targets.iter().map(line));
    }

    /// Phases of programs inside of a process, and their code.
    pub fn phases(&mut self, all: &[Phases]) {
        let Some(first) = all.first() else { return };
        let titles: Vec<String> = first.figures.iter().map(|phase| format!("{}, of it", phase.name)).collect();
        let mut columns = vec!["program", "module"];
        for (phase, title) in first.figures.iter().zip(&titles) {
            columns.extend([phase.name.as_str(), title.as_str()]);
        }
        let lines = all.iter().map(|phases| {
            let mut line = vec![phases.program.name.into(), kilobytes(phases.size_bytes as f64)];
            for phase in &phases.figures {
                let unit = if phase.name == "code" { kilobytes } else { short_time };
                line.extend([phase.medians.map(unit).join(" / "), format!("{:.2}", phase.ratio)]);
            }
            line
        });
        self.table("Inside of a process: Epsilon / Wasmtime", &columns, lines);
    }

    /// Micro costs.
    pub fn micro(&mut self, all: &[Micro]) {
        let line = |micro: &Micro| [std::slice::from_ref(&micro.name), &micro.words].concat();
        let columns = ["", "Epsilon", "Wasmtime", "with a pool", "with epochs", "Epsilon of Wasmtime", "aim", ""];
        self.table("Micro costs", &columns, all.iter().map(line));
    }

    /// Counting loops, in nanoseconds of a turn, and what is too far from Wasmtime.
    pub fn kernels(&mut self, rows: &[Vec<String>]) {
        let columns = ["", "kernel", "Wasmtime", "optimised", "quick", "optimised of it", "quick of it", ""];
        self.table("Kernels: nanoseconds of a turn", &columns, rows.iter().cloned());
    }

    /// Shares of hashes in starts from the cache.
    pub fn hashes(&mut self, all: &[Hashes]) {
        const AIM: f64 = 0.05;
        let line = |hashes: &Hashes| {
            let [code, module] = [hashes.code_s, hashes.module_s].map(|time| time / hashes.start_s);
            vec![
                hashes.name.clone(),
                short_time(hashes.start_s),
                short_time(hashes.code_s),
                format!("{:.1} %", code * 100.0),
                format!("≤ {:.0} %", AIM * 100.0),
                if code <= AIM { "met" } else { "**missed**" }.into(),
                short_time(hashes.module_s),
                format!("{:.1} %", module * 100.0),
            ]
        };
        let columns = ["", "processor time", "checking code", "share", "aim", "", "hashing the module", "share"];
        self.table("Hashes in a start from the cache", &columns, all.iter().map(line));
    }
}

fn whole_line(row: &Row, ours: Contender, theirs: Contender) -> Vec<String> {
    let optional = |text: Option<String>| text.unwrap_or_default();
    let of = |theirs, figure| optional(row.ratio(ours, theirs, figure).map(spread));
    let short = |theirs| optional(row.ratio(ours, theirs, time).map(|ratio| format!("{:.2}", ratio.median)));
    let took = |who| optional(row.figure(who, time).map(milliseconds));
    let memory = |who| optional(row.figure(who, |sample| sample.peak_mib).map(mebibytes));
    vec![
        row.program.name.into(),
        row.program.kind.into(),
        took(Native),
        took(Node),
        took(theirs),
        took(ours),
        of(theirs, time),
        of(theirs, |sample| sample.processor_s),
        short(Node),
        short(Native),
        memory(ours),
        memory(theirs),
    ]
}

fn mean_line(rows: &[Row], ours: Contender, theirs: Contender) -> Vec<String> {
    let rows = || rows.iter().filter(|row| !row.program.is_start_alone());
    let mean = |theirs, figure: fn(&Sample) -> f64| {
        let ratios = rows().filter_map(|row| Some(row.ratio(ours, theirs, figure)?.median));
        geometric_mean(ratios).map(|mean| format!("**{mean:.2}**")).unwrap_or_default()
    };
    let empty = String::new;
    vec![
        "geometric mean but for hello".into(),
        empty(),
        empty(),
        empty(),
        empty(),
        empty(),
        mean(theirs, time),
        mean(theirs, |sample| sample.processor_s),
        mean(Node, time),
        mean(Native, time),
        mean(theirs, |sample| sample.peak_mib),
        empty(),
    ]
}

fn spread(ratio: Spread) -> String {
    let decimals = if ratio.median < 0.1 { 3 } else { 2 };
    format!("{:.decimals$} ({:.decimals$}–{:.decimals$})", ratio.median, ratio.low, ratio.high)
}

fn milliseconds(seconds: f64) -> String {
    let ms = seconds * 1e3;
    if ms < 20.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

fn mebibytes(mib: f64) -> String {
    format!("{mib:.0} MiB")
}

fn kilobytes(bytes: f64) -> String {
    format!("{:.0} KB", bytes / 1e3)
}

fn short_time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-4 => format!("{:.1} µs", s * 1e6),
        s if s < 1e-3 => format!("{:.0} µs", s * 1e6),
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.0} ms", s * 1e3),
    }
}
