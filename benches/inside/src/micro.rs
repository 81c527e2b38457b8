//! The micro costs: which there are, what is aimed at, and their medians, by turns with each side.

use crate::stats::{Spread, median};
use crate::theirs::Settings;
use crate::{ours, theirs};
use anyhow::{Context, Result};
use epsilon::Compilation;
use std::fmt;
use std::process::Command;
use std::time::Duration;

/// Does something so many times, and tells how long it took.
pub type Work = Box<dyn FnMut(u64) -> Duration>;

/// What is aimed at.
#[derive(Clone, Copy)]
enum Aim {
    Seconds(f64),
    OfWasmtime(f64),
    AtLeast(f64),
    None,
}

impl Aim {
    /// Whether it is reached by a figure, and by its ratio to Wasmtime's.
    fn verdict(self, figure: f64, ratio: f64) -> &'static str {
        let is_met = match self {
            Self::Seconds(most) => figure <= most,
            Self::OfWasmtime(most) => ratio <= most,
            Self::AtLeast(least) => figure >= least,
            Self::None => return "",
        };
        if is_met { "met" } else { "**missed**" }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(most) => write!(f, "≤ {}", time(*most)),
            Self::OfWasmtime(most) => write!(f, "≤ {most} of Wasmtime"),
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::None => Ok(()),
        }
    }
}

/// A cost: one turn of some work.
struct Cost {
    name: &'static str,
    aim: Aim,
    /// Turns in one measurement.
    times: u64,
    no_backtrace: bool,
    ours: fn(&epsilon::Engine) -> epsilon::Result<Work>,
    theirs: fn(&wasmtime::Engine) -> wasmtime::Result<Work>,
}

/// A cost whose work is the function of this name in `work.rs`.
macro_rules! cost {
    ($name:literal, $aim:expr, $times:literal, $function:ident) => {
        Cost {
            name: $name,
            aim: $aim,
            times: $times,
            no_backtrace: false,
            ours: ours::work::$function,
            theirs: theirs::work::$function,
        }
    };
}

const COSTS: &[Cost] = &[
    cost!("store, instance, and the end of both", Aim::Seconds(1.5e-6), 2_000, instantiate),
    cost!("the same, and one page written", Aim::Seconds(4e-6), 2_000, instantiate_and_write),
    cost!("typed call into wasm", Aim::Seconds(9e-9), 1_000_000, call_in),
    cost!("host call, no arguments", Aim::Seconds(2.3e-9), 4_000_000, call_out),
    cost!("host call, two arguments and a result", Aim::Seconds(3e-9), 4_000_000, call_out_with_two),
    cost!("fib(27)", Aim::OfWasmtime(0.7), 10, fib),
    cost!("call_indirect in a loop", Aim::OfWasmtime(0.7), 10_000_000, call_indirect),
    cost!("throw, caught by the caller", Aim::None, 100_000, throw),
    Cost { no_backtrace: true, ..cost!("trap, without a backtrace", Aim::Seconds(2e-6), 2_000, trap) },
    cost!("trap, with a backtrace", Aim::Seconds(6e-6), 2_000, trap),
];

/// Prints a line for each cost: its name, the figures of Epsilon, of Wasmtime, of that with a pool and with epochs, the
/// median of the first two's ratios, the aim, whether it is met; then the ratios of all but Wasmtime's to Wasmtime's.
pub fn print(rounds: usize, only: &str) -> Result<()> {
    for cost in COSTS.iter().filter(|cost| cost.name.contains(only)) {
        measure(cost, rounds).with_context(|| cost.name)?;
    }
    if "interruption".contains(only) {
        interruption(rounds * 20)?;
    }
    if "live instances".contains(only) {
        live()?;
    }
    Ok(())
}

fn measure(cost: &Cost, rounds: usize) -> Result<()> {
    let settings = Settings { no_backtrace: cost.no_backtrace, ..Settings::default() };
    let theirs = |settings| -> Result<Work> { Ok((cost.theirs)(&theirs::engine(settings)?)?) };
    let mut sides = [
        (cost.ours)(&ours::engine(!cost.no_backtrace, Compilation::Eager)?)?,
        theirs(settings)?,
        theirs(Settings { pooling: true, ..settings })?,
        theirs(Settings { epochs: true, ..settings })?,
    ];
    let mut times: [Vec<f64>; 4] = Default::default();
    for side in &mut sides {
        side(cost.times);
    }
    for round in 0..rounds {
        for turn in 0..sides.len() {
            let side = if round % 2 == 0 { turn } else { sides.len() - 1 - turn };
            times[side].push(sides[side](cost.times).as_secs_f64() / cost.times as f64);
        }
    }
    let spread = |side: usize| Spread::of(times[side].iter().zip(&times[1]).map(|(one, theirs)| one / theirs));
    let figures = times.each_ref().map(|times| median(times.iter().copied()));
    let ratios = [spread(0), spread(2), spread(3)];
    line(cost.name, &figures, time, ratios[0], cost.aim, &ratios.map(|ratio| ratio.median));
    Ok(())
}

/// One line of output.
fn line(name: &str, figures: &[f64], unit: fn(f64) -> String, ratio: Spread, aim: Aim, ratios: &[f64]) {
    let figure = |n: usize| figures.get(n).copied().map(unit).unwrap_or_default();
    let Spread { low, median, high } = ratio;
    let words: Vec<String> = (0..4).map(figure).collect();
    let verdict = aim.verdict(figures[0], median);
    let ratios: Vec<String> = ratios.iter().map(f64::to_string).collect();
    println!("{name}\t{}\t{median:.2} ({low:.2}–{high:.2})\t{aim}\t{verdict}\t{}", words.join("\t"), ratios.join("\t"));
}

fn interruption(count: usize) -> Result<()> {
    let mut sides = [ours::endless()?, theirs::endless()?];
    let mut latencies: [Vec<Duration>; 2] = Default::default();
    for _ in 0..count {
        for (side, latencies) in sides.iter_mut().zip(&mut latencies) {
            latencies.push(side());
        }
    }
    latencies.iter_mut().for_each(|latencies| latencies.sort());
    for (name, percent, aim) in [("median", 50, Aim::None), ("99th percentile", 99, Aim::Seconds(1e-3))] {
        let figures = latencies.each_ref().map(|sorted| sorted[(count * percent / 100).min(count - 1)].as_secs_f64());
        let ratio = Spread::of([figures[0] / figures[1]].into_iter());
        line(&format!("interruption, {name}"), &figures, time, ratio, aim, &[ratio.median]);
    }
    Ok(())
}

/// Each side in a process of its own, which gives back what it holds by ending.
fn live() -> Result<()> {
    let count = |side: &str| -> Result<f64> {
        let output = Command::new(std::env::current_exe()?).args(["live", side]).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (count, end) = text.trim().split_once('\t').with_context(|| format!("{side} ended with {output:?}"))?;
        eprintln!("{side}: {count} live instances, then: {end}");
        Ok(count.parse()?)
    };
    let figures = [count("epsilon")?, count("wasmtime")?];
    let ratio = Spread::of([figures[0] / figures[1]].into_iter());
    line("live instances, 64 KiB of memory each", &figures, |n| n.to_string(), ratio, Aim::AtLeast(32_000.0), &[]);
    Ok(())
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-7 => format!("{:.1} ns", s * 1e9),
        s if s < 1e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s => format!("{:.2} ms", s * 1e3),
    }
}
