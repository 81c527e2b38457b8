//! Modules that once ended, filled or escaped the process. Each ends as it should whichever way its code is made, on one
//! processor as on several, and where address space is short.

use crate::command::{Outcome, command, finish};
use crate::hostile_modules as modules;
use std::path::Path;
use std::process::{Command, Stdio};

/// A module, and how each run of it must end.
struct Hostile {
    name: &'static str,
    wasm: fn() -> Vec<u8>,
    /// Options of `run`.
    options: &'static [&'static str],
    /// Exit codes that are right.
    codes: &'static [i32],
    /// What the error stream says if the code is not 0.
    says: &'static str,
    /// Compiling it takes so long that only the long run has it.
    is_long: bool,
}

const BASE: Hostile = Hostile { name: "", wasm: Vec::new, options: &[], codes: &[0], says: "", is_long: false };

const ALL: &[Hostile] = &[
    Hostile {
        name: "calls that fill the room for code",
        wasm: modules::much_code,
        codes: &[0, 1, 134],
        says: "error",
        is_long: true,
        ..BASE
    },
    Hostile {
        name: "nested debug entries",
        wasm: || modules::nested_debug_entries(20_000, 1),
        codes: &[134],
        says: "unreachable",
        ..BASE
    },
    Hostile {
        name: "long names of debug entries",
        wasm: || modules::nested_debug_entries(3_000, 1_000_000),
        codes: &[134],
        says: "unreachable",
        ..BASE
    },
    Hostile {
        name: "a name that grows when demangled",
        wasm: || modules::named(&modules::growing_name(20)),
        codes: &[134],
        says: "unreachable",
        ..BASE
    },
    Hostile {
        name: "a longer one",
        wasm: || modules::named(&modules::growing_name(300)),
        codes: &[134],
        says: "unreachable",
        ..BASE
    },
    Hostile {
        name: "a name of control characters",
        wasm: || modules::named("\u{1b}]0;owned\u{7}\u{9b}31m\r\n"),
        codes: &[134],
        says: "unreachable",
        ..BASE
    },
    Hostile {
        name: "growth of a shared memory of 64 bits",
        wasm: || modules::text(modules::SHARED_GROWTH),
        codes: &[0, 1],
        says: "memory",
        ..BASE
    },
    Hostile { name: "many large tables", wasm: modules::many_tables, codes: &[0, 1], says: "table", ..BASE },
    Hostile {
        name: "functions in an exported table",
        wasm: || modules::exported_table(300_000),
        codes: &[0, 1],
        says: "error",
        ..BASE
    },
    Hostile {
        name: "nested conditions",
        wasm: || modules::nested_conditions(80_000),
        options: &["-W", "timeout=2s"],
        codes: &[0, 1, 124, 134],
        says: "error",
        ..BASE
    },
    Hostile {
        name: "a listing into a large shared memory",
        wasm: || modules::text(modules::LISTING),
        options: &["--dir", "."],
        codes: &[0],
        ..BASE
    },
    Hostile {
        name: "references to values of the host",
        wasm: || modules::text("(module (table 1 externref) (func (export \"_start\")))"),
        ..BASE
    },
    Hostile { name: "a list of objects", wasm: || modules::text(modules::OBJECTS), ..BASE },
    Hostile {
        name: "objects without end",
        wasm: || modules::text(modules::ENDLESS_OBJECTS),
        options: &["-W", "max-total-memory=16M"],
        codes: &[134],
        says: "heap",
        ..BASE
    },
    Hostile {
        name: "recursion to the end of the stack",
        wasm: || modules::text(modules::RECURSION),
        codes: &[134],
        says: "call stack exhausted",
        ..BASE
    },
];

/// How the code is made.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Lazily,
    Eagerly,
    /// Twice: the second run finds what the first one has stored.
    Cached,
    Artifact,
    OneProcessor,
}

const WAYS: [Way; 5] = [Way::Lazily, Way::Eagerly, Way::Cached, Way::Artifact, Way::OneProcessor];

/// Address space of a process that has little, in KiB.
const LITTLE_KIB: u64 = 4_000_000;

/// The command under a limit of the shell's `ulimit`, with these arguments.
fn under_limit(ulimit: &str, arguments: &[&str]) -> Command {
    let epsilon = command();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit {ulimit} && exec \"$0\" \"$@\"")]).arg(epsilon.get_program()).args(arguments);
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

