//! Calls of the system that fail at random places, host functions that fail and panic, and going on with the same engine,
//! module and store. Whatever is given is right; what was not to be had is an error, and is to be had the next time.
//!
//! | variable | what it sets | default |
//! |---|---|---|
//! | `EPSILON_INJECTED` | how often a call fails | 1000 |
//! | `EPSILON_SEED` | where the random numbers begin | 1 |

mod supervisor;
#[path = "../support.rs"]
mod support;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use support::{Random, child_task, pass_in_child};
use world::{Ended, HOST_PANIC, World};

/// Errors of calls that fail.
const ERRORS: [i32; 4] = [libc::ENOMEM, libc::EAGAIN, libc::EMFILE, libc::ENOSPC];
/// Runs between two looks at what the process holds.
const PERIOD: u64 = 1_000;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

/// What the process holds, once everything has been dropped.
#[derive(Clone, Copy, Debug)]
struct Held {
    descriptors: usize,
    mappings: usize,
    resident_kib: usize,
}

fn held() -> Held {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("the mappings");
    let status = std::fs::read_to_string("/proc/self/status").expect("the status");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the resident memory");
    Held {
        descriptors: std::fs::read_dir("/proc/self/fd").expect("the descriptors").count(),
        mappings: maps.lines().count(),
        resident_kib: resident.trim().trim_end_matches(" kB").parse().expect("a number"),
    }
}

/// One operation. A panic must be the one that the host was told to make.
fn step(world: &mut World, random: &mut Random, cache: &Path) -> Ended {
    match catch_unwind(AssertUnwindSafe(|| world.step(random, cache))) {
        Ok(ended) => ended,
        Err(payload) if payload.downcast_ref::<String>().is_some_and(|text| text == HOST_PANIC) => Ended::Well,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// Fails one call somewhere in an operation, then repeats it and goes on; whether the failure came.
fn run(world: &mut World, random: &mut Random, cache: &Path, number: u64) -> bool {
    let before = supervisor::failed();
    let again = random.0;
    supervisor::fail_at(1 + random.below(world.next_calls()), ERRORS[random.below(ERRORS.len())]);
    let operation = random.0;
    let ended = step(world, random, cache);
    supervisor::fail_none();
    let came = supervisor::failed() > before;
    if let Ended::Failed(error) = &ended {
        assert!(came, "run {number} (numbers {again:#x}): {error:?}, though nothing failed");
    }
    if !matches!(ended, Ended::Well) {
        // The same again, and now nothing fails.
        let ended = step(world, &mut Random(operation), cache);
        match ended {
            Ended::Well => {}
            Ended::Failed(error) if error.to_string().contains("broken") => world.forget_broken(),
            other => panic!("run {number} (numbers {again:#x}): {other:?} after a failure"),
        }
    }
    match world.check() {
        Err(error) if error.to_string().contains("broken") => world.forget_broken(),
        checked => checked.unwrap_or_else(|error| panic!("run {number} (numbers {again:#x}): {error:?}")),
    }
    came
}

fn run_all() {
    // Expected panics say nothing.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref::<String>().is_none_or(|text| text != HOST_PANIC) {
            usual(panic);
        }
    }));
    if !supervisor::supervise() {
        return;
    }
    let (count, directory) = (number("EPSILON_INJECTED", 1_000), tempfile::tempdir().expect("a directory"));
    let mut random = Random(number("EPSILON_SEED", 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let (mut world, mut came, mut number, mut first) = (World::default(), 0, 0, None);
    while came < count {
        came += u64::from(run(&mut world, &mut random, directory.path(), number));
        world.forget(&mut random);
        number += 1;
        if number % PERIOD == 0 {
            world = World::default();
            let (held, first) = (settled(), *first.get_or_insert_with(settled));
            assert!(held.descriptors <= first.descriptors + 2, "run {number}: {held:?}, and {first:?} at first");
            assert!(held.mappings <= first.mappings + 200, "run {number}: {held:?}, and {first:?} at first");
            assert!(held.resident_kib <= first.resident_kib + (48 << 10), "run {number}: {held:?}, {first:?} at first");
        }
        assert!(number < 100 * (count + PERIOD), "only {came} of {number} operations had a call that failed");
    }
    println!(
        "{number} operations, {came} of them with a call that failed; at the end {:?}, at first {first:?}",
        held()
    );
}

/// What is held once threads that were dropped have ended.
fn settled() -> Held {
    std::thread::sleep(std::time::Duration::from_millis(200));
    held()
}

#[test]
fn after_any_failure_the_next_call_works() {
    match child_task() {
        // The filter is for ever, so that it is a child that has it.
        None => pass_in_child("after_any_failure_the_next_call_works", "run"),
        Some(_) => run_all(),
    }
}
