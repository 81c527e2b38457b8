//! Guests on the main thread, whose stack grows down to a limit that the parent has set. A program of its own: tests run
//! on other threads.

use epsilon::{Caller, Config, Engine, Linker, Module, Store, Trap, TypedFunc};
use std::process::Command;

/// Says to the child that it is one.
const CHILD: &str = "EPSILON_TEST_CHILD";

type Data = Option<TypedFunc<i32, i32>>;

const RECURSIVE: &str = r#"(module (import "host" "back" (func $back (param i32) (result i32)))
    (func (export "run") (param i32) (result i32)
        (if (result i32) (local.get 0) (then (call $back (local.get 0))) (else (i32.const 0)))))"#;

fn back(mut caller: Caller<'_, Data>, n: i32) -> epsilon::Result<i32> {
    let run = caller.data().expect("set before the first call");
    Ok(1 + run.call(&mut caller, n - 1)?)
}

fn recurse() {
    let engine = Engine::new(Config::new().cache(None)).expect("an engine");
    let mut linker = Linker::<Data>::new(&engine);
    linker.func_wrap("host", "back", back).expect("new");
    let mut store = Store::new(&engine, None);
    let module = Module::new(&engine, RECURSIVE).expect("a module");
    let instance = linker.instantiate(&mut store, &module).expect("an instance");
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").expect("exported");
    *store.data_mut() = Some(run);
    for _ in 0..3 {
        let error = run.call(&mut store, -1).expect_err("endless recursion");
        assert_eq!(error.trap(), Some(Trap::StackOverflow), "{error}");
        assert_eq!(run.call(&mut store, 5).expect("a short recursion"), 5);
    }
}

fn main() {
    if std::env::var_os(CHILD).is_some() {
        return recurse();
    }
    // The names of tests, as the harness would list them, and filters are of no use here.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    let binary = std::env::current_exe().expect("the path of this binary");
    for limit_kib in ["128", "192", "1024", "8192", "unlimited"] {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -S -s $0 && exec \"$1\"", limit_kib]).arg(&binary).env(CHILD, "1");
        let output = shell.output().expect("a shell");
        if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("ulimit") {
            println!("ulimit -s {limit_kib}: not allowed here");
            continue;
        }
        assert!(output.status.success(), "ulimit -s {limit_kib}: {output:?}");
        println!("ulimit -s {limit_kib}: ok");
    }
}
