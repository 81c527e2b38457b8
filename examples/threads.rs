//! One module, several threads: the code is shared, each thread has a store and an instance of its own.
//!
//! The guest is `guests/primes.c`.

use epsilon::{Engine, Linker, Module, Result, Store};

const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/guests/primes.wasm");
const THREADS: u32 = 4;
const PIECES: u32 = 5;
const PIECE: u32 = 10_000;

pub fn main() -> Result<()> {
    let engine = Engine::default();
    let module = Module::from_file(&engine, GUEST)?;
    // Imports are looked up once, for all threads.
    let pre = Linker::<u32>::new(&engine).instantiate_pre(&module)?;

    let work = |thread: u32| -> Result<(i32, i32)> {
        let mut store = Store::new(&engine, thread);
        let instance = pre.instantiate(&mut store)?;
        let count = instance.get_typed_func::<(u32, u32), i32>(&mut store, "count")?;
        let calls = instance.get_typed_func::<(), i32>(&mut store, "calls")?;
        let mut primes = 0;
        for piece in 0..PIECES {
            let from = (piece * THREADS + thread) * PIECE;
            primes += count.call(&mut store, (from, from + PIECE))?;
        }
        Ok((primes, calls.call(&mut store, ())?))
    };

    let work = &work;
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Result<Vec<_>>>()
    })?;

    for (thread, (primes, calls)) in results.iter().enumerate() {
        println!("thread {thread}: {primes} primes in {calls} calls");
    }
    let all: i32 = results.iter().map(|(primes, _)| primes).sum();
    println!("{all} primes below {}", THREADS * PIECES * PIECE);
    Ok(())
}
