//! Errors of host functions that use `anyhow`, as most programs do: what trapped inside stays a trap.

use anyhow::Context as _;
use epsilon::{Caller, Engine, Error, Linker, Module, StdError, Store, Trap};

type Host = fn(Caller<'_, ()>) -> anyhow::Result<()>;

fn trap(caller: &mut Caller<'_, ()>) -> epsilon::Result<()> {
    let trap = caller.get_export("trap").and_then(|item| item.into_func()).expect("exported");
    trap.typed::<(), ()>(&mut *caller)?.call(&mut *caller, ())
}

/// The errors that each host function ends a guest with, in the same store.
fn errors(hosts: &[Host]) -> Vec<Error> {
    let mut config = epsilon::Config::new();
    config.cache(None);
    let engine = Engine::new(&config).expect("an engine");
    let module = Module::new(
        &engine,
        r#"(module (import "host" "f" (func $f))
            (func $trap (export "trap") unreachable)
            (func $run (export "run") (call $f)))"#,
    );
    let module = module.expect("a module");
    let mut store = Store::new(&engine, ());
    let mut error_of = |host: &Host| {
        let mut linker = Linker::new(&engine);
        let host = *host;
        linker
            .func_wrap("host", "f", move |caller: Caller<'_, ()>| host(caller).map_err(Error::from_anyhow))
            .expect("new");
        let instance = linker.instantiate(&mut store, &module).expect("an instance");
        let run = instance.get_typed_func::<(), ()>(&mut store, "run").expect("exported");
        run.call(&mut store, ()).expect_err("the host fails")
    };
    hosts.iter().map(&mut error_of).collect()
}

#[derive(Debug)]
struct Transparent(Trap);

impl std::fmt::Display for Transparent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Transparent {}

#[test]
fn a_trap_is_found_behind_any_context() {
    let hosts: [Host; 8] = [
        |_| Err(Trap::UnreachableCodeReached.into()),
        |_| Err(anyhow::Error::new(Trap::UnreachableCodeReached).context("in the host")),
        |_| Err(Error::from(Trap::UnreachableCodeReached).into()),
        |_| {
            Err(anyhow::Error::from(Error::from(Trap::UnreachableCodeReached))).context("in").context("and further out")
        },
        |mut caller| Ok(trap(&mut caller)?),
        |mut caller| trap(&mut caller).map_err(anyhow::Error::from).context("in the host"),
        |mut caller| trap(&mut caller).map_err(anyhow::Error::from).with_context(|| "in the host").context("more"),
        |_| Err(anyhow::Error::new(Transparent(Trap::UnreachableCodeReached)).context("in the host")),
    ];
    for (n, error) in errors(&hosts).iter().enumerate() {
        assert_eq!(error.trap(), Some(Trap::UnreachableCodeReached), "{n}: {error:?}");
        let frames = error.backtrace().expect("frames").frames();
        assert!(frames.iter().any(|frame| frame.func_name() == Some("run")), "{n}: {error:?}");
        // The inner call's error has its own, which is found behind contexts; without them it is the error itself.
        let inner = error.downcast_ref::<StdError>().and_then(|error| error.0.backtrace());
        let is_from_guest = inner.is_some_and(|inner| inner.frames()[0].func_name() == Some("trap"));
        assert_eq!(is_from_guest, [5, 6].contains(&n), "{n}: {error:?}");
    }
}

#[test]
fn the_hosts_own_words_are_kept() {
    let hosts: [Host; 4] = [
        |_| Err(anyhow::anyhow!("the disk is full")),
        |_| Err(anyhow::Error::new(Trap::UnreachableCodeReached).context("while cooking")),
        |mut caller| trap(&mut caller).map_err(anyhow::Error::from).context("while baking"),
        |_| Err(anyhow::anyhow!("wasm trap: unreachable")),
    ];
    let errors = errors(&hosts);
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["the disk is full", "while cooking", "while baking", "wasm trap: unreachable"]);
    let traps: Vec<_> = errors.iter().map(Error::trap).collect();
    assert_eq!(
        traps,
        [None, Some(Trap::UnreachableCodeReached), Some(Trap::UnreachableCodeReached), None],
        "text alone is not a trap"
    );
    let shown = format!("{:?}", errors[1]);
    assert!(shown.starts_with("while cooking\ncaused by: wasm trap: unreachable\n"), "{shown}");
    assert_eq!(format!("{:?}", errors[0]).lines().next(), Some("the disk is full"));
    // Through another program's `anyhow`.
    assert_eq!(anyhow::Error::from(Error::from(Trap::UnreachableCodeReached)).to_string(), "wasm trap: unreachable");
    assert_eq!(errors[1].downcast_ref::<Trap>(), Some(&Trap::UnreachableCodeReached));
    assert_eq!(Error::from(Trap::UnreachableCodeReached).downcast_ref::<Trap>(), Some(&Trap::UnreachableCodeReached));
}
