//! Compile bombs: modules whose compilation could take time or memory far beyond their size. Each is compiled eagerly in
//! a process of its own, within a time and an amount of memory, or refused with an error that says why.
//!
//! | build | what is checked |
//! |---|---|
//! | debug | every bomb at a hundredth of its size: that each is the module that it is meant to be |
//! | release | eight bombs at full size |
//! | release, `-- --all` | all of them |
//!
//! `-- NAME…` chooses some; `--full` gives them their full size in a debug build too.

mod functions;
mod modules;
mod wasm;

use epsilon::{Compilation, Config, Engine, Module};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// What a bomb may take, and what each million bytes of it may take besides: a million functions are compiled one by one.
/// The time is that of processors, so that it matters little what else the machine does; it is a watchdog's, and figures
/// are printed.
const MAX_PROCESSOR_TIME: Duration = Duration::from_secs(15);
const PROCESSOR_TIME_PER_MB: Duration = Duration::from_secs(10);
/// When a bomb is ended that does nothing at all.
const MAX_TIME: Duration = Duration::from_secs(300);
const MAX_MEMORY_KIB: u64 = 1 << 20;
/// A bomb that takes this much is ended before it takes the machine with it.
const KILL_MEMORY_KIB: u64 = 3 << 20;

struct Bomb {
    name: &'static str,
    /// Makes it, so many times smaller than at full size.
    make: fn(usize) -> Vec<u8>,
    /// What the error of a bomb says that is refused at full size.
    refused: Option<&'static str>,
    /// Whether it is checked wherever the tests run in a release build.
    always: bool,
}

const fn bomb(name: &'static str, make: fn(usize) -> Vec<u8>) -> Bomb {
    Bomb { name, make, refused: None, always: false }
}

impl Bomb {
    const fn refused(self, what: &'static str) -> Self {
        Self { refused: Some(what), ..self }
    }

    const fn always(self) -> Self {
        Self { always: true, ..self }
    }
}

const BOMBS: &[Bomb] = &[
    bomb("locals-times-ifs", functions::locals_times_ifs).always(),
    bomb("references-over-calls", functions::references_over_calls).refused("values kept over its calls"),
    bomb("too-many-locals", functions::too_many_locals).refused("too many locals"),
    bomb("all-locals", functions::all_locals),
    bomb("locals-in-every-function", functions::locals_in_every_function).always(),
    bomb("nested-blocks", functions::nested_blocks).always(),
    bomb("nested-ifs", functions::nested_ifs),
    bomb("nested-ifs-with-results", functions::nested_ifs_with_results),
    bomb("loops-that-pass-values", functions::loops_that_pass_values),
    bomb("nested-loops", functions::nested_loops),
    bomb("too-many-nested-loops", functions::too_many_nested_loops).refused("loops inside each other"),
    bomb("loops-in-a-row", functions::loops_in_a_row).refused("basic blocks"),
    bomb("straight-line", functions::straight_line),
    bomb("deep-expression", functions::deep_expression),
    bomb("long-chain", functions::long_chain),
    bomb("br-table", functions::br_table).always(),
    bomb("br-tables-to-many-blocks", functions::br_tables_to_many_blocks),
    bomb("block-results", functions::block_results).always(),
    bomb("loop-parameters", functions::loop_parameters),
    bomb("signatures", functions::signatures).refused("parameters and results of functions"),
    bomb("too-many-params", functions::too_many_params).refused("params"),
    bomb("calls-with-arguments", functions::calls_with_arguments),
    bomb("indirect-calls", functions::indirect_calls).refused("4194304 values"),
    bomb("selects", functions::selects),
    bomb("phis", functions::phis),
    bomb("states", functions::states).always(),
    bomb("branches-out", functions::branches_out),
    bomb("trap-sites", functions::trap_sites),
    bomb("vector-constants", functions::vector_constants),
    bomb("float-constants", functions::float_constants),
    bomb("try-tables", functions::try_tables),
    bomb("nested-try-tables", functions::nested_try_tables),
    bomb("legacy-tries", functions::legacy_tries),
    bomb("nested-legacy-tries", functions::nested_legacy_tries),
    bomb("unreachable-code", functions::unreachable_code),
    bomb("empty-functions", modules::empty_functions),
    bomb("small-functions", modules::small_functions),
    bomb("segments", modules::segments).always(),
    bomb("elements", modules::elements),
    bomb("large-initial-state", modules::large_initial_state),
    bomb("memories-tables-globals", modules::memories_tables_globals),
    bomb("imports-and-exports", modules::imports_and_exports),
    bomb("types", modules::types),
    bomb("recursion-group", modules::recursion_group),
    bomb("long-names", modules::long_names),
    bomb("constant-expressions", modules::constant_expressions).always(),
];

