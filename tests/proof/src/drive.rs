//! Runs a check's cases in a child process, so that a crash, a hang or too much memory is a finding and not the end:
//! the supervisor notes it and starts another child behind the case. Owns the state file and the saving of findings.

use crate::case::{Check, Finding, Tally};
use crate::{addresses, bytes, cache, concurrency, differential, mutate, opcodes};
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
/// The supervisor gives up after this many findings.
const MAX_FINDINGS: u64 = 25;
/// Opcodes in fewer modules than this are reported.
const FEW_MODULES: u64 = 100;
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
    Ok(match name {
        "differential" => Box::new(differential::Differential::new(folder)),
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

/// Runs cases in this process.
///
/// # Errors
/// If files cannot be written.
pub fn work(name: &str, first: u64, count: u64, folder: &Path) -> io::Result<()> {
    // A supervisor that is killed takes its worker along.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let limit = Rlimit { current: Some(MAX_DATA_BYTES), maximum: Some(MAX_DATA_BYTES) };
    setrlimit(Resource::Data, limit)?;
    let mut check = check(name, folder)?;
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
    print!("{}", tally.to_text());
    if plan.check == "differential" {
        report_rare(&tally);
    }
    if let Some(state) = &plan.state {
        tally.0.iter().for_each(|(name, n)| totals.add(&format!("{}: {name}", plan.check), *n));
        totals.0.insert(next, seed);
        fs::write(state, totals.to_text())?;
    }
    Ok(findings == 0)
}

/// Numeric and vector opcodes that few of the modules had.
fn report_rare(tally: &Tally) {
    let modules = |name: &str| tally.0.get(&format!("modules with {name}")).copied().unwrap_or_default();
    let names = opcodes::names();
    let rare: Vec<_> = names.iter().filter(|name| modules(name) < FEW_MODULES).collect();
    println!("{} of {} numeric and vector opcodes in fewer than {FEW_MODULES} modules", rare.len(), names.len());
    rare.iter().for_each(|name| println!("    {name}: {}", modules(name)));
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
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["worker", check, &first.to_string(), &count.to_string()]).arg(folder);
    let mut child = command.spawn()?;
    let batch = matches!(check, "opcodes" | "addresses" | "concurrency");
    let max_cpu_s = if batch { MAX_BATCH_CPU_S } else { MAX_CASE_CPU_S };
    let (mut last, mut last_cpu_s) = (first, 0.0);
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
            (last, last_cpu_s) = (current, cpu_s);
        }
        let hangs = cpu_s - last_cpu_s > max_cpu_s;
        if hangs || deadline.is_some_and(|deadline| Instant::now() > deadline) {
            child.kill()?;
            child.wait()?;
            return Ok((current, hangs.then(|| format!("more than {max_cpu_s} s of processor time"))));
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
