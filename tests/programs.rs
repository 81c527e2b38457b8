//! Whole programs of real compilers: every case of `tests/guests/expected` prints what it prints natively, lazily
//! compiled, eagerly compiled, in one pass, and from the cache.
//!
//! A case is added by adding a file; its format is described in `tests/guests/README.md`.

use epsilon::{CacheConfig, Compilation, Config, Engine, Linker, Module, Store, Tier};
use epsilon_wasi::{Access, Captured, Exit, InputStream, OutputStream, WasiCtx};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Default)]
struct Case {
    name: String,
    guest: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    dir: Option<String>,
    stdin: Option<String>,
    exit: i32,
    trap: Option<String>,
    frames: Vec<String>,
}

fn guests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests")
}

fn read_case(path: &Path) -> Case {
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    let mut case = Case { guest: name.clone(), name, ..Case::default() };
    let text = fs::read_to_string(path).expect("a case");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.to_owned();
        match key {
            "guest" => case.guest = rest,
            "arg" => case.args.push(rest),
            "env" => {
                let (name, value) = rest.split_once('=').expect("NAME=VALUE");
                case.env.push((name.into(), value.into()));
            }
            "dir" => case.dir = Some(rest),
            "stdin" => case.stdin = Some(rest),
            "exit" => case.exit = rest.parse().expect("an exit code"),
            "trap" => case.trap = Some(rest),
            "frame" => case.frames.push(rest),
            other => panic!("{}: unknown key `{other}`", case.name),
        }
    }
    case
}

fn cases() -> Vec<Case> {
    let files = fs::read_dir(guests().join("expected")).expect("the cases");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "case"));
    paths.sort();
    paths.iter().map(|path| read_case(path)).collect()
}

/// How a program ended.
struct Ended {
    stdout: Vec<u8>,
    exit: i32,
    trap: Option<String>,
    /// `function file:line` of the innermost frames.
    frames: Vec<String>,
}

fn context(case: &Case, scratch: &Path, stdout: &Captured) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder.try_arg(&case.guest).expect("an argument");
    for arg in &case.args {
        builder.try_arg(arg.replace("{dir}", "/data")).expect("an argument");
    }
    for (name, value) in &case.env {
        builder.try_env(name, value).expect("a variable");
    }
    if let Some(dir) = &case.dir {
        let host = if dir == "scratch" { scratch.to_owned() } else { guests().join(dir) };
        builder.directory(host, "/data", Access::ReadWrite).expect("a directory");
    }
    if let Some(file) = &case.stdin {
        builder.stdin(InputStream::bytes(fs::read(guests().join(file)).expect("the input")));
    }
    builder.stdout(OutputStream::captured(stdout.clone()));
    builder.build()
}

fn run(engine: &Engine, case: &Case) -> Ended {
    let path = guests().join("prebuilt").join(format!("{}.wasm", case.guest));
    let module = Module::from_file(engine, path).expect("a module");
    let scratch = tempfile::tempdir().expect("a directory");
    let stdout = Captured::new();
    let mut store = Store::new(engine, context(case, scratch.path(), &stdout));
    let mut linker = Linker::new(engine);
    epsilon_wasi::add_to_linker(&mut linker, |wasi: &mut WasiCtx| wasi).expect("a linker");
    let instance = linker.instantiate(&mut store, &module).expect("an instance");
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("a program");
    let error = start.call(&mut store, ()).err();
    store.data().flush().expect("flushing");
    let frames = error
        .as_ref()
        .and_then(|error| error.backtrace())
        .map_or_else(Vec::new, |backtrace| backtrace.frames().iter().map(frame_text).collect());
    Ended {
        stdout: stdout.contents(),
        exit: error.as_ref().and_then(|error| error.downcast_ref::<Exit>()).map_or(0, |exit| exit.0),
        trap: error.as_ref().and_then(|error| error.trap()).map(|trap| trap.message().to_owned()),
        frames,
    }
}

fn frame_text(frame: &epsilon::Frame) -> String {
    let place = frame.symbols().into_iter().next_back();
    let name = frame.func_name().unwrap_or("?").to_owned();
    match place.and_then(|symbol| Some(format!("{}:{}", symbol.file?, symbol.line?))) {
        Some(place) => format!("{name} {place}"),
        None => name,
    }
}

/// Runs every case whose name passes.
fn check(engine: &Engine, how: &str, passes: impl Fn(&str) -> bool) {
    let mut ran = 0;
    for case in cases().iter().filter(|case| passes(&case.name)) {
        let expected = fs::read(guests().join("expected").join(format!("{}.stdout", case.name))).expect("the output");
        let ended = run(engine, case);
        let stdout = String::from_utf8_lossy(&ended.stdout);
        assert_eq!(stdout, String::from_utf8_lossy(&expected), "{} ({how}): output", case.name);
        assert!(ended.stdout == expected, "{} ({how}): output that is not text", case.name);
        assert_eq!(ended.trap, case.trap, "{} ({how}): trap", case.name);
        assert_eq!(ended.exit, case.exit, "{} ({how}): exit code", case.name);
        if !case.frames.is_empty() {
            assert_eq!(ended.frames, case.frames, "{} ({how}): frames", case.name);
        }
        ran += 1;
    }
    assert!(ran > 0, "no case passed the filter");
}

fn engine(set: impl FnOnce(&mut Config) -> &mut Config) -> Engine {
    let mut config = Config::new();
    config.cache(None);
    set(&mut config);
    Engine::new(&config).expect("an engine")
}

#[test]
fn all_programs_print_what_they_print_natively() {
    check(&engine(|config| config), "lazy", |_| true);
}

#[test]
fn the_same_compiled_eagerly() {
    // The large programs take half a minute of processor time each in an unoptimised build: one of them stands for all.
    let large = ["quickjs", "quickjs-file", "quickjs-missing", "sqlite", "sqlite-file"];
    let passes = |name: &str| !large.contains(&name) && !name.starts_with("search");
    check(&engine(|config| config.compilation(Compilation::Eager)), "eager", passes);
}

#[test]
fn the_same_in_one_pass() {
    check(&engine(|config| config.tier(Tier::Quick)), "quick", |_| true);
}

#[test]
fn the_same_while_code_is_replaced() {
    let engine = engine(|config| config.tier(Tier::Auto).replace_all_code(true));
    check(&engine, "swapped", |name| !["quickjs-file", "quickjs-missing", "sqlite-file"].contains(&name));
}

#[test]
fn the_same_from_the_cache() {
    let directory = tempfile::tempdir().expect("a directory");
    for how in ["stored", "loaded"] {
        let cache = CacheConfig::new().directory(directory.path());
        check(&engine(|config| config.cache(Some(cache))), how, |name| name != "sqlite");
    }
}
