//! The examples, run as a reader would run them: each in a process of its own, its output compared with
//! `examples/expected/NAME.txt`. `EPSILON_BLESS=1` writes what is found there.
//!
//! This binary contains the examples: with the name of one as its argument it is that example.

use std::path::Path;
use std::process::{Command, ExitCode};

macro_rules! examples {
    ($($name:ident = $path:literal;)*) => {
        $(#[path = $path] mod $name;)*

        const NAMES: &[&str] = &[$(stringify!($name)),*];

        /// Runs an example in this process.
        fn run(name: &str) -> Result<(), Box<dyn std::error::Error>> {
            match name {
                $(stringify!($name) => Ok($name::main()?),)*
                _ => Err(format!("there is no example `{name}`").into()),
            }
        }
    };
}

examples! {
    hello = "../examples/hello.rs";
    first_vm = "../examples/first_vm.rs";
    memory = "../examples/memory.rs";
    traps = "../examples/traps.rs";
    threads = "../examples/threads.rs";
    csv = "../examples/csv.rs";
}

/// The argument that makes this binary an example.
const RUN: &str = "--run-example";

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// What is wrong with an example, if anything.
fn check(name: &str) -> Result<(), String> {
    let binary = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(binary).args([RUN, name]).output().map_err(|error| error.to_string())?;
    let (found, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(format!("{}\n{errors}", output.status));
    }
    let path = format!("{EXAMPLES}/expected/{name}.txt");
    if std::env::var_os("EPSILON_BLESS").is_some() {
        return std::fs::write(&path, found.as_bytes()).map_err(|error| format!("{path}: {error}"));
    }
    let expected = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    if found == expected { Ok(()) } else { Err(format!("printed\n{found}\nwhere {path} has\n{expected}")) }
}

/// Examples that exist as files but are not in the list above.
fn forgotten() -> Vec<String> {
    let entries = std::fs::read_dir(EXAMPLES).expect("the examples are there");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let sources = paths.filter(|path| path.extension().is_some_and(|ext| ext == "rs"));
    let name = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
    sources.map(|path| name(&path)).filter(|name| !NAMES.contains(&name.as_str())).collect()
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name] = &args[..]
        && flag == RUN
    {
        return match run(name) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error:?}");
                ExitCode::FAILURE
            }
        };
    }
    let only = args.iter().find(|arg| !arg.starts_with('-'));
    let chosen = NAMES.iter().filter(|name| only.is_none_or(|only| name.contains(only.as_str())));
    let (mut passed, mut failed) = (0, 0);
    for name in chosen {
        match check(name) {
            Ok(()) => passed += 1,
            Err(problem) => {
                println!("{name}: {problem}");
                failed += 1;
            }
        }
    }
    for name in forgotten() {
        println!("{name}: in examples/, but not in tests/examples.rs");
        failed += 1;
    }
    println!("test result: {passed} passed; {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}
