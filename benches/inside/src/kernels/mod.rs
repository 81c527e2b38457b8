//! Counting loops, one for each thing that code does: what a turn takes with each tier, as a ratio to Wasmtime's.

mod list;

use crate::stats::{Spread, geometric_mean, median};
use anyhow::{Context, Result};
use list::{KERNELS, Kernel};
use rustix::time::{ClockId, clock_gettime};

/// Above this, optimised code is flagged.
const MOST_OPTIMISED: f64 = 1.1;
/// Above this, quick code is flagged.
const MOST_QUICK: f64 = 1.5;

/// Processor time that a measurement takes at least: turns are added until it does.
const LEAST_S: f64 = 0.02;

/// Makes so many turns.
type Run = Box<dyn FnMut(i32) -> Result<i32>>;

/// Prints a line for each kernel: group, name, nanoseconds of a turn with Wasmtime, optimised and quick, both ratios, and
/// what is above its bound; then the geometric means and how many are above.
pub fn print(rounds: usize, only: &str) -> Result<()> {
    let mut ratios: [Vec<f64>; 2] = Default::default();
    let mut above = [0; 2];
    for kernel in KERNELS.iter().filter(|kernel| format!("{}, {}", kernel.group, kernel.name).contains(only)) {
        let (nanoseconds, of_both) = measure(kernel, rounds).with_context(|| kernel.name)?;
        let mut flags = Vec::new();
        for (side, (tier, most)) in [("optimised", MOST_OPTIMISED), ("quick", MOST_QUICK)].into_iter().enumerate() {
            ratios[side].push(of_both[side]);
            if of_both[side] > most {
                above[side] += 1;
                flags.push(format!("{tier} above {most}"));
            }
        }
        let [theirs, optimised, quick] = nanoseconds.map(|ns| format!("{ns:.2}"));
        let [first, second] = of_both.map(|ratio| format!("{ratio:.2}"));
        println!(
            "{}\t{}\t{theirs}\t{optimised}\t{quick}\t{first}\t{second}\t{}",
            kernel.group,
            kernel.name,
            flags.join(", ")
        );
    }
    for (side, tier) in ["optimised", "quick"].into_iter().enumerate() {
        let mean = geometric_mean(ratios[side].iter().copied()).context("no kernel has such a name")?;
        eprintln!("{tier}: geometric mean {mean:.2}, {} of {} flagged", above[side], ratios[side].len());
    }
    Ok(())
}

fn measure(kernel: &Kernel, rounds: usize) -> Result<([f64; 3], [f64; 2])> {
    let wat = text(kernel);
    let mut sides = [theirs(&wat)?, ours(&wat, epsilon::Tier::Optimised)?, ours(&wat, epsilon::Tier::Quick)?];
    let mut turns = 1000;
    while seconds(&mut sides[0], turns)? < LEAST_S {
        turns *= 2;
    }
    let results = [sides[0](1000)?, sides[1](1000)?, sides[2](1000)?];
    anyhow::ensure!(results.iter().all(|result| *result == results[0]), "the results differ: {results:?}");
    let mut times: [Vec<f64>; 3] = Default::default();
    for round in 0..rounds {
        for turn in 0..3 {
            let side = if round % 2 == 0 { turn } else { 2 - turn };
            times[side].push(seconds(&mut sides[side], turns)? / f64::from(turns) * 1e9);
        }
    }
    let ratio = |side: usize| Spread::of(times[side].iter().zip(&times[0]).map(|(own, theirs)| own / theirs)).median;
    Ok((times.each_ref().map(|times| median(times.iter().copied())), [ratio(1), ratio(2)]))
}

fn text(Kernel { items, body, .. }: &Kernel) -> String {
    format!(
        "(module {items} (func (export \"run\") (param $turns i32) (result i32)
            (local $i i32) (local $s i32) (local $d i64) (local $f f64) (local $v v128)
            (local $n i32) (local $r funcref) (local $x externref)
            (local.set $n (i32.const 9))
            (loop $again
                {body}
                (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $turns))))
            (i32.xor (i32.xor (local.get $s) (i32.wrap_i64 (local.get $d)))
                (i32.xor (i32.trunc_sat_f64_s (local.get $f)) (i32x4.extract_lane 0 (local.get $v))))))"
    )
}

/// Processor time of this thread.
fn seconds(run: &mut Run, turns: i32) -> Result<f64> {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
    };
    let started = now();
    run(turns)?;
    Ok(now() - started)
}

fn theirs(wat: &str) -> Result<Run> {
    let mut config = wasmtime::Config::new();
    config.wasm_exceptions(true).wasm_function_references(true).wasm_memory64(true);
    let engine = wasmtime::Engine::new(&config)?;
    let module = wasmtime::Module::new(&engine, wat)?;
    let mut store = wasmtime::Store::new(&engine, ());
    let instance = wasmtime::Instance::new(&mut store, &module, &[])?;
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
    Ok(Box::new(move |turns| Ok(run.call(&mut store, turns)?)))
}

/// All is compiled when the instance is made, in one tier.
fn ours(wat: &str, tier: epsilon::Tier) -> Result<Run> {
    let mut config = epsilon::Config::new();
    config.cache(None).tier(tier).compilation(epsilon::Compilation::Eager);
    let engine = epsilon::Engine::new(&config)?;
    let module = epsilon::Module::new(&engine, wat)?;
    let mut store = epsilon::Store::new(&engine, ());
    let instance = epsilon::Instance::new(&mut store, &module, &[])?;
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
    Ok(Box::new(move |turns| Ok(run.call(&mut store, turns)?)))
}
