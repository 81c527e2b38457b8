//! The code cache and artifacts under faults of the system: processes that are killed while they write, calls that fail,
//! and many processes at once that damage each other's entries. Whatever happens, results stay right, and the next run
//! is right and stores.
//!
//! | variable | what it sets | default |
//! |---|---|---|
//! | `EPSILON_KILLS` | processes to kill | 30 |
//! | `EPSILON_PROCESSES` | processes at once | 4 |
//! | `EPSILON_SECONDS` | how long these run | 5 |

mod stored;
mod support;

use epsilon::{ArtifactKey, CacheConfig, CacheStatus, Config, Engine, Module};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use stored::{Random, damage, module_text, result_of};
use support::{CHILD, child_task};

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(default)
}

fn engine_in(directory: &Path, limit_bytes: u64) -> Engine {
    let mut config = Config::new();
    config.cache(Some(CacheConfig::new().directory(directory).size_limit(limit_bytes)));
    Engine::new(&config).expect("an engine")
}

/// Loads the module, runs it, and lets it be stored; returns the result and how the cache served.
fn run_in(directory: &Path, text: &str) -> (i32, CacheStatus) {
    let engine = engine_in(directory, 1 << 30);
    let module = Module::new(&engine, text).expect("a module");
    let result = result_of(&engine, &module).expect("a result");
    module.save_to_cache();
    (result, module.cache_status())
}

fn expected(text: &str) -> i32 {
    let engine = Engine::new(Config::new().cache(None)).expect("an engine");
    result_of(&engine, &Module::new(&engine, text).expect("a module")).expect("a result")
}

/// Starts the test of this name in a child with a task.
fn start(test: &str, task: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("the path of this binary"));
    child.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, task);
    child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a child")
}

fn key() -> ArtifactKey {
    ArtifactKey::new(b"sixteen bytes or more of a secret").expect("a key")
}

/// Files in the cache, by the end of their names.
fn files(directory: &Path, name_has: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(directory).expect("the cache").map(|file| file.expect("a file").path());
    files.filter(|path| path.to_string_lossy().contains(name_has)).collect()
}

/// The child of the next test: stores an entry and an artifact again and again, until it is killed.
fn store_for_ever(directory: &Path) {
    let text = module_text(1);
    let engine = engine_in(directory, 1 << 30);
    let artifact = engine.precompile_module_with_key(&text, Some(&key())).expect("an artifact");
    loop {
        let _ = engine.cache().expect("a cache").clear();
        let module = Module::new(&engine, &text).expect("a module");
        module.compile_all(|_| ()).expect("code");
        module.save_to_cache();
        Module::write_artifact(directory.join("artifact"), &artifact).expect("written");
        println!("stored");
    }
}

#[test]
fn a_process_that_is_killed_leaves_nothing_that_harms() {
    if let Some(directory) = child_task() {
        return store_for_ever(Path::new(&directory));
    }
    let (text, seed) = (module_text(1), 0x5eed_0001);
    let (expected, mut random) = (expected(&text), Random(seed));
    let directory = tempfile::tempdir().expect("a directory");
    let (mut hits, mut left_behind) = (0, 0);
    for kill in 0..number("EPSILON_KILLS", 30) {
        let mut child =
            start("a_process_that_is_killed_leaves_nothing_that_harms", &directory.path().display().to_string());
        // Some at the very beginning of the process, most in the midst of storing.
        if kill % 4 != 0 {
            let output = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
            output.lines().find(|line| line.as_ref().is_ok_and(|line| line.contains("stored")));
        }
        std::thread::sleep(Duration::from_micros(random.below(60_000) as u64));
        child.kill().expect("a child");
        child.wait().expect("a child");
        let (result, status) = run_in(directory.path(), &text);
        assert_eq!(result, expected, "kill {kill} of seed {seed:#x}");
        hits += u32::from(matches!(status, CacheStatus::Hit { .. }));
        left_behind += files(directory.path(), ".tmp-").len();
        for file in files(directory.path(), ".tmp-") {
            std::fs::remove_file(file).expect("removed");
        }
        let stored = run_in(directory.path(), &text);
        assert!(
            matches!(stored, (_, CacheStatus::Hit { damaged: 0, .. })),
            "kill {kill} of seed {seed:#x}: {stored:?}"
        );
        let artifact = directory.path().join("artifact");
        if artifact.exists() {
            let engine = engine_in(directory.path(), 1 << 30);
            let module = Module::deserialize_file_with_key(&engine, &artifact, &key()).expect("a whole artifact");
            assert_eq!(result_of(&engine, &module).expect("a result"), expected, "kill {kill} of seed {seed:#x}");
        }
    }
    println!("{hits} times an entry had been stored; {left_behind} files were left half-written");
}

