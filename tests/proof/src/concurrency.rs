//! Threads over shared engines and modules, each with instances in a store of its own: they compile, call, trap, reset,
//! and drop in random order, and pass stores to each other. A case is a swarm of threads that do so for some rounds.

use crate::case::{Check, Finding, Rng, Tally};
use epsilon::{Compilation, Config, Engine, Instance, Module, Store, Trap};
use std::sync::{Mutex, mpsc};

const THREADS: u64 = 6;
const ROUNDS: usize = 60;

/// The check.
pub struct Concurrency {
    engines: Vec<Engine>,
}

fn text(n: u64) -> String {
    format!(
        "(module (memory (export \"m\") 1) (data (i32.const 0) \"abcd\")
        (global $g (mut i32) (i32.const {n}))
        (func $fib (param i32) (result i32)
            (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
                (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                               (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
        (func (export \"work\") (param i32) (result i32)
            (global.set $g (i32.add (global.get $g) (i32.const 1)))
            (i32.store (i32.const 0) (global.get $g))
            (i32.add (call $fib (local.get 0)) (i32.load (i32.const 0))))
        (func (export \"trap\") (param i32) (result i32)
            (if (i32.eqz (local.get 0)) (then unreachable))
            (if (i32.eq (local.get 0) (i32.const 1)) (then (drop (i32.load (i32.const -1)))))
            (i32.div_s (i32.const 1) (i32.sub (local.get 0) (i32.const 2))))
        (func (export \"deep\") (param i32) (result i32)
            (call 3 (i32.add (local.get 0) (i32.const 1)))))"
    )
}

fn fib(n: i32) -> i32 {
    if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
}

/// A store with an instance, and what its global holds.
struct Guest {
    store: Store<()>,
    instance: Instance,
    first: i32,
    global: i32,
}

impl Guest {
    fn new(engine: &Engine, module: &Module, n: u64) -> epsilon::Result<Self> {
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, module, &[])?;
        Ok(Self { store, instance, first: n as i32, global: n as i32 })
    }

    fn call(&mut self, name: &str, param: i32) -> epsilon::Result<i32> {
        let function = self.instance.get_typed_func::<i32, i32>(&mut self.store, name)?;
        function.call(&mut self.store, param)
    }

    fn step(&mut self, rng: &mut Rng) -> Result<(), String> {
        match rng.below(8) {
            0 => {
                self.instance.reset(&mut self.store).map_err(|error| error.to_string())?;
                self.global = self.first;
                let memory = self.instance.get_memory(&mut self.store, "m").ok_or("no memory")?;
                let first = &memory.data(&self.store)[..4];
                if first == b"abcd" { Ok(()) } else { Err(format!("after a reset the memory has {first:?}")) }
            }
            kind @ 1..=3 => {
                let traps = [Trap::UnreachableCodeReached, Trap::MemoryOutOfBounds, Trap::IntegerDivisionByZero];
                let result = self.call("trap", kind as i32 - 1).map_err(|error| error.trap());
                if result == Err(Some(traps[kind - 1])) { Ok(()) } else { Err(format!("trap {kind}: {result:?}")) }
            }
            4 if rng.one_in(4) => match self.call("deep", 0).map_err(|error| error.trap()) {
                Err(Some(Trap::StackOverflow)) => Ok(()),
                other => Err(format!("endless recursion: {other:?}")),
            },
            _ => {
                let n = rng.below(12) as i32;
                self.global += 1;
                match self.call("work", n) {
                    Ok(found) if found == fib(n) + self.global => Ok(()),
                    other => Err(format!("work {n}: {other:?}, not {}", fib(n) + self.global)),
                }
            }
        }
    }
}

/// What threads share.
struct Swarm<'a> {
    engine: &'a Engine,
    modules: Mutex<Vec<(Module, u64)>>,
    passed: Mutex<mpsc::Receiver<Guest>>,
}

impl Swarm<'_> {
    fn shared_module(&self, rng: &mut Rng) -> epsilon::Result<(Module, u64)> {
        let mut modules = self.modules.lock().expect("no panic");
        if modules.len() > 1 && rng.one_in(6) {
            let at = rng.below(modules.len());
            drop(modules.swap_remove(at));
        }
        if modules.is_empty() || rng.one_in(5) {
            drop(modules);
            let n = rng.below(1000) as u64;
            let module = (Module::new(self.engine, text(n))?, n);
            self.modules.lock().expect("no panic").push(module.clone());
            return Ok(module);
        }
        Ok(modules[rng.below(modules.len())].clone())
    }

    fn thread(&self, seed: u64, pass: &mpsc::Sender<Guest>) -> Result<(), String> {
        let mut rng = Rng::new(seed);
        for _ in 0..ROUNDS {
            let received = self.passed.lock().expect("no panic").try_recv().ok();
            let mut guest = match received {
                Some(guest) => guest,
                None => {
                    let (module, n) = self.shared_module(&mut rng).map_err(|error| error.to_string())?;
                    Guest::new(self.engine, &module, n).map_err(|error| error.to_string())?
                }
            };
            for _ in 0..rng.below(10) {
                guest.step(&mut rng)?;
            }
            if rng.one_in(2) {
                // Nobody may be left to receive it; then it is dropped here.
                let _ = pass.send(guest);
            }
        }
        Ok(())
    }
}

impl Concurrency {
    /// With engines that compile lazily and eagerly.
    pub fn new() -> Self {
        let engines = [Compilation::Lazy, Compilation::Eager].map(|compilation| {
            let mut config = Config::new();
            config.compilation(compilation).cache(None).max_wasm_stack(1 << 19);
            Engine::new(&config).expect("an engine")
        });
        Self { engines: engines.into() }
    }
}

impl Check for Concurrency {
    fn run(&mut self, seed: u64, tally: &mut Tally) -> Result<(), Finding> {
        let engine = &self.engines[seed as usize % self.engines.len()];
        let (pass, passed) = mpsc::channel();
        let swarm = Swarm { engine, modules: Mutex::default(), passed: Mutex::new(passed) };
        let results: Vec<_> = std::thread::scope(|scope| {
            let (swarm, pass) = (&swarm, &pass);
            let spawn = |n| scope.spawn(move || swarm.thread(seed * THREADS + n, pass));
            let threads: Vec<_> = (0..THREADS).map(spawn).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("a panic".into()))).collect()
        });
        tally.add("rounds", THREADS * ROUNDS as u64);
        match results.into_iter().find_map(Result::err) {
            Some(what) => Err(Finding::new(what, &[])),
            None => Ok(()),
        }
    }
}
