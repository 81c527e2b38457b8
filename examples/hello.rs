//! Hello: a guest in the text format that calls one function of its host.

use epsilon::{Caller, Engine, Linker, Module, Result, Store};

const GUEST: &str = r#"
    (module
        (import "host" "hello" (func $hello (param i32)))
        (func (export "run")
            (call $hello (i32.const 42))))
"#;

pub fn main() -> Result<()> {
    // The engine compiles; a module is compiled once.
    let engine = Engine::default();
    let module = Module::new(&engine, GUEST)?;

    // The linker knows what guests may import: here one function, which is a Rust closure.
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "hello", |caller: Caller<'_, &str>, number: i32| {
        println!("Hello from the guest of {}: {number}", caller.data());
    })?;

    // A store holds instances, and data of ours that host functions see.
    let mut store = Store::new(&engine, "examples/hello.rs");
    let instance = linker.instantiate(&mut store, &module)?;

    let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
    run.call(&mut store, ())
}