/// A system call that is made to fail: a name, its number, and which of its arguments has to have which bits, if any.
type Failing = (&'static str, i64, Option<(u8, u64)>);

/// What the cache asks of the system. Calls that the standard library makes for a file are among them under all of the
/// names that it may use.
const FAILING: &[Failing] = &[
    ("making files", libc::SYS_openat, Some((2, libc::O_CREAT as u64))),
    ("opening directories", libc::SYS_openat, Some((2, libc::O_DIRECTORY as u64))),
    ("opening", libc::SYS_openat, None),
    ("reading", libc::SYS_read, None),
    ("reading at a place", libc::SYS_pread64, None),
    ("writing", libc::SYS_write, None),
    ("syncing", libc::SYS_fdatasync, None),
    ("asking about files", libc::SYS_statx, None),
    ("asking about open files", libc::SYS_fstat, None),
    ("listing", libc::SYS_getdents64, None),
    ("setting times", libc::SYS_utimensat, None),
    ("linking", libc::SYS_linkat, None),
    ("removing", libc::SYS_unlinkat, None),
    ("making directories", libc::SYS_mkdirat, None),
    ("renaming", libc::SYS_renameat, None),
    ("renaming with flags", libc::SYS_renameat2, None),
    #[cfg(target_arch = "x86_64")]
    ("renaming by path", libc::SYS_rename, None),
    #[cfg(target_arch = "x86_64")]
    ("linking by path", libc::SYS_link, None),
    #[cfg(target_arch = "x86_64")]
    ("removing by path", libc::SYS_unlink, None),
    #[cfg(target_arch = "x86_64")]
    ("making directories by path", libc::SYS_mkdir, None),
];

/// Makes a system call of this thread fail from now on; whether the system allows that.
fn fail(&(_, number, bits): &Failing) -> bool {
    let condition = match bits {
        Some((argument, bits)) => {
            SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(bits), bits)
        }
        // Streams go on working, so that a child can be heard.
        None if [libc::SYS_read, libc::SYS_write].contains(&number) => {
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Gt, 2)
        }
        None => return install([(number, Vec::new())]),
    };
    let rule = SeccompRule::new(vec![condition.expect("a condition")]).expect("a rule");
    install([(number, vec![rule])])
}

fn install(rules: [(i64, Vec<SeccompRule>); 1]) -> bool {
    let arch = std::env::consts::ARCH.try_into().expect("an architecture of seccomp");
    let errno = SeccompAction::Errno(libc::ENOSPC as u32);
    let filter = SeccompFilter::new(rules.into_iter().collect(), SeccompAction::Allow, errno, arch);
    let program: BpfProgram = filter.expect("a filter").try_into().expect("a program");
    seccompiler::apply_filter(&program).is_ok()
}

/// The child of the next test: runs a module where a system call fails, and prints its result.
fn run_with_failure(task: &str) {
    let (name, directory) = task.split_once(' ').map(|(n, directory)| (n.parse::<usize>(), directory)).expect("a task");
    let text = module_text(1);
    // Everything else that the process does with files comes first.
    println!("warm {}", expected(&text));
    if !fail(&FAILING[name.expect("a number")]) {
        return println!("skipped");
    }
    println!("result {}", run_in(Path::new(directory), &text).0);
}

