//! Runs a check's cases in a child process, so that a crash, a hang or too much memory is a finding and not the end:
//! the supervisor notes it and starts another child behind the case. Owns the state file and the saving of findings.

use crate::case::{Check, Finding, Tally};
use crate::source::Source;
use crate::{addresses, bytes, cache, concurrency, count, differential, mutate, opcodes, operators, proposals};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Memory that a worker may write to.
const MAX_DATA_BYTES: u64 = 1 << 30;
/// Processor time that one case may take.
const MAX_CASE_CPU_S: f64 = 10.0;
/// The same for cases that are batches of many.
const MAX_BATCH_CPU_S: f64 = 300.0;
/// Time that one case may take, waiting included.
const MAX_CASE_WAIT: Duration = Duration::from_secs(900);
/// The supervisor gives up after this many findings.
const MAX_FINDINGS: u64 = 25;
/// Counts are written down every so many cases.
const CASES_PER_NOTE: u64 = 20;

/// What to run.
pub struct Plan {
    /// Name of the check.
    pub check: String,
    /// Number of cases.
    pub count: u64,
    /// Seed of the first, if given.
    pub seed: Option<u64>,
    /// Limit of time.
    pub seconds: Option<u64>,
    /// File of totals.
    pub state: Option<PathBuf>,
}

/// The check of a name.
///
/// # Errors
/// If there is none.
pub fn check(name: &str, folder: &Path) -> io::Result<Box<dyn Check>> {
    let (name, suffix) = name.split_at(name.find('.').unwrap_or(name.len()));
    let source =
        || Source::of_suffix(suffix).ok_or_else(|| io::Error::other(format!("no source is called `{suffix}`")));
    Ok(match name {
        "differential" => Box::new(differential::Differential::new(folder, source()?)),
        "proposals" => Box::new(proposals::Proposals::new(folder, source()?)),
        "opcodes" => Box::new(opcodes::Opcodes::new(folder)),
        "addresses" => Box::new(addresses::Addresses::new()),
        "mutate" => Box::new(mutate::Mutate::new(folder)),
        "bytes" => Box::new(bytes::Bytes::new()),
        "cache" => Box::new(cache::DamagedCache::new(folder)),
        "concurrency" => Box::new(concurrency::Concurrency::new()),
        _ => return Err(io::Error::other(format!("no check is called `{name}`"))),
    })
}

/// Where findings are kept.
pub fn regressions_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions")
}

/// The variable that names a worker for another machine: an emulator, and this program built for that machine.
const WORKER: &str = "EPSILON_PROOF_WORKER";

/// The program that runs cases: this one, unless configured.
fn worker() -> io::Result<Command> {
    let Ok(configured) = std::env::var(WORKER) else { return Ok(Command::new(std::env::current_exe()?)) };
    let mut words = configured.split_whitespace();
    let program = words.next().ok_or_else(|| io::Error::other(format!("`{WORKER}` is empty; name a program")))?;
    let mut command = Command::new(program);
    command.args(words);
    Ok(command)
}

/// Runs cases in this process.
///
/// # Errors
/// If files cannot be written.
pub fn work(name: &str, first: u64, count: u64, folder: &Path) -> io::Result<()> {
    // A supervisor that is killed takes its worker along.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // Before the limit, which is not for the judges.
    let mut check = check(name, folder)?;
    let limit = Rlimit { current: Some(MAX_DATA_BYTES), maximum: Some(MAX_DATA_BYTES) };
    setrlimit(Resource::Data, limit)?;
    let mut tally = Tally::default();
    for seed in first..first + count {
        fs::write(folder.join("current"), seed.to_string())?;
        tally.count("cases");
        let result = catch_unwind(AssertUnwindSafe(|| check.run(seed, &mut tally)));
        let finding = match result {
            Ok(Ok(())) => None,
            Ok(Err(finding)) => Some(finding),
            Err(_) => Some(Finding::new("a panic: see above", &last_module(folder))),
        };
        if let Some(finding) = finding {
            tally.count("findings");
            save(name, seed, &finding)?;
            if one_is_enough() {
                break;
            }
        }
        if tally.0.get("findings").is_some_and(|n| *n >= MAX_FINDINGS) {
            break;
        }
        if seed % CASES_PER_NOTE == 0 {
            fs::write(folder.join("tally"), tally.to_text())?;
        }
    }
    fs::write(folder.join("tally"), tally.to_text())
}

/// Whether a seeded bug is on: then the first finding is the answer, and nothing is kept of it.
pub fn one_is_enough() -> bool {
    std::env::var_os("EPSILON_SEEDED_BUG").is_some()
}

/// The module that a check was about to run, for cases that end the process.
pub fn note_module(folder: &Path, wasm: &[u8]) {
    // A note that cannot be written is one less; the seed still gives the module.
    let _ = fs::write(folder.join("module.wasm"), wasm);
}

fn last_module(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("module.wasm")).unwrap_or_default()
}

fn save(check: &str, seed: u64, finding: &Finding) -> io::Result<()> {
    if one_is_enough() {
        eprintln!("FINDING {check}, seed {seed}: {}", finding.what);
        return Ok(());
    }
    let folder = regressions_folder();
    fs::create_dir_all(&folder)?;
    let name = format!("{check}-{seed}.wasm");
    fs::write(folder.join(&name), &finding.wasm)?;
    eprintln!("FINDING {check}, seed {seed}, {} bytes in regressions/{name}: {}", finding.wasm.len(), finding.what);
    Ok(())
}

