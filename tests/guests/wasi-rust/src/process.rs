//! Arguments, environment, streams, clocks, random numbers.

use crate::{cases, host};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, IsTerminal, Read, Write};
use std::time::{Duration, Instant, SystemTime};

cases! {
    arguments_in_order environment_of_the_guest input_then_its_end output_in_order instants_never_go_back
    day_and_instant_agree sleeping_at_least sleeping_for_nothing random_states no_terminals yielding
}

/// `args_get`.
fn arguments_in_order() {
    let args: Vec<String> = std::env::args().collect();
    assert_eq!(args, ["wasi-rust", "arguments_in_order", "", "two words", "naïve"]);
}

/// `environ_get`.
fn environment_of_the_guest() {
    let vars: Vec<(String, String)> = std::env::vars().collect();
    assert_eq!(vars, [("GREETING".into(), "hello = world".into()), ("EMPTY".into(), String::new())]);
}

/// Standard input as the test gives it.
fn input_then_its_end() {
    let mut text = String::new();
    assert_eq!(io::stdin().read_to_string(&mut text).unwrap(), 8);
    assert_eq!(text, "typed in");
    assert_eq!(io::stdin().read(&mut [0; 4]).unwrap(), 0);
}

/// What is printed in pieces arrives in order: the host looks for the file that the pieces name.
fn output_in_order() {
    let mut out = io::stdout();
    for piece in ["host ", "file ", "hello ", "hello, ", "world\\n\n"] {
        out.write_all(piece.as_bytes()).unwrap();
        out.flush().unwrap();
    }
    for _ in 0..1000 {
        println!("a line that the host does not look at");
    }
    host!("file digits 0123456789");
}

/// clockid `monotonic`.
fn instants_never_go_back() {
    let mut last = Instant::now();
    for _ in 0..10_000 {
        let now = Instant::now();
        assert!(now >= last);
        last = now;
    }
}

/// Both clocks pass at the same pace.
fn day_and_instant_agree() {
    let (day, instant) = (SystemTime::now(), Instant::now());
    std::thread::sleep(Duration::from_millis(50));
    let (by_day, by_instant) = (day.elapsed().unwrap_or_default(), instant.elapsed());
    assert!(by_day.abs_diff(by_instant) < Duration::from_secs(2), "{by_day:?} {by_instant:?}");
}

/// `poll_oneoff` with one clock.
fn sleeping_at_least() {
    for ms in [1, 5, 30] {
        let start = Instant::now();
        std::thread::sleep(Duration::from_millis(ms));
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(ms) && took < Duration::from_secs(10), "{took:?}");
    }
}

/// A time of nothing has passed already.
fn sleeping_for_nothing() {
    let start = Instant::now();
    for _ in 0..1000 {
        std::thread::sleep(Duration::ZERO);
    }
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// `random_get`: hash keys differ from run to run; within one, the library counts on.
fn random_states() {
    let hashes: HashSet<u64> = (0..100).map(|_| RandomState::new().hash_one(1)).collect();
    assert_eq!(hashes.len(), 100);
}

/// Rights to seek and tell, and the type, tell libraries what is a terminal.
fn no_terminals() {
    assert!(!io::stdin().is_terminal() && !io::stdout().is_terminal() && !io::stderr().is_terminal());
    assert!(!std::fs::File::open("/hello").unwrap().is_terminal());
}

/// `sched_yield`.
fn yielding() {
    (0..100).for_each(|_| std::thread::yield_now());
}
