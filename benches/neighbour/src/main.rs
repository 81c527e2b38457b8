//! What a tenant of a process pays for its neighbour: the processor time of its thread beside each of the hostile guests
//! of `tests/budget`, against that beside nobody. Modules are compiled when they are made, so that no workers run.
//!
//! ```text
//! tenant     ▓▓▓▓ alone ▓▓▓▓   ▓▓▓ beside ▓▓▓   ▓▓▓▓ alone ▓▓▓▓   ▓▓▓ beside ▓▓▓   …
//! neighbour                  ▒▒▒▒▒ again and again ▒▒▒          ▒▒▒▒▒ again and again ▒▒▒
//! ```

use clap::Parser;
use epsilon::{Compilation, Config, Engine, Instance, Linker, Module, Store};
use hostile::{GUESTS, Guest, LIMIT_BYTES};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[path = "../../../tests/compile_bombs/functions.rs"]
#[allow(dead_code)]
mod functions;
#[path = "../../../tests/budget/hostile.rs"]
#[allow(dead_code)]
mod hostile;
#[path = "../../../tests/compile_bombs/modules.rs"]
#[allow(dead_code)]
mod modules;
#[path = "../../../tests/budget/wasi.rs"]
mod wasi;
#[path = "../../../tests/compile_bombs/wasm.rs"]
#[allow(dead_code)]
mod wasm;

/// Measures a tenant beside hostile guests.
#[derive(Parser)]
struct Options {
    /// How often each is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only guests whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Requests that the tenant serves in one measurement.
    #[arg(long, default_value_t = 400)]
    requests: u32,
}

/// A request: a store, an instance, a memory that is written to and grows, calls within and out to the host, a table, an
/// exception.
const TENANT: &str = r#"(module (import "host" "call" (func $call (param i32) (result i32)))
    (memory 2 4) (table 2 funcref) (elem (i32.const 0) $step $step) (tag $e (param i32))
    (func $step (param i32) (result i32)
        (i32.xor (i32.rotl (i32.mul (local.get 0) (i32.const 0x9e3779b1)) (i32.const 13)) (i32.const 0x5bd1)))
    (func (export "run") (param $n i32) (result i32) (local $x i32) (local $at i32)
        (drop (memory.grow (i32.const 1)))
        (loop $again
            (local.set $x (call_indirect (param i32) (result i32) (local.get $x) (i32.and (local.get $n) (i32.const 1))))
            (i32.store (local.tee $at (i32.and (local.get $x) (i32.const 0x2fffc))) (local.get $x))
            (if (i32.eqz (i32.and (local.get $n) (i32.const 1023))) (then
                (local.set $x (i32.add (local.get $x) (call $call (local.get $n))))
                (local.set $x (i32.add (local.get $x) (block $caught (result i32)
                    (try_table (catch $e $caught) (throw $e (local.get $n))) (unreachable))))))
            (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $x)))"#;

struct Tenant {
    module: Module,
    linker: Linker<()>,
}

impl Tenant {
    fn new() -> epsilon::Result<Self> {
        let engine = engine()?;
        let mut linker = Linker::new(&engine);
        linker.func_wrap("host", "call", |n: i32| n.wrapping_mul(3))?;
        Ok(Self { module: Module::new(&engine, TENANT)?, linker })
    }

    /// Serves requests; the processor time of this thread for that.
    fn serve(&self, requests: u32) -> epsilon::Result<Duration> {
        let before = thread_time();
        for _ in 0..requests {
            let mut store = Store::new(self.module.engine(), ());
            let instance: Instance = self.linker.instantiate(&mut store, &self.module)?;
            instance.get_typed_func::<i32, i32>(&mut store, "run")?.call(&mut store, 20_000)?;
        }
        Ok(thread_time() - before)
    }
}

fn engine() -> epsilon::Result<Engine> {
    Engine::new(Config::new().cache(None).compilation(Compilation::Eager).max_memory(LIMIT_BYTES))
}

fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Serves while a guest is run again and again, from its first time on.
fn beside(tenant: &Tenant, guest: &Guest, requests: u32) -> epsilon::Result<Duration> {
    let (begun, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let engine = engine().expect("an engine");
                begun.store(true, Ordering::Relaxed);
                // How it ends is what `tests/budget` looks at.
                let _ = guest.2(&engine);
            }
        });
        while !begun.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(5));
        let time = tenant.serve(requests);
        stop.store(true, Ordering::Relaxed);
        time
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> epsilon::Result<()> {
    let options = Options::parse();
    let tenant = Tenant::new()?;
    tenant.serve(options.requests)?;
    println!("| beside | processor time, of that beside nobody | least | most |\n|---|---|---|---|");
    let mut all = Vec::new();
    for guest in GUESTS.iter().filter(|guest| guest.0.contains(&options.only)) {
        let mut ratios = Vec::new();
        for _ in 0..options.rounds {
            let alone = tenant.serve(options.requests)?;
            let beside = beside(&tenant, guest, options.requests)?;
            ratios.push(beside.as_secs_f64() / alone.as_secs_f64());
        }
        let median = median(&mut ratios);
        println!("| {} | {median:.2} | {:.2} | {:.2} |", guest.0, ratios[0], ratios[ratios.len() - 1]);
        all.push(median);
    }
    all.sort_by(f64::total_cmp);
    if let [least, .., most] = all[..] {
        println!("\n{} guests: {:.2} (median), {least:.2} to {most:.2}", all.len(), all[all.len() / 2]);
    }
    Ok(())
}
