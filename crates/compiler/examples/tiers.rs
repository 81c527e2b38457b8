//! How much processor time each tier takes for the modules that are named, in the best of some runs on one thread; how much
//! code it makes, the first tier's as a part of the other's; and how many bytes that one leaves. Linux alone tells the time.
//! `cargo run --release -p epsilon-compiler --example tiers FILE…`

use epsilon_abi::{DefinedFuncIndex, MemoryPlan};
use epsilon_compiler::{Compiler, Scratch, Settings, Tier, WasmFeatures};
use std::time::Duration;

/// Runs of which the best one counts: many of the tier that is quick, few of the other.
const RUNS: [(Tier, usize); 2] = [(Tier::Quick, 15), (Tier::Optimised, 1)];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "{:24} {:>10} {:>10} {:>8} {:>12} {:>6} {:>8}",
        "module", "bodies", "quick", "MB/s", "optimised", "code", "left"
    );
    for path in std::env::args().skip(1) {
        let wasm = std::fs::read(&path)?;
        let name = path.rsplit('/').next().unwrap_or_default();
        let [(quick, quick_code, bytes, left), (optimised, code, ..)] =
            RUNS.map(|(tier, runs)| measure(tier, runs, &wasm));
        let speed = bytes as f64 / 1e6 / quick.as_secs_f64();
        let ratio = quick_code as f64 / code as f64;
        println!("{name:24} {bytes:>10} {quick:>10.1?} {speed:>8.1} {optimised:>12.1?} {ratio:>6.2} {left:>8}");
    }
    Ok(())
}

/// What this thread has run so far.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells how long a thread has run");
    let nanoseconds = text.split_whitespace().next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.expect("a number of nanoseconds"))
}

/// Time, bytes of code, bytes of bodies, and bytes of those that were left to Cranelift.
fn measure(tier: Tier, runs: usize, wasm: &[u8]) -> (Duration, usize, usize, usize) {
    let plan = MemoryPlan { anchored: true, ..MemoryPlan::GUARDED };
    let features = WasmFeatures::WASM3 | WasmFeatures::THREADS;
    let compiler = Compiler::new(Settings { tier, plan, features, ..Settings::default() }).expect("a compiler");
    let module = compiler.parse(wasm).expect("a valid module");
    compiler.validate(&module, wasm).expect("a valid module");
    let (mut best, mut code, mut bytes, mut left) = (Duration::MAX, 0, 0, 0);
    let mut scratch = Scratch::default();
    for _ in 0..runs {
        (code, bytes, left) = (0, 0, 0);
        let start = processor_time();
        for at in 0..module.info.defined_functions() {
            let index = DefinedFuncIndex::new(at);
            let len = module.info.bodies[at].len();
            let quick = (tier == Tier::Quick).then(|| compiler.compile_quickly(&module, wasm, index, &mut scratch));
            let function = match quick {
                Some(Ok(function)) => function,
                Some(Err(_)) => {
                    left += len;
                    continue;
                }
                None => compiler.compile_function(&module, wasm, index, &mut scratch).expect("a valid function"),
            };
            code += function.code.len();
            bytes += len;
        }
        best = best.min(processor_time() - start);
    }
    (best, code, bytes, left)
}
