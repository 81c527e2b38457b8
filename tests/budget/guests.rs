//! Guests that each try to use up one resource of their host ([`crate::hostile`]), in an engine that may take 64 MiB: each
//! is ended by that limit, or comes to its end within it; the process grows by 96 MiB at most, and no call of its neighbour,
//! which has an engine of its own, fails. Each runs in a child, whose memory the kernel counts.

use crate::hostile::{End, GUESTS, LIMIT_BYTES, run, touching};
use crate::support::{config, module};
use epsilon::{Engine, Error, ErrorKind, Instance, Store};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const GROWTH_BYTES: usize = 96 << 20;

/// A guest that takes longer has not come to an end.
const PATIENCE: Duration = Duration::from_secs(240);

const NEIGHBOUR: &str = r#"(module (memory 2) (tag $e (param i32)) (table 2 funcref) (elem (i32.const 0) $f $f)
    (func $f (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    (func (export "run") (param i32) (result i32)
        (i32.store (i32.const 65536) (local.get 0))
        (block $caught (result i32)
            (try_table (catch $e $caught) (throw $e (i32.load (i32.const 65536)))) (unreachable))
        (call_indirect (param i32) (result i32) (i32.and (local.get 0) (i32.const 1)))))"#;

/// Instantiates and calls until it is told to stop, and counts its calls.
fn live_beside(calls: &AtomicUsize, stop: &AtomicBool) {
    let engine = Engine::new(config().max_memory(LIMIT_BYTES)).expect("an engine");
    let module = module(&engine, NEIGHBOUR);
    while !stop.load(Ordering::Relaxed) {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("the neighbour's instance");
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").expect("exported");
        for n in 0..20 {
            assert_eq!(run.call(&mut store, n).expect("the neighbour's call"), n + 1);
            calls.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A figure of this process, in bytes.
fn figure(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a figure of every process");
    let kib: usize = line.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number");
    kib << 10
}

/// The most that the process has held since the last call.
fn start_peak() -> usize {
    std::fs::write("/proc/self/clear_refs", "5").expect("one's own");
    figure("VmRSS:")
}

const CHILD: &str = "EPSILON_TEST_GUEST";

/// In the child: one guest, and its neighbour.
fn live_with(end: End, guest: fn(&Engine) -> Result<(), Error>) {
    let engine = Engine::new(config().max_memory(LIMIT_BYTES)).expect("an engine");
    run(&engine, &touching("(memory 16)")).expect("a first call");
    let (calls, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (grown, ended) = std::thread::scope(|scope| {
        let neighbour = scope.spawn(|| live_beside(&calls, &stop));
        let await_calls = || {
            let enough = calls.load(Ordering::Relaxed) + 50;
            while calls.load(Ordering::Relaxed) < enough && !neighbour.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        await_calls();
        let before = start_peak();
        let ended = guest(&engine);
        let grown = figure("VmHWM:").saturating_sub(before);
        await_calls();
        stop.store(true, Ordering::Relaxed);
        neighbour.join().expect("no call of the neighbour's fails");
        (grown, ended)
    });
    println!("grown by {} KiB, {} calls beside it, {ended:?}", grown >> 10, calls.into_inner());
    match (end, &ended) {
        (End::Limit, Err(error)) => {
            let names_limit = error.to_string().contains("max_memory");
            assert!(names_limit && matches!(error.kind(), ErrorKind::Limit(_)), "ended by something else");
        }
        (End::Itself, Ok(())) => {}
        _ => panic!("the guest was to end by: {end:?}"),
    }
    assert!(grown <= GROWTH_BYTES, "the process has grown by {} MiB", grown >> 20);
    assert!(engine.memory_in_use() <= LIMIT_BYTES);
}

/// Runs a guest in a child; what is wrong with it.
fn run_in_child(name: &str) -> Option<String> {
    let this = std::env::current_exe().expect("this test");
    let mut child = Command::new(this)
        .args(["--exact", "guests::each_is_ended_or_stays_within_the_limit", "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        // What a thread has freed is not to count for ever.
        .env("MALLOC_ARENA_MAX", "2")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child");
    let started = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break Some(status),
            None if started.elapsed() > PATIENCE => {
                child.kill().expect("a child");
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let output = child.wait_with_output().expect("a child");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if std::env::var_os("EPSILON_GUEST_FIGURES").is_some() {
        let line = text.lines().find(|line| line.contains("grown by")).unwrap_or("no figures");
        println!("{name}: {:.1} s, {line}", started.elapsed().as_secs_f32());
    }
    match status {
        Some(status) if status.success() => None,
        Some(_) => Some(format!("{name}:\n{text}")),
        None => Some(format!("{name}: has not ended\n{text}")),
    }
}

#[test]
fn each_is_ended_or_stays_within_the_limit() {
    if let Ok(name) = std::env::var(CHILD) {
        let (_, end, guest) = GUESTS.iter().find(|(guest, ..)| *guest == name).expect("a guest");
        return live_with(*end, *guest);
    }
    let only = std::env::var("EPSILON_ONLY_GUEST").ok();
    let guests = GUESTS.iter().map(|(name, ..)| *name).filter(|name| only.as_deref().is_none_or(|only| *name == only));
    let wrong: Vec<String> = guests.filter_map(run_in_child).collect();
    assert!(wrong.is_empty(), "{} guests:\n{}", wrong.len(), wrong.join("\n"));
}