fn limited(arguments: &[&str], cache: &Path, little: bool) -> Outcome {
    let mut limited = if little {
        under_limit(&format!("-v {LITTLE_KIB}"), arguments)
    } else {
        let mut free = command();
        free.args(arguments);
        free
    };
    finish(limited.current_dir(cache).env("EPSILON_CACHE_DIR", cache))
}

fn on_one_processor(arguments: &[&str], cache: &Path, little: bool) -> Outcome {
    let before = rustix::thread::sched_getaffinity(None).expect("the processors of this thread");
    let mut one = rustix::thread::CpuSet::new();
    one.set((0..rustix::thread::CpuSet::MAX_CPU).find(|n| before.is_set(*n)).expect("a processor"));
    rustix::thread::sched_setaffinity(None, &one).expect("one processor");
    let outcome = limited(arguments, cache, little);
    rustix::thread::sched_setaffinity(None, &before).expect("all of them");
    outcome
}

fn check(hostile: &Hostile, way: Way, little: bool, outcome: &Outcome) {
    let case = format!("{} ({way:?}, little address space: {little})", hostile.name);
    assert!(hostile.codes.contains(&outcome.code), "{case}: {}\n{}", outcome.code, outcome.stderr);
    assert!(outcome.code == 0 || outcome.stderr.contains(hostile.says), "{case}: {}", outcome.stderr);
    assert!(outcome.stderr.len() < 64 << 10, "{case}: {} bytes of messages", outcome.stderr.len());
    assert!(
        !outcome.stderr.contains("panicked") && !outcome.stderr.contains("bug of Epsilon"),
        "{case}: {}",
        outcome.stderr
    );
    let is_shown = |c: char| !c.is_control() || c == '\n';
    assert!(outcome.stderr.chars().all(is_shown), "{case}: control characters: {:?}", outcome.stderr);
}

fn try_all_ways(hostile: &Hostile) {
    let directory = tempfile::tempdir().expect("a directory");
    let (module, artifact) = (directory.path().join("m.wasm"), directory.path().join("m.epsilon"));
    std::fs::write(&module, (hostile.wasm)()).expect("written");
    let (module, artifact) = (module.to_str().expect("a path"), artifact.to_str().expect("a path"));
    for (way, little) in WAYS.into_iter().flat_map(|way| [(way, false), (way, true)]) {
        let run = |options: &[&str], file| {
            let arguments = [&["run"], options, hostile.options, &[file]].concat();
            if way == Way::OneProcessor {
                on_one_processor(&arguments, directory.path(), little)
            } else {
                limited(&arguments, directory.path(), little)
            }
        };
        let outcome = match way {
            Way::Lazily | Way::OneProcessor => run(&["--no-cache"], module),
            Way::Eagerly => run(&["--no-cache", "-O", "compilation=eager"], module),
            Way::Cached => {
                check(hostile, way, little, &run(&[], module));
                run(&[], module)
            }
            Way::Artifact => {
                // Compiling needs no limit of time: it ends, or says why not.
                let compiled = limited(&["compile", module, "-o", artifact], directory.path(), little);
                if compiled.code == 0 {
                    run(&[], artifact)
                } else {
                    assert!(
                        compiled.code == 1 && compiled.stderr.contains("error"),
                        "{}: {}",
                        hostile.name,
                        compiled.stderr
                    );
                    continue;
                }
            }
        };
        check(hostile, way, little, &outcome);
    }
}

#[test]
fn hostile_modules_end_as_they_should() {
    let long = std::env::var_os("EPSILON_HOSTILE_LONG").is_some();
    for hostile in ALL.iter().filter(|hostile| long || !hostile.is_long) {
        println!("{}", hostile.name);
        try_all_ways(hostile);
    }
}

/// Growth asks for more room than is needed, and makes do with what is needed.
#[test]
fn a_memory_grows_where_address_space_is_short() {
    let directory = tempfile::tempdir().expect("a directory");
    let module = directory.path().join("m.wat");
    std::fs::write(&module, modules::GROWTH).expect("written");
    let module = module.to_str().expect("a path");
    for kib in [350_000, 400_000, 420_000] {
        let arguments = ["run", "--no-cache", "--invoke", "f", module];
        finish(&mut under_limit(&format!("-v {kib}"), &arguments)).exits(0).prints("257\n");
    }
}

/// Machine code is not a file whose size a limit on files is about.
#[test]
fn a_limit_on_the_size_of_files_ends_no_guest() {
    let hello = crate::command::prebuilt("hello-rust.wasm");
    finish(&mut under_limit("-f 0", &["run", "--no-cache", &hello])).exits(0).prints("hello, world\n");
}