#[test]
fn a_system_call_that_fails_changes_no_result() {
    if let Some(task) = child_task() {
        return run_with_failure(&task);
    }
    let text = module_text(1);
    let expected = format!("result {}\n", expected(&text));
    for (n, (name, ..)) in FAILING.iter().enumerate() {
        for begun in ["nothing is there", "an entry is there", "a damaged entry is there"] {
            let directory = tempfile::tempdir().expect("a directory");
            let cache = directory.path().join("cache");
            if begun != "nothing is there" {
                run_in(&cache, &text);
            }
            if begun == "a damaged entry is there" {
                let entry = files(&cache, ".code").remove(0);
                let mut bytes = std::fs::read(&entry).expect("the entry");
                let middle = bytes.len() / 2;
                bytes[middle..].fill(0xff);
                std::fs::write(&entry, bytes).expect("writing");
            }
            let child = start("a_system_call_that_fails_changes_no_result", &format!("{n} {}", cache.display()));
            let output = child.wait_with_output().expect("a child");
            let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            if said.contains("skipped") {
                return println!("skipped: this system allows no seccomp filters");
            }
            let case = format!("{name}, where {begun}");
            assert!(output.status.success() && said.contains(&expected), "{case}: {said}{complaint}");
            assert!(complaint.matches("warning").count() <= 1, "{case}: {complaint}");
            // What comes next is right and stores.
            assert!(expected.contains(&run_in(&cache, &text).0.to_string()), "{case}: another result");
            let status = run_in(&cache, &text).1;
            assert!(matches!(status, CacheStatus::Hit { damaged: 0, .. }), "{case}: {status:?}");
        }
    }
}

/// Modules that the processes of the next test share.
const MODULES: u32 = 100;
/// Entries that have room in their cache.
const ROOM: u64 = 40;

/// A child of the next test: runs modules and damages entries until its time is up.
fn share(task: &str) {
    let words: Vec<&str> = task.split(' ').collect();
    let [seed, seconds, limit, directory] = words[..] else { panic!("a task: {task}") };
    let (mut random, limit) = (Random(seed.parse().expect("a number")), limit.parse().expect("a number"));
    let (directory, texts) = (Path::new(directory), (0..MODULES).map(module_text).collect::<Vec<_>>());
    let expected = std::fs::read_to_string(directory.join("expected")).expect("the results");
    let expected: Vec<i32> = expected.lines().map(|line| line.parse().expect("a result")).collect();
    let cache = directory.join("cache");
    let (started, seconds) = (Instant::now(), Duration::from_secs(seconds.parse().expect("a number")));
    let mut runs = 0;
    while started.elapsed() < seconds {
        // Some modules are used more than others.
        let n = random.below(MODULES as usize).min(random.below(MODULES as usize));
        let engine = engine_in(&cache, limit);
        let module = Module::new(&engine, &texts[n]).expect("a module");
        assert_eq!(result_of(&engine, &module).expect("a result"), expected[n], "module {n}, seed {seed}");
        module.save_to_cache();
        runs += 1;
        if random.below(4) == 0 {
            let entries = files(&cache, ".code");
            let Some(entry) = entries.get(random.below(entries.len().max(1))) else { continue };
            let mut bytes = std::fs::read(entry).unwrap_or_default();
            if !bytes.is_empty() {
                damage(&mut bytes, &mut random);
                // In place, as a failing disk would; another process may have removed it meanwhile.
                let _ = std::fs::write(entry, bytes);
            }
        }
    }
    println!("runs {runs}");
}