/// The argument that makes this program the child that compiles a file.
const CHILD: &str = "--compile";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [CHILD, file] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        compile(Path::new(file));
        return ExitCode::SUCCESS;
    }
    let all = arguments.iter().any(|argument| argument == "--all");
    let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let full_size = !cfg!(debug_assertions) || arguments.iter().any(|argument| argument == "--full");
    let wanted = |bomb: &Bomb| match names.is_empty() {
        true => all || !full_size || bomb.always,
        false => names.iter().any(|name| bomb.name.contains(name.as_str())),
    };
    let mut failed = 0;
    for bomb in BOMBS.iter().filter(|bomb| wanted(bomb)) {
        let outcome = check(bomb, full_size);
        failed += u32::from(outcome.is_err());
        let (mark, text) = outcome.map_or_else(|problem| ("FAILED", problem), |text| ("ok", text));
        println!("{:26} {mark}: {text}", bomb.name);
    }
    ExitCode::from(u8::from(failed > 0))
}

/// The child: compiles the file, and says what came of it.
fn compile(file: &Path) {
    let mut config = Config::new();
    config.compilation(Compilation::Eager).cache(None);
    let engine = Engine::new(&config).expect("an engine");
    match Module::from_file(&engine, file) {
        Ok(module) => println!("compiled: {} functions, {} bytes of code", module.function_count(), module.code_size()),
        Err(error) => println!("refused: {error:?}"),
    }
    let time = processor_time("self").expect("a figure from /proc");
    println!(
        "{:.1} s of processors\npeak: {}",
        time.as_secs_f64(),
        memory_kib("self", "VmHWM").expect("a figure from /proc")
    );
}

fn memory_kib(process: &str, what: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What a process has taken of processors, in all of its threads.
fn processor_time(process: &str) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Fields 14 and 15, in hundredths of a second; the name before them may contain anything.
    let fields = stat.rsplit_once(')')?.1.split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks * 10))
}

/// Runs a bomb in a child; what is wrong with how it ended is the error.
fn check(bomb: &Bomb, full_size: bool) -> Result<String, String> {
    let bytes = (bomb.make)(if full_size { 1 } else { 100 });
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &bytes).expect("room for the bomb");
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    let mut child =
        command.arg(CHILD).arg(file.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a child");
    let max_processor_time = MAX_PROCESSOR_TIME + PROCESSOR_TIME_PER_MB.mul_f64(bytes.len() as f64 / 1e6);
    let started = Instant::now();
    let mut end = None;
    while child.try_wait().expect("a child").is_none() {
        std::thread::sleep(Duration::from_millis(10));
        let process = child.id().to_string();
        let (memory, time) = (memory_kib(&process, "VmRSS").unwrap_or(0), processor_time(&process).unwrap_or_default());
        if memory > KILL_MEMORY_KIB || time > max_processor_time || started.elapsed() > MAX_TIME {
            end = Some(format!("ended after {time:.1?} of processors with {} MiB", memory >> 10));
            child.kill().expect("a child");
            child.wait().expect("a child");
            break;
        }
    }
    let (took, mut said, mut complaint) = (started.elapsed(), String::new(), String::new());
    child.stdout.take().expect("a pipe").read_to_string(&mut said).expect("text");
    child.stderr.take().expect("a pipe").read_to_string(&mut complaint).expect("text");
    let said = said.trim().replace('\n', "; ");
    let peak = said.split_once("peak: ").and_then(|(_, peak)| peak.parse::<u64>().ok());
    let said = said.split_once("; peak: ").map_or(said.as_str(), |(said, _)| said);
    let figures = format!("{:.1} MB, {took:.1?}, {} MiB: {said}", bytes.len() as f64 / 1e6, peak.unwrap_or(0) >> 10);
    let expected = match bomb.refused.filter(|_| full_size) {
        Some(what) => said.starts_with("refused: ") && said.contains(what),
        None => said.starts_with("compiled: "),
    };
    match (end, peak) {
        (Some(end), _) => Err(end),
        (None, None) => Err(format!("{figures}{complaint}")),
        (None, Some(peak)) if peak > MAX_MEMORY_KIB => Err(format!("too much memory: {figures}")),
        (None, Some(_)) if !expected => Err(format!("not as expected: {figures}{complaint}")),
        (None, Some(_)) => Ok(figures),
    }
}