/// Runs a plan in child processes; returns whether nothing was found.
///
/// # Errors
/// If processes cannot be started or files not be written.
pub fn supervise(plan: &Plan) -> io::Result<bool> {
    let mut totals = match &plan.state {
        Some(state) => Tally::from_text(&fs::read_to_string(state).unwrap_or_default()),
        None => Tally::default(),
    };
    let next = format!("next seed of {}", plan.check);
    let first = plan.seed.or_else(|| totals.0.get(&next).copied()).unwrap_or(1);
    let folder = std::env::temp_dir().join(format!("epsilon-proof-{}-{}", plan.check, std::process::id()));
    fs::create_dir_all(&folder)?;
    println!("{}: {} cases from seed {first}", plan.check, plan.count);
    let started = Instant::now();
    let deadline = plan.seconds.map(|seconds| started + Duration::from_secs(seconds));
    let (mut tally, mut seed, end) = (Tally::default(), first, first + plan.count);
    while seed < end && deadline.is_none_or(|deadline| Instant::now() < deadline) {
        let (reached, found) = watch(&plan.check, seed, end - seed, &folder, deadline)?;
        tally.merge(&Tally::from_text(&fs::read_to_string(folder.join("tally")).unwrap_or_default()));
        if let Some(what) = found {
            tally.count("findings");
            save(&plan.check, reached, &Finding::new(what, &last_module(&folder)))?;
        }
        seed = reached + 1;
        let most = if one_is_enough() { 1 } else { MAX_FINDINGS };
        if tally.0.get("findings").is_some_and(|n| *n >= most) {
            break;
        }
    }
    fs::remove_dir_all(&folder)?;
    let findings = tally.0.get("findings").copied().unwrap_or_default();
    println!("{}: seeds {first} to {} in {} s, {findings} findings", plan.check, seed - 1, started.elapsed().as_secs());
    let shown = tally.0.iter().filter(|(name, _)| !name.starts_with(count::EXECUTED));
    shown.for_each(|(name, n)| println!("{n}\t{name}"));
    if let Some(state) = &plan.state {
        tally.0.iter().for_each(|(name, n)| totals.add(&format!("{}: {name}", plan.check), *n));
        totals.0.insert(next, seed);
        fs::write(state, totals.to_text())?;
    }
    Ok(findings == 0)
}

/// Reads what runs with `--state` left in files, and says which of the claimed operators were executed less often than
/// `at_least`; returns whether none was.
///
/// # Errors
/// If a file cannot be read.
pub fn coverage(states: &[PathBuf], at_least: u64) -> io::Result<bool> {
    let mut executed = Tally::default();
    for state in states {
        let tally = Tally::from_text(&fs::read_to_string(state)?);
        for (name, n) in &tally.0 {
            if let Some((_, name)) = name.split_once(count::EXECUTED) {
                executed.add(name, *n);
            }
        }
    }
    let times = |name: &str| executed.0.get(name).copied().unwrap_or_default();
    let all: Vec<&str> = operators::claimed().collect();
    let rare: Vec<&&str> = all.iter().filter(|name| times(name) < at_least).collect();
    println!("coverage: {} of {} operators executed at least {at_least} times", all.len() - rare.len(), all.len());
    rare.iter().for_each(|name| println!("    {name}: {}", times(name)));
    if let Some((name, n)) = all.iter().map(|name| (name, times(name))).min_by_key(|(_, n)| *n) {
        println!("the rarest is {name}, {n} times");
    }
    Ok(rare.is_empty())
}

/// Watches one child; returns the case that it reached and what was wrong with its end.
fn watch(
    check: &str,
    first: u64,
    count: u64,
    folder: &Path,
    deadline: Option<Instant>,
) -> io::Result<(u64, Option<String>)> {
    for name in ["tally", "module.wasm"] {
        fs::write(folder.join(name), "")?;
    }
    fs::write(folder.join("current"), first.to_string())?;
    let mut command = worker()?;
    command.args(["worker", check, &first.to_string(), &count.to_string()]).arg(folder);
    let mut child = command.spawn()?;
    let batch = matches!(check, "opcodes" | "addresses" | "concurrency");
    let max_cpu_s = if batch { MAX_BATCH_CPU_S } else { MAX_CASE_CPU_S };
    let (mut last, mut last_cpu_s, mut since) = (first, 0.0, Instant::now());
    loop {
        let status = child.try_wait()?;
        let current = fs::read_to_string(folder.join("current"))?.parse().unwrap_or(last);
        match status {
            Some(status) if status.success() => return Ok((current, None)),
            Some(status) => return Ok((current, Some(format!("the process ended: {status}")))),
            None => {}
        }
        let cpu_s = cpu_seconds(&child);
        if current != last {
            (last, last_cpu_s, since) = (current, cpu_s, Instant::now());
        }
        let hangs = cpu_s - last_cpu_s > max_cpu_s || since.elapsed() > MAX_CASE_WAIT;
        if hangs || deadline.is_some_and(|deadline| Instant::now() > deadline) {
            child.kill()?;
            child.wait()?;
            return Ok((current, hangs.then(|| format!("more than {max_cpu_s} s of processor time, or of waiting"))));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Processor time that a child has taken, in the hundredths that `/proc` counts in.
fn cpu_seconds(child: &Child) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}
