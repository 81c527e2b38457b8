//! Threads as Rust programs use them: channels, mutexes, condition variables, atomics, scopes, thread-locals. What is
//! printed does not depend on which thread runs when.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, RwLock};
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    match std::env::args().nth(1).as_deref() {
        None => all(),
        Some("exit") => end_from_a_thread(|| std::process::exit(7)),
        Some("trap") => end_from_a_thread(|| std::process::abort()),
        // The main thread returns while another waits for ever: that one ends with the program.
        Some("leave") => {
            thread::spawn(|| thread::park());
            thread::spawn(|| loop { std::hint::spin_loop() });
            println!("left");
        }
        Some("forever") => {
            thread::spawn(|| loop { std::hint::spin_loop() });
            thread::park();
        }
        Some(other) => panic!("no such test: {other}"),
    }
}

fn all() {
    counters();
    mutexes();
    channels();
    scopes();
    conditions();
    locals();
    sleeps();
    growth();
    println!("done");
}

/// A thread ends the program while others wait, spin and sleep.
fn end_from_a_thread(end: impl FnOnce() + Send + 'static) {
    thread::spawn(|| thread::sleep(Duration::from_secs(3600)));
    thread::spawn(|| loop { std::hint::spin_loop() });
    println!("ending");
    thread::spawn(end);
    thread::park();
    unreachable!("nobody unparks the main thread");
}

fn counters() {
    let (plain, weighted) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU64::new(0)));
    let threads: Vec<_> = (1..=4u64)
        .map(|n| {
            let (plain, weighted) = (plain.clone(), weighted.clone());
            thread::spawn(move || {
                for _ in 0..1000 {
                    plain.fetch_add(1, Ordering::Relaxed);
                    weighted.fetch_add(n, Ordering::SeqCst);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    println!("counters: {} {}", plain.load(Ordering::SeqCst), weighted.load(Ordering::SeqCst));
}

fn mutexes() {
    let words = Arc::new(Mutex::new(BTreeMap::new()));
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let words = words.clone();
            thread::spawn(move || {
                for round in 0..100 {
                    *words.lock().unwrap().entry(format!("{}", (n * round) % 7)).or_insert(0) += 1;
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    println!("mutexes: {:?}", words.lock().unwrap());
}

fn channels() {
    let (numbers, received) = mpsc::channel();
    let (squares, results) = mpsc::sync_channel(2);
    let received = Arc::new(Mutex::new(received));
    for _ in 0..3 {
        let (received, squares) = (received.clone(), squares.clone());
        thread::spawn(move || {
            loop {
                let next: Result<u64, _> = received.lock().unwrap().recv();
                let Ok(number) = next else { break };
                squares.send(number * number).unwrap();
            }
        });
    }
    drop(squares);
    let producer = thread::spawn(move || (0..200).for_each(|number| numbers.send(number).unwrap()));
    println!("channels: {}", results.iter().sum::<u64>());
    producer.join().unwrap();
}

fn scopes() {
    let mut table: Vec<u64> = (0..10_000).collect();
    thread::scope(|scope| {
        for part in table.chunks_mut(2_500) {
            scope.spawn(move || part.iter_mut().for_each(|number| *number = number.wrapping_mul(*number) % 97));
        }
    });
    println!("scopes: {}", table.iter().sum::<u64>());
}

fn conditions() {
    let turn = (Mutex::new(0), Condvar::new());
    let written = RwLock::new(String::new());
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for n in 0..4 {
            let (turn, written, barrier) = (&turn, &written, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for round in 0..3 {
                    let mut now = turn.1.wait_while(turn.0.lock().unwrap(), |now| *now != round * 4 + n).unwrap();
                    written.write().unwrap().push((b'a' + n as u8) as char);
                    *now += 1;
                    turn.1.notify_all();
                }
            });
        }
    });
    println!("conditions: {}", written.read().unwrap());
}

fn locals() {
    thread_local!(static MINE: Cell<u32> = const { Cell::new(1) });
    static ONCE: Once = Once::new();
    static TIMES: AtomicU32 = AtomicU32::new(0);
    MINE.set(100);
    let sums: Vec<u32> = (0..4)
        .map(|n| {
            thread::spawn(move || {
                ONCE.call_once(|| TIMES.store(TIMES.load(Ordering::Relaxed) + 1, Ordering::Relaxed));
                (0..n).for_each(|_| MINE.set(MINE.get() + 1));
                MINE.get()
            })
        })
        .map(|thread| thread.join().unwrap())
        .collect();
    println!("locals: {sums:?} {} {}", MINE.get(), TIMES.load(Ordering::Relaxed));
}

fn sleeps() {
    let begin = Instant::now();
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| thread::sleep(Duration::from_millis(5))))));
    let parked = thread::spawn(|| thread::park_timeout(Duration::from_secs(3600)));
    parked.thread().unpark();
    parked.join().unwrap();
    println!("sleeps: {}", begin.elapsed() >= Duration::from_millis(5));
}

/// Large allocations grow the memory while other threads use it.
fn growth() {
    let sizes: Vec<usize> = thread::scope(|scope| {
        let fill = |n: usize| scope.spawn(move || vec![n as u8; n << 16].iter().map(|byte| usize::from(*byte)).sum());
        (1..=4).map(fill).collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    println!("growth: {sizes:?}");
}