#[test]
fn many_processes_share_a_cache_under_faults_and_evictions() {
    if let Some(task) = child_task() {
        return share(&task);
    }
    let (processes, seconds) = (number("EPSILON_PROCESSES", 4), number("EPSILON_SECONDS", 5));
    let directory = tempfile::tempdir().expect("a directory");
    let results: String = (0..MODULES).map(|salt| format!("{}\n", expected(&module_text(salt)))).collect();
    std::fs::write(directory.path().join("expected"), results).expect("writing");
    let cache = directory.path().join("cache");
    run_in(&cache, &module_text(0));
    let one = std::fs::metadata(files(&cache, ".code").remove(0)).expect("an entry").len();
    let limit = one * ROOM;
    let task = |n| format!("{} {seconds} {limit} {}", 0x7ead_0000 + n, directory.path().display());
    let test = "many_processes_share_a_cache_under_faults_and_evictions";
    let mut children: Vec<Child> = (0..processes).map(|n| start(test, &task(n))).collect();
    let mut most = 0;
    while children.iter_mut().any(|child| child.try_wait().expect("a child").is_none()) {
        let sizes = files(&cache, ".code").into_iter().filter_map(|path| Some(std::fs::metadata(path).ok()?.len()));
        most = most.max(sizes.sum::<u64>());
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut runs = 0;
    for child in children {
        let output = child.wait_with_output().expect("a child");
        let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && !complaint.contains("warning"), "{said}{complaint}");
        let number = said.split_once("runs ").and_then(|(_, rest)| rest.lines().next()?.parse::<u64>().ok());
        runs += number.unwrap_or_else(|| panic!("no number of runs: {said}{complaint}"));
    }
    println!("{runs} runs by {processes} processes; at most {most} bytes of {limit}");
    // Each process may be about to remove what it has just made too much.
    assert!(most <= limit + processes * one * 2, "{most} bytes at once, where the limit is {limit}");
    let left: u64 = files(&cache, ".code").iter().map(|path| std::fs::metadata(path).expect("an entry").len()).sum();
    assert!(left <= limit, "{left} bytes are left, where the limit is {limit}");
    assert!(files(&cache, ".tmp-").is_empty(), "temporary files are left");
}

/// What making and linking code asks of the system. What is mapped executable is told by its protection.
const FAILING_FOR_CODE: &[Failing] = &[
    ("starting threads", libc::SYS_clone3, None),
    ("starting threads in the old way", libc::SYS_clone, None),
    ("mapping again", libc::SYS_mremap, None),
    ("making memory files", libc::SYS_memfd_create, None),
    ("mapping executable", libc::SYS_mmap, Some((2, libc::PROT_EXEC as u64))),
    ("making executable", libc::SYS_mprotect, Some((2, libc::PROT_EXEC as u64))),
    ("reserving", libc::SYS_mmap, Some((3, libc::MAP_NORESERVE as u64))),
    ("advising", libc::SYS_madvise, None),
    ("fencing", libc::SYS_membarrier, None),
];

/// Where calls fail, modules work or give errors; and on a thread where they do not fail, the same engine works.
#[test]
fn a_system_call_that_fails_spoils_no_engine() {
    let Some(task) = child_task() else {
        for (n, (name, ..)) in FAILING_FOR_CODE.iter().enumerate() {
            let child = start("a_system_call_that_fails_spoils_no_engine", &n.to_string());
            let output = child.wait_with_output().expect("a child");
            let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success() && said.contains("1 passed"), "{name}: {said}{complaint}");
        }
        return;
    };
    let failing = &FAILING_FOR_CODE[task.parse::<usize>().expect("a number")];
    for compilation in [epsilon::Compilation::Lazy, epsilon::Compilation::Eager] {
        let engine = Engine::new(Config::new().cache(None).compilation(compilation)).expect("an engine");
        let text = module_text(3);
        let before = Module::new(&engine, &text).expect("a module");
        let expected = result_of(&engine, &before).expect("a result");
        std::thread::scope(|scope| {
            let (engine, text, before) = (&engine, &text, &before);
            scope.spawn(move || {
                // What a thread has for itself is there.
                result_of(engine, before).expect("a result");
                if !fail(failing) {
                    return println!("skipped");
                }
                for _ in 0..3 {
                    // Of what was made before, code that is there runs on.
                    for result in
                        [result_of(engine, before), Module::new(engine, text).and_then(|m| result_of(engine, &m))]
                    {
                        match result {
                            Ok(result) => assert_eq!(result, expected),
                            Err(error) => println!("{}: {error:?}", failing.0),
                        }
                    }
                }
            });
        });
        assert_eq!(result_of(&engine, &before).expect("a result"), expected);
        let after = Module::new(&engine, &text).expect("a module");
        assert_eq!(result_of(&engine, &after).expect("a result"), expected);
    }
}
