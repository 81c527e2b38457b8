//! What a process knows of its surroundings: arguments, environment, standard
//! input, clocks. Clocks are checked for sanity and never printed.

use std::env;
use std::io::{self, BufRead};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::heading;

/// Returns the exit code that the arguments ask for.
pub fn run(args: &[String]) -> i32 {
    heading("surroundings");
    let mut code = 0;
    for (index, arg) in args.iter().enumerate() {
        println!("argument {}: {arg:?}", index + 1);
        if let Some(Ok(number)) = arg.strip_prefix("--exit=").map(str::parse) {
            code = number;
        }
    }
    environment();
    input();
    println!(
        "clocks: {}",
        if clocks_are_sane() {
            "sane"
        } else {
            "not sane"
        }
    );
    code
}

/// Only names that begin with `GUEST_`: a native run inherits many others.
fn environment() {
    let mut variables: Vec<(String, String)> = env::vars()
        .filter(|(name, _)| name.starts_with("GUEST_"))
        .collect();
    variables.sort();
    for (name, value) in &variables {
        println!("{name} = {value:?}");
    }
    println!("GUEST_MISSING: {:?}", env::var("GUEST_MISSING").is_err());
    env::set_var("GUEST_NEW", "set here");
    env::remove_var("GUEST_EMPTY");
    println!(
        "{:?} {:?}",
        env::var("GUEST_NEW"),
        env::var_os("GUEST_EMPTY")
    );
}

fn input() {
    let mut longest = String::new();
    let mut count = 0;
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        count += 1;
        if line.chars().count() > longest.chars().count() {
            longest = line;
        }
    }
    println!("standard input: {count} lines, the longest {longest:?}");
}

fn clocks_are_sane() -> bool {
    let begin = Instant::now();
    let wall = SystemTime::now();
    let pause = Duration::from_millis(3);
    thread::sleep(pause);
    let slept = begin.elapsed();
    let year_2020 = SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800);
    let ordered = (0..1000).map(|_| Instant::now()).is_sorted();
    ordered && slept >= pause && slept < Duration::from_secs(60) && wall > year_2020
}
